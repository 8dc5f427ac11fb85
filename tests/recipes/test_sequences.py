"""Recipes for models of one sequence: lengths, positions, heads, shifts."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.testing import assert_close

from attention_book.data.sequences import answer
from attention_book.models.positions import POSITIONS
from attention_book.observe import record_weights
from attention_book.recipes import sequences

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study():
    preset = sequences.PositionPreset(
        batch_size=5,
        learning_rate=1e-2,
        warmup_steps=2,
        num_seeds=2,
        sequences={"late": 40, "reverse": 30},
        trained=(2, 4),
        lengths=(3, 6),
        per_length=9,
        side_heads=4,
        sizes={
            "embed_dim": 8,
            "num_heads": 2,
            "hidden_dim": 7,
            "num_layers": 2,
            "max_distance": 3,
        },
    )
    digits = sequences.digits_by_length(
        trained=(2, 4), lengths=(3, 6), train=50, per_length=9, seed=0
    )
    return sequences.PositionStudy(
        preset=preset, digits=digits, epochs=1, seeds=(0, 1), device=CPU
    )


@pytest.fixture(scope="module")
def model(study):
    return study.build("sinusoidal", 3).eval()


def test_no_test_sequence_is_in_training(study):
    assert {len(digits) for digits in study.digits.train} == {2, 3, 4}
    for length, tests in study.digits.tests.items():
        assert tests
        assert {len(digits) for digits in tests} == {length}
        assert not set(tests) & set(study.digits.train)


def test_a_limit_keeps_a_tenth_of_it_to_test_with():
    sizes = {"trained": (3, 4), "lengths": (4, 5), "train": 60, "per_length": 9}
    digits = sequences.digits_by_length(**sizes, seed=1, limit=30)
    assert len(digits.train) == 30
    assert [len(tests) for tests in digits.tests.values()] == [3, 3]
    whole = sequences.digits_by_length(**sizes, seed=1)
    assert digits.train == whole.train[:30]
    assert digits.tests[5] == whole.tests[5][:3]


def test_presets_have_what_the_chapter_sets():
    quick, full = sequences.POSITION_PRESETS.values()
    assert vars(quick).keys() == vars(full).keys()
    study = sequences.position_study("quick", seed=2, device=CPU, limit=20)
    assert study.seeds == (200, 201)
    assert study.epochs == quick.epochs
    assert len(study.digits.train) == 20
    assert list(study.digits.tests) == list(quick.lengths)
    longer = sequences.position_study("quick", seed=2, device=CPU, epochs=4, limit=20)
    assert longer.epochs == 4


def test_every_kind_of_positions_has_a_name():
    assert tuple(sequences.POSITION_NAMES) == POSITIONS


def test_scores_by_length():
    shares = np.array([[0.9, 0.8, 0.3, 0.2], [0.7, 0.6, 0.5, 0.0]])
    scores = sequences.LengthScores(shares, (2, 4, 5, 7), (3, 5))
    assert_allclose(scores.within, [[0.8, 0.3], [0.6, 0.5]])
    assert_allclose(scores.beyond, [[0.2], [0.0]])
    assert_allclose(scores.longest, [0.2, 0.0])
    means = scores.means()
    assert means == pytest.approx({"in": 0.55, "out": 0.1, "double": 0.1})
    assert scores.columns() == ["3 to 5 digits", "6 to 7 digits", "7 digits"]
    assert scores.cells() == ["55 %", "10 % (0 to 20)", "10 % (0 to 20)"]


def test_one_seed_gives_one_model(study, no_shape_checks):
    first, again = study.build("learned", 1), study.build("learned", 1)
    assert_close(first.state_dict(), again.state_dict())
    of_numpy = study.build("learned", np.int64(1))
    assert_close(of_numpy.state_dict(), again.state_dict())
    other = study.build("learned", 1, num_layers=1)
    assert len(other.encoder.layers) == 1
    assert first.config.max_positions == 8, "the longest test and its two marks"


def test_training_lowers_the_loss_and_passes_changes_on(study):
    changed = []
    model = study.train("late", "relative", 0, size=40, epochs=4, change=changed.append)
    assert changed == [model]
    fresh = study.build("relative", 0)
    _, batch = study.answers(model, "late", 3)
    assert model.loss(batch) < fresh.loss(batch)
    losses = study.losses["late, relative", 0]
    assert len(losses) == 32
    assert losses[-1] < losses[0]


def test_every_run_has_a_name_of_its_own(study, monkeypatch):
    names = []
    named = replace(study, checkpoints=names.append)
    none = SimpleNamespace(step_loss=[])
    monkeypatch.setattr(sequences, "fit", lambda *arguments, **options: none)
    named.train_seeds("late", "none")
    named.train("late", "none", named.seeds[0], name="causal")
    first, second = named.seeds
    assert names == [
        f"late, none, seed {first}",
        f"late, none, seed {second}",
        f"causal, seed {first}",
    ]


def test_one_model_for_each_seed(study):
    first, second = study.train_seeds("late", "none", size=5)
    alone = study.train("late", "none", 1, size=5)
    assert_close(second.state_dict(), alone.state_dict())
    assert not torch.equal(first.out_proj.weight, second.out_proj.weight)


def test_accuracies_token_by_token(study, model):
    scores = study.scores([model, model], "late")
    assert scores.lengths == (3, 6)
    for column, length in enumerate(scores.lengths):
        found, _ = study.answers(model, "late", length)
        right, tests = 0, study.digits.tests[length]
        for row, digits in enumerate(tests):
            wanted = answer("late", digits)
            right += sum(found[row, 2 + i] == int(d) for i, d in enumerate(wanted))
        share = float(right) / (length * len(tests))
        assert scores.shares[:, column] == pytest.approx([share, share])
    assert study.accuracies(model, "late") == scores.shares[0].tolist()


def test_heads_on_the_answer_digit_by_digit(study, model):
    tests = study.digits.tests[6]
    heads = study.heads_on_answer(model, tests)
    assert len(heads) == 4  # 2 layers of 2 heads
    _, batch = study.answers(model, "reverse", 6)
    with torch.no_grad(), record_weights(model) as recorded:
        model(batch.ids, batch.mask)
    for (name, head), found in heads.items():
        weights = recorded[name][0][:, head]
        assert_close(found.weights, weights)
        looked = [
            weights[row, 1 + i].argmax().item() - (6 - i)
            for row in range(len(tests))
            for i in range(6)
        ]
        assert found.offsets == looked
        assert found.rate == pytest.approx(looked.count(0) / len(looked))


def test_the_best_head_is_chosen_by_other_sequences_than_it_is_measured_on(
    study, model
):
    tests = study.digits.tests
    chosen = study.heads_on_answer(model, tests[3][::2])
    best = max(chosen, key=lambda head: chosen[head].rate)
    here = study.heads_on_answer(model, tests[3][1::2])[best]
    there = study.heads_on_answer(model, tests[6])[best]
    found = study.best_heads([model, model], 3, 6)
    assert found.names == [best, best]
    assert (found.rate, found.longer) == pytest.approx((here.rate, there.rate))
    assert sum(found.offsets.values()) == pytest.approx(1)
    for offset, share in found.offsets.items():
        part = there.offsets.count(offset) / len(there.offsets)
        assert share == pytest.approx(part)


def test_further_arms_change_one_thing_each(study, monkeypatch, no_shape_checks):
    calls = []
    monkeypatch.setattr(
        sequences.PositionStudy,
        "train_seeds",
        lambda self, task, **how: calls.append((task, how)) or [],
    )
    monkeypatch.setattr(sequences.PositionStudy, "scores", lambda self, m, task: task)
    arms = study.arms()
    assert arms.keys() == sequences.ARM_NAMES.keys()
    heads = {name: arm.get("num_heads") for name, arm in arms.items()}
    assert {name for name in heads if heads[name] == 4} == set(sequences.SIDE_ARMS)
    results = study.train_further("fewer heads")
    assert len(results) == len(calls) == 4
    assert results["late_one_slopes_fewer_heads"] == "late"
    assert all("num_heads" not in how and how["one_sided"] for _, how in calls)
    calls.clear()
    results = study.train_further("four times the steps")
    assert set(results) == {f"reverse_{arm}_four_times_the_steps" for arm in arms}
    assert {(task, how["epochs"]) for task, how in calls} == {("reverse", 4)}
    assert len({how["name"] for _, how in calls}) == len(calls)
    assert study.train_further("T5 on one side").keys() == {
        "late_t5_one_T5_on_one_side",
        "reverse_t5_one_T5_on_one_side",
    }
    with pytest.raises(ValueError, match=r"must be one of fewer heads, T5 .*'x'"):
        study.train_further("x")


def test_steps_are_those_of_the_training(study):
    assert study.steps("late") == 8
    assert study.steps("reverse") == 6
    assert replace(study, epochs=3).steps("reverse") == 18


def test_scores_of_equal_tokens_show_what_each_method_sees():
    maps = sequences.position_scores(7, 4, seed=1)
    assert len({float(x) for x in maps["no positions"].flatten()}) == 1
    for name, scores in maps.items():
        assert scores.shape == (7, 7)
        # Of a distance, all scores are equal: but the table of absolute positions.
        same = all(
            torch.allclose(scores.diagonal(k), scores.diagonal(k)[:1])
            for k in range(-6, 7)
        )
        assert same == (name != "learned"), name
    shaw = maps["relative (Shaw)"]
    assert_close(shaw[0, 2:], shaw[0, 2].expand(5))
    assert not torch.allclose(shaw[0, 1], shaw[0, 2])
    for name in "sinusoidal", "ALiBi":
        assert_close(maps[name], maps[name].T)
    for name in "rotary", "T5 buckets", "relative (Shaw)":
        assert not torch.allclose(maps[name], maps[name].T)
    assert torch.isinf(maps["one side"]).sum() == 21


def test_reversal_digit_by_digit(study, model):
    other = study.build("rotary", 5).eval()
    length, seen = 6, 3
    rights, shares = [], []
    for each in model, other:
        found, _ = study.answers(each, "reverse", length)
        right, as_end, count = [0] * length, 0, 0
        for row, digits in enumerate(study.digits.tests[length]):
            for i in range(length):
                got = found[row, 1 + i].item()
                right[i] += got == int(digits[length - 1 - i])
                end = i + (seen if i < length / 2 else -seen)
                if end != length - 1 - i:
                    as_end += got == int(digits[min(max(end, 0), length - 1)])
                    count += 1
        rights.append(torch.tensor(right) / len(study.digits.tests[length]))
        shares.append(as_end / count)
    wanted = torch.stack(rights).mean(0)
    result = study.reversal([model, other], length)
    assert_close(result.right, wanted)
    new = [abs(length - 1 - 2 * i) > seen for i in range(length)]
    assert result.new == pytest.approx(wanted[torch.tensor(new)].mean().item())
    assert result.seen == pytest.approx(wanted[~torch.tensor(new)].mean().item())
    assert result.as_end == pytest.approx(sum(shares) / 2)


def test_distances_do_not_notice_a_shift_and_sinusoids_do(study, model):
    tests = study.digits.tests[3]
    relative = study.build("relative", 0).eval()
    same = study.shift([relative], "reverse", tests, 2)
    assert same.change < 1e-5
    assert same.before == same.after
    moved = study.shift([relative, model], "reverse", tests, 2)
    assert moved.change > 1e-3
    shares = [study.accuracies(each, "reverse")[0] for each in (relative, model)]
    assert moved.before == pytest.approx(sum(shares) / 2)

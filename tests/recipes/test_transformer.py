import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.translation.pairs import Pair
from attention_book.data.vocab import EOS
from attention_book.models.seq2seq import Seq2Seq
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.recipes.race import EqualTime, count_parameters
from attention_book.recipes.transformer import (
    LADDER,
    TRANSFORMER_PRESETS,
    alignment_error,
    beam_tree,
    best_head,
    chapter_task,
    cross_error_rates,
    cross_weights,
    first_loss,
    ladder_builders,
    layer_weights,
    norm_leaks,
    run_ladder,
    score_saturation,
    share_right,
    signal_at_start,
    stage_accuracy,
    stage_guesses,
    stage_logits,
    stages,
    train_averaged,
    warm_up_plan,
)
from attention_book.recipes.translation import all_links, error_rates, numbers_task

SIZES = {
    "embed_dim": 8,
    "num_heads": 2,
    "hidden_dim": 11,
    "num_layers": 3,
    "dropout": 0.0,
    "share": "all",
}


@pytest.fixture(scope="module")
def task():
    options = {"max_digits": 4, "shared_vocab": True, "device": torch.device("cpu")}
    return numbers_task("en", "de", train=40, dev=6, test=9, **options)


def make(task, seed=0, **changes):
    return task.build(Transformer, TransformerConfig, seed, **(SIZES | changes))


@pytest.fixture
def model(task):
    return make(task).eval()


def test_presets_fit_a_transformer(task):
    assert TRANSFORMER_PRESETS.keys() == {"quick", "full"}
    for preset in TRANSFORMER_PRESETS.values():
        assert TransformerConfig(source_vocab=9, target_vocab=9, **preset.sizes)


def test_the_rate_rises_then_falls_with_the_root():
    schedule = warm_up_plan({"batch_size": 2}, 0.1, 4).schedule(100)
    assert [schedule(n) for n in (0, 1, 3, 15)] == [0.25, 0.5, 1.0, 0.5]
    assert warm_up_plan({"batch_size": 2}, 0.1, 90).schedule(100)(24) == 1.0
    assert warm_up_plan({"batch_size": 2}, 0.1, 9).schedule(3)(0) == 1.0


def test_without_warm_up_the_rate_starts_at_the_top():
    plan = warm_up_plan({"batch_size": 2}, 0.1, 4, warm_up=False)
    assert [plan.schedule(100)(n) for n in (0, 3, 15)] == [1.0, 1.0, 0.5]
    assert plan.optimizer == "adam_transformer"


def test_the_last_stage_is_what_the_model_computes(task, model):
    batch = task.batch(task.test[:4])
    names, tokens = zip(*stages(model, batch), strict=True)
    logits = model(batch.source, batch.target[:, :-1], batch.source_mask)
    real = batch.target_mask[:, 1:]
    assert_close(tokens[-1][real], logits[real])
    assert len(names) == len(set(names)) == 2 + 2 * 3 + 2 + 3 * 3 + 1
    assert names[0] == "source, embedding"
    assert names[-2] == "decoder 3, feed-forward"


def test_guesses_end_in_the_models_own(task, model):
    pair = task.test[0]
    batch = task.batch([pair])
    found = stage_guesses(task, model, pair)
    logits = model(batch.source, batch.target[:, :-1], batch.source_mask)[0]
    best = logits.argmax(dim=-1).tolist()
    names = {EOS: "<eos>", 0: "<pad>", 1: "<bos>"}
    vocab = task.vocabs[1]
    assert found.words[-1] == [
        names.get(i) or (vocab.decode([i]) or ["<pad>"])[0] for i in best
    ]
    wanted = batch.target[0, 1:]
    chances = logits.softmax(-1).gather(-1, wanted[:, None])[:, 0]
    assert_close(found.chances[-1], chances.detach())
    assert found.stages[:3] == ["embedding", "+ positions", "1, self-attention"]
    assert len(found.words) == len(found.chances) == 2 + 3 * 3


def test_accuracy_of_each_stage_word_by_word(task, model):
    batch = task.batch(task.test[:5])
    shares = stage_accuracy(model, batch)
    for name, logits in stage_logits(model, batch).items():
        hits = [
            logits[row, step].argmax() == batch.target[row, step + 1]
            for row in range(5)
            for step in range(batch.target.shape[1] - 1)
            if batch.target_mask[row, step + 1]
        ]
        assert shares[name] == pytest.approx(sum(map(int, hits)) / len(hits))


def test_the_signal_pair_by_pair(task):
    batch = task.batch(task.test[:3])
    found = signal_at_start(make(task), batch)
    model = make(task)
    tokens = model.encode(batch.source, batch.source_mask)
    cosines, squares = [], []
    for row, mask in zip(tokens, batch.source_mask, strict=True):
        own = row[mask]
        squares += own.flatten().square().tolist()
        cosines += [
            F.cosine_similarity(own[i], own[j], dim=0).item()
            for i in range(len(own))
            for j in range(len(own))
            if i != j
        ]
    assert found.cosine == pytest.approx(sum(cosines) / len(cosines), abs=1e-5)
    assert found.size == pytest.approx(math.sqrt(sum(squares) / len(squares)), rel=1e-5)
    model.loss(batch).backward()
    for value, layer in (
        (found.first, model.encoder.layers[0]),
        (found.last, model.decoder.layers[-1]),
    ):
        gradient = layer.feed_forward.out_proj.weight.grad
        assert value == pytest.approx(gradient.norm().item(), rel=1e-5)


def test_a_layer_norm_keeps_sentences_apart_and_a_batch_norm_does_not(task):
    kept = norm_leaks(task, make(task, norm="layer"))
    leaking = norm_leaks(task, make(task, norm="batch"))
    assert max(kept) < 1e-4
    assert min(leaking) > 1e-3


def test_shares_of_words_and_of_sentences(task, model):
    pairs = task.test[:4]
    hits = words = whole = 0
    for pair in pairs:
        batch = task.batch([pair])
        logits = model(batch.source, batch.target[:, :-1], batch.source_mask)
        own = (logits[0].argmax(-1) == batch.target[0, 1:]).tolist()
        hits, words, whole = hits + sum(own), words + len(own), whole + all(own)
    assert share_right(task, model, pairs, whole=False) == pytest.approx(hits / words)
    assert share_right(task, model, pairs, whole=True) == whole / 4


PRESET = replace(
    TRANSFORMER_PRESETS["quick"], batch={"batch_size": 4}, warmup_steps=2, sizes=SIZES
)


def test_weights_are_averaged_as_they_were_on_the_way(task):
    preset = replace(PRESET, main_pairs=20, keep=2, every=None)
    found = train_averaged(task, preset, epochs=3, seed=4)
    wanted, steps = make(task, 4), []
    plan = warm_up_plan(preset.batch, preset.learning_rate, preset.warmup_steps)

    def look(step):
        if step == 10:  # after two of three epochs of five steps
            steps.append({k: x.clone() for k, x in wanted.state_dict().items()})

    options = {"pairs": task.train[:20], "epochs": 3, "seed": 4}
    task.fit(wanted, plan, **options, on_step=look)
    assert_close(found.model.state_dict(), wanted.state_dict())
    for name, weight in found.mean.state_dict().items():
        assert_close(weight, (steps[0][name] + wanted.state_dict()[name]) / 2)
    assert len(found.history.step_loss) == 15
    assert not found.mean.training
    assert found.history.dev_loss == []


def test_patience_keeps_the_last_weights_not_the_best(task, tmp_path):
    # So large a rate that the loss on the dev set rises at once.
    preset = replace(PRESET, keep=1, patience=2, learning_rate=3.0, every=None)
    options = {"epochs": 40, "seed": 4, "checkpoint": tmp_path / "run.pt"}
    found = train_averaged(task, preset, **options)
    history = found.history
    assert len(history.dev_loss) == history.best_epoch + 3 < 40
    assert_close(found.mean.state_dict(), found.model.state_dict())
    again = train_averaged(task, preset, **options)  # from its checkpoint
    assert_close(again.mean.state_dict(), found.mean.state_dict())


def test_cross_weights_are_the_last_layers_mean(task, model):
    batch = task.batch(task.test[:3])
    found = cross_weights(model, batch)
    assert_close(found, layer_weights(model, batch)["cross"][-1].mean(1))
    assert found.shape == (3, batch.target.shape[1] - 1, batch.source.shape[1])


def test_weights_by_use(task, model):
    batch = task.batch(task.test[:5])
    source, target = batch.source.shape[1], batch.target.shape[1] - 1
    shapes = {use: tuple(x.shape) for use, x in layer_weights(model, batch).items()}
    assert shapes == {
        "encoder": (3, 5, 2, source, source),
        "decoder": (3, 5, 2, target, target),
        "cross": (3, 5, 2, target, source),
    }


def test_error_rates_of_heads_and_means(task, model):
    pairs = task.test
    rates = cross_error_rates(task, model, pairs)
    assert list(rates)[:4] == [
        "layer 1, head 1",
        "layer 1, head 2",
        "layer 1, mean",
        "layer 2, head 1",
    ]
    weights = layer_weights(model, task.batch(pairs))["cross"]
    kinds = {"all": all_links}
    for name, table in (
        ("layer 3, head 2", weights[2, :, 1]),
        ("layer 2, mean", weights[1].mean(dim=1)),
    ):
        links = [
            {(row.argmax().item(), j) for j, row in enumerate(rows[: len(pair.target)])}
            for rows, pair in zip(table, pairs, strict=True)
        ]
        assert rates[name] == error_rates(links, pairs, kinds)["all"]
    shifted = cross_error_rates(task, model, pairs, shift=1)
    links = [
        {
            (row.argmax().item(), j)
            for j, row in enumerate(rows[1 : len(pair.target) + 1])
        }
        for rows, pair in zip(weights[2, :, 1], pairs, strict=True)
    ]
    assert shifted["layer 3, head 2"] == error_rates(links, pairs, kinds)["all"]


def test_the_head_is_chosen_on_dev_and_scored_on_others(task, model):
    name, rate = best_head(task, model, task.test)
    on_dev = cross_error_rates(task, model, task.dev)
    assert on_dev[name] == min(on_dev.values())
    assert rate == cross_error_rates(task, model, task.test)[name]
    assert alignment_error(task, model, task.test) == rate


def test_the_ladder_has_equal_parameters_and_one_error_for_each(task):
    builders = ladder_builders(task, SIZES | {"embed_dim": 32, "hidden_dim": 90})
    assert tuple(builders) == LADDER
    models = {name: build(3) for name, build in builders.items()}
    counts = [count_parameters(model) for model in models.values()]
    assert max(counts) < 1.05 * min(counts)
    assert models["Transformer"].config.label_smoothing == 0  # as the others
    again = builders["Bahdanau"](3).state_dict()
    assert_close(again, models["Bahdanau"].state_dict())
    assert isinstance(models["seq2seq"], Seq2Seq)
    errors = {k: alignment_error(task, m.eval(), task.test) for k, m in models.items()}
    assert math.isnan(errors.pop("seq2seq"))
    assert all(0 <= error <= 1 for error in errors.values())
    links = task.links(models["Luong"], task.test)
    wanted = error_rates(links, task.test, {"all": all_links})["all"]
    assert errors["Luong"] == wanted


def test_no_error_without_a_known_alignment(task, model):
    unknown = replace(task, test=[Pair(pair.source, pair.target) for pair in task.test])
    assert math.isnan(alignment_error(unknown, model, unknown.test))


@pytest.mark.parametrize("penalty", [0.0, 0.6])
def test_the_tree_ends_in_what_the_search_writes(task, penalty):
    model, how = make(task), {"beam_size": 3, "length_penalty": penalty}
    plan = warm_up_plan({"batch_size": 4}, 1e-2, 2)
    task.fit(model, plan, epochs=8, seed=0)  # or it would never end a sentence
    for pair in task.test[:4]:
        (wanted,) = task.search(model, [pair], **how)
        tree = beam_tree(task, model, pair, **how)
        assert len(tree.path) == len(tree.steps)
        if not wanted.finished:
            continue
        assert tree.tokens == wanted.tokens
        chosen = [beams[k] for beams, k in zip(tree.steps, tree.path, strict=True)]
        assert [word for word, _, _ in chosen][-1] == "<eos>"
        words = task.vocabs[1].decode(wanted.tokens)
        assert [word for word, _, _ in chosen[:-1]] == words
        assert chosen[-1][1] == pytest.approx(wanted.log_prob, abs=1e-4)


def test_the_shift_is_that_of_tokens_whose_weights_have_noise(task):
    batch = task.batch(task.test[:3])
    model = make(task)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    found = signal_at_start(model, batch)
    assert_close(model.state_dict(), before)  # the noise is gone
    tokens = model.encode(batch.source, batch.source_mask)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for matrix in model.encoder.parameters():
            if matrix.ndim > 1:
                noise = torch.randn(matrix.shape, generator=generator)
                matrix += 0.01 * matrix.pow(2).mean().sqrt() * noise
    moved = model.encode(batch.source, batch.source_mask) - tokens
    real = batch.source_mask
    wanted = moved[real].pow(2).mean().sqrt() / tokens[real].pow(2).mean().sqrt()
    assert found.shift == pytest.approx(wanted.item(), rel=1e-4)


@pytest.mark.parametrize("scaled", [False, True])
def test_saturation_query_by_query(scaled):
    found = score_saturation(5, scaled=scaled, seed=3, num_keys=7)
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(1000, 1, 5, generator=generator)
    key = torch.randn(1000, 7, 5, generator=generator)
    scores = torch.stack([k @ q[0] for q, k in zip(query, key, strict=True)])
    weights = (scores / (math.sqrt(5) if scaled else 1)).softmax(-1)
    assert found.largest == pytest.approx(weights.max(1).values.mean().item(), rel=1e-4)
    slope = (weights - weights**2).mean().item()
    assert found.slope == pytest.approx(slope, rel=1e-4)
    assert found.variance == pytest.approx(1.0 if scaled else 5.0, rel=0.15)


def test_first_loss_changes_the_logits_and_not_the_inputs(task):
    batch = task.batch(task.test[:3])
    plain, large = make(task).eval(), make(task).eval()
    wanted = plain.loss(batch).item()
    assert first_loss(plain, batch, 1.0) == pytest.approx(wanted)
    found = first_loss(large, batch, 8.0)
    assert_close(
        large.target_embedding(batch.target), plain.target_embedding(batch.target)
    )
    target = batch.target[:, 1:]
    with torch.no_grad():
        logits = plain(batch.source, batch.target[:, :-1], batch.source_mask) * 8
    losses = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
    assert found == pytest.approx(
        losses[batch.target_mask[:, 1:].flatten()].mean().item()
    )


def test_the_ladder_is_run_for_its_steps(task):
    builders = {"seq2seq": lambda seed: make(task, seed)}
    builders["Transformer"] = lambda seed: make(task, seed)
    fair = EqualTime({}, {}, {"seq2seq": 4, "Transformer": 2}, 1.0)
    preset = replace(PRESET, ladder_points=2)
    given = {"data_steps": 3, "seeds": (0, 1), "examined": task.test, "whole": True}
    runs = run_ladder(task, preset, builders, fair, **given)
    assert {name: len(own) for name, own in runs.items()} == {
        "seq2seq": 2,
        "Transformer": 2,
    }
    assert set(runs["seq2seq"][0].right) == {2, 3, 4}
    assert set(runs["Transformer"][0].right) == {1, 2, 3}


def test_the_chapters_numbers_share_one_vocabulary():
    given = {"seed": 1, "device": torch.device("cpu"), "limit": 5}
    task = chapter_task("en", "de", TRANSFORMER_PRESETS["quick"], **given)
    assert len(task.train) == 5
    assert task.vocabs[0] is task.vocabs[1] or len(task.vocabs[0]) == len(
        task.vocabs[1]
    )
    assert task.has_alignment

"""Recipes for mixers: trials on images and sequences, weights, scores, costs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.self_attention import SelfAttention
from attention_book.data.sequences import adding_problem
from attention_book.data.sequences.digit_pixels import SIDE, digit_pixels
from attention_book.models.self_attention import (
    AddingModel,
    MixingConfig,
    PixelClassifier,
)
from attention_book.recipes import mixing

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study():
    preset = mixing.MixingPreset(
        epochs=2,
        trials=2,
        batch_size=5,
        image_counts=(7, 11),
        image_steps=3,
        image_rate=1e-2,
        distances=(2, 3),
        sequences=20,
        more_trials=3,
        word_steps=2,
        study_steps=(2, 3, 4),
        study_rates=(1e-3, 2e-2),
    )
    return mixing.MixingStudy(preset=preset, epochs=1, seed=4, device=CPU)


@pytest.fixture
def adder():
    torch.manual_seed(0)
    return AddingModel(
        MixingConfig(mixer="self-attention", num_classes=3, kernel_size=9)
    )


def test_trials_of_different_chapter_seeds_differ(study):
    assert study.trial_seeds == [8, 9]
    next_one = mixing.MixingStudy(
        preset=study.preset, epochs=1, seed=5, device=CPU, limit=9
    )
    assert next_one.trial_seeds == [10, 11]
    assert (study.image_counts, next_one.image_counts) == ([7, 11], [7, 9])
    assert (study.num_sequences, next_one.num_sequences) == (20, 9)


def test_presets_have_the_same_names():
    quick, full = mixing.MIXING_PRESETS.values()
    assert vars(quick).keys() == vars(full).keys()
    study = mixing.mixing_study("full", seed=0, device=CPU)
    assert study.epochs == full.epochs
    assert mixing.mixing_study("full", seed=0, device=CPU, epochs=3).epochs == 3


def test_accuracy_counts_all_parts(study, adder):
    tokens, sums = adding_problem(600, 3, num_digits=2, seed=1)
    right = (adder(tokens).argmax(dim=-1) == sums).float().mean().item()
    assert study.accuracy(adder, tokens, sums) == pytest.approx(right)


def test_every_run_has_a_name_of_its_own(study, monkeypatch):
    names = []
    named = replace(study, checkpoints=names.append)
    monkeypatch.setattr(mixing, "fit", lambda *arguments, **options: None)
    named.image_trials()
    named.adding_trials(("GRU", "self-attention"))
    named.more_trials(8)
    named.more_trials(8, lambda attention: None, name="start small")
    named.learn_adding("self-attention", 8, 0, name="additive", score="additive")
    assert len(set(names)) == len(names) == 4 * 2 * 2 + 2 * 2 * 2 + 2 * 3 + 1
    assert names[0] == "convolution, 7 images, seed 8"
    assert names[-1] == "additive, distance 8, seed 0"


def test_image_trials_train_every_kind_on_every_count(
    study, monkeypatch, no_shape_checks
):
    steps = []

    def count(self, model, inputs, labels, **how):
        steps.append((len(inputs), how["steps"], how["learning_rate"]))

    monkeypatch.setattr(mixing.MixingStudy, "train", count)
    trials = study.image_trials()
    assert list(trials.scores()) == list(mixing.IMAGE_KINDS)
    assert steps == ([(7, 3, 1e-2)] * 2 + [(11, 3, 1e-2)] * 2) * 4
    of_numpy = replace(study, seed=np.int64(study.seed)).image_trials()
    np.testing.assert_equal(of_numpy.scores(), trials.scores())
    assert len(trials.trials) == 4 * 2 * 2
    (first, _), (again, _) = (trials.models("convolution", n) for n in (7, 11))
    assert_close(first.state_dict(), again.state_dict())  # one seed for each trial
    splits = digit_pixels(dev=200, test=300, seed=8)
    train = splits.train.pixels[:7], splits.train.labels[:7]
    parts = {"test": splits.test, "dev": splits.dev}
    shares = {
        part: study.accuracy(first, found.pixels, found.labels)
        for part, found in parts.items()
    }
    shares["train"] = study.accuracy(first, *train)
    for part, share in shares.items():
        assert trials.scores(part)["convolution"][0, 0] == share
    shuffled, _ = trials.models("convolution, shuffled pixels", 7)
    assert_close(shuffled.state_dict(), first.state_dict())


@pytest.mark.parametrize("mixer", ["convolution", "self-attention"])
def test_shuffled_pixels_are_those_of_the_trials_order(study, monkeypatch, mixer):
    monkeypatch.setattr(mixing.MixingStudy, "train", lambda *_args, **_how: None)
    order = torch.randperm(SIDE**2, generator=torch.Generator().manual_seed(9))
    test = digit_pixels(dev=200, test=300, seed=9, order=order).test
    trial = study.learn_image(f"{mixer}, shuffled pixels", 11, 9)
    assert trial.test == study.accuracy(trial.model, test.pixels, test.labels)
    in_order = study.learn_image(mixer, 11, 9)
    assert_close(trial.model.state_dict(), in_order.model.state_dict())


def test_the_study_of_digits_trains_for_longer_and_at_other_rates(
    study, monkeypatch, no_shape_checks
):
    runs, names = [], []

    def note(self, model, inputs, labels, **how):
        runs.append((len(inputs), how["steps"], how["learning_rate"]))
        names.append(how["name"])

    monkeypatch.setattr(mixing.MixingStudy, "train", note)
    values = list(study.digit_study())
    budgets = [(n, steps, 1e-2) for n in (7, 11) for steps in (2, 3, 4)]
    assert runs == budgets * 4 + [(11, 3, 1e-3), (11, 3, 2e-2)] * 2
    assert len(set(names)) == len(names) == len(values) / 2
    keys = [key for key, _ in values]
    assert len(set(keys)) == len(keys)
    assert "test_attention_shuffled_11_4" in keys
    assert "dev_convolution_rate_200" in keys
    assert all(key.isidentifier() for key in keys)
    bare = replace(study, preset=replace(study.preset, study_rates=()))
    with pytest.raises(ValueError, match="must have settings for the study"):
        next(bare.digit_study())


def test_adding_is_learned_in_the_same_way_for_the_same_seed(study):
    model, score = study.learn_adding("GRU", 2, 8)
    again, same = study.learn_adding("GRU", 2, 8)
    assert_close(model.state_dict(), again.state_dict())
    assert score == same
    test = adding_problem(1000, 2, num_digits=2, seed=mixing.TEST_SEED + 8)
    assert study.accuracy(model, *test) == score
    trials = study.adding_trials(("GRU", "convolution"))
    assert trials.scores["GRU"][0, 0] == score
    assert trials.scores["convolution"].shape == (2, 2)
    assert_close(trials.models["GRU", 2, 0].state_dict(), model.state_dict())


def test_models_are_prepared_before_they_are_trained(study):
    prepared = []
    trials = study.more_trials(2, prepare=prepared.append)
    assert len(trials) == len(prepared) == 3
    for (model, _), attention in zip(trials, prepared, strict=True):
        assert model.block.mixer.attention is attention
    _, score = study.learn_adding("self-attention", 2, 3 * 4 + 1)
    assert trials[1][1] == score
    other, _ = study.learn_adding("self-attention", 2, 0, normaliser="relu")
    assert other.config.normaliser == "relu"


def test_only_self_attention_can_be_prepared_or_examined(study):
    with pytest.raises(TypeError, match="must mix by self-attention, got GRU"):
        study.learn_adding("GRU", 2, 0, prepare=print)
    config = MixingConfig(mixer="convolution", num_classes=3, kernel_size=9)
    with pytest.raises(TypeError, match="got convolution"):
        mixing.examine_adding(AddingModel(config), 2)


def test_pairs_of_digits_one_by_one(adder):
    cases, apart = mixing.examine_adding(adder, 3)
    tokens, sums = adding_problem(1000, 3, num_digits=2, seed=mixing.TEST_SEED)
    x = adder.digit_embedding(tokens[..., 0]) + adder.mark_embedding(tokens[..., 1])
    contexts, weights = adder.block.mixer.attention(x, x, x, need_weights=True)
    guesses = adder(tokens).argmax(dim=-1)
    means = {}
    for pair, case in cases.items():
        rows = [
            row
            for row in range(1000)
            if (tokens[row, 0, 0].item(), tokens[row, -1, 0].item()) == pair
        ]
        right = [(guesses[row] == sums[row]).item() for row in rows]
        assert case.right == pytest.approx(np.mean(right))
        first = np.mean([weights[row, -1, 0].item() for row in rows])
        last = np.mean([weights[row, -1, -1].item() for row in rows])
        assert (case.first, case.last) == pytest.approx((first, last), rel=1e-4)
        means[pair] = torch.stack([contexts[row, -1] for row in rows]).mean(0)
    for last, distance in enumerate(apart):
        zero, one = means[0, last], means[1, last]
        wanted = (zero - one).norm() / (zero.norm() + one.norm())
        assert distance == pytest.approx(wanted.item(), rel=1e-4)


def test_neighbours_are_three_by_three(study):
    near = mixing.near_pixels()
    assert near.shape == (SIDE**2, SIDE**2)
    assert near[0].sum() == 4  # a corner
    inside = SIDE + 1
    assert near[inside].nonzero().flatten().tolist() == [
        row * SIDE + column for row in range(3) for column in range(3)
    ]
    config = MixingConfig(
        mixer="self-attention", num_classes=10, kernel_size=3, block_parameters=4500
    )
    models = [PixelClassifier(config, SIDE) for _ in range(2)]
    shares = []
    for model, seed in zip(models, study.trial_seeds, strict=True):
        pixels = digit_pixels(dev=200, test=300, seed=seed).test.pixels[:100]
        table = mixing.self_attention_weights(model, pixels)
        assert_close(table.sum(-1), torch.ones(100, SIDE**2))
        shares.append((table * near).sum(-1).mean().item())
    assert study.share_on_neighbours(models) == pytest.approx(np.mean(shares))


def test_spread_of_scores_grows_with_the_dimension():
    torch.manual_seed(0)
    found = mixing.score_spreads([4, 256], {"plain": 1.0, "divided": None})
    torch.manual_seed(0)
    query, key = torch.randn(500, 1, 4), torch.randn(500, 16, 4)
    scores = (query * key).sum(-1)
    plain, divided = found.values()
    assert plain.variance[0] == pytest.approx(scores.var().item(), rel=1e-4)
    weights = (scores / 2).softmax(-1)
    assert divided.largest[0] == pytest.approx(weights.amax(-1).mean().item(), rel=1e-4)
    jacobian = torch.autograd.functional.jacobian(
        lambda row: row.softmax(-1), scores[0] / 2
    )
    one = weights[0].diag() - weights[0][:, None] * weights[0]
    assert_close(jacobian, one)
    assert plain.gradient[1] < divided.gradient[1]
    assert plain.variance[1] > 100


def test_scores_can_be_made_smaller(adder):
    attention, x = adder.block.mixer.attention, torch.randn(2, 5, 16)
    before = attention(x, x, x, need_weights=True)[1].log()
    mixing.scores_times(0.25)(attention)
    after = attention(x, x, x, need_weights=True)[1].log()
    assert_close(after.diff(dim=-1), before.diff(dim=-1) / 4)


def test_layers_map_tokens_to_tokens_and_cost_something():
    layers = mixing.compared_layers(6)
    x = torch.randn(1, 5, 6)
    for layer in layers.values():
        assert layer(x).shape == x.shape
    assert_close(layers["self-attention"](x), layers["with its weights"](x))
    costs = mixing.layer_costs(layers, [3, 5], 6, rounds=1)
    for name in layers:
        assert len(costs.milliseconds[name]) == len(costs.mebibytes[name]) == 2
        assert min(costs.milliseconds[name]) > 0
    assert SelfAttention(6, 6)(x, x, x)[1] is None

"""What is measured while a translator learns to look, and of one that looks wrong."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.observe import record_weights
from attention_book.recipes.alignment import (
    measure_alignment,
    score_changed,
    steps_to_reach,
    watch_alignment,
    weight_on_padding,
)
from attention_book.recipes.translation import (
    decoder_weights,
    digit_links,
    error_rates,
    numbers_task,
    power_links,
)

SIZES = {"embed_dim": 5, "hidden_dim": 6, "attention_dim": 7, "maxout_dim": 3}


@pytest.fixture(scope="module")
def task():
    sizes = {"train": 30, "dev": 7, "test": 11, "max_digits": 4}
    return numbers_task("en", "de", **sizes, device=torch.device("cpu"))


@pytest.fixture
def model(task):
    return task.build(RNNSearch, RNNSearchConfig, 3, **SIZES)


def test_shares_are_those_of_the_parts(task, model):
    shares = measure_alignment(task, model, task.dev)
    assert shares["sentences right"] == task.exact_match(model, task.dev).mean()
    kinds = {"digit": digit_links, "power": power_links}
    rates = error_rates(task.links(model, task.dev), task.dev, kinds)
    assert shares["links of digit words right"] == 1 - rates["digit"]
    assert shares["links of power words right"] == 1 - rates["power"]
    batch = task.batch(task.dev)
    logits = model(batch.source, batch.target[:, :-1], batch.source_mask)
    right = total = 0
    for row, pair in enumerate(task.dev):
        for target in {target for _, target in digit_links(pair)}:
            total += 1
            right += int(logits[row, target].argmax() == batch.target[row, target + 1])
    assert shares["digit words right"] == pytest.approx(right / total)


def test_a_watch_keeps_shares_and_the_weights_of_an_example(task, model):
    watch = watch_alignment(task, model, task.dev, every=4, example=task.dev[1])
    for step in range(6):
        watch(step)
    assert watch.steps == [0, 4]
    shares, weights = watch.values[0]
    assert shares == measure_alignment(task, model, task.dev)
    assert_close(weights, decoder_weights(model, task.batch(task.dev[1:2]))[0])
    fixed = task.build(RNNSearch, RNNSearchConfig, 3, score="none", **SIZES)
    watch = watch_alignment(task, fixed, task.dev, every=4)
    watch.take(7)
    right = float(task.exact_match(fixed, task.dev).mean())
    assert watch.values == [({"sentences right": right}, None)]


@pytest.mark.parametrize(
    ("level", "steps"), [(0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (0.6, 22.0)]
)
def test_a_level_is_reached_between_two_measurements(level, steps):
    curve = [0.0, 0.5, 0.5, 1.0]
    assert steps_to_reach([0, 10, 20, 30], curve, level) == pytest.approx(steps)


def test_a_level_may_never_be_reached():
    assert math.isnan(steps_to_reach([0, 10], [0.0, 0.5], 0.75))
    assert math.isnan(steps_to_reach([], [], 0.75))


def test_a_state_that_is_not_changed_scores_as_the_model(task, model):
    loss, exact = score_changed(task, model, lambda state: state)
    assert exact == task.exact_match(model).mean()
    with torch.no_grad():
        assert loss == pytest.approx(model.loss(task.batch(task.test)).item())


def test_keys_of_zero_make_the_weights_uniform(task, model):
    """What the chapter does to a trained model."""
    seen = []

    def blind(state):
        seen.append(state.mask.sum(dim=1, keepdim=True))
        return state._replace(keys=torch.zeros_like(state.keys))

    with record_weights(model) as recorded:
        changed = score_changed(task, model, blind)
    (weights, *_), (count,) = recorded.values(), seen
    first = weights[0][:, 0]
    assert_close(first.amax(dim=1, keepdim=True), 1 / count)
    assert changed[0] != score_changed(task, model, lambda state: state)[0]


def test_weight_on_padding_one_sentence_at_a_time(task, model):
    found = weight_on_padding(task, model, [0, 1, 3, 30])
    batch = task.batch(task.test)
    longest = batch.source.shape[1]
    lost = {}
    for pair in task.test:
        one = task.batch([pair])
        pad = longest - one.source.shape[1]
        source = torch.nn.functional.pad(one.source, (0, pad))
        with torch.no_grad(), record_weights(model) as recorded:
            state = model.start(one.source, one.source_mask)
            zeros = torch.zeros(1, pad, state.annotations.shape[2])
            annotations = torch.cat([state.annotations, zeros], dim=1)
            keys, values = model.decoder.unit.project(annotations)
            state = state._replace(
                annotations=annotations, keys=keys, values=values, mask=None
            )
            model.decode(one.target[:, :-1], state)
        (weights,) = (torch.cat(calls, dim=1)[0] for calls in recorded.values())
        assert weights.shape[1] == source.shape[1]
        own = weights[:, longest - pad :].sum(dim=1).tolist()
        lost.setdefault(pad, []).append(own)
    assert sum(count for _, _, count, _ in found) == len(task.test)
    for low, high, count, share in found:
        chosen = [
            own for pad, many in lost.items() if low <= pad <= high for own in many
        ]
        assert len(chosen) == count
        steps = [step for own in chosen for step in own]
        assert share == pytest.approx(sum(steps) / len(steps), abs=1e-6)
    assert found[0][3] == 0.0
    masked = decoder_weights(model, batch)
    assert (masked * ~batch.source_mask[:, None]).sum() == 0

import math

import numpy as np
import pytest
import torch

from attention_book.attention.global_local import GlobalAttention, LocalAttention
from attention_book.data.translation.pairs import Pair
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.recipes.translation import numbers_task
from attention_book.recipes.windows import (
    LUONG_SYSTEMS,
    centre_gradient,
    missed_links,
    score_centres,
    share_within,
    step_cost,
    window_centres,
    window_stages,
)

PAIR = Pair(tuple("abcd"), tuple("vwxyz"), frozenset({(0, 0), (1, 1), (3, 2), (2, 4)}))
FEW = Pair(tuple("ab"), tuple("xy"), frozenset({(0, 0), (1, 1)}))


def test_systems_fit_a_translator_and_differ_in_feeding_alone():
    assert len(LUONG_SYSTEMS) == 12
    for name, options in LUONG_SYSTEMS.items():
        assert "," not in name  # which separates the names of the parameter
        more = {"max_source": 7} if options.get("score") == "location" else {}
        config = LuongConfig(source_vocab=9, target_vocab=9, **options, **more)
        assert config.input_feeding == name.endswith(" with feeding")
        fed = LUONG_SYSTEMS[f"{name.removesuffix(' with feeding')} with feeding"]
        assert options | {"input_feeding": True} == fed


def test_links_within_a_window_by_hand():
    assert [share_within(PAIR.alignment, d) for d in (0, 1, 2)] == [0.5, 0.75, 1.0]
    assert share_within([], 0) == 1.0


@pytest.fixture(scope="module")
def task():
    cpu = torch.device("cpu")
    return numbers_task("en", "de", train=9, test=5, max_digits=3, device=cpu)


@pytest.mark.parametrize("feeding", [False, True])
def test_centres_are_those_of_every_step(task, feeding):
    options = {"attention": "local-p", "window": 2, "input_feeding": feeding}
    model = task.build(LuongTranslator, LuongConfig, 0, hidden_dim=6, **options)
    batch = task.batch(task.test)
    asked = []
    with model.decoder.attention.centre.register_forward_hook(
        lambda _layer, _inputs, p: asked.append(p)
    ):
        state = model.start(batch.source, batch.source_mask)
        for ids in batch.target[:, :-1].unbind(dim=1):
            _, state = model.step(ids, state)
    centres = window_centres(model.train(), batch)
    torch.testing.assert_close(centres, torch.cat(asked, dim=1))
    assert not model.training
    assert not model.decoder.attention.centre._forward_hooks


def test_centres_of_local_m_are_the_steps_up_to_the_end_mark(task):
    model = task.build(LuongTranslator, LuongConfig, 0, attention="local-m", window=2)
    pairs = [Pair(tuple("ab"), tuple("wxyz")), Pair(tuple("abcd"), tuple("x"))]
    centres = window_centres(model, task.batch(pairs))
    assert centres.tolist() == [[0, 1, 2, 2, 2], [0, 1, 2, 3, 4]]


def test_global_attention_has_no_windows(task):
    model = task.build(LuongTranslator, LuongConfig, 0)
    assert window_centres(model, task.batch(task.test)) is None


def test_a_step_of_local_attention_keeps_the_same_for_every_length():
    whole = GlobalAttention(64, 64)
    for predictive in (False, True):
        local = LocalAttention(64, 64, window=3, predictive=predictive)
        costs = [step_cost(local, length, rounds=1) for length in (64, 128)]
        assert costs[0][1] == costs[1][1] > 0
        assert costs[0][0] > 0
    short, long = (step_cost(whole, n, rounds=1)[1] for n in (64, 1024))
    assert long > 4 * short


def test_stages_share_the_epochs():
    def epochs(windows, total):
        return [own for _, own in window_stages("local-p", windows, total)]

    assert epochs([5], 7) == [7]
    assert epochs([8, 2], 2) == epochs([8, 2], 1) == [1, 1]
    assert epochs([8, 4, 2], 8) == [2, 2, 4]
    options, _ = window_stages("global", [None], 1)[0]
    assert options == {"attention": "global", "window": None}


def test_centres_scored_by_hand():
    centres = torch.tensor([[0.5, 2.0, 2.5, 9.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    found = score_centres(centres, [PAIR, FEW])
    # Crossing links are (3, 2) and (2, 4); the only step back is that to the latter.
    assert found.distance == pytest.approx((0.5 + 2.0) / 2)
    assert found.step_distance == pytest.approx((1 + 2) / 2)
    assert (found.num_back, found.back) == (1, 1.0)
    assert found.false_back == pytest.approx(1 / 3)  # of FEW alone
    wanted = np.corrcoef([0.5, 2.0, 2.5, 0.0], [0, 1, 3, 2])[0, 1]
    assert found.correlation == pytest.approx(wanted)


def test_what_is_not_there_is_nan():
    found = score_centres(torch.tensor([[0.0, 1.0]]), [FEW])
    assert math.isnan(found.distance)
    assert math.isnan(found.correlation)
    assert (found.num_back, found.false_back) == (0, 0.0)
    assert math.isnan(found.back)


def test_missed_links_by_word_and_offset():
    links = {(0, 0), (3, 1), (2, 2), (0, 3), (2, 4)}
    assert sorted(missed_links([links], [PAIR])) == [("w", 2), ("x", -1)]


def test_gradient_of_the_centre_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    query = torch.randn(4, generator=generator, dtype=torch.float64)

    def first(p, scaled):
        positions = torch.arange(math.ceil(p - 2), math.floor(p + 2) + 1)
        a = (keys[positions] @ query).softmax(0)
        a = a * torch.exp(-((positions.double() - p) ** 2) / 2)  # of width D / 2 = 1
        return (a / a.sum() if scaled else a) @ keys[positions, 0]

    for scaled in (False, True):
        step = 1e-5
        slope = (first(4.3 + step, scaled) - first(4.3 - step, scaled)) / (2 * step)
        assert centre_gradient(scaled=scaled) == pytest.approx(slope.item(), rel=1e-6)


def test_a_rounded_centre_and_one_without_a_curve_get_no_gradient():
    assert centre_gradient(rounded=True) == 0
    assert centre_gradient(curve=False) == 0

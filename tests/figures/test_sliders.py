"""Bars that follow sliders: the same numbers as the book's functions."""

from types import SimpleNamespace

import pytest
import torch
from matplotlib.axes import Axes
from torch.testing import assert_close

from attention_book.attention.global_local.window import gaussian
from attention_book.attention.positions.absolute import sinusoid_frequencies
from attention_book.attention.positions.rotary import rotate
from attention_book.figures.sliders import (
    bandit_view,
    decoding_view,
    looks_view,
    rotation_view,
    rows_view,
    temperature_view,
    window_view,
)

KEYS = ["one", "two", "three", "four", "five"]
SCORES = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.25])


def bars(page):
    """The values of the bars that are drawn, and their heights in percent."""
    page.locator("slider-view-1[ready]").wait_for()
    found = page.locator(".bars i").evaluate_all(
        "bars => bars.map(bar => [bar.dataset.value, bar.style.height])"
    )
    values = torch.tensor([float(value) for value, _ in found])
    return values, torch.tensor([float(height.rstrip("%")) for _, height in found])


def slide(page, label, value):
    page.get_by_label(label, exact=True).fill(str(value))


def test_temperature_is_a_softmax_of_scaled_scores(show):
    page = show(temperature_view(SCORES, KEYS))
    for scale in (1, 0, 0.25, 8):
        slide(page, "scores times", scale)
        values, heights = bars(page)
        expected = (scale * SCORES).softmax(dim=0)
        assert_close(values, expected)
        assert_close(heights, 100 * expected, atol=1e-3, rtol=0)
        entropy = -(expected * expected.log()).sum()
        said = page.get_by_role("status").text_content()
        assert f"largest weight {expected.max():.2f}, entropy {entropy:.2f}" in said
        gradient = (expected * (1 - expected)).mean()
        assert f"by {gradient:.3f} on average" in said
    assert page.errors == []


def test_each_choice_has_its_own_row(show):
    rows = torch.rand(2, 3, 5)
    texts = [f"order {i}, {j} removed" for i in (1, 2) for j in range(3)]
    page = show(rows_view(rows, KEYS, {"order": 1, "removed": 0}, texts, alt="Bars."))
    for order, removed in ((1, 0), (2, 1), (1, 2), (2, 2)):
        slide(page, "order", order)
        slide(page, "removed", removed)
        values, _ = bars(page)
        assert_close(values, rows[order - 1, removed], atol=1e-3, rtol=0)
        said = page.get_by_role("status").text_content()
        assert said == f"order {order}, {removed} removed"
    assert page.errors == []


def test_a_window_is_local_attention(show):
    page = show(window_view(SCORES, KEYS, centre=2.25, width=1))
    for centre, width in ((2.25, 1), (0, 2), (4, 4), (1.5, 3)):
        slide(page, "centre of the window", centre)
        slide(page, "D", width)
        positions = torch.arange(5.0)
        inside = (positions - centre).abs() <= width
        aligned = SCORES.masked_fill(~inside, -torch.inf).softmax(dim=0)
        factors = torch.exp(-((positions - centre) ** 2) / (2 * (width / 2) ** 2))
        values, _ = bars(page)
        assert_close(values, aligned * factors)
        said = page.get_by_role("status").text_content()
        assert said.startswith(f"{int(inside.sum())} keys in the window")
    # The package's own Gaussian is the same.
    p_t, s = torch.tensor([[1.5]]), torch.tensor([[[0, 1, 2, 3, 4]]])
    assert_close(gaussian(s, p_t, 3)[0, 0], factors)


def test_decoding_steps_through_the_rows_of_local_p(show):
    scores = torch.stack([SCORES, SCORES.flip(0)])
    centres = torch.tensor([0.5, 3.25])
    words = ["eins", "zwei"]
    page = show(decoding_view(scores, words, KEYS, centres, truth=[0, None], width=1))
    for step, shift, width in ((0, 0, 1), (1, 0, 2), (1, -1.5, 3), (0, -4, 1)):
        slide(page, "step t", step)
        slide(page, "move the window by", shift)
        slide(page, "D", width)
        p = centres[step] + shift
        inside = (torch.arange(5.0) - p).abs() <= width
        aligned = scores[step].masked_fill(~inside, -torch.inf).softmax(dim=0)
        factors = torch.exp(-((torch.arange(5.0) - p) ** 2) / (2 * (width / 2) ** 2))
        expected = (aligned * factors).nan_to_num()
        values, _ = bars(page)
        assert_close(values, expected)
        said = page.get_by_role("status").text_content()
        assert said.startswith(f"step {step}, “{words[step]}”: p = {p:.2f}")
        best = f"most on “{KEYS[expected.argmax()]}”" if inside.any() else "nothing is"
        assert best in said
        assert page.locator(".bars .mark").count() == (step == 0)
    assert said.endswith("true partner: “one”")
    assert page.errors == []


def test_a_rotation_depends_on_the_distance_alone(show):
    query, key = torch.randn(2, 6)
    frequencies = sinusoid_frequencies(6)
    page = show(rotation_view(query, key, frequencies))
    first, _ = bars(page)
    slide(page, "position of the query", 153)
    moved, _ = bars(page)
    assert_close(moved, first, atol=1e-4, rtol=0)
    at = torch.arange(145, 162)
    rotated = rotate(key.expand(17, 6), at)
    expected = rotated @ rotate(query[None], torch.tensor([153]))[0]
    assert_close(moved, expected, atol=1e-4, rtol=0)
    slide(page, "key minus query", -3)
    assert page.locator(".bars .mark").count() == 1
    said = page.get_by_role("status").text_content()
    assert said == f"query at position 153, key at 150: score {expected[5]:.3f}"
    page.get_by_label("position of the query").press("Home")
    slide(page, "key minus query", -8)
    said = page.get_by_role("status").text_content()
    assert said.startswith("query at position 8, key at 0:")  # no key before the first


def test_a_baseline_moves_the_draws_and_not_their_mean(show):
    alpha = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    reward = torch.tensor([-6.0, -2, -6], dtype=torch.float64)
    page = show(bandit_view(alpha.tolist(), reward.tolist()))
    e = alpha.log().requires_grad_()
    (exact,) = torch.autograd.grad(e.softmax(0) @ reward, e)
    for b, place in ((0, 2), (-5, 2), (-12, 3), (-4.5, 1)):
        slide(page, "baseline b", b)
        slide(page, "score of location", place)
        each = (reward - b)[:, None] * (torch.eye(3) - alpha)
        expected = torch.cat([each[:, place - 1], exact[None, place - 1]])
        values, _ = bars(page)
        assert_close(values, expected.float())
        variance = alpha @ (each - exact).square().sum(1)
        said = page.get_by_role("status").text_content()
        assert said.startswith(f"mean {exact[place - 1]:.2f} whatever b is")
        assert float(said.split()[-1]) == pytest.approx(variance.item(), abs=0.0051)
    assert page.errors == []


def look(words, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(len(words), 4, generator=generator).softmax(dim=-1)
    return SimpleNamespace(
        words=words, weights=weights, locations=weights.argmin(dim=-1).tolist()
    )


def test_draws_of_a_caption_word_by_word(show):
    soft = look(["a", "six", "<eos>"], 0)
    hard = [look(["a", "two", "top", "<eos>"], 1), look(["an", "<eos>"], 2)]
    page = show(looks_view(torch.rand(8, 8), soft, hard))
    page.locator("slider-view-1[ready]").wait_for()
    for step, draw in ((2, 1), (1, 2), (4, 1), (4, 2)):
        slide(page, "word", step)
        slide(page, "draw again", draw)
        one = hard[draw - 1]
        t, own = min(step, len(one.words)) - 1, min(step, 3) - 1
        cells = page.locator(".cells i").evaluate_all(
            "cells => cells.map(cell => Number(cell.dataset.value) / 1000)"
        )
        expected = torch.cat([soft.weights[own], one.weights[t]])
        assert_close(torch.tensor(cells), expected, atol=1e-3, rtol=0)
        drawn = page.locator(".cells i").evaluate_all(
            "cells => cells.map(cell => cell.classList.contains('drawn'))"
        )
        assert [i for i, framed in enumerate(drawn) if framed] == [4 + one.locations[t]]
        said = page.get_by_role("status").text_content()
        assert said.startswith(f"Soft writes “{soft.words[own]}”, most weight on row ")
        assert f"and writes “{one.words[t]}”; its whole caption" in said
        assert said.endswith(f"“{' '.join(one.words)}”.")
    assert page.errors == []


def test_the_still_image_shows_the_scores_at_the_start(monkeypatch):
    heights = []
    monkeypatch.setattr(
        Axes, "bar", lambda axes, x, height: heights.extend(height), raising=True
    )
    query, key = torch.randn(2, 6, dtype=torch.float64)
    rotation_view(query, key, sinusoid_frequencies(6))
    rotated = rotate(key.expand(17, 6), torch.arange(-8, 9))
    assert_close(torch.tensor(heights, dtype=torch.float64), rotated @ query)


def test_the_still_image_of_a_bandit_shows_the_score_that_is_asked_for(monkeypatch):
    heights = []
    monkeypatch.setattr(
        Axes, "bar", lambda axes, x, height: heights.extend(height), raising=True
    )
    bandit_view([0.5, 0.25, 0.25], [-6.0, -2.0, -6.0], baseline=-5, place=2)
    assert heights == [0.25, 2.25, 0.25, 0.75]


def test_several_figures_on_a_page(show):
    page = show(*[temperature_view(SCORES, KEYS) for _ in range(3)])
    page.locator("slider-view-1[ready]").nth(2).wait_for()
    assert page.errors == []


def test_keyboard(show):
    page = show(temperature_view(SCORES, KEYS))
    page.locator("slider-view-1[ready]").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator(".value").text_content() == "1.25"


def test_without_scripts_there_is_an_image(show):
    page = show(temperature_view(SCORES, KEYS), java_script_enabled=False)
    assert page.get_by_role("img", name="Weights of one query").is_visible()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: rows_view(SCORES[None], KEYS, {"a": 0, "b": 0}, [""], alt=""),
            r"each of 2 sliders and one for 5 bars, got \(1, 5\)",
        ),
        (
            lambda: rows_view(SCORES[None], KEYS, {"a": 0}, ["", ""], alt=""),
            "texts must be 1, one for each row, got 2",
        ),
        (lambda: temperature_view(SCORES[:3], KEYS), "for each of 5 keys, got"),
        (lambda: temperature_view(SCORES[:0], []), "for each of 0 keys, got"),
        (lambda: window_view(SCORES, KEYS, centre=4.5), "from 0 to 4, got 4.5"),
        (
            lambda: window_view(SCORES, KEYS, centre=1.0, width=5),
            "width must be from 1 to 4, got 5",
        ),
        (
            lambda: decoding_view(
                SCORES[None], ["a", "b"], KEYS, SCORES[:1], truth=[0, 1], width=1
            ),
            "must fit 2 queries and 5 keys, got",
        ),
        (
            lambda: decoding_view(
                SCORES[None], ["a"], KEYS, SCORES[:1], truth=[0], width=7
            ),
            "width must be from 1 to 5, got 7",
        ),
        (lambda: bandit_view([0.5, 0.5], [-1.0]), "for each weight, got 1 and 2"),
        (lambda: bandit_view([1.0], [-1.0], place=2), "from 1 to 1, got 2"),
        (lambda: looks_view(torch.rand(8, 8), look(["a"], 0), []), "got none"),
        (
            lambda: rotation_view(SCORES[:4], SCORES[:4], SCORES[:3]),
            "twice as many features as there are frequencies",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

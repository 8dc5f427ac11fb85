"""Bars that follow sliders: the same numbers as the book's functions."""

import pytest
import torch
from matplotlib.axes import Axes
from torch.testing import assert_close

from attention_book.attention.global_local.window import gaussian
from attention_book.attention.positions.absolute import sinusoid_frequencies
from attention_book.attention.positions.rotary import rotate
from attention_book.figures.sliders import (
    decoding_view,
    rotation_view,
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


def test_the_still_image_shows_the_scores_at_the_start(monkeypatch):
    heights = []
    monkeypatch.setattr(
        Axes, "bar", lambda axes, x, height: heights.extend(height), raising=True
    )
    query, key = torch.randn(2, 6, dtype=torch.float64)
    rotation_view(query, key, sinusoid_frequencies(6))
    rotated = rotate(key.expand(17, 6), torch.arange(-8, 9))
    assert_close(torch.tensor(heights, dtype=torch.float64), rotated @ query)


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
        (
            lambda: rotation_view(SCORES[:4], SCORES[:4], SCORES[:3]),
            "twice as many features as there are frequencies",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

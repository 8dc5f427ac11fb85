"""The chapter's figures: arrows as thick as weights, matrices, heads as a kernel."""

from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.self_attention import SelfAttention
from attention_book.figures.self_attention import (
    order_view,
    plot_asking,
    plot_budgets,
    plot_distance_scores,
    plot_image_trials,
    plot_kernel_heads,
    plot_layer_costs,
    plot_matrices,
    plot_score_spreads,
)


def written(ax):
    return [text.get_text() for text in ax.texts]


def test_values_flow_through_weights_into_the_context(grow_evenly):
    _, ax = plt.subplots()
    words, weights = ["animal", "street", "tired"], [0.125, 0.75, 0.125]
    assert plot_asking(words, weights, 2, ax=ax) is ax
    texts = written(ax)
    for word in words:
        assert texts.count(word) == 1
    for name in ("$k_1$", "$v_3$", "$q_3$", "$c_3$", "0.75"):
        assert texts.count(name) == 1
    assert "$q_1$" not in texts
    arrows = [t.arrow_patch for t in ax.texts if getattr(t, "arrow_patch", None)]
    thick = [
        arrow for arrow in arrows if arrow.get_edgecolor()[:2] == (230 / 255, 159 / 255)
    ]
    widths = [arrow.get_linewidth() for arrow in thick]
    grow_evenly(widths[::2], weights)  # from the values, then to the context
    grow_evenly(widths[1::2], weights)


def matrices():
    sizes = {"X": 3, "Q": 2, "K": 2, "V": 2, "E": 3, "A": 3, "C": 2}
    return {name: torch.full((3, size), 0.25) for name, size in sizes.items()}


def test_matrices_have_their_numbers_and_shapes():
    features = ["living", "place", "noun"]
    given = matrices() | {"C": torch.tensor([[4.0, -4], [2, 1 / 3], [0.123, 1e-7]])}
    ax = plot_matrices(["a", "b", "c"], features, given, row=1)
    texts = written(ax)
    assert texts.count("1/4") == 9 + 3 * 6 + 2 * 9
    for number in ("4", "-4", "2", "1/3", "0.12", "0"):
        assert number in texts
    for name in ("$X$", "$Q$", "$A$", "$C$", "$W^V$", "$n \\times n$", "living"):
        assert name in texts
    cells = [one for one in ax.patches if one.get_height() == 1]
    assert len(cells) == 9 + 3 * 6 + 2 * 9 + 6
    outlines = [one for one in ax.patches if one.get_height() > 1]
    assert len(outlines) == 5
    plain = plot_matrices(["a", "b", "c"], features, given)
    assert all(one.get_height() == 1 for one in plain.patches)


def test_matrices_that_do_not_fit_are_errors():
    given = matrices()
    with pytest.raises(
        ValueError, match="X must have a row for each of 2 words, got 3"
    ):
        plot_matrices(["a", "b"], [], given)
    del given["E"]
    with pytest.raises(ValueError, match=r"must have all of X, Q, .* not \['E'\]"):
        plot_matrices(["a", "b", "c"], [], given)


@pytest.mark.parametrize(("weights", "asking"), [([1.0], 0), ([0.5, 0.5], 2)])
def test_weights_or_positions_that_do_not_fit_are_errors(weights, asking):
    message = f"each of the 2 words.*{len(weights)} weights and asking {asking}"
    with pytest.raises(ValueError, match=message):
        plot_asking(["a", "b"], weights, asking)


def test_heads_stand_as_in_a_kernel():
    weights = torch.rand(4, 3, 5)
    figure = plot_kernel_heads(weights, (1, 3))
    for head, (ax, shades) in enumerate(zip(figure.axes, weights, strict=True)):
        (image,) = ax.images
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)
        assert image.get_array().tolist() == pytest.approx(shades.numpy())
        assert ax.get_title() == f"head {head + 1}"
        (frame,) = ax.patches
        assert (frame.get_x(), frame.get_y()) == (2.5, 0.5)
    tops = [round(ax.get_position().y0, 2) for ax in figure.axes]
    assert tops[0] == tops[1] > tops[2] == tops[3]
    plt.close(figure)


def test_heads_that_fill_no_square_are_an_error():
    with pytest.raises(ValueError, match="a square number of heads, got 6"):
        plot_kernel_heads(torch.rand(6, 3, 3), (1, 1))


def test_spreads_have_a_panel_for_each_quantity():
    spreads = {
        "plain": ([2.0, 8.0], [0.6, 0.9], [0.3, 0.1]),
        "divided": ([1.0, 1.1], [0.3, 0.2], [0.2, 0.25]),
    }
    upper, middle, lower = plot_score_spreads([4, 16], spreads).axes
    assert upper.get_ylabel() == "variance of the scores"
    for ax, row in (upper, 0), (middle, 1), (lower, 2):
        assert ax.get_xscale() == "log"
        drawn = [list(line.get_ydata()) for line in ax.lines]
        assert drawn == [spreads["plain"][row], spreads["divided"][row]]


def test_costs_are_drawn_on_axes_of_powers():
    panels = {"ms": {"GRU": [1.0, 2.0]}, "MiB": {"GRU": [0.5, 8.0]}}
    first, second = plot_layer_costs([64, 1024], panels).axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("ms", "MiB")
    assert (first.get_xscale(), second.get_yscale()) == ("log", "log")
    assert list(second.lines[0].get_ydata()) == [0.5, 8.0]
    labels = [label.get_text() for label in second.get_xticklabels()]
    assert labels == ["64", "1,024"]


def test_image_trials_have_a_panel_for_each_number_of_images():
    scores = {"GRU": np.array([[0.5, 0.7], [0.9, 0.8]])}
    figure = plot_image_trials([60, 250], scores, {"GRU": [(0.5, 0.7), (0.6, 0.9)]})
    upper, lower = figure.axes
    assert upper.get_title() == "60 training images"
    rings, interval, mean = lower.lines
    assert list(rings.get_xdata()) == [0.9, 0.8]
    assert list(interval.get_xdata()) == [0.6, 0.9]
    assert list(mean.get_xdata()) == pytest.approx([0.85])
    assert lower.get_xlabel() == "accuracy on test images"


def test_budgets_are_means_over_runs():
    curves = {
        60: {"GRU": [[0.5, 0.7], [0.9, 0.9]], "other": [[0.2], [0.3]]},
        250: {"GRU": [[0.1], [0.2]], "other": [[0.3], [0.4]]},
    }
    figure = plot_budgets([200, 1000], curves)
    left, right = figure.axes
    assert list(left.lines[0].get_ydata()) == pytest.approx([0.6, 0.9])
    assert list(right.lines[1].get_ydata()) == pytest.approx([0.3, 0.4])
    assert [label.get_text() for label in left.get_xticklabels()] == ["200", "1,000"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["GRU", "other"]


def test_chance_is_a_line_below_the_scores():
    scores = {"GRU": np.array([[0.5, 0.7], [0.9, 0.8]])}
    ax = plot_distance_scores([8, 16], scores, chance=0.45)
    assert list(ax.lines[0].get_ydata()) == pytest.approx([0.6, 0.85])
    assert set(ax.lines[1].get_ydata()) == {0.45}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16"]


# Words in another order.

WORDS = ["animal", "street", "so", "tired"]


@pytest.fixture
def layer():
    return SelfAttention(5, 3)


@pytest.fixture
def tokens():
    return torch.randn(4, 5)


@pytest.fixture
def positions():
    return torch.randn(4, 5)


@pytest.fixture
def view(layer, tokens, positions):
    parts = layer.query_proj, layer.key_proj, layer.value_proj
    projections = [part.weight.detach().T for part in parts]
    return order_view(WORDS, tokens, projections, positions=positions)


def words_of(page):
    return page.locator(".word").all_text_contents()


def drawn_numbers(page):
    """Weights and contexts, as the figure shows them, to two digits."""
    weights = page.locator(".weight").evaluate_all("all => all.map(td => +td.title)")
    contexts = page.locator(".context").all_text_contents()
    return torch.tensor(weights).view(4, 4), torch.tensor(
        [float(number) for number in contexts]
    ).view(4, 3)


@torch.no_grad()
def test_words_in_every_order_get_what_the_layer_gives(
    show, view, layer, tokens, positions
):
    page = show(view)
    page.locator("order-view-1[ready]").wait_for()
    for placed in (False, True):
        page.get_by_label("add a vector").set_checked(placed)
        for order in [*permutations(range(4))][::5]:
            for at, word in enumerate(order):  # to the top, the last one first
                words = words_of(page)
                page.locator(".word").nth(words.index(WORDS[word])).focus()
                for _ in range(words.index(WORDS[word]) - at):
                    page.keyboard.press("ArrowUp")
            assert words_of(page) == [WORDS[word] for word in order]
            x = tokens[[*order]] + (positions if placed else 0)
            context, weights = layer(x[None], x[None], x[None], need_weights=True)
            shown = drawn_numbers(page)
            assert_close(shown, (weights[0], context[0]), atol=0.00501, rtol=0)
            said = page.get_by_role("status").text_content()
            assert placed or said.endswith("the context that it had at first.")
            assert not placed or "words have another context" in said
    assert page.errors == []


def test_a_word_is_dragged_by_the_mouse(show, view):
    page = show(view)
    first = page.locator(".word").first.bounding_box()
    last = page.locator(".word").last.bounding_box()
    page.mouse.move(first["x"] + 9, first["y"] + 9)
    page.mouse.down()
    page.mouse.move(last["x"] + 9, last["y"] + 9, steps=7)
    assert page.locator(".word.held").all_text_contents() == ["animal"]
    page.mouse.move(last["x"] + 9, last["y"] + 300)  # out of the figure
    page.mouse.up()
    assert words_of(page) == ["street", "so", "tired", "animal"]
    assert page.locator("thead span").all_text_contents() == words_of(page)
    assert page.locator(".word.held").count() == 0
    page.mouse.move(first["x"] + 9, first["y"] + 9)
    assert words_of(page)[-1] == "animal"
    assert page.errors == []


def test_a_word_is_dragged_by_a_finger(show, view):
    page = show(view, has_touch=True, viewport={"width": 390, "height": 800})
    box = page.locator(".word").last.bounding_box()
    x, y = box["x"] + 20, box["y"] + 15
    session = page.context.new_cdp_session(page)

    def touch(kind, y=None):
        points = [] if y is None else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", y)
    for step in range(1, 9):
        touch("touchMove", y - 10 * step)
    touch("touchEnd")
    assert words_of(page).index("tired") < 3
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.errors == []


def test_keys_move_a_word_and_stay_with_it(show, view):
    page = show(view)
    page.get_by_label("add a vector").focus()
    page.keyboard.press("Tab")
    for key, order in (
        ("ArrowDown", [1, 0, 2, 3]),
        ("End", [1, 2, 3, 0]),
        ("ArrowDown", [1, 2, 3, 0]),
        ("ArrowUp", [1, 2, 0, 3]),
        ("Home", [0, 1, 2, 3]),
    ):
        page.keyboard.press(key)
        assert words_of(page) == [WORDS[word] for word in order], key
        focused = page.locator("order-view-1").evaluate(
            "view => view.shadowRoot.activeElement.textContent"
        )
        assert focused == "animal"
    label = page.locator(".word").first.get_attribute("aria-label")
    assert label == "animal, 1 of 4"


@torch.no_grad()
def test_without_scripts_there_are_an_image_and_the_numbers(show, view, layer, tokens):
    page = show(view, java_script_enabled=False)
    assert page.get_by_role("img").is_visible()
    x = tokens[None]
    context, weights = layer(x, x, x, need_weights=True)
    numbers = torch.cat([weights[0], context[0]], dim=1)
    cells = page.locator("tbody td").all_text_contents()
    assert cells == [f"{number:.2f}" for number in numbers.flatten().tolist()]


def test_words_tokens_and_projections_must_fit(tokens, positions, no_shape_checks):
    good = [torch.ones(5, 3)] * 3
    with pytest.raises(ValueError, match=r"as many words, .* got 4, 3 and 4"):
        order_view(WORDS, tokens[:3], good, positions=positions)
    for bad in (good[:2], [*good[:2], torch.ones(4, 3)]):
        with pytest.raises(ValueError, match="projections must be three, of 5 rows"):
            order_view(WORDS, tokens, bad, positions=positions)

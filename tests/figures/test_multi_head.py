"""The chapter's figures: heads, their scores and their costs where they belong."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from attention_book.figures.interactive import Ask
from attention_book.figures.multi_head import (
    HEADS,
    plot_ablations,
    plot_bounds,
    plot_costs,
    plot_pruning,
    plot_reach,
    plot_score_panels,
    plot_scores,
    plot_split,
    plot_two_heads,
    view_heads,
)


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_every_head_has_its_query_keys_values_and_weights(grow_evenly):
    _, ax = plt.subplots()
    words, first, second = ["a", "b", "c"], [0.7, 0.25, 0.05], [0.1, 0.2, 0.7]
    assert plot_two_heads(words, first, second, "und", ax=ax) is ax
    found = texts(ax)
    for text in [*words, "head 1", "head 2", ".70", ".05", "und", "context"]:
        assert text in found
    for number in "12":
        for kind in "QKV":
            assert any(f"W_{number}^{kind}" in text for text in found)
    for color, row in zip(HEADS, (first, second), strict=True):
        lines = [
            text.arrow_patch
            for text in ax.texts
            if getattr(text, "arrow_patch", None)
            and to_hex(text.arrow_patch.get_edgecolor()) == color.lower()
        ]
        grow_evenly([line.get_linewidth() for line in lines], row)
    squares = [patch for patch in ax.patches if type(patch) is Rectangle]
    tokens, joined = 4 * (len(words) + 1), 4 + 4  # side by side, and the context
    in_heads = 2 * (2 + 2 * len(words) + 2 * len(words) + 2)
    assert len(squares) == tokens + joined + in_heads


@pytest.mark.parametrize(
    ("words", "first", "second", "message"),
    [
        (["a"], [1.0], [1.0], "got 1 words, 1 and 1 weights"),
        (["a", "b"], [1.0], [0.5, 0.5], "got 2 words, 1 and 2 weights"),
        (["a", "b"], [0.5, 0.5], [1.0], "got 2 words, 2 and 1 weights"),
    ],
)
def test_heads_that_do_not_fit_are_errors(words, first, second, message):
    with pytest.raises(ValueError, match=message):
        plot_two_heads(words, first, second, "q")


def test_scores_are_drawn_from_0_to_1_with_their_numbers():
    _, ax = plt.subplots()
    scores = torch.tensor([[0.1, 0.2, 0.3], [1.0, 0.0, 0.666]])
    labels = ["one", "two"], ["same", "next", "mark"]
    assert plot_scores(scores, *labels, ax=ax) is ax
    (image,) = ax.images
    assert (image.norm.vmin, image.norm.vmax) == (0, 1)
    assert image.get_array().tolist() == pytest.approx(scores.numpy())
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert found[(1, 0)] == ".20"
    assert found[(0, 1)] == "1.00"
    assert found[(2, 1)] == ".67"
    for ticks, wanted in zip(
        (ax.get_yticklabels(), ax.get_xticklabels()), labels, strict=True
    ):
        assert [label.get_text() for label in ticks] == wanted


def test_scores_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match=r"shape \(2, 1\).*got \(1, 2\)"):
        plot_scores(torch.zeros(1, 2), ["a", "b"], ["c"])


def test_costs_stand_in_their_rows_with_their_intervals():
    _, ax = plt.subplots()
    costs, intervals = [0.1, 0.5, 0.2], [(0.0, 0.2), (0.4, 0.7), (0.1, 0.3)]
    assert (
        plot_costs(costs, intervals, list("abc"), xlabel="x", groups=[2], ax=ax) is ax
    )
    *bars, points, zero, line = ax.lines
    for row, (bar, interval) in enumerate(zip(bars, intervals, strict=True)):
        assert tuple(bar.get_xdata()) == interval
        assert set(bar.get_ydata()) == {row}
    assert list(points.get_xdata()) == costs
    assert list(points.get_ydata()) == [0, 1, 2]
    assert set(zero.get_xdata()) == {0}
    assert set(line.get_ydata()) == {1.5}
    assert ax.get_ylim() == (2.5, -0.5)  # the first on top


def test_costs_without_interval_are_an_error():
    with pytest.raises(ValueError, match="got 2 costs, 1 intervals and 2 labels"):
        plot_costs([0.1, 0.2], [(0.0, 0.2)], ["a", "b"], xlabel="x")


def test_panels_stand_below_each_other_with_rows_of_one_height():
    low = torch.eye(2), ["a", "b"], ["x", "y"]
    high = torch.eye(5), list("abcde"), list("vwxyz")
    figure = plot_score_panels([low, high])
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in second.get_yticklabels()] == list("abcde")
    figure.canvas.draw()
    heights = [ax.get_position().height for ax in (first, second)]
    assert heights[0] / 2 == pytest.approx(heights[1] / 5)
    assert figure.get_size_inches()[1] > plot_score_panels([low]).get_size_inches()[1]


def test_other_numbers_stand_beside_the_shares():
    panel = torch.eye(2), ["a", "b"], ["x", "y"]
    (ax,) = plot_score_panels([panel], {"entropy": [[0.5, 1.25]]}).axes
    found = {text.get_position(): text.get_text() for text in ax.texts}
    assert (found[(2, 0)], found[(2, 1)]) == ("0.50", "1.25")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "entropy"]


def test_the_reshape_keeps_what_stands_in_memory():
    axes = plot_split(3, 4, 2)
    tokens = torch.arange(12).view(1, 3, 4)
    heads = tokens.unflatten(-1, (2, 2)).transpose(1, 2)[0]
    numbers = [text for text in texts(axes[2]) if text.isdecimal()]
    assert numbers == [str(n) for n in heads.flatten().tolist()]
    for ax in axes[:2]:  # one row per token: the same height, the same number
        rows = {}
        for text in ax.texts:
            rows.setdefault(text.get_position()[1], []).append(int(text.get_text()))
        assert [sorted(row) for _, row in sorted(rows.items(), reverse=True)] == (
            tokens[0].tolist()
        )
    with pytest.raises(ValueError, match="that divide embed_dim, got 2 and 5"):
        plot_split(3, 5, 2)


def test_a_tree_reaches_what_its_heads_bring():
    ax = plot_reach([[-1, 1], [-3, 3]])
    assert {text for text in texts(ax) if text != "$i$"} == {
        f"$i{at:+d}$" for at in (-4, -3, -2, -1, 1, 2, 3, 4)
    }
    arrows = [t for t in ax.texts if getattr(t, "arrow_patch", None)]
    assert len(arrows) == 2 + 3 * 2
    with pytest.raises(ValueError, match="at least one layer"):
        plot_reach([])


def test_bounds_stand_beside_what_was_trained():
    bounds = {1: {1: 0.875, 2: 0.75}, 2: {1: 0.625, 2: 0.0}}
    trained = {1: {1: 0.9}, 2: {2: 0.1}}
    lines = plot_bounds(trained, bounds).lines
    assert [list(line.get_ydata()) for line in lines] == [
        [0.875, 0.75], [0.9], [0.625, 0.0], [0.1],
    ]  # fmt: skip
    assert len({line.get_color() for line in lines}) == 2


def test_ablations_of_a_head_share_its_row():
    series = {
        "zero": ([0.1, 0.5], [(0.0, 0.2), (0.4, 0.7)]),
        "mean": ([0.0, 0.3], [(0.0, 0.0), (0.2, 0.4)]),
    }
    ax = plot_ablations(series, ["a", "b"], xlabel="x", groups=[1])
    marks = [line for line in ax.lines if line.get_label() in series]
    for line, (costs, _) in zip(marks, series.values(), strict=True):
        assert list(line.get_xdata()) == costs
        assert [round(row) for row in line.get_ydata()] == [0, 1]
    assert ax.get_ylim() == (1.5, -0.5)
    with pytest.raises(ValueError, match=r"zero must have.*got 1 and 2"):
        plot_ablations({"zero": ([0.1], series["zero"][1])}, ["a", "b"], xlabel="x")


def test_prunings_are_drawn_with_the_range_of_random_orders():
    curves = {"least": ([0, 1, 2], [1.0, 0.9, 0.5])}
    draws = [0, 2], [[1.0, 0.2], [1.0, 0.6]]
    ax = plot_pruning(curves, draws, {"trained on": ([2], [0.8])}, ylabel="right")
    least, mean, trained = ax.lines
    assert list(least.get_ydata()) == [1.0, 0.9, 0.5]
    assert list(mean.get_ydata()) == pytest.approx([1.0, 0.4])
    assert (list(trained.get_xdata()), trained.get_linestyle()) == ([2], "None")
    (band,) = ax.collections
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(0.2)
    with pytest.raises(ValueError, match="at least one random order"):
        plot_pruning(curves, ([0], []), {}, ylabel="right")


def test_a_view_of_heads_starts_where_it_is_told():
    weights = torch.rand(2, 3, 4, 5).softmax(dim=-1)
    best = int(weights[1, 0, 2].argmax())
    ask = Ask(query=2, text="Where?", choices=range(5))
    view = view_heads(
        weights, list("abcd"), list("vwxyz"), alt="a", start=(1, 0), ask=ask
    )
    assert [axis["start"] for axis in view.data["axes"]] == [1, 0]
    assert view.data["ask"]["key"] == best

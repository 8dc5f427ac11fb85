"""The chapter's figures: heads, their scores and their costs where they belong."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.multi_head import (
    plot_costs,
    plot_score_panels,
    plot_scores,
    plot_two_heads,
)


def test_every_head_has_its_arrows(grow_evenly):
    _, ax = plt.subplots()
    words, first, second = ["a", "b", "c"], [0.7, 0.25, 0.05], [0.1, 0.2, 0.7]
    assert plot_two_heads(words, first, second, "und", ax=ax) is ax
    texts = [text.get_text() for text in ax.texts]
    for text in [*words, "head 1", "head 2", ".70  .25  .05", "und", "context"]:
        assert text in texts
    for color, row in ("#0072b2", first), ("#cc79a7", second):
        widths = [
            text.arrow_patch.get_linewidth()
            for text in ax.texts
            if getattr(text, "arrow_patch", None)
            and to_hex(text.arrow_patch.get_facecolor()) == color
        ]
        grow_evenly(widths, row)
    assert len(ax.patches) == 3 + 2 + 1  # words, heads, projection


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

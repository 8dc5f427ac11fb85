"""The chapter's figures: lines as thick as weights, heads in their places."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from attention_book.figures.self_attention import (
    plot_asking,
    plot_distance_scores,
    plot_image_scores,
    plot_kernel_heads,
    plot_layer_costs,
    plot_score_spreads,
)


def test_lines_lead_from_every_word_to_the_asking_one(grow_evenly):
    _, ax = plt.subplots()
    words, weights = ["the", "cup", "fell"], [0.125, 0.75, 0.125]
    assert plot_asking(words, weights, 2, ax=ax) is ax
    for x, line in enumerate(ax.lines):
        assert list(line.get_xdata()) == [x, 2]
    grow_evenly((line.get_linewidth() for line in ax.lines), weights)
    texts = [text.get_text() for text in ax.texts]
    for word in words:
        assert texts.count(word) == 2
    assert texts.count(".75") == 1
    assert len(ax.patches) == 6


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


def test_image_scores_are_means_with_cut_off_intervals():
    scores = {"GRU": np.array([[0.5, 0.7], [0.9, 0.8]])}
    ax = plot_image_scores([60, 250], scores, {"GRU": [(0.1, 0.9), (0.6, 1.3)]})
    assert list(ax.lines[0].get_ydata()) == pytest.approx([0.6, 0.85])
    tops = [path.vertices[:, 1].max() for path in ax.collections[0].get_paths()]
    assert max(tops) == pytest.approx(1.0)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["60", "250"]


def test_chance_is_a_line_below_the_scores():
    scores = {"GRU": np.array([[0.5, 0.7], [0.9, 0.8]])}
    ax = plot_distance_scores([8, 16], scores, chance=0.45)
    assert list(ax.lines[0].get_ydata()) == pytest.approx([0.6, 0.85])
    assert set(ax.lines[1].get_ydata()) == {0.45}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16"]

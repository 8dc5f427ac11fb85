"""The chapter's figures: neighbourhoods and the evenness of weights."""

import matplotlib.pyplot as plt
import pytest
import torch

from attention_book.figures.colours import KEY
from attention_book.figures.graph_attention import plot_evenness, plot_neighbourhood


def test_edges_are_as_thick_as_their_weights(grow_evenly):
    _, ax = plt.subplots()
    names, weights = ["cos", "tan", "arcsin"], [0.2, 0.3, 0.4]
    assert plot_neighbourhood("sin", names, weights, own=0.1, title="GAT", ax=ax) is ax
    edges = [line for line in ax.lines if len(line.get_xdata()) == 2]
    (ring,) = ax.patches
    widths = [ring.get_linewidth(), *(line.get_linewidth() for line in edges)]
    grow_evenly(widths, [0.1, *weights])
    ends = [(line.get_xdata()[1], line.get_ydata()[1]) for line in edges]
    assert len({(round(x, 6), round(y, 6)) for x, y in ends}) == 3
    assert all(x**2 + y**2 == pytest.approx(1) for x, y in ends)
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["cos .20", "tan .30", "arcsin .40"]
    assert ax.get_title() == "GAT\nsin .10"


def test_neighbours_have_their_colours_and_a_node_may_have_no_loop():
    ax = plot_neighbourhood("a", ["b", "c"], [1.0, 0.0], colours=[KEY, "#123456"])
    assert ax.lines[-1].get_color() == "#123456"
    assert not ax.patches
    assert ax.get_title() == "a"
    assert ax.texts[0].get_text() == "b 1.00"


def test_weights_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match="got 1 and 2 for 2"):
        plot_neighbourhood("a", ["a", "b"], [1.0])


def test_evenness_is_drawn_by_degree():
    degree = torch.tensor([2, 2, 3, 1])
    values = torch.tensor([0.4, 0.8, 0.5, torch.nan])
    ax = plot_evenness(degree, {"hidden": values, "output": values / 2})
    first, second = ax.lines
    assert list(first.get_xdata()) == [2, 3]
    assert list(first.get_ydata()) == pytest.approx([0.6, 0.5])
    assert list(second.get_ydata()) == pytest.approx([0.3, 0.25])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "hidden",
        "output",
    ]

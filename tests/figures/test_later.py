"""The drawings of the chapter on later mechanisms hold what they are given."""

import matplotlib.pyplot as plt
import pytest
import torch

from attention_book.attention.later.sparse import strided_masks
from attention_book.data.sequences.glyphs import glyph_pairs
from attention_book.figures.later import (
    PARTS,
    plot_changes,
    plot_costs,
    plot_heads,
    plot_parts,
    plot_patterns,
)


def test_a_table_of_changes_fills_the_cells_that_are_named():
    ax = plot_changes({"a": {"query": "one"}, "b": {"mask": "two", "key": "three"}})
    where = {text.get_text(): text.get_position() for text in ax.texts}
    assert where["one"] == (PARTS.index("query"), 0)
    assert where["two"] == (PARTS.index("mask"), 1)
    filled = [patch for patch in ax.patches if patch.get_facecolor()[3] > 0]
    assert len(filled) == 3
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    with pytest.raises(ValueError, match=r"a must change some of .* got \['heads'\]"):
        plot_changes({"a": {"heads": "more"}})


def test_heads_patterns_and_costs():
    written, read = torch.rand(2, 3, 5)
    shown = [ax.images[0].get_array() for ax in plot_heads(written, read).axes]
    assert (shown[0] == written.numpy()).all()
    assert (shown[1] == read.numpy()).all()
    masks = strided_masks(6, 2)
    axes = plot_patterns({"near": masks.first, "far": masks.second}).axes
    assert [ax.get_title() for ax in axes] == ["near", "far"]
    assert axes[1].images[0].get_array().sum() == int(masks.second.sum())
    scores = {"dense": [8, 32], "strided": [6, 20]}
    left, right = plot_costs(
        [4, 8], scores, {"dense": [1.0, 2.0], "strided": [3.0, 4.0]}
    ).axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[8, 32], [6, 20]]
    assert right.get_xscale() == right.get_yscale() == "log"
    plt.close("all")


def test_parts_are_framed_at_their_peaks():
    pairs = glyph_pairs(2, seed=0)
    weights = torch.zeros(2, 2, 144)
    weights[:, 0, 13] = weights[:, 1, 143] = 1.0  # row 1, column 1; the last one
    figure = plot_parts(pairs.images, weights, pairs.centres)
    for ax, places in zip(figure.axes, pairs.centres, strict=True):
        corners = [patch.get_xy() for patch in ax.patches]
        assert corners == [(0.5, 0.5), (20.0, 20.0)]
        assert ax.lines[0].get_ydata().tolist() == places[:, 0].tolist()
    plt.close("all")

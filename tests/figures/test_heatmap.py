"""plot_weights: rows are queries, the scale is fixed, the truth is outlined."""

import matplotlib.pyplot as plt
import pytest
import torch

from attention_book.figures.heatmap import plot_weights

QUERIES, KEYS = ["ein", "und", "zwanzig"], ["twenty", "one"]


def test_queries_are_rows_and_the_scale_is_fixed():
    weights = torch.tensor([[0.1, 0.3], [0.2, 0.2], [0.25, 0.05]], requires_grad=True)
    fig, ax = plt.subplots()
    assert plot_weights(weights, QUERIES, KEYS, ax=ax) is ax
    (image,) = ax.images
    assert image.get_clim() == (0, 1)
    assert torch.equal(torch.tensor(image.get_array().data), weights.detach())
    assert [label.get_text() for label in ax.get_xticklabels()] == KEYS
    assert [label.get_text() for label in ax.get_yticklabels()] == QUERIES
    assert len(fig.axes) == 2  # with the colour bar


def test_alignment_is_outlined_where_it_belongs():
    weights = torch.zeros(3, 2, dtype=torch.bfloat16)
    ax = plot_weights(
        weights, QUERIES, KEYS, alignment={(1, 0), (0, 2)}, colorbar=False
    )
    corners = sorted(patch.get_xy() for patch in ax.patches)
    assert corners == [(-0.5, 1.5), (0.5, -0.5)]
    assert len(ax.figure.axes) == 1


def test_labels_and_links_that_do_not_fit_are_errors():
    with pytest.raises(
        ValueError, match=r"weights must have shape \(3, 2\).*got \(2, 3\)"
    ):
        plot_weights(torch.zeros(2, 3), QUERIES, KEYS)
    with pytest.raises(ValueError, match=r"link \(2, 0\) outside 2 keys and 3 queries"):
        plot_weights(torch.zeros(3, 2), QUERIES, KEYS, alignment=[(2, 0)])


def test_the_scale_says_what_the_shades_are():
    for options, wanted in ({}, "weight"), ({"label": "match score"}, "match score"):
        ax = plot_weights(torch.zeros(3, 2), QUERIES, KEYS, **options)
        assert ax.figure.axes[1].get_ylabel() == wanted

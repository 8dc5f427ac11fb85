"""Weights over images: each in its place, on a scale that is always the same."""

import matplotlib.pyplot as plt
import pytest
import torch
from torch.testing import assert_close

from attention_book.figures.soft_hard import (
    plot_look,
    plot_looks,
    plot_soft_against_hard,
)


def test_weights_lie_over_the_image_row_by_row():
    _, ax = plt.subplots()
    weights = torch.arange(9) / 36
    assert plot_look(torch.rand(12, 12), weights, box=(2, 5, 4), ax=ax) is ax
    image, veil = ax.images
    assert list(image.get_extent()) == list(veil.get_extent()) == [0, 12, 12, 0]
    assert_close(torch.from_numpy(veil.get_array().data), weights.view(3, 3))
    assert veil.get_clim() == (0, 1)
    (box,) = ax.patches
    assert (box.get_xy(), box.get_width()) == ((5, 2), 4)


def test_one_panel_per_word():
    axes = plot_looks(
        torch.rand(8, 8), list("abc"), torch.eye(4)[:3], boxes=[None, (1, 2, 3), None],
        columns=2,
    )  # fmt: skip
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    assert [len(ax.patches) for ax in axes] == [0, 1, 0]
    for i, ax in enumerate(axes):
        assert_close(torch.from_numpy(ax.images[1].get_array().data).argmax().item(), i)


def test_hard_shows_one_location():
    soft, hard = plot_soft_against_hard(torch.rand(8, 8), torch.ones(16) / 16, 6)
    assert soft.images[1].get_array().min() > 0
    assert hard.images[1].get_array().max() == 0
    (square,) = hard.patches
    assert (square.get_xy(), square.get_width()) == ((4, 2), 2)


def test_errors():
    image = torch.zeros(8, 8)
    with pytest.raises(ValueError, match="square grid, got 5 locations"):
        plot_look(image, torch.ones(5))
    with pytest.raises(ValueError, match="each of the 2 words, got 1 and 0"):
        plot_looks(image, ["a", "b"], torch.ones(1, 4))
    with pytest.raises(ValueError, match="each of the 1 words, got 1 and 2"):
        plot_looks(image, ["a"], torch.ones(1, 4), boxes=[None, None])
    with pytest.raises(ValueError, match="location must be from 0 to 3, got 4"):
        plot_soft_against_hard(image, torch.ones(4), 4)

"""Weights over images: each in its place, on a scale that is always the same."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
from torch.testing import assert_close

from attention_book.figures.soft_hard import (
    plot_captions,
    plot_look,
    plot_looks,
    plot_step,
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


def test_a_drawn_location_is_framed():
    axes = plot_looks(
        torch.rand(8, 8), ["a", "b"], torch.eye(16)[:2], locations=[6, 15]
    )
    frames = [ax.patches[0] for ax in axes]
    assert [frame.get_xy() for frame in frames] == [(4, 2), (6, 6)]
    assert {frame.get_width() for frame in frames} == {2}


def test_a_step_shows_the_average_and_three_draws():
    weights = torch.tensor([0.1, 0.6, 0.3, 0.0])
    ax = plot_step(torch.rand(8, 8), weights, [1, 2, 1])
    pictures = [shown.get_array() for shown in ax.images]
    veil, soft, *hard = pictures[1::2]
    assert_close(torch.from_numpy(veil.data).float(), weights.view(2, 2))
    hidden = torch.from_numpy(soft[..., 3].data).float()
    assert_close(hidden / 0.93, 1 - weights.view(2, 2) / 0.6)
    seen = [torch.from_numpy(cover[..., 3].data).argmin().item() for cover in hard]
    assert seen == [1, 2, 1]


def test_captions_stand_below_what_was_seen():
    look = SimpleNamespace(
        words=["a", "six", "two", "<eos>"],
        weights=torch.eye(16)[:4],
        locations=[0, 7, 7, 2],
    )
    axes = plot_captions(
        [torch.rand(8, 8)] * 2, [look] * 2, [["a", "two"]] * 2, ["six", "two"], grid=4
    )
    assert len(axes) == 2
    (frame,) = axes[0].patches
    assert frame.get_xy() == (6, 2)
    said = [text.get_text() for text in axes[0].texts]
    assert said == ["six, two", "written: a six two", "right: a two"]


def test_errors():
    image = torch.zeros(8, 8)
    with pytest.raises(ValueError, match="square grid, got 5 locations"):
        plot_look(image, torch.ones(5))
    with pytest.raises(ValueError, match="of the 2 words, got 1, 0 and 0"):
        plot_looks(image, ["a", "b"], torch.ones(1, 4))
    with pytest.raises(ValueError, match="of the 1 words, got 1, 2 and 0"):
        plot_looks(image, ["a"], torch.ones(1, 4), boxes=[None, None])
    with pytest.raises(ValueError, match="of the 1 words, got 1, 0 and 2"):
        plot_looks(image, ["a"], torch.ones(1, 4), locations=[0, 1])
    with pytest.raises(ValueError, match=r"three locations from 0 to 3, got \[0, 4, 1"):
        plot_step(image, torch.ones(4), [0, 4, 1])
    with pytest.raises(ValueError, match="at least one image, got none"):
        plot_captions([], [], [], [], grid=4)

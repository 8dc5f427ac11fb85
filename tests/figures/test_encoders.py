"""Figures of the chapter on encoders: frames and paths are where they belong."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from attention_book.figures.encoders import (
    ENCODERS,
    INPUTS,
    TEXT,
    plot_four,
    plot_frames,
    plot_one_decoder,
    plot_speech,
)

WORDS = ["six", "two"]


def shades(ax):
    (mesh,) = ax.collections
    assert mesh.get_clim() == (0, 1)
    return mesh.get_array(), mesh.get_coordinates()


def outlines(ax):
    return [p for p in ax.patches if p.get_edgecolor()[:3] == (213 / 255, 94 / 255, 0)]


def test_every_encoder_leads_to_one_decoder():
    _, ax = plt.subplots()
    assert plot_one_decoder(ax=ax) is ax
    texts = {text.get_text(): text.get_position() for text in ax.texts}
    wide = texts[TEXT["annotations"]]
    for name, encoder in zip(INPUTS, ENCODERS, strict=True):
        assert texts[name][0] == texts[encoder][0]
        assert texts[name][1] < texts[encoder][1] < wide[1]
    assert texts[TEXT["decoder"]][1] > wide[1]


def test_frames_stand_above_their_weights():
    frames, weights = (
        torch.rand(3, 4, 4),
        torch.tensor([[0.7, 0.2, 0.1], [0, 0.5, 0.5]]),
    )
    ax = plot_frames(frames, weights, WORDS, spans=[(0, 1), (1, 3)])
    assert len(ax.images) == 3
    for number, image in enumerate(ax.images):
        left, right, bottom, top = image.get_extent()
        assert (left + right) / 2 == pytest.approx(number)
        assert bottom > top, "the y axis points downwards"
        assert image.origin == "upper", "the first row of pixels on top"
        np.testing.assert_allclose(image.get_array(), frames[number].numpy())
    values, corners = shades(ax)
    np.testing.assert_allclose(values.reshape(2, 3), weights.numpy())
    np.testing.assert_allclose(corners[0, :, 0], [-0.5, 0.5, 1.5, 2.5])
    found = [(p.get_x(), p.get_y(), p.get_width()) for p in outlines(ax)]
    assert found == [(-0.5, -0.5, 1), (0.5, 0.5, 2)]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_the_path_is_drawn_in_seconds():
    frames = torch.rand(10, 5)
    weights = torch.eye(3)[:2]  # three annotations of four frames
    upper, lower = plot_speech(
        frames, weights, WORDS, reduction=4, spans=[(1, 4), (6, 9)]
    )
    (image,) = upper.images
    assert tuple(image.get_extent()) == (0, 0.1, 0, 5)
    values, corners = shades(lower)
    np.testing.assert_allclose(values.reshape(2, 3), weights.numpy())
    np.testing.assert_allclose(corners[0, :, 0], [0, 0.04, 0.08, 0.12])
    found = [(p.get_x(), p.get_width()) for p in outlines(lower)]
    np.testing.assert_allclose(found, [(0.01, 0.03), (0.06, 0.03)])
    assert lower.get_xlim() == pytest.approx((0, 0.1))
    assert [label.get_text() for label in lower.get_yticklabels()] == WORDS


def test_four_panels():
    _, axes = plot_four()
    assert sorted(axes) == ["image", "path", "sound", "text", "video"]


def test_sizes_that_do_not_fit_are_an_error(no_shape_checks):
    with pytest.raises(
        ValueError, match=r"shape \(2, 3\), one for each word.*\(2, 4\)"
    ):
        plot_frames(torch.zeros(3, 4, 4), torch.zeros(2, 4), WORDS)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        plot_speech(torch.zeros(8, 5), torch.zeros(2, 3), WORDS, reduction=4)
    with pytest.raises(ValueError, match="an entry for each of 2 words, got 1"):
        plot_frames(torch.zeros(3, 4, 4), torch.zeros(2, 3), WORDS, spans=[(0, 1)])

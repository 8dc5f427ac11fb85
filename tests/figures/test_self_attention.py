"""The chapter's figures: lines as thick as weights, heads in their places."""

import matplotlib.pyplot as plt
import pytest
import torch

from attention_book.figures.self_attention import plot_asking, plot_kernel_heads


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
def test_weights_or_places_that_do_not_fit_are_errors(weights, asking):
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

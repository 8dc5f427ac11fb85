"""What is compared with what, and cosines with their weights, stand in their places."""

import pytest
import torch

from attention_book.figures.mpcnn import plot_comparisons, plot_cosines


def test_comparisons():
    ax = plot_comparisons("a cat", "a dog", num_filters=3, widths=("1", "2"))
    frames = [patch for patch in ax.patches if not patch.get_fill()]
    assert len(ax.patches) - len(frames) == 2 * 3 * 2
    assert len(frames) == 3  # a row in each, a column in the first
    arrows = [text for text in ax.texts if not text.get_text()]
    assert len(arrows) == 1 + 2  # row with row; a column with each column
    words = [text.get_text() for text in ax.texts]
    assert "a cat" in words
    assert "a dog" in words


def test_cosines_and_weights():
    cosines = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.2, 0.3]])
    first, second = torch.tensor([0.25, 0.75]), torch.tensor([0.2, 0.3, 0.5])
    figure = plot_cosines(cosines, ["a", "b"], ["x", "y", "z"], first, second)
    ax, right, below, *_ = figure.axes
    image = ax.images[0]
    assert image.get_array().tolist() == [
        pytest.approx(row.tolist()) for row in cosines
    ]
    assert image.get_clim() == (-1, 1)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["x", "y", "z"]
    assert [bar.get_width() for bar in right.patches] == pytest.approx(first.tolist())
    assert [bar.get_height() for bar in below.patches] == pytest.approx(second.tolist())
    assert right.get_ylim() == ax.get_ylim()  # a bar stands beside its row
    assert below.get_xlim() == ax.get_xlim()


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match="two widths or more, got 1 and 2"):
        plot_comparisons("a", "b", num_filters=1, widths=("1", "2"))
    with pytest.raises(ValueError, match=r"2 and 1 words, got \(1, 1\), 2 and 1"):
        plot_cosines(
            torch.ones(1, 1), ["a", "b"], ["c"], torch.ones(2) / 2, torch.ones(1)
        )

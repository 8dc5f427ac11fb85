"""Figures of the readers: every word and weight is there."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex, to_rgba

from attention_book.figures.attention_over_attention import plot_reader, plot_reading
from attention_book.figures.colours import CONTEXT, KEY, QUERY

QUESTION = ["XXXXX", "paints", "$5$"]
DOCUMENT = ["Ann", "paints", "boats", "Ann"]


def test_the_drawing_has_each_pair_of_words():
    ax = plot_reader(QUESTION, DOCUMENT)
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.texts]
    for word in QUESTION + DOCUMENT:
        assert word in texts
    boxes = [p for p in ax.patches if hasattr(p, "get_boxstyle")]
    assert len(boxes) == 3 * 4 + 3 + 4
    arrows = [text.arrow_patch for text in ax.texts if hasattr(text, "arrow_patch")]
    colors = [arrow.get_edgecolor() for arrow in arrows]
    for color in (KEY, QUERY, CONTEXT):
        assert to_rgba(color) in colors
    with pytest.raises(ValueError, match="must have words, got 0 and 4"):
        plot_reader([], DOCUMENT)


def test_a_reading_shows_all_three_attentions():
    alpha = torch.rand(3, 4).softmax(dim=1)
    beta, s = torch.rand(3).softmax(0), torch.rand(4).softmax(0)
    above, right, below = plot_reading(alpha, beta, s, QUESTION, DOCUMENT, answer="Ann")
    plt.gcf().canvas.draw()
    assert above.images[0].get_array().tolist() == pytest.approx(alpha.numpy())
    assert [bar.get_width() for bar in right.patches] == pytest.approx(beta.tolist())
    assert [bar.get_height() for bar in below.patches] == pytest.approx(s.tolist())
    filled = [to_hex(b.get_facecolor(), keep_alpha=True) for b in below.patches]
    assert [color.endswith("ff") for color in filled] == [True, False, False, True]
    assert below.get_xlabel() == "answer: Ann"
    assert [label.get_text() for label in above.get_xticklabels()] == DOCUMENT


def test_weights_that_do_not_fit(no_shape_checks):
    with pytest.raises(ValueError, match=r"query_weights and weights must have shapes"):
        plot_reading(torch.eye(2), torch.ones(2), torch.ones(3), ["a", "b"], ["a", "b"])

"""The network, what is compared with what, and arms stand in their places."""

from collections import Counter

import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.mpcnn import plot_arms, plot_comparisons, plot_network

FIRST, SECOND = ["dogs", "chase", "cats"], ["animals", "chase"]
WEIGHTS = [0.2, 0.5, 0.3], [0.75, 0.25]


def test_the_network_has_what_is_new():
    ax = plot_network(FIRST, SECOND, WEIGHTS)
    found = Counter(to_hex(patch.get_edgecolor()) for patch in ax.patches)
    words = len(FIRST) + len(SECOND)
    assert found["#56b4e9"] == 2 * words  # words alone, and below the weighed ones
    # Weighed words, bars of weights, the cosines, and the frame of the layer.
    assert found["#d55e00"] == 2 * words + len(FIRST) * len(SECOND) + 1
    # Per sentence: three filters, four widths and three poolings, and a window of
    # words; the box where both are compared.
    assert found["#0072b2"] == 2 * (3 * 4 * 3 + 1) + 1
    # Per sentence: three filters, three widths and two poolings, and one dimension.
    assert found["#009e73"] == 2 * (3 * 3 * 2 + 1) + 1
    texts = [text.get_text() for text in ax.texts]
    assert set(FIRST + SECOND) <= set(texts)
    assert {"$A_0$", "$A_1$"} <= set(texts)
    bars = [patch.get_height() for patch in ax.patches if patch.get_width() == 0.4]
    assert bars == [*WEIGHTS[0], *WEIGHTS[1]]


def test_comparisons_have_their_numbers():
    first = torch.tensor([[4.0, 0.0], [3.0, 3.0]])
    second = torch.tensor([[8.0, 4.0], [6.0, 3.0]])
    ax = plot_comparisons(first, second, ("a cat", "a dog"))
    texts = [text.get_text() for text in ax.texts]
    assert {"a cat", "a dog", "filter 2", "width 1"} <= set(texts)
    assert [t for t in texts if t.isdigit()] == list("40338463")
    # Rows: (4, 0) and (8, 4), (3, 3) and (6, 3); columns: (4, 3) and (8, 6), (4, 3).
    for cosine, distance in (0.89, 5.66), (0.95, 3), (1, 5), (1, 0):
        assert f"cosine {cosine:.2f}\ndistance {distance:.2f}" in texts
    assert sum("cosine" in text for text in texts) == 2 + 2
    frames = [patch for patch in ax.patches if not patch.get_fill()]
    assert len(frames) == 2 * 2 + 1  # the rows of both, a column of the first
    assert texts.count("") == 2 + 2  # arrows: row with row, a column with each


def test_arms_learn_above_what_they_reached():
    curves = {"one": [1.0, 0.5], "all": [0.75, 0.25]}
    reached = {"one": [0.5, 0.75], "all": [0.75]}
    intervals = {"one": (0.25, 1.0), "all": (0.75, 0.75)}
    labels = {"ylabel": "loss", "xlabel": "r"}
    above, below = plot_arms(
        curves, reached, intervals, baselines={"none": 0.5}, **labels
    )
    assert above.get_ylabel() == "loss"
    assert [line.get_ydata().tolist() for line in above.lines] == list(curves.values())
    assert above.lines[0].get_xdata().tolist() == [1, 2]
    assert [text.get_text() for text in below.get_yticklabels()] == ["one", "all"]
    assert below.get_xlabel() == "r"


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match="two words or more, got 1 and 2"):
        plot_network(["a"], SECOND, ([1.0], [0.5, 0.5]))
    with pytest.raises(ValueError, match=r"weights must be 3 and 2, .* got 2 and 2"):
        plot_network(FIRST, SECOND, ([0.5, 0.5], [0.5, 0.5]))
    with pytest.raises(ValueError, match=r"with 2 columns, got \(2, 2\) and \(2, 3\)"):
        plot_comparisons(torch.eye(2), torch.eye(2, 3), ("a", "b"))

"""The drawing of one search: words, weights and boxes where they belong."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from attention_book.evaluation.intervals import BinScore
from attention_book.figures.bahdanau import (
    TEXT,
    plot_plateau,
    plot_score,
    plot_search,
)
from attention_book.figures.colours import CONTEXT


def arrows_of(ax, color):
    return [
        text
        for text in ax.texts
        if getattr(text, "arrow_patch", None)
        and to_hex(text.arrow_patch.get_edgecolor()) == color.lower()
    ]


def test_weights_stand_at_their_words_and_set_the_arrows(grow_evenly):
    _, ax = plt.subplots()
    words, weights = ["forty", "three", "two"], [0.7, 0.25, 0.05]
    assert plot_search(words, ["drei", "und"], weights, ax=ax) is ax
    places = {text.get_text(): text.get_position() for text in ax.texts}
    for number, (word, weight) in enumerate(zip(words, weights, strict=True), start=1):
        annotation, valve = places[f"$h_{{{number}}}$"], places[f"{weight:.2f}"]
        assert places[word][0] == annotation[0] == valve[0]
        assert places[word][1] < annotation[1] < valve[1]
    assert places["$c_{2}$"][1] > valve[1]
    arrows = arrows_of(ax, CONTEXT)
    starts = [places[word][0] for word in words for _ in range(2)]
    assert [arrow.xyann[0] for arrow in arrows] == starts
    widths = [arrow.arrow_patch.get_linewidth() for arrow in arrows]
    assert widths[::2] == widths[1::2]  # to the weight, and on to the context
    grow_evenly(widths[::2], weights)
    assert len(ax.patches) == 3 + 3 + 1 + 1 + 2  # h, weights, c, unit, two states


def test_the_unit_reads_state_word_and_context():
    _, ax = plt.subplots()
    plot_search(["forty", "three"], ["drei", "und", "vierzig"], [0.5, 0.5], ax=ax)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    unit = places[TEXT["unit"]]
    assert places["$s_{2}$"][0] < unit[0] < places["$s_{3}$"][0]
    assert places["$s_{2}$"][1] == unit[1] == places["$s_{3}$"][1]
    assert places["$c_{3}$"][0] == unit[0]
    assert places["$y_{2}$"][0] < unit[0] < places["$y_{3}$"][0]
    assert places["$y_{2}$"][0] == places["und"][0]
    assert places["$y_{3}$"][0] == places["vierzig"][0]
    assert "drei" not in places
    ends = [text.xy for text in ax.texts if getattr(text, "arrow_patch", None)]
    near = [
        end for end in ends if abs(end[0] - unit[0]) < 0.6 and end[1] < unit[1] + 0.4
    ]
    assert len([end for end in near if end[1] > unit[1] - 0.4]) == 3


def test_the_network_has_all_parts_of_the_equation():
    _, ax = plt.subplots()
    assert plot_score(ax=ax) is ax
    places = {text.get_text(): text.get_position() for text in ax.texts}
    order = ["$h_j$", "$U_a$", "+", r"$\tanh$", r"$v_a^\top$", "$e_{ij}$", "softmax"]
    heights = [places[name][1] for name in [*order, r"$\alpha_{ij}$"]]
    assert heights == sorted(heights)
    assert places["$s_{i-1}$"][1] == places["$h_j$"][1]
    assert places["$W_a$"][0] < places["+"][0] < places["$U_a$"][0]


@pytest.mark.parametrize(
    ("source", "target", "weights"),
    [([], ["a", "b"], []), (["a"], ["b"], [1.0]), (["a"], ["b", "c"], [0.5, 0.5])],
)
def test_what_does_not_fit_is_an_error(source, target, weights):
    with pytest.raises(ValueError, match="a weight for each source word, got"):
        plot_search(source, target, weights)


def test_curves_and_where_they_end_stand_side_by_side():
    curves = {
        "attention": np.array([[0, 0.0], [30, 0.75]]),
        "fixed": np.array([[0, 0.0], [30, 0.25]]),
    }
    bins = [BinScore(1, 3, 5, 0.5, (0.25, 0.75))]
    axes = list(plt.figure().subplots(1, 2))
    left, right = plot_plateau(curves, dict.fromkeys(curves, bins), axes=axes)
    assert [left, right] == axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in left.lines}
    assert drawn == {name: points.tolist() for name, points in curves.items()}
    assert right.lines[0].get_xydata().tolist() == [[2.0, 0.5]]
    assert left.get_ylabel() == right.get_ylabel() == TEXT["exact"]
    with pytest.raises(ValueError, match="at least one line"):
        plot_plateau({}, {})

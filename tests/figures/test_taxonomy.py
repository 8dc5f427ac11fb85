"""The chapter's figures: everything in its place, nothing lost, nothing overlapping."""

import re
from itertools import pairwise

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from attention_book.chapters.taxonomy import AXES, MECHANISMS, by_axis
from attention_book.figures.taxonomy import plot_form, plot_timeline, plot_tree


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_the_form_has_its_parts_and_the_four_questions_twice():
    _, ax = plt.subplots()
    assert plot_form(ax=ax) is ax
    found = texts(ax)
    for part in ("query", "keys", "values", "scores", "weights", "context"):
        assert part in found
    for number, axis in enumerate(AXES, start=1):
        assert found.count(str(number)) == 2  # at its place, and in the list
        assert sum(text.startswith(f"{axis}:") for text in found) == 1
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 5


def test_the_tree_of_the_book_is_whole_and_no_text_overlaps():
    tree = {
        axis: {value: [m.name for m in ms] for value, ms in by_axis(axis).items()}
        for axis in (*AXES, "architecture")
    }
    with plt.style.context("attention_book.figures.book"):
        ax = plot_tree(tree)
        ax.figure.canvas.draw()
    found = texts(ax)
    for axis, values in tree.items():
        assert axis in found
        assert set(values) <= set(found)
    joined = " ".join(found).replace("\n", " ")
    for mechanism in MECHANISMS:
        assert len(re.findall(rf"(?<!-)\b{mechanism.name}\b", joined)) >= len(AXES)
    assert "none in this book" not in found
    boxes = [text.get_window_extent() for text in ax.texts]
    width = ax.figure.bbox.width
    for k, box in enumerate(boxes):
        assert box.x1 <= width
        assert not any(box.overlaps(other) for other in boxes[:k])
    # The names of what has a value begin on the value's line, to the right of it.
    for text, box, names in zip(ax.texts, boxes, boxes[1:], strict=False):
        if text.get_position()[0] == 0.75:
            assert names.x0 > box.x1
            assert box.y0 < names.y1 < box.y1 + box.height


def test_an_empty_tree_is_an_error():
    for tree in ({}, {"levels": {}}):
        with pytest.raises(ValueError, match="must have axes, and each of them val"):
            plot_tree(tree)


def test_the_time_line_is_true_to_scale_and_its_labels_keep_apart():
    rows = [
        ("2017-07", "C", "z", "two"),
        ("2015-01", "A", "x", "one"),
        ("2015-02", "B", "y", "two"),
    ]
    _, ax = plt.subplots()
    assert plot_timeline(rows, ax=ax) is ax
    assert texts(ax) == ["2015-01  A: x", "2015-02  B: y", "2017-07  C: z"]
    points = [line for line in ax.lines if list(line.get_xdata()) == [0]]
    times = [line.get_ydata()[0] for line in points]
    assert times == pytest.approx([2015, 2015 + 1 / 12, 2017.5])
    colors = [to_hex(line.get_color()) for line in points]
    assert colors[0] != colors[1] == colors[2]
    heights = [text.get_position()[1] for text in ax.texts]
    steps = [after - before for before, after in pairwise(heights)]
    assert steps == pytest.approx([1.0, 1.0])  # three rows over three years
    assert ax.get_ylim() == (2018, 2015)  # the first on top
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["two", "one"]


def test_rows_that_cannot_be_drawn_are_errors():
    with pytest.raises(ValueError, match="got 0 rows of 0 groups"):
        plot_timeline([])
    rows = [("2015-01", "A", "x", str(group)) for group in range(7)]
    with pytest.raises(ValueError, match="at most 6 groups, got 7 rows of 7 groups"):
        plot_timeline(rows)

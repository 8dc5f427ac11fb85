"""The chapter's figures: everything in its place, nothing lost, nothing overlapping."""

from itertools import pairwise

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from attention_book.chapters.taxonomy import AXES, DECISION, DECISIONS
from attention_book.figures.taxonomy import (
    VALUES,
    plot_decisions,
    plot_form,
    plot_timeline,
    plot_values,
)


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


def counts():
    return {axis: dict.fromkeys(values, "7 of 25") for axis, values in AXES.items()}


def test_each_value_of_the_axes_has_its_picture():
    assert VALUES == AXES
    with plt.style.context("attention_book.figures.book"):
        ax = plot_values(counts())
        ax.figure.canvas.draw()
    found = texts(ax)
    for values in AXES.values():
        for value in values:
            assert any(value in text for text in found)
    assert "soft = global" in found
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert all(box.x0 >= 0 and box.x1 <= ax.figure.bbox.width for box in boxes)
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])


def test_pictures_of_other_values_are_refused():
    other = counts()
    other["levels"]["many"] = ""
    with pytest.raises(ValueError, match=r"counts must be of .* got .*'many'"):
        plot_values(other)
    with pytest.raises(ValueError, match="counts must be of"):
        plot_values({})


def test_the_chart_of_the_book_is_whole_and_no_text_overlaps():
    with plt.style.context("attention_book.figures.book"):
        ax = plot_decisions(DECISION, DECISIONS)
        ax.figure.canvas.draw()
    joined = " ".join(" ".join(texts(ax)).split())
    assert DECISION in joined
    for answer, (then, answers) in DECISIONS.items():
        for text in (answer, then, *answers):
            assert text in joined
        for names in answers.values():
            assert ", ".join(names) in joined
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert all(box.x0 >= 0 and box.x1 <= ax.figure.bbox.width for box in boxes)
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:k])
    # What is written in a box does not stick out of it.
    frames = [patch.get_window_extent() for patch in ax.patches]
    inside = [
        any(
            f.x0 <= b.x0 and b.x1 <= f.x1 and f.y0 <= b.y0 and b.y1 <= f.y1
            for f in frames
        )
        for b in boxes
    ]
    assert inside.count(True) == len(frames)


@pytest.mark.parametrize("branches", [{}, {"one": ("which?", {})}])
def test_a_chart_without_answers_is_an_error(branches):
    with pytest.raises(ValueError, match="must be branches, and each of them must hav"):
        plot_decisions("what?", branches)


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

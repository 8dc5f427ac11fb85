"""Figures of the chapter on the taxonomy: form, values, decisions and time line."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.drawing import Number, draw_arrow, draw_box

_REST = "#999999"
_SHADES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
VALUES = {
    "sequences": ("distinctive", "co-attention", "self"),
    "levels": ("single", "multi"),
    "positions": ("soft", "hard", "global", "local"),
    "representations": ("single", "multi-representational", "multi-dimensional"),
}
"""The survey's axes and their values, each of which has a picture."""

# What is written on the figures.
TEXT = {
    "query": "query",
    "keys": "keys",
    "values": "values",
    "scores": "scores",
    "weights": "weights",
    "context": "context",
    "normaliser": "normaliser",
    "sum": "weighted sum",
    "sequences": "sequences: whose words are the keys?",
    "levels": "levels: what do the keys stand for?",
    "positions": "positions: which keys may have weight?",
    "representations": "representations: what has a weight of its own?",
}


def plot_form(*, ax: Axes | None = None) -> Axes:
    """Draw the form that all attention shares, and where the four axes act on it.

    Args:
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_form()
        >>> "weights" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(5.6, 5.2)).subplots()
    boxes = {
        "query": (0.9, 0.5, QUERY),
        "keys": (3.0, 0.5, KEY),
        "values": (5.1, 0.5, VALUE),
        "scores": (1.95, 1.75, _REST),
        "weights": (1.95, 3.0, _REST),
        "context": (3.5, 4.25, CONTEXT),
    }
    size = {"width": 1.1, "height": 0.48}
    for name, (x, y, color) in boxes.items():
        draw_box(ax, x, y, TEXT[name], color, **size, fontweight="bold")
    arrows = (
        ("query", "scores"),
        ("keys", "scores"),
        ("scores", "weights"),
        ("weights", "context"),
        ("values", "context"),
    )
    for start, end in arrows:
        (x, y, _), (to_x, to_y, _) = boxes[start], boxes[end]
        to_x += 0.35 * (x > to_x) - 0.35 * (x < to_x)
        draw_arrow(ax, (x, y + 0.28), (to_x, to_y - 0.28))
    for x, y, name in ((2.1, 2.38, "normaliser"), (4.5, 3.0, "sum")):
        ax.text(x, y, TEXT[name], va="center", fontsize=9, color=INK)
    questions = {
        "sequences": (2.2, 0.95),
        "levels": (3.8, 0.62),
        "positions": (2.75, 3.0),
        "representations": (4.15, 0.62),
    }
    circle = {"boxstyle": "circle,pad=0.22", "fc": "#F0E442", "ec": INK, "lw": 0.8}
    where: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
    for number, (name, (x, y)) in enumerate(questions.items(), 1):
        below = -0.25 - 0.34 * number
        for at in ((x, y), (0.45, below)):
            ax.text(*at, str(number), bbox=circle, **where)
        ax.text(0.75, below, TEXT[name], va="center", fontsize=9)
    ax.set(xlim=(0.0, 6.0), ylim=(-1.85, 4.6))
    ax.axis("off")
    return ax


def plot_values(
    counts: Mapping[str, Mapping[str, str]], *, ax: Axes | None = None
) -> Axes:
    """Draw what each value of the survey's four axes means: one small picture for each.

    Args:
        counts: for each axis, and for each of its values, a text below the value's
            name, such as the number of mechanisms that have it. "soft" and "global"
            share a picture.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if the axes or their values are others than the survey's.

    Example:
        >>> axes = {axis: dict.fromkeys(values, "") for axis, values in VALUES.items()}
        >>> "co-attention" in [text.get_text() for text in plot_values(axes).texts]
        True
    """
    given = {axis: tuple(values) for axis, values in counts.items()}
    if given != VALUES:
        raise ValueError(f"counts must be of {VALUES}, got {given}")
    ax = ax or plt.figure(figsize=(5.6, 6.5)).subplots()
    draw: dict[str, Callable[[Axes, Number, Number], None]] = {
        "distinctive": _draw_distinctive,
        "co-attention": _draw_co_attention,
        "self": _draw_self,
        "multi": partial(_draw_levels, groups=(2, 3, 2)),
        "hard": partial(_draw_bars, heights=(0, 0, 1, 0, 0, 0, 0)),
        "local": partial(_draw_bars, heights=_LOCAL, window=(1, 3)),
        "multi-representational": partial(_draw_cells, shades=_VIEWS),
        "multi-dimensional": partial(_draw_cells, shades=_FEATURES),
    }
    first = {
        "levels": partial(_draw_levels, groups=(7,)),
        "positions": partial(_draw_bars, heights=_SOFT),
        "representations": partial(_draw_cells, shades=_WORDS),
    }
    for row, (axis, values) in enumerate(counts.items()):
        y = -2.6 * row
        ax.text(0, y + 1.72, f"{row + 1}  {TEXT[axis]}", va="center", fontweight="bold")
        shown = [value for value in values if value != "global"]
        for column, value in enumerate(shown):
            x = 2.15 * column
            paint = first.get(axis) if value in ("soft", "single") else draw[value]
            if paint is not None:
                paint(ax, x, y)
            names = ["soft", "global"] if value == "soft" else [value]
            label = " = ".join(names)
            ax.text(x + 0.85, y - 0.22, label, ha="center", va="center", fontsize=8.5)
            below = ", ".join(f"{name} {values[name]}" for name in names)
            below = below if len(names) > 1 else values[value]
            where: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}
            ax.text(x + 0.85, y - 0.5, below, color=INK, **where)
    ax.set(xlim=(-0.15, 6.3), ylim=(-2.6 * (len(counts) - 1) - 0.7, 1.95))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


_SOFT = 0.1, 0.3, 0.85, 0.4, 0.2, 0.1, 0.05
_LOCAL = 0, 0.25, 0.9, 0.3, 0, 0, 0
_STEP = 0.26  # between neighbouring squares


def _square(
    ax: Axes,
    x: Number,
    y: Number,
    color: str,
    *,
    share: Number = 0.35,
    side: Number = 0.2,
) -> None:
    """A square around a point, the more opaque the larger the share."""
    face = to_rgba(color, share)
    corner = x - side / 2, y - side / 2
    ax.add_patch(Rectangle(corner, side, side, fc=face, ec=color, lw=0.9))


def _link(
    ax: Axes, start: tuple[Number, Number], end: tuple[Number, Number], weight: Number
) -> None:
    """A line as thick as its weight."""
    (x, y), (to_x, to_y) = start, end
    ax.plot([x, to_x], [y, to_y], color=CONTEXT, lw=0.4 + 3 * weight, ls="-", marker="")


def _draw_distinctive(ax: Axes, x: Number, y: Number) -> None:
    middle = x + 0.85
    for k, weight in enumerate((0.1, 0.15, 0.8, 0.2, 0.1)):
        at = middle + (k - 2) * _STEP
        _link(ax, (middle, y + 1.15), (at, y + 0.3), weight)
        _square(ax, at, y + 0.2, KEY)
    _square(ax, middle, y + 1.25, QUERY)


def _draw_co_attention(ax: Axes, x: Number, y: Number) -> None:
    middle = x + 0.85
    for k, weights in enumerate(((0.7, 0.1, 0.1), (0.1, 0.2, 0.8), (0.15, 0.5, 0.1))):
        for j, weight in enumerate(weights):
            ends = middle + (k - 1) * 0.4, middle + (j - 1) * 0.4
            _link(ax, (ends[0], y + 1.15), (ends[1], y + 0.3), weight)
    for offset in (-0.4, 0.0, 0.4):  # each side asks, and is asked
        for height in (0.2, 1.25):
            _square(ax, middle + offset - 0.06, y + height, QUERY, side=0.12)
            _square(ax, middle + offset + 0.06, y + height, KEY, side=0.12)


def _draw_self(ax: Axes, x: Number, y: Number) -> None:
    middle = x + 0.85
    for k, weight in ((-2, 0.2), (-1, 0.6), (1, 0.15), (2, 0.4)):
        curve = 0.62 if k < 0 else -0.62
        ax.annotate(
            "",
            (middle + k * _STEP, y + 0.52),
            (middle, y + 0.52),
            arrowprops={
                "arrowstyle": "-",
                "connectionstyle": f"arc3,rad={curve}",
                "lw": 0.4 + 3 * weight,
                "color": CONTEXT,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
    for k in range(-2, 3):
        _square(ax, middle + k * _STEP, y + 0.4, QUERY if k == 0 else KEY)


def _draw_levels(ax: Axes, x: Number, y: Number, *, groups: Sequence[int]) -> None:
    """Words below, what sums them up above; with several groups one level more."""
    middle, several = x + 0.85, len(groups) > 1
    at = middle - (sum(groups) - 1) * 0.11 - (len(groups) - 1) * 0.05
    tops = []
    for size in groups:
        places = [at + 0.22 * k for k in range(size)]
        top = sum(places) / size if several else middle
        for k, place in enumerate(places):
            weight = (0.7, 0.15, 0.2, 0.1)[(k + size) % 4]
            _link(ax, (place, y + 0.2), (top, y + (0.65 if several else 1.15)), weight)
            _square(ax, place, y + 0.1, KEY, side=0.16)
        tops.append(top)
        at = places[-1] + 0.32
    for k, top in enumerate(tops if several else []):
        _link(ax, (top, y + 0.8), (middle, y + 1.15), (0.2, 0.8, 0.15)[k % 3])
        _square(ax, top, y + 0.72, KEY, side=0.18)
    _square(ax, middle, y + 1.25, CONTEXT)


def _draw_bars(
    ax: Axes,
    x: float,
    y: float,
    *,
    heights: Sequence[Number],
    window: tuple[int, int] | None = None,
) -> None:
    """Keys with their weights as bars above them, and a window around some."""
    left = x + 0.85 - (len(heights) - 1) * 0.11
    for k, height in enumerate(heights):
        _square(ax, left + 0.22 * k, y + 0.12, KEY, side=0.16)
        if height:
            corner = left + 0.22 * k - 0.07, y + 0.26
            ax.add_patch(Rectangle(corner, 0.14, height, fc=CONTEXT, ec="none"))
    if window is not None:
        low, high = (left + 0.22 * k for k in window)
        corner = low - 0.12, y + 0.01
        size = high - low + 0.24, 1.3
        ax.add_patch(Rectangle(corner, *size, fill=False, ec=INK, lw=0.9, ls="--"))


# Shades of the cells of three words with four features each, word by word.
_WORDS = ((0.15,) * 4, (0.8,) * 4, (0.35,) * 4)
_VIEWS = ((0.85, 0.85, 0.2, 0.2), (0.5, 0.5, 0.5, 0.5), (0.1, 0.1, 0.9, 0.9))
_FEATURES = ((0.1, 0.8, 0.3, 0.15), (0.75, 0.15, 0.1, 0.8), (0.3, 0.2, 0.75, 0.2))


def _draw_cells(
    ax: Axes, x: Number, y: Number, *, shades: Sequence[Sequence[Number]]
) -> None:
    """Words as columns of features, each cell as dark as its weight."""
    for word, column in enumerate(shades):
        for feature, share in enumerate(column):
            gap = 0.1 if shades is _VIEWS and feature > 1 else 0.0
            at = x + 0.45 + 0.4 * word, y + 1.15 - 0.26 * feature - gap
            _square(ax, *at, CONTEXT, share=share, side=0.22)


def plot_decisions(
    question: str,
    branches: Mapping[str, tuple[str, Mapping[str, Sequence[str]]]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a chart of questions, from the top, whose last answers lead to names.

    Args:
        question: the first question.
        branches: for each of its answers the next question and, for each of the answers
            to that one, the names that it leads to. Each branch is a column.
        ax: where to draw; None: the axes of a new figure of the height that it takes.

    Raises:
        ValueError: if there is no branch, or one without answers.

    Example:
        >>> branches = {"two": ("What is wanted?", {"similarity": ["ABCNN-1"]})}
        >>> ax = plot_decisions("How many inputs?", branches)
        >>> [text.get_text() for text in ax.texts if text.get_text()]
        ['How many inputs?', 'two', 'What is wanted?', 'similarity', 'ABCNN-1']
    """
    if not branches or not all(answers for _, answers in branches.values()):
        raise ValueError("there must be branches, and each of them must have answers")
    most = max(len(answers) for _, answers in branches.values())
    if ax is None:
        ax = plt.figure(figsize=(6.4, 2.0 + 0.86 * most)).subplots()
    width = 2.1
    centre = width * (len(branches) - 1) / 2
    draw_box(ax, centre, 0, question, _REST, width=3.0, fontweight="bold", fontsize=9)
    for column, (answer, (then, answers)) in enumerate(branches.items()):
        x, color = width * column, _SHADES[column % len(_SHADES)]
        draw_arrow(ax, (centre + (x - centre) * 0.35, -0.28), (x, -0.82))
        _wrapped(ax, x, -1.12, answer, 19, fontsize=8.5, style="italic")
        draw_arrow(ax, (x, -1.42), (x, -1.62))
        box: dict[str, Any] = {"width": 1.8, "height": 0.52, "fontsize": 8.5}
        draw_box(ax, x, -1.92, _lines(then, 18), color, **box)
        for row, (last, names) in enumerate(answers.items()):
            y = -2.62 - 0.98 * row
            _wrapped(ax, x, y, last, 21, fontsize=8)
            text = _lines(", ".join(names), 21)
            height = 0.36 if text.count("\n") < 2 else 0.47
            box = {"width": 1.8, "height": height, "fontsize": 8, "fontweight": "bold"}
            draw_box(ax, x, y - 0.26 - height / 2, text, color, **box)
    bottom = -2.62 - 0.98 * (most - 1) - 0.83
    ax.set(xlim=(-1.1, width * (len(branches) - 1) + 1.1), ylim=(bottom, 0.4))
    ax.axis("off")
    return ax


def _lines(text: str, letters: int) -> str:
    return "\n".join(textwrap.wrap(text, letters, break_on_hyphens=False))


def _wrapped(
    ax: Axes, x: Number, y: Number, text: str, letters: int, **font: Any
) -> None:
    ax.text(x, y, _lines(text, letters), ha="center", va="center", color=INK, **font)


def plot_timeline(
    rows: Sequence[tuple[str, str, str, str]], *, ax: Axes | None = None
) -> Axes:
    """Draw what appeared when, from top to bottom, on a true scale of time.

    Args:
        rows: for each paper the month ("2014-09"), a label, what it brought, and the
            group that its colour and marker stand for.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are no rows, or more groups than colours.

    Example:
        >>> rows = [("2014-09", "A", "x", "one"), ("2016-01", "B", "y", "two")]
        >>> [text.get_text() for text in plot_timeline(rows).texts]
        ['2014-09  A: x', '2016-01  B: y']
    """
    groups = list(dict.fromkeys(group for *_, group in rows))
    if not rows or len(groups) > len(_SHADES):
        raise ValueError(
            f"there must be rows, of at most {len(_SHADES)} groups, got {len(rows)} "
            f"rows of {len(groups)} groups"
        )
    if ax is None:
        ax = plt.figure(figsize=(5.6, 0.8 + 0.27 * len(rows))).subplots()
    rows = sorted(rows)
    times = [int(month[:4]) + (int(month[5:]) - 1) / 12 for month, *_ in rows]
    first, last = int(times[0]), int(times[-1]) + 1
    gap = (last - first) / len(rows)
    for number, (time, row) in enumerate(zip(times, rows, strict=True)):
        month, label, text, group = row
        shade = groups.index(group)
        y = first + (number + 0.5) * gap  # evenly spaced, so that no two overlap
        ax.plot([0, 0.25, 0.5], [time, y, y], color="0.7", lw=0.8, ls="-", marker="")
        ax.plot(0, time, marker="osD^vP"[shade], color=_SHADES[shade], ls="")
        ax.text(0.55, y, f"{month}  {label}: {text}", va="center", fontsize=8.5)
    for shade, group in enumerate(groups):
        ax.plot(
            [], [], marker="osD^vP"[shade], color=_SHADES[shade], ls="", label=group
        )
    years = range(first, last + 1)
    ax.plot([0, 0], [first, last], color=INK, lw=1.2, ls="-", marker="", zorder=0)
    ax.set(xlim=(-0.05, 6), ylim=(last, first), yticks=years, xticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    columns = min(len(groups), 3)
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=columns)
    return ax

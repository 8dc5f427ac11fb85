"""Figures of the chapter on the taxonomy: form, tree and time line."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.drawing import draw_arrow, draw_box

_REST = "#999999"
_SHADES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
_LINE = 0.19  # inches for a line of text of size 9
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
    "levels": "levels: are there keys for words, or for phrases, too?",
    "positions": "positions: which keys may have weight?",
    "representations": "representations: what of a word has a weight of its own?",
    "none": "none in this book",
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


def plot_tree(
    tree: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    letters: int = 52,
    ax: Axes | None = None,
) -> Axes:
    """Draw axes, their values, and what has each value, from top to bottom.

    Args:
        tree: for each axis, for each of its values, the names of what has it; there may
            be none.
        letters: of names in a line.
        ax: where to draw; None: the axes of a new figure of the height that it takes.

    Raises:
        ValueError: if an axis has no values, or there are no axes.

    Example:
        >>> ax = plot_tree({"levels": {"single": ["additive"], "multi": []}})
        >>> [text.get_text() for text in ax.texts]
        ['levels', 'single', 'additive', 'multi', 'none in this book']
    """
    if not tree or not all(tree.values()):
        raise ValueError("the tree must have axes, and each of them values")
    lines = {
        axis: {
            value: textwrap.wrap(
                ", ".join(names) or TEXT["none"], letters, break_on_hyphens=False
            )
            for value, names in values.items()
        }
        for axis, values in tree.items()
    }
    # An axis takes a line of its own, and half a line of room before the next.
    height = sum(1.5 + sum(map(_height, values.values())) for values in lines.values())
    if ax is None:
        ax = plt.figure(figsize=(5.6, _LINE * (height + 1))).subplots()
    y = 0.0
    heads = []
    for number, (axis, values) in enumerate(lines.items()):
        color = _SHADES[number % len(_SHADES)]
        ax.text(0.25, y, axis, va="center", fontweight="bold", color=INK)
        heads.append(y)
        first, y = y, y + 1.2
        stems = []
        for value, names in values.items():
            ax.text(0.75, y, value, va="center", fontsize=9)
            ax.plot([0.45, 0.7], [y, y], color=color, lw=1, ls="-", marker="")
            ax.text(
                2.8,
                y - 0.45,
                "\n".join(names),
                va="top",
                fontsize=8.5,
                color=INK,
                style="normal" if tree[axis][value] else "italic",
                linespacing=1.3,
            )
            stems.append(y)
            y += _height(names)
        ax.plot([0.45, 0.45], [first + 0.5, stems[-1]], color=color, lw=1, ls="-")
        ax.lines[-1].set_marker("")
        y += 0.3
    ax.plot([0.05, 0.05], [0, heads[-1]], color=INK, lw=1, ls="-", marker="")
    for head in heads:
        ax.plot([0.05, 0.2], [head, head], color=INK, lw=1, ls="-", marker="")
    ax.set(xlim=(0, 7.6), ylim=(y - 0.2, -0.8))
    ax.axis("off")
    return ax


def _height(names: Sequence[str]) -> float:
    """Of a value with so many lines of names; these are set closer than values are."""
    return 0.4 + 0.82 * len(names)


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

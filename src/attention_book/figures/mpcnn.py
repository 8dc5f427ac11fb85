"""Figures of the chapter on MPCNN: the network, what it compares, how arms learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.colours import INK
from attention_book.figures.curves import plot_curves
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.seeds import plot_seeds
from attention_book.figures.words import draw_word

_WORD, _WEIGHT, _BLOCK_A, _BLOCK_B = "#56B4E9", "#D55E00", "#0072B2", "#009E73"
_ROW, _COLUMN = "#D55E00", "#0072B2"
# What is written on the figures.
TEXT = {
    "cosines": "$D$: cosine of\neach word with each",
    "weights": "$A_{side}$",
    "weighed": "words, and words\ntimes weights",
    "attention": "the attention layer of 2016",
    "block A": "block A: {poolings}",
    "block B": "block B: {poolings}",
    "compare A": "algorithm 1: row with row\nalgorithm 2: all columns",
    "compare B": "column with\nsame column",
    "features": "features",
    "output": "hidden layer, then class or grade",
    "filter": "filter {number}",
    "width": "width {width}",
    "unit 2": "cosine {cosine:.2f}\ndistance {distance:.2f}",
    "epoch": "epochs",
}
_POOLINGS = "max", "min", "mean"
_WIDTHS = "1", "2", "3", r"$\infty$"


def plot_network(
    first: Sequence[str],
    second: Sequence[str],
    weights: tuple[Sequence[float], Sequence[float]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw MPCNN with its attention layer for two sentences, from the words up.

    Args:
        first: words of the sentence on the left, at least two.
        second: words of the sentence on the right, at least two.
        weights: of the words of both, as heights of bars.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a sentence has fewer than two words, or not a weight for each.

    Example:
        >>> even = [0.5, 0.5]
        >>> ax = plot_network(["dogs", "bark"], ["cats", "purr"], (even, even))
        >>> "bark" in [text.get_text() for text in ax.texts]
        True
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(
            f"both sentences must have two words or more, got {len(first)} and "
            f"{len(second)}"
        )
    if [*map(len, weights)] != [len(first), len(second)]:
        raise ValueError(
            f"weights must be {len(first)} and {len(second)}, one for each word, got "
            f"{len(weights[0])} and {len(weights[1])}"
        )
    ax = ax or plt.figure(figsize=(6.4, 7.4)).subplots()
    font: dict[str, Any] = {"fontsize": 8}
    lane = max(len(first), len(second), 4) + 0.6
    middles = lane / 2, lane * 1.5 + 6.4
    centre = sum(middles) / 2
    for number, (x, words) in enumerate(zip(middles, (first, second), strict=True)):
        side, n = 1 - 2 * number, len(words)  # side: 1 towards the right
        inner, outer = x + side * n / 2, x - side * n / 2
        ends: dict[str, Any] = {"ha": "right" if side > 0 else "left", "va": "center"}
        left = x - n / 2
        for i, word in enumerate(words):
            slanted: dict[str, Any] = {"rotation": 50, "ha": "right", "va": "top"}
            draw_word(ax, left + i + 0.5, -0.15, word, **font, **slanted)
        _columns(ax, left, 0.0, n, 1.0, _WORD)
        # Attention: from both sentences into D, and weights out of it.
        draw_arrow(
            ax, (inner + side * 0.15, 0.5), (centre - side * 1.5, 0.5), color=_WORD
        )
        draw_arrow(
            ax, (centre - side * 1.5, 1.2), (inner + side * 0.15, 1.7), color=_WEIGHT
        )
        for i, weight in enumerate(weights[number]):
            bar = Rectangle(
                (left + i + 0.3, 1.35), 0.4, weight, fc=_WEIGHT + "88", ec=_WEIGHT, lw=1
            )
            ax.add_patch(bar)
        name = TEXT["weights"].format(side=number)
        ax.text(outer - side * 0.2, 1.75, name, color=_WEIGHT, **font, **ends)
        draw_arrow(ax, (x, 2.4), (x, 3.0))
        _columns(ax, left, 3.1, n, 1.0, _WORD)
        _columns(ax, left, 4.1, n, 1.0, _WEIGHT)
        # What a filter of each block sees: windows of words, or one dimension of them.
        window = Rectangle(
            (left + 0.02, 3.02), 2 - 0.04, 2.16, fc="none", ec=_BLOCK_A, lw=2
        )
        strip = Rectangle(
            (left - 0.15, 3.5), n + 0.3, 0.26, fc=_BLOCK_B + "88", ec=_BLOCK_B, lw=1
        )
        ax.add_patch(strip)
        ax.add_patch(window)
        # The blocks: a matrix for each pooling, one behind the other.
        a, b = x - 1.3, x - 0.6
        _stack(ax, a, 6.6, 3, _WIDTHS, _POOLINGS, _BLOCK_A)
        _stack(ax, b, 10.4, 3, _WIDTHS[:3], _POOLINGS[:2], _BLOCK_B)
        draw_arrow(ax, (left + 1, 5.25), (a + 0.75, 6.25), color=_BLOCK_A)
        around = x - side * (lane / 2 - 0.35)
        ax.plot(
            [outer - side * 0.15, around, around],
            [3.63, 3.63, 10.8],
            color=_BLOCK_B,
            lw=1.1,
            marker="",
            ls="-",
        )
        draw_arrow(ax, (around, 10.8), (x - side * 1.1, 10.8), color=_BLOCK_B)
        for name, y, kinds in (
            ("block A", 8.85, _POOLINGS),
            ("block B", 12.3, _POOLINGS[:2]),
        ):
            text = TEXT[name].format(poolings=", ".join(kinds))
            ax.text(x, y, text, ha="center", va="bottom", **font)
        # Into the comparisons.
        for y, half, color in (7.4, 2.6, _BLOCK_A), (11.0, 1.7, _BLOCK_B):
            start = x + side * (1.6 if y < 9 else 1.3)
            draw_arrow(ax, (start, y), (centre - side * half, y), color=color)
    _grid(ax, centre, 0.0, len(first), len(second))
    note = {"ha": "center", "va": "bottom", **font}
    ax.text(centre, 1.75, TEXT["cosines"], color=_WEIGHT, **note)
    ax.text(centre, 4.1, TEXT["weighed"], ha="center", va="center", **font)
    frame = Rectangle(
        (-0.5, -0.15),
        middles[1] + lane / 2 + 0.5,
        5.55,
        fc="none",
        ec=_WEIGHT,
        lw=0.9,
        ls="--",
    )
    ax.add_patch(frame)
    ax.text(
        centre,
        5.4,
        TEXT["attention"],
        color=_WEIGHT,
        ha="center",
        va="center",
        bbox={"fc": "white", "ec": "none", "pad": 2},
        **font,
    )
    draw_box(
        ax, centre, 7.4, TEXT["compare A"], _BLOCK_A, width=5.1, height=1.0, **font
    )
    draw_box(
        ax, centre, 11.0, TEXT["compare B"], _BLOCK_B, width=3.2, height=1.0, **font
    )
    top = 13.4
    draw_arrow(ax, (centre - 1.95, 8.0), (centre - 1.95, top - 0.35), color=_BLOCK_A)
    draw_arrow(ax, (centre, 11.6), (centre, top - 0.35), color=_BLOCK_B)
    shades = [_BLOCK_A + "55"] * 8 + [_BLOCK_B + "55"] * 6
    for i, shade in enumerate(shades):
        corner = (centre - 2.1 + 0.3 * i, top - 0.3)
        ax.add_patch(Rectangle(corner, 0.3, 0.6, fc=shade, ec=INK, lw=0.6))
    ax.text(centre + 2.4, top, TEXT["features"], va="center", **font)
    draw_arrow(ax, (centre, top + 0.35), (centre, top + 1.0))
    ax.text(centre, top + 1.35, TEXT["output"], ha="center", va="center", **font)
    ax.set(xlim=(-0.8, middles[1] + lane / 2 + 0.3), ylim=(-2.2, top + 1.8))
    ax.axis("off")
    return ax


def plot_comparisons(
    first: Float[Tensor, "filters widths"],
    second: Float[Tensor, "filters widths"],
    titles: tuple[str, str],
    *,
    widths: Sequence[str] = ("1", "2"),
    ax: Axes | None = None,
) -> Axes:
    """Draw what two sentences became, with its numbers, and how it is compared.

    Algorithm 1 is drawn for each row. Algorithm 2 is drawn for the first column of the
    first sentence, with each column of the second.

    Args:
        first: pooled outputs of the first sentence.
        second: the same of the second.
        titles: the two sentences.
        widths: labels of the columns.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if the matrices or the labels have different sizes.

    Example:
        >>> import torch
        >>> ax = plot_comparisons(torch.eye(2), torch.eye(2), ("a cat", "a dog"))
        >>> "a cat" in [text.get_text() for text in ax.texts]
        True
    """
    if first.shape != second.shape or first.shape[1] != len(widths):
        raise ValueError(
            f"first and second must be of one size with {len(widths)} columns, got "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 3.6)).subplots()
    rows, columns = first.shape
    gap, wide = 3.0, 1.9
    lefts = 0.0, columns * wide + gap
    font: dict[str, Any] = {"fontsize": 8.5}
    both = tuple(matrix.detach().cpu().numpy() for matrix in (first, second))
    for left, title, matrix in zip(lefts, titles, both, strict=True):
        draw_word(ax, left + columns * wide / 2, rows + 1.0, title, style="italic")
        for x in range(columns):
            label = TEXT["width"].format(width=widths[x])
            ax.text(left + (x + 0.5) * wide, rows + 0.3, label, ha="center", **font)
        for (y, x), value in np.ndenumerate(matrix):
            corner = left + x * wide, rows - 1 - y
            ax.add_patch(Rectangle(corner, wide, 1, fc=INK + "18", ec="white", lw=2))
            ax.text(
                corner[0] + wide / 2,
                corner[1] + 0.5,
                f"{value:g}",
                ha="center",
                va="center",
            )
    for y in range(rows):
        height = rows - 0.5 - y
        label = TEXT["filter"].format(number=y + 1)
        ax.text(-0.2, height, label, ha="right", va="center", **font)
        for left in lefts:
            frame = Rectangle(
                (left + 0.06, height - 0.44),
                columns * wide - 0.12,
                0.88,
                fill=False,
                ec=_ROW,
                lw=1.6,
            )
            ax.add_patch(frame)
        ends = (columns * wide + 0.05, height), (lefts[1] - 0.05, height)
        ax.annotate("", *ends, arrowprops={"arrowstyle": "<->", "color": _ROW})
        text = _unit_2(both[0][y], both[1][y])
        middle = columns * wide + gap / 2
        ax.text(
            middle,
            height + 0.06,
            text,
            color=_ROW,
            ha="center",
            va="center",
            bbox={"fc": "white", "ec": "none", "pad": 1},
            **font,
        )
    start = wide / 2
    frame = Rectangle(
        (0, -0.06), wide, rows + 0.12, fill=False, ec=_COLUMN, lw=2, ls="--"
    )
    ax.add_patch(frame)
    for x in range(columns):
        end = lefts[1] + (x + 0.5) * wide
        arrow = {
            "arrowstyle": "<->",
            "color": _COLUMN,
            "shrinkA": 2,
            "shrinkB": 2,
            "connectionstyle": f"arc3,rad={-0.15 - 0.03 * x}",
        }
        ax.annotate("", (start + 0.15 * x, -0.1), (end, -0.1), arrowprops=arrow)
        ax.text(
            end,
            -0.85,
            _unit_2(both[0][:, 0], both[1][:, x]),
            color=_COLUMN,
            ha="center",
            va="top",
            **font,
        )
    ax.set(xlim=(-1.4, lefts[1] + columns * wide + 0.2), ylim=(-1.8, rows + 1.4))
    ax.axis("off")
    return ax


def plot_arms(
    curves: Mapping[str, Sequence[float] | np.ndarray],
    reached: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float]],
    *,
    ylabel: str,
    xlabel: str,
    baselines: Mapping[str, float] | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw how arms learn, and below it what each of their runs reached.

    Args:
        curves: for each arm what is followed after each epoch.
        reached: for each arm the result of each run.
        intervals: for each arm the interval of the mean result.
        ylabel: what the curves measure.
        xlabel: what the results measure.
        baselines: results of systems without training.
        axes: where to draw, two; None: a new figure.

    Raises:
        ValueError: as :func:`attention_book.figures.curves.plot_curves` and
            :func:`attention_book.figures.seeds.plot_seeds`.

    Example:
        >>> result = {"one vector": [0.5, 0.6]}
        >>> spread = {"one vector": (0.4, 0.7)}
        >>> labels = {"ylabel": "loss", "xlabel": "r"}
        >>> axes = plot_arms({"one vector": [1.0, 0.5]}, result, spread, **labels)
        >>> axes[0].get_ylabel()
        'loss'
    """
    if axes is None:
        height = 0.5 + 0.32 * len(reached)
        figure = plt.figure(figsize=(5.6, 3.4 + height))
        axes = figure.subplots(2, 1, height_ratios=(2.7, height))
    epochs = np.arange(1, 1 + len(next(iter(curves.values()), ())))
    plot_curves(epochs, dict(curves), xlabel=TEXT["epoch"], ylabel=ylabel, ax=axes[0])
    for line in axes[0].lines:
        line.set_markevery(max(1, len(epochs) // 6))
    plot_seeds(reached, intervals, xlabel=xlabel, baselines=baselines, ax=axes[1])
    return list(axes)


def _unit_2(x: np.ndarray, y: np.ndarray) -> str:
    """Cosine and distance of two vectors; a zero vector has cosine 0."""
    lengths = max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-9)
    distance = float(np.linalg.norm(x - y))
    return TEXT["unit 2"].format(cosine=float(x @ y) / lengths, distance=distance)


def _columns(
    ax: Axes, left: float, y: float, count: int, height: float, color: str
) -> None:
    """As many columns of a matrix, side by side."""
    for i in range(count):
        corner = (left + i + 0.1, y)
        ax.add_patch(Rectangle(corner, 0.8, height, fc=color + "66", ec=color, lw=1.1))


def _stack(
    ax: Axes,
    left: float,
    y: float,
    filters: int,
    widths: Sequence[str],
    poolings: Sequence[str],
    color: str,
) -> None:
    """Matrices of filters by widths, one for each pooling, one behind the other."""
    cell = 0.5
    for depth in reversed(range(len(poolings))):
        shift = 0.18 * depth
        for row, column in np.ndindex(filters, len(widths)):
            corner = (left + column * cell + shift, y + row * cell + shift)
            ax.add_patch(Rectangle(corner, cell, cell, fc="white", ec="none", lw=0))
            ax.add_patch(
                Rectangle(corner, cell, cell, fc=color + "44", ec=color, lw=0.7)
            )
    for column, width in enumerate(widths):
        ax.text(
            left + (column + 0.5) * cell,
            y - 0.08,
            width,
            ha="center",
            va="top",
            fontsize=7,
        )


def _grid(ax: Axes, x: float, y: float, rows: int, columns: int) -> None:
    """A small matrix of cosines."""
    cell = 1.5 / max(rows, columns)
    for row, column in np.ndindex(rows, columns):
        corner = (x + (column - columns / 2) * cell, y + (rows - 1 - row) * cell)
        ax.add_patch(
            Rectangle(corner, cell, cell, fc=_WEIGHT + "33", ec=_WEIGHT, lw=0.8)
        )

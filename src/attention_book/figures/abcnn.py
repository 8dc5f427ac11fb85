"""Figures of the chapter on ABCNN: a block of it, and its match scores."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.drawing import draw_arrow
from attention_book.figures.heatmap import plot_weights
from attention_book.figures.words import draw_word

_WORD, _BEFORE, _AFTER = "#56B4E9", "#D55E00", "#009E73"
# What is written on the figures.
TEXT = {
    "words": "word with word",
    "windows": "window with window",
    "convolution": "wide\nconvolution",
    "all-ap": "all-ap",
    "w-ap": "w-ap",
    "before": "$A$, before",
    "after": "$A$, after",
    "cosine": "cosine",
    "output": "logistic regression",
}


def window_labels(words: Sequence[str], width: int) -> list[str]:
    """Name each column of a wide convolution by the words that it sees.

    Args:
        words: of the sentence.
        width: of the filters.

    Raises:
        ValueError: if there are no words, or ``width`` is less than 1.

    Example:
        >>> window_labels(["a", "red", "dog"], 2)
        ['a', 'a red', 'red dog', 'dog']
    """
    if not words or width < 1:
        raise ValueError(
            f"there must be a word and a width of at least 1, got {len(words)} and "
            f"{width}"
        )
    positions = range(len(words) + width - 1)
    return [" ".join(words[max(0, i - width + 1) : i + 1]) for i in positions]


def plot_match_scores(
    before: Float[Tensor, "words other_words"],
    after: Float[Tensor, "windows other_windows"],
    first: Sequence[str],
    second: Sequence[str],
    width: int,
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the match scores of words, and below them those of windows of words.

    Args:
        before: scores of each word of ``first`` with each of ``second``.
        after: scores of the columns of a wide convolution.
        first: words of the rows.
        second: words of the columns.
        width: of the convolution.
        axes: where to draw, two; None: a new figure.

    Raises:
        ValueError: if the scores do not fit the words.

    Example:
        >>> import torch
        >>> words = ["a", "red", "dog"]
        >>> axes = plot_match_scores(torch.eye(3), torch.eye(4), words, words, 2)
        >>> [label.get_text() for label in axes[1].get_yticklabels()]
        ['a', 'a red', 'red dog', 'dog']
    """
    if axes is None:
        rows = len(first), len(first) + width - 1
        figure = plt.figure(figsize=(5.6, 3.4 + 0.19 * sum(rows)))
        axes = figure.subplots(2, 1, height_ratios=rows)
    labels = [window_labels(words, width) for words in (first, second)]
    plot_weights(before, first, second, ax=axes[0])
    plot_weights(after, *labels, ax=axes[1])
    for ax, name in zip(axes, ("words", "windows"), strict=True):
        ax.set_xlabel(TEXT[name])
        ax.tick_params(labelsize=7.5)
    return list(axes)


def plot_block(
    first: Sequence[str],
    second: Sequence[str],
    *,
    width: int = 3,
    ax: Axes | None = None,
) -> Axes:
    """Draw a block of ABCNN-3 for two sentences, from the words up.

    Args:
        first: words of the sentence on the left.
        second: words of the sentence on the right.
        width: of the convolution.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a sentence has no words.

    Example:
        >>> ax = plot_block(["what", "sorts"], ["put", "in", "order"])
        >>> "sorts" in [text.get_text() for text in ax.texts]
        True
    """
    if not first or not second:
        raise ValueError("both sentences must have a word")
    ax = ax or plt.figure(figsize=(5.6, 5.4)).subplots()
    sizes = len(first), len(second)
    widest = max(sizes) + width - 1
    middles = widest / 2, widest * 1.5 + 4.6
    centre = sum(middles) / 2
    for x, side, words in zip(middles, (1, -1), (first, second), strict=True):
        n = len(words)
        for i, word in enumerate(words):
            slanted: dict[str, Any] = {"rotation": 50, "ha": "right", "va": "top"}
            draw_word(ax, x + i + 0.5 - n / 2, -0.15, word, fontsize=8.5, **slanted)
        _columns(ax, x, 0.0, n, _WORD)
        _columns(ax, x, 1.1, n, _BEFORE)
        _columns(ax, x, 4.2, n + width - 1, _WORD)
        # Above the convolution: its mean on the inner side, windows on the outer one.
        inner, outer = x + side * (widest / 2 - 0.5), x - side * (widest - n) / 2
        _columns(ax, inner, 8.2, 1, _AFTER)
        _columns(ax, outer, 8.2, n, _AFTER)
        draw_arrow(ax, (x, 2.2), (x, 4.1))
        draw_arrow(ax, (x, 5.3), (inner, 8.1))
        draw_arrow(ax, (x, 5.3), (outer, 8.1))
        for at, note in (inner, "all-ap"), (outer, "w-ap"):
            ax.text(at, 9.35, TEXT[note], ha="center", va="bottom", fontsize=8.5)
        draw_arrow(ax, (inner + side * 0.6, 8.7), (centre - side * 1.4, 8.7))
        ax.text(
            x + side * 0.25,
            3.15,
            TEXT["convolution"],
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=8.5,
        )
    for y, more, color, name in (
        (0.4, 0, _BEFORE, TEXT["before"]),
        (4.0, width - 1, _AFTER, TEXT["after"]),
    ):
        _grid(ax, centre, y, sizes[0] + more, sizes[1] + more, color)
        ax.text(centre, y + 2.5, name, color=color, ha="center", va="bottom")
        for x, n, side in zip(middles, sizes, (1, -1), strict=True):
            to_maps = (x + side * (n / 2 + 0.1), 1.6)
            to_pooling = (x + side * 0.25, 6.3)
            end = to_maps if color == _BEFORE else to_pooling
            draw_arrow(ax, (centre - side * 1.3, y + 1.2), end, color=color)
    ax.text(centre, 8.7, TEXT["cosine"], ha="center", va="center")
    draw_arrow(ax, (centre, 9.1), (centre, 10.5))
    ax.text(centre, 10.9, TEXT["output"], ha="center", va="center")
    ax.set(xlim=(-0.5, middles[1] + widest / 2 + 0.5), ylim=(-2.4, 11.5))
    ax.axis("off")
    return ax


def _columns(ax: Axes, x: float | int, y: float | int, count: int, color: str) -> None:
    """As many columns of a matrix, side by side around ``x``."""
    for left in np.arange(count) - count / 2 + x:
        corner = (left + 0.1, y)
        ax.add_patch(Rectangle(corner, 0.8, 1.0, fc=color + "66", ec=color, lw=1.1))


def _grid(
    ax: Axes, x: float | int, y: float | int, rows: int, columns: int, color: str
) -> None:
    """A small matrix."""
    cell = 2.4 / max(rows, columns)
    for row, column in np.ndindex(rows, columns):
        corner = (x + (column - columns / 2) * cell, y + (rows - 1 - row) * cell)
        ax.add_patch(Rectangle(corner, cell, cell, fc=color + "33", ec=color, lw=0.8))

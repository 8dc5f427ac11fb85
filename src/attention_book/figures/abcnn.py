"""Figures of the chapter on ABCNN: a block, match scores, curves of training."""

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
    "before": "$A$: words",
    "after": "$A$: windows",
    "map": "map",
    "channels": "two\nchannels",
    "score": "match score",
    "epoch": "epochs",
    "measure": "{part} MAP",
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
    plot_weights(before, first, second, label=TEXT["score"], ax=axes[0])
    plot_weights(after, *labels, label=TEXT["score"], ax=axes[1])
    for ax, name in zip(axes, ("words", "windows"), strict=True):
        ax.set_xlabel(TEXT[name])
        ax.tick_params(labelsize=7.5)
    return list(axes)


def plot_training(
    curves: Mapping[str, Mapping[str, Sequence[Mapping[str, Sequence[float]]]]],
    *,
    per_epoch: int = 1,
    axes: np.ndarray | None = None,
) -> np.ndarray:
    """Draw a measure over training: dev above test, one column for each group.

    A line is the mean over the runs of a system, and its band reaches from the lowest
    run to the highest.

    Args:
        curves: for each group, by its title, the runs of its systems; a run has the
            measure on "dev" and on "test" at each evaluation. Systems without a run are
            left out.
        per_epoch: evaluations in an epoch.
        axes: where to draw, 2 rows and a column for each group; None: a new figure.

    Raises:
        ValueError: if no system has a run.

    Example:
        >>> run = {"dev": [0.5, 0.75], "test": [0.25, 0.5]}
        >>> axes = plot_training({"one block": {"BCNN": [run, run]}})
        >>> axes[1, 0].lines[0].get_ydata().tolist()
        [0.25, 0.5]
    """
    if not any(runs for systems in curves.values() for runs in systems.values()):
        raise ValueError("curves must hold at least one run, got none")
    if axes is None:
        figure = plt.figure(figsize=(5.6, 5.4))
        axes = figure.subplots(2, len(curves), sharex=True, sharey=True, squeeze=False)
    for column, (title, systems) in enumerate(curves.items()):
        axes[0, column].set_title(title)
        for row, part in enumerate(("dev", "test")):
            ax = axes[row, column]
            found = {
                name: np.array([run[part] for run in runs])
                for name, runs in systems.items()
                if runs
            }
            for name, values in found.items():
                plot_curves(
                    np.arange(1, values.shape[1] + 1) / per_epoch,
                    {name: values.mean(axis=0)},
                    intervals={name: [*zip(values.min(0), values.max(0), strict=True)]},
                    xlabel=TEXT["epoch"] if row else "",
                    ylabel="" if column else TEXT["measure"].format(part=part),
                    ax=ax,
                )
            ax.xaxis.get_major_locator().set_params(integer=True)
            for line in ax.lines:
                line.set_markevery(max(1, len(line.get_xdata()) // 5))
    axes[0, 0].legend(fontsize=8)
    return axes


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
    ax = ax or plt.figure(figsize=(6.4, 7.0)).subplots()
    sizes = len(first), len(second)
    widest = max(sizes) + width - 1
    middles = widest / 2, widest * 1.5 + 5.6
    centre = sum(middles) / 2
    font: dict[str, Any] = {"fontsize": 8.5}
    for x, side, words in zip(middles, (1, -1), (first, second), strict=True):
        n, inside = len(words), "left" if side > 0 else "right"
        for i, word in enumerate(words):
            slanted: dict[str, Any] = {"rotation": 50, "ha": "right", "va": "top"}
            draw_word(ax, x + i + 0.5 - n / 2, -0.15, word, **font, **slanted)
        _columns(ax, x, 0.0, n, _WORD)
        _columns(ax, x, 2.6, n, _BEFORE)
        _columns(ax, x, 6.2, n + width - 1, _WORD)
        # Words and maps are two channels of one convolution.
        corner = (x - n / 2 - 0.15, -0.1)
        frame = Rectangle(corner, n + 0.3, 3.85, fc="none", ec=INK, lw=0.8, ls="--")
        ax.add_patch(frame)
        draw_arrow(ax, (x, 3.8), (x, 6.1))
        for y, note, color in (1.75, "channels", INK), (3.1, "map", _BEFORE):
            ax.text(x - side * (n / 2 + 0.4), y, TEXT[note], color=color, **font,
                    ha="right" if side > 0 else "left", va="center")  # fmt: skip
        ax.text(x - side * 0.3, 4.9, TEXT["convolution"], va="center", **font,
                ha="right" if side > 0 else "left")  # fmt: skip
        # Into A, before and after the convolution, and out of it.
        edge = centre - side * 1.35
        draw_arrow(ax, (x + side * (n / 2 + 0.2), 0.5), (edge, 0.5), color=_WORD)
        draw_arrow(ax, (edge, 1.5), (x + side * (n / 2 + 0.2), 2.8), color=_BEFORE)
        half = (n + width - 1) / 2
        draw_arrow(ax, (x + side * half, 6.7), (edge, 6.7), color=_WORD)
        # W has a column for each position of the other sentence.
        strip, others = centre - side * 1.35, sizes[0] + sizes[1] - n
        _columns(ax, strip, 3.5, others, _BEFORE, size=0.36)
        name = "$W_0$" if side > 0 else "$W_1$"
        ax.text(strip, 4.35, name, color=_BEFORE, ha="center", va="bottom")
        start = strip - side * (0.18 * others + 0.1)
        draw_arrow(ax, (start, 3.9), (x + side * (n / 2 + 0.2), 3.3), color=_BEFORE)
        # Above the convolution: its mean on the inner side, windows on the outer one.
        inner, outer = x + side * (widest / 2 - 0.5), x - side * (widest - n) / 2
        for at, count, note in (inner, 1, "all-ap"), (outer, n, "w-ap"):
            _columns(ax, at, 9.9, count, _AFTER)
            draw_arrow(ax, (x, 7.3), (at, 9.8))
            ax.text(at, 11.05, TEXT[note], ha="center", va="bottom", **font)
        draw_arrow(ax, (edge, 8.0), (x + side * 0.5, 8.4), color=_AFTER)
        ax.text(x + side * 0.75, 8.75, f"$a_{int(side < 0)}$", color=_AFTER,
                ha=inside, va="bottom", **font)  # fmt: skip
        draw_arrow(ax, (inner + side * 0.6, 10.4), (centre - side * 1.5, 10.4))
    _grid(ax, centre, -0.2, *sizes, _BEFORE)
    ax.text(centre, -0.4, TEXT["before"], color=_BEFORE, ha="center", va="top", **font)
    windows = sizes[0] + width - 1, sizes[1] + width - 1
    _grid(ax, centre, 6.0, *windows, _AFTER)
    ax.text(centre, 5.85, TEXT["after"], color=_AFTER, ha="center", va="top", **font)
    ax.text(centre, 10.4, TEXT["cosine"], ha="center", va="center")
    draw_arrow(ax, (centre, 10.8), (centre, 12.2))
    ax.text(centre, 12.6, TEXT["output"], ha="center", va="center")
    ax.set(xlim=(-0.5, middles[1] + widest / 2 + 0.5), ylim=(-2.4, 13.1))
    ax.axis("off")
    return ax


def _columns(
    ax: Axes,
    x: float | int,
    y: float | int,
    count: int,
    color: str,
    *,
    size: float = 1.0,
) -> None:
    """As many columns of a matrix, side by side around ``x``."""
    for left in (np.arange(count) - count / 2) * size + x:
        corner, height = (left + 0.1 * size, y), 1.0 if size == 1 else 0.8
        ax.add_patch(
            Rectangle(corner, 0.8 * size, height, fc=color + "66", ec=color, lw=1.1)
        )


def _grid(
    ax: Axes, x: float | int, y: float | int, rows: int, columns: int, color: str
) -> None:
    """A small matrix."""
    cell = 2.4 / max(rows, columns)
    for row, column in np.ndindex(rows, columns):
        corner = (x + (column - columns / 2) * cell, y + (rows - 1 - row) * cell)
        ax.add_patch(Rectangle(corner, cell, cell, fc=color + "33", ec=color, lw=0.8))

"""Figures of the chapter on multi-head attention."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word, word_labels

_FIRST, _SECOND = "#0072B2", "#CC79A7"
# What is written on the figures.
TEXT = {
    "head": "head {}",
    "output": "side by side, times $W^O$",
    "context": "context",
}


def plot_two_heads(
    words: Sequence[str],
    first: Sequence[float],
    second: Sequence[float],
    query: str,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one query of two heads: each averages the words in its own way.

    Args:
        words: the words attended to.
        first: weights of the words in the first head; the larger the weight, the
            thicker the arrow.
        second: weights of the words in the second head.
        query: the word whose query it is.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are fewer than two words, or a head does not have one
            weight for each of them.

    Example:
        >>> ax = plot_two_heads(["forty", "three"], [0.9, 0.1], [0.2, 0.8], "und")
        >>> "head 2" in [text.get_text() for text in ax.texts]
        True
    """
    if len(words) < 2 or not len(words) == len(first) == len(second):
        raise ValueError(
            "plot_two_heads needs two or more words and a weight for each of them in "
            f"both heads, got {len(words)} words, {len(first)} and {len(second)} "
            "weights"
        )
    ax = ax or plt.figure(figsize=(5.6, 4.6)).subplots()
    last = len(words) - 1
    middle = last / 2
    texts, font = word_labels(words)
    for x, text in enumerate(texts):
        draw_box(ax, x, 0, text, KEY, width=0.84, height=0.44, fontsize=9, **font)
    for number, row, color in (1, first, _FIRST), (2, second, _SECOND):
        at = middle + (number - 1.5) * (last / 2 + 0.3)
        for x, weight in enumerate(row):
            draw_arrow(ax, (x, 0.27), (at, 1.55), lw=0.4 + 4 * weight, color=color)
        name = TEXT["head"].format(number)
        size = {"width": 1.04, "height": 0.68, "dy": 0.14}
        draw_box(ax, at, 1.95, name, color, **size, fontsize=9)
        listed = "  ".join(f"{weight:.2f}".removeprefix("0") for weight in row)
        ax.text(at, 1.8, listed, ha="center", va="center", fontsize=8)
        draw_arrow(ax, (at, 2.35), (middle, 2.98))
        draw_arrow(ax, (middle, 1.95), (at - 0.58 * (2 * number - 3), 1.95), ls="--")
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    draw_word(ax, middle, 1.95, query, fontweight="bold", color=QUERY, bbox=patch)
    size = {"width": 2.1, "height": 0.44}
    draw_box(ax, middle, 3.25, TEXT["output"], CONTEXT, **size, fontsize=9)
    draw_arrow(ax, (middle, 3.52), (middle, 4.0))
    ax.text(middle, 4.17, TEXT["context"], ha="center", va="center", fontweight="bold")
    ax.set(xlim=(-0.6, last + 0.6), ylim=(-0.4, 4.4))
    ax.axis("off")
    return ax


def plot_scores(
    scores: Float[Tensor, "heads relations"],
    heads: Sequence[str],
    relations: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a table of shares from 0 to 1 as shaded cells with numbers.

    Args:
        scores: one row for each head, one column for each relation of query and key.
        heads: a label for each row.
        relations: a label for each column.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not a label for each row and column.

    Example:
        >>> import torch
        >>> ax = plot_scores(torch.tensor([[0.9, 0.1]]), ["head 1"], ["same", "next"])
        >>> [text.get_text() for text in ax.texts]
        ['.90', '.10']
    """
    if scores.shape != (len(heads), len(relations)):
        raise ValueError(
            f"scores must have shape ({len(heads)}, {len(relations)}) to fit the "
            f"labels of heads and relations, got {tuple(scores.shape)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 0.8 + 0.26 * len(heads))).subplots()
    shades = scores.detach().float().cpu().numpy()
    ax.imshow(shades, vmin=0, vmax=1, aspect="auto")
    ax.grid(False)
    for (row, column), share in np.ndenumerate(shades):
        ink = "white" if share > 0.6 else "black"
        text = f"{share:.2f}".removeprefix("0")
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    ax.set_xticks(range(len(relations)), relations)
    ax.set_yticks(range(len(heads)), heads)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    return ax


def plot_score_panels(
    panels: Sequence[
        tuple[Float[Tensor, "_rows _columns"], Sequence[str], Sequence[str]]
    ],
) -> Figure:
    """Draw several tables of scores below each other, all rows equally high.

    Args:
        panels: scores, names of the rows and names of the columns of each table.

    Example:
        >>> import torch
        >>> panel = torch.eye(2), ["head 1", "head 2"], ["previous", "next"]
        >>> len(plot_score_panels([panel, panel]).axes)
        2
    """
    heights = [len(rows) for _, rows, _ in panels]
    # Two more for the labels of the columns.
    figure = plt.figure(figsize=(5.6, 0.27 * sum(height + 2 for height in heights)))
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)
    for ax, (scores, rows, columns) in zip(axes[:, 0], panels, strict=True):
        plot_scores(scores, rows, columns, ax=ax)
    return figure


def plot_costs(
    costs: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    heads: Sequence[str],
    *,
    xlabel: str,
    groups: Sequence[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw what it costs to remove each head, with its interval.

    Args:
        costs: one for each head, from the top.
        intervals: lower and upper end of each cost's interval.
        heads: a label for each.
        xlabel: what the costs are, with their unit.
        groups: numbers of the heads before which a thin line is drawn.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are not as many intervals and labels as costs.

    Example:
        >>> ax = plot_costs([0.5], [(0.4, 0.6)], ["head 1"], xlabel="sentences lost")
        >>> ax.get_xlabel()
        'sentences lost'
    """
    if not len(costs) == len(intervals) == len(heads):
        raise ValueError(
            "there must be an interval and a label for each cost, got "
            f"{len(costs)} costs, {len(intervals)} intervals and {len(heads)} labels"
        )
    ax = ax or plt.figure(figsize=(5.6, 0.8 + 0.2 * len(costs))).subplots()
    for row, (low, high) in enumerate(intervals):
        ax.plot([low, high], [row, row], color="#0072B2", marker="|", ls="-", lw=1.5)
    ax.plot(costs, range(len(costs)), marker="D", ms=4, color="#0072B2", ls="")
    ax.axvline(0, color=INK, lw=0.8, ls="-", marker="")
    for row in groups:
        ax.axhline(row - 0.5, color="0.7", lw=0.8, ls="-", marker="")
    ax.set_yticks(range(len(heads)), heads, fontsize=8)
    ax.set(xlabel=xlabel, ylim=(len(heads) - 0.5, -0.5))
    return ax

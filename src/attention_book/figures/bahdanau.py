"""Figures of the chapter on additive attention."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from attention_book.figures.colours import CONTEXT, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word

# What is written on the figures.
TEXT = {"query": "asks"}


def plot_search(
    source: Sequence[str],
    target: Sequence[str],
    weights: Sequence[float],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one step of a decoder that searches the source.

    Args:
        source: words that the encoder reads in both directions.
        target: words written so far and the one that this step writes, at least two.
        weights: weights of the source words in this step; the larger the weight, the
            thicker the arrow.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no source word, there are fewer than two target words,
            or the number of weights is not that of the source words.

    Example:
        >>> ax = plot_search(["forty", "three"], ["drei", "und"], [0.1, 0.9])
        >>> "forty" in [text.get_text() for text in ax.texts]
        True
    """
    if not source or len(target) < 2 or len(weights) != len(source):
        raise ValueError(
            "plot_search needs source words, two or more target words and a weight for "
            f"each source word, got {len(source)}, {len(target)} and {len(weights)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 4.3)).subplots()
    middle = (len(source) - 1) / 2
    for x, (word, weight) in enumerate(zip(source, weights, strict=True)):
        draw_box(ax, x, 0, f"$h_{{{x + 1}}}$", KEY, width=0.5)
        draw_word(ax, x, -0.95, word, fontsize=9)
        draw_arrow(ax, (x, -0.75), (x, -0.32))
        width = 0.5 + 4 * weight
        draw_arrow(ax, (x, 0.32), (middle, 1.5), lw=width, color=CONTEXT)
        left = x <= middle  # beside its arrow, on the outer side
        ax.text(
            x + (middle - x) * 0.42 + (-0.1 if left else 0.1),
            0.86,
            f"{weight:.2f}",
            ha="right" if left else "left",
            va="center",
            fontsize=9,
        )
    for x in range(len(source) - 1):
        draw_arrow(ax, (x + 0.3, 0.1), (x + 0.7, 0.1))
        draw_arrow(ax, (x + 0.7, -0.1), (x + 0.3, -0.1))
    i = len(target)
    draw_box(ax, middle, 1.8, f"$c_{{{i}}}$", CONTEXT, width=0.5)
    states = [middle + 1.5 * (k - 1) for k in range(3)]
    for at, k in zip(states, (i - 2, i - 1, i), strict=True):
        draw_box(ax, at, 3.0, f"$s_{{{k}}}$", QUERY, width=0.5)
    for before, after in pairwise(states):
        draw_arrow(ax, (before + 0.32, 3.0), (after - 0.32, 3.0))
    draw_arrow(ax, (middle + 0.25, 2.1), (states[2] - 0.2, 2.68))
    request = (states[1] - 0.25, 2.68), (middle - 0.32, 1.8)
    draw_arrow(ax, *request, ls="--", bend="arc3,rad=0.5")
    ax.text(middle - 0.62, 2.25, TEXT["query"], ha="right", va="center", fontsize=9)
    for at, word in zip(states[:2], target[-2:], strict=True):
        draw_word(ax, at + 0.75, 4.0, word, fontweight="bold")
        draw_arrow(ax, (at + 0.2, 3.3), (at + 0.6, 3.8))
    draw_arrow(ax, (middle + 0.28, 2.0), (states[1] + 0.7, 3.8))  # read out of both
    ax.set(xlim=(min(-0.6, states[0] - 0.5), max(len(source) - 0.4, states[2] + 0.5)))
    ax.set(ylim=(-1.2, 4.25))
    ax.axis("off")
    return ax

"""Figures of the chapter on additive attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.curves import Bin, plot_by_length, plot_curves
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word

# What is written on the figures.
TEXT = {
    "unit": "decoder\nunit",
    "weights": "weights",
    "sum": "weighted\nsum",
    "others": "scores of\nthe others",
    "softmax": "softmax",
    "steps": "optimizer steps",
    "exact": "exact match",
}

SCORE, CONTEXT_Y, UNIT_Y = 1.25, 2.75, 4.0
"""Heights of the weights, of the context and of the decoder's states."""


def plot_search(
    source: Sequence[str],
    target: Sequence[str],
    weights: Sequence[float],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one step of a decoder that searches the source.

    The old state sets a weight on the way from each annotation to the context, as a
    hand sets valves. The decoder's unit reads the old state, the last word and the
    context; it gives the new state and the next word.

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
    ax = ax or plt.figure(figsize=(4.4, 4.6)).subplots()
    middle, last = (len(source) - 1) / 2, len(source) - 1
    for x, (word, weight) in enumerate(zip(source, weights, strict=True)):
        draw_word(ax, x, -0.95, word, fontsize=9)
        draw_arrow(ax, (x, -0.75), (x, -0.32))
        draw_box(ax, x, 0, f"$h_{{{x + 1}}}$", KEY, width=0.5)
        width = 0.5 + 4 * weight
        draw_arrow(ax, (x, 0.32), (x, SCORE - 0.24), lw=width, color=CONTEXT)
        draw_box(ax, x, SCORE, f"{weight:.2f}", QUERY, width=0.55, height=0.32)
        end = middle + (x - middle) * 0.12, CONTEXT_Y - 0.3
        draw_arrow(ax, (x, SCORE + 0.22), end, lw=width, color=CONTEXT)
    for x in range(last):
        draw_arrow(ax, (x + 0.3, 0.1), (x + 0.7, 0.1))
        draw_arrow(ax, (x + 0.7, -0.1), (x + 0.3, -0.1))
    i = len(target)
    left, right = middle - 1.7, middle + 1.7
    draw_box(ax, middle, CONTEXT_Y, f"$c_{{{i}}}$", CONTEXT, width=0.5)
    ax.text(middle + 0.4, CONTEXT_Y, TEXT["sum"], va="center", fontsize=8)
    draw_box(ax, middle, UNIT_Y, TEXT["unit"], INK, width=0.9, fontsize=9)
    draw_arrow(ax, (middle, CONTEXT_Y + 0.3), (middle, UNIT_Y - 0.32))
    for at, k in ((left, i - 1), (right, i)):
        draw_box(ax, at, UNIT_Y, f"$s_{{{k}}}$", QUERY, width=0.5)
    draw_arrow(ax, (left + 0.3, UNIT_Y), (middle - 0.52, UNIT_Y))
    draw_arrow(ax, (middle + 0.52, UNIT_Y), (right - 0.3, UNIT_Y))
    # From the old state down and through all weights.
    dashed: dict[str, Any] = {"color": QUERY, "ls": "--", "lw": 1.3, "marker": ""}
    beside = left < -0.3  # of all weights; otherwise it meets the first one's box
    ax.plot([left, left], [UNIT_Y - 0.3, SCORE + 0.2 * (not beside)], **dashed)
    ends = [(left, -0.32)] * beside + [(x + 0.32, x + 0.68) for x in range(last)]
    for end in ends:
        ax.plot(end, [SCORE, SCORE], **dashed)
    ax.text(left - 0.12, 2.2, TEXT["weights"], rotation=90, ha="right", va="center")
    words = ((middle - 0.85, i - 1, target[-2]), (middle + 0.85, i, target[-1]))
    for at, k, word in words:
        draw_word(ax, at, 5.2, word, fontweight="bold" if k == i else "normal")
        ax.text(at, 4.92, f"$y_{{{k}}}$", ha="center", va="center", fontsize=9)
    draw_arrow(ax, (middle - 0.72, 4.75), (middle - 0.28, UNIT_Y + 0.3))
    draw_arrow(ax, (middle + 0.28, UNIT_Y + 0.3), (middle + 0.72, 4.75))
    ax.set(xlim=(min(-0.6, left - 0.55), max(last + 0.6, right + 0.4)))
    ax.set(ylim=(-1.2, 5.45))
    ax.axis("off")
    return ax


def plot_score(*, ax: Axes | None = None) -> Axes:
    """Draw the network that computes one weight: one hidden layer, then a softmax.

    Args:
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_score()
        >>> "$W_a$" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(2.6, 4.6)).subplots()
    left, right, middle = 0.0, 1.6, 0.8
    draw_box(ax, left, 0, "$s_{i-1}$", QUERY, width=0.62)
    draw_box(ax, right, 0, "$h_j$", KEY, width=0.62)
    draw_box(ax, middle, 1.25, "+", INK, width=0.3, height=0.3)
    for at, name, side in ((left, "$W_a$", "right"), (right, "$U_a$", "left")):
        inner = middle + (at - middle) * 0.2
        draw_arrow(ax, (at, 0.3), (inner, 1.08))
        shift = -0.08 if side == "right" else 0.08
        ax.text((at + inner) / 2 + shift, 0.72, name, ha=side, va="center")
    draw_arrow(ax, (middle, 1.44), (middle, 1.92))
    draw_box(ax, middle, 2.2, r"$\tanh$", INK, width=0.8)
    draw_arrow(ax, (middle, 2.5), (middle, 3.0))
    ax.text(middle + 0.1, 2.74, r"$v_a^\top$", va="center")
    draw_box(ax, middle, 3.3, "$e_{ij}$", QUERY, width=0.62)
    draw_arrow(ax, (middle, 3.6), (middle, 4.0))
    draw_box(ax, middle, 4.3, TEXT["softmax"], INK, width=1.0)
    ax.text(left - 0.28, 3.3, TEXT["others"], ha="center", va="center", fontsize=8)
    draw_arrow(ax, (left - 0.1, 3.6), (middle - 0.45, 4.05))
    draw_arrow(ax, (middle, 4.6), (middle, 5.0))
    ax.text(middle, 5.25, r"$\alpha_{ij}$", ha="center", va="center")
    ax.set(xlim=(-0.85, 2.05), ylim=(-1.2, 5.45))
    ax.axis("off")
    return ax


def plot_plateau(
    curves: Mapping[str, Float[np.ndarray, "points two"]],
    by_length: Mapping[str, Sequence[Bin]],
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw learning curves, and beside them where they end, by length.

    Args:
        curves: by the name of a model, step and exact match of each point; the steps
            are the same for all.
        by_length: by the same names, exact match by source length after the last step.
        axes: two, to draw on; None: those of a new figure.

    Raises:
        ValueError: as from :func:`attention_book.figures.curves.plot_curves` and
            :func:`attention_book.figures.curves.plot_by_length`.

    Example:
        >>> import numpy as np
        >>> from attention_book.evaluation import score_by_bin
        >>> bins = score_by_bin([1, 2], [1, 0], [1, 3])
        >>> points = np.array([[0, 0.0], [30, 0.5]])
        >>> left, right = plot_plateau({"attention": points}, {"attention": bins})
        >>> left.get_xlabel(), right.get_xlabel()
        ('optimizer steps', 'source words')
    """
    if axes is None:
        axes = list(plt.figure(figsize=(8, 3.3)).subplots(1, 2))
    left, right = axes
    plot_curves(
        [] if not curves else next(iter(curves.values()))[:, 0],
        {name: points[:, 1] for name, points in curves.items()},
        xlabel=TEXT["steps"],
        ylabel=TEXT["exact"],
        ax=left,
    )
    left.set_ylim(0, 1.03)
    plot_by_length(by_length, ylabel=TEXT["exact"], ax=right)
    return [left, right]

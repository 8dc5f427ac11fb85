"""Figures of the chapter on hierarchical attention."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.drawing import Number, draw_arrow, draw_box
from attention_book.figures.words import draw_word, word_labels

_SENTENCE, _WORD = "#D55E00", "#0072B2"
# What is written on the figures.
TEXT = {"share": "share of occurrences"}


def plot_hierarchy(
    sentences: Sequence[Sequence[str]],
    word_weights: Sequence[Sequence[float]],
    sentence_weights: Sequence[float],
    *,
    outcome: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw the two levels of a hierarchical attention network, from words to a class.

    Args:
        sentences: the words of each sentence.
        word_weights: one weight per word; the larger, the thicker its arrow.
        sentence_weights: one weight per sentence, drawn in the same way.
        outcome: the class, written at the top.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no sentence, or not one weight for each word and each
            sentence.

    Example:
        >>> ax = plot_hierarchy([["bad", "soup"]], [[0.8, 0.2]], [1.0], outcome="bad")
        >>> "soup" in [text.get_text() for text in ax.texts]
        True
    """
    sizes = [len(sentence) for sentence in sentences]
    if not sizes or [len(row) for row in word_weights] != sizes:
        raise ValueError(
            f"word_weights must be {sizes} weights, one per word, got "
            f"{[len(row) for row in word_weights]}"
        )
    if len(sentence_weights) != len(sizes):
        raise ValueError(
            f"sentence_weights must be {len(sizes)}, one per sentence, got "
            f"{len(sentence_weights)}"
        )
    ax = ax or plt.figure(figsize=(6.4, 5.0)).subplots()
    x, centres = 0.0, []
    for i, words in enumerate(sentences, start=1):
        places = [x + t for t in range(len(words))]
        centres.append(sum(places) / len(places))
        for t, (place, word) in enumerate(zip(places, words, strict=True), start=1):
            draw_word(ax, place, -0.75, word, fontsize=9)
            draw_arrow(ax, (place, -0.5), (place, -0.3))
            draw_box(ax, place, 0, f"$h_{{{i}{t}}}$", KEY, width=0.62, fontsize=9)
            weight = word_weights[i - 1][t - 1]
            end = (centres[-1], 1.5)
            draw_arrow(ax, (place, 0.3), end, lw=0.4 + 4 * weight, color=CONTEXT)
        _neighbours(ax, places, 0, 0.34)
        draw_box(ax, centres[-1], 1.8, f"$s_{{{i}}}$", CONTEXT, width=0.62)
        draw_arrow(ax, (centres[-1], 2.1), (centres[-1], 2.5))
        draw_box(ax, centres[-1], 2.8, f"$h_{{{i}}}$", KEY, width=0.62)
        x = places[-1] + 1.6
    _neighbours(ax, centres, 2.8, 0.36)
    middle = sum(centres) / len(centres)
    for centre, weight in zip(centres, sentence_weights, strict=True):
        end = (middle, 4.3)
        draw_arrow(ax, (centre, 3.1), end, lw=0.4 + 4 * weight, color=CONTEXT)
    draw_box(ax, middle, 4.6, "$v$", CONTEXT, width=0.62)
    draw_arrow(ax, (middle, 4.9), (middle, 5.25))
    draw_word(ax, middle, 5.5, outcome, fontweight="bold")
    for y, name, to in ((0.9, "$u_w$", 0.35), (3.7, "$u_s$", centres[0])):
        draw_box(ax, -1.3, y, name, QUERY, width=0.62)
        draw_arrow(ax, (-0.95, y), (to, y), ls="--")
    ax.set(xlim=(-1.8, x - 1.0), ylim=(-1.05, 5.8))
    ax.axis("off")
    return ax


def _neighbours(ax: Axes, places: Sequence[float], y: Number, half: Number) -> None:
    """Arrows in both directions between the boxes of a recurrent encoder."""
    for left, right in pairwise(places):
        draw_arrow(ax, (left + half, y + 0.1), (right - half, y + 0.1), lw=0.8)
        draw_arrow(ax, (right - half, y - 0.1), (left + half, y - 0.1), lw=0.8)


def plot_document(
    sentences: Sequence[Sequence[str]],
    sentence_weights: Float[Tensor, " sentences"],
    word_weights: Sequence[Float[Tensor, " _"]],
    *,
    telling: tuple[int, int] | None = None,
    width: int = 66,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw a document with the weights of its sentences and of its words.

    A bar in front of each sentence is as long as the sentence's weight :math:`p_s`. The
    shade of a word is :math:`\sqrt{p_s}\, p_w`, so that the words of a sentence with a
    small weight can still be seen.

    Args:
        sentences: the words of each sentence.
        sentence_weights: one weight per sentence.
        word_weights: for each sentence one weight per word.
        telling: sentence, and word in it, to outline; None: none.
        width: characters in a line; longer sentences are continued below.
        ax: where to draw; None: the axes of a new figure, as high as needed.

    Raises:
        ValueError: if there is no sentence, or not one weight for each sentence and
            each word.

    Source: Yang et al., NAACL 2016, figures 5 and 6.

    Example:
        >>> import torch
        >>> weights = torch.tensor([1.0]), [torch.tensor([0.9, 0.1])]
        >>> ax = plot_document([["bad", "soup"]], *weights)
        >>> [text.get_text() for text in ax.texts]
        ['1.00', 'bad', 'soup']
    """
    sizes = [len(sentence) for sentence in sentences]
    if not sizes or len(sentence_weights) != len(sizes):
        raise ValueError(
            f"sentence_weights must be {len(sizes)}, one per sentence, got "
            f"{len(sentence_weights)}"
        )
    if [len(row) for row in word_weights] != sizes:
        raise ValueError(
            f"word_weights must be {sizes} weights, one per word, got "
            f"{[len(row) for row in word_weights]}"
        )
    rows: list[list[tuple[int, int, int]]] = []  # sentence, word, column
    for i, words in enumerate(sentences):
        rows.append([])
        column = 0
        for t, word in enumerate(words):
            if column and column + len(word) > width:
                rows.append([])
                column = 0
            rows[-1].append((i, t, column))
            column += len(word) + 1
    ax = ax or plt.figure(figsize=(6.8, 0.25 + 0.23 * len(rows))).subplots()
    # As wide as a column of the drawing: a letter is 0.6 of the size of a font.
    inches = ax.figure.bbox.width / ax.figure.dpi
    size = 72 * 0.95 * inches / (width + 11) / 0.61
    for y, row in enumerate(rows):
        for i, t, column in row:
            strength = float(sentence_weights[i])
            if t == 0:
                share = Rectangle((-6, y - 0.4), 5 * strength, 0.8, fc=_SENTENCE)
                share.set_alpha(0.75)
                ax.add_patch(share)
                label = f"{strength:.2f}"
                ax.text(-6.4, y, label, ha="right", va="center", fontsize=7)
            word = sentences[i][t]
            shade = strength**0.5 * float(word_weights[i][t])
            box = Rectangle((column - 0.35, y - 0.42), len(word) + 0.7, 0.84)
            box.set_facecolor(to_rgba(_WORD, min(1.0, 0.75 * shade)))
            box.set_edgecolor(INK if telling == (i, t) else "none")
            box.set_linewidth(1.4)
            ax.add_patch(box)
            (text,), font = word_labels([word])
            look: dict[str, Any] = {"fontfamily": "monospace", "fontsize": size}
            ax.text(column, y, text, va="center", **(look | font))
    ax.set(xlim=(-10, width + 1), ylim=(len(rows) - 0.4, -0.6))
    ax.axis("off")
    return ax


def plot_weight_shares(
    groups: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    bins: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draw how the weights of one word are distributed, for each of its contexts.

    Args:
        groups: weights from 0 to 1 by context.
        xlabel: what the weights are.
        bins: number of bins between 0 and 1.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a group is empty.

    Example:
        >>> ax = plot_weight_shares({"about food": [0.2, 0.9]}, xlabel="weight")
        >>> ax.get_ylabel()
        'share of occurrences'
    """
    ax = ax or plt.figure().subplots()
    edges = np.linspace(0, 1, bins + 1)
    for name, weights in groups.items():
        if not len(weights):
            raise ValueError(f"groups must have weights, but {name!r} has none")
        counts, _ = np.histogram(weights, edges)
        shares = np.append(counts, counts[-1:]) / len(weights)
        ax.plot(edges, shares, drawstyle="steps-post", marker="", label=name)
    ax.set(xlabel=xlabel, ylabel=TEXT["share"], xlim=(0, 1), ylim=(0, 1.03))
    ax.legend()
    return ax

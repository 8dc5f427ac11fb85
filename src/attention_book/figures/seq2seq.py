"""Figures of the chapter on the bottleneck."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from attention_book.figures.colours import CONTEXT, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word

# What is written on the figures.
TEXT = {"summary": "the summary"}


def plot_bottleneck(
    source: Sequence[str], target: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw an encoder-decoder: all that passes from left to right is one vector.

    Args:
        source: words in the order in which the encoder reads them.
        target: words that the decoder writes; it reads each before writing the next.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if one of the sentences has no word.

    Example:
        >>> ax = plot_bottleneck(["twenty", "one"], ["ein", "und", "zwanzig"])
        >>> "twenty" in [text.get_text() for text in ax.texts]
        True
    """
    if not source or not target:
        raise ValueError("source and target must have at least one word each")
    ax = ax or plt.figure(figsize=(5.6, 2.3)).subplots()
    start = len(source) + 2  # where the decoder stands, with room for the summary
    for x, word in enumerate(source):
        draw_box(ax, x, 0, f"$h_{{{x + 1}}}$", KEY, width=0.6, height=0.6)
        _label(ax, x, -1.0, word, "input")
        draw_arrow(ax, (x, -0.75), (x, -0.35))
    for x, (read, word) in enumerate(
        zip(["<bos>", *target], [*target, "<eos>"], strict=True)
    ):
        draw_box(ax, start + x, 0, f"$h'_{{{x + 1}}}$", QUERY, width=0.6, height=0.6)
        _label(ax, start + x, -1.0, read, "input")
        _label(ax, start + x, 1.0, word, "output")
        draw_arrow(ax, (start + x, -0.75), (start + x, -0.35))
        draw_arrow(ax, (start + x, 0.35), (start + x, 0.75))
    summary = len(source) + 0.5
    draw_box(ax, summary, 0, "$v$", CONTEXT, width=0.6, height=1.3)
    ax.text(summary, 1.0, TEXT["summary"], ha="center", va="center", color=CONTEXT)
    centres = [
        *range(len(source)),
        summary,
        *(start + x for x in range(len(target) + 1)),
    ]
    for left, right in pairwise(centres):
        draw_arrow(ax, (left + 0.36, 0), (right - 0.36, 0))
    ax.set(xlim=(-0.7, centres[-1] + 0.7), ylim=(-1.3, 1.3))
    ax.axis("off")
    return ax


def _label(ax: Axes, x: float | int, y: float, word: str, role: str) -> None:
    weight = "bold" if role == "output" else "normal"
    draw_word(ax, x, y, word, fontsize=9, fontweight=weight)

"""Figures of the chapter on self-attention."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.words import draw_word


def plot_asking(
    words: Sequence[str],
    weights: Sequence[float],
    asking: int,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one word of a sentence that asks all of them, itself included.

    Args:
        words: the sentence.
        weights: what the asking word gives to each; a line is the thicker the larger
            its weight.
        asking: place of the word that asks, from 0.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not a weight for each word, or ``asking`` is no place
            of the sentence.

    Example:
        >>> ax = plot_asking(["the", "cup"], [0.2, 0.8], asking=0)
        >>> [text.get_text() for text in ax.texts][-1]
        'tokens after the layer'
    """
    if len(words) != len(weights) or not 0 <= asking < len(words):
        raise ValueError(
            f"plot_asking needs a weight for each of the {len(words)} words, and "
            f"asking as one of their places, got {len(weights)} weights and asking "
            f"{asking}"
        )
    ax = ax or plt.figure(figsize=(5.6, 3.6)).subplots()
    for x, (word, weight) in enumerate(zip(words, weights, strict=True)):
        own = x == asking
        _box(ax, x, 0.0, word, QUERY if own else KEY)
        _box(ax, x, 2.6, word, CONTEXT, faint=not own)
        ax.plot(
            [x, asking],
            [0.28, 2.32],
            color=INK,
            lw=0.4 + 6 * weight,
            ls="-",
            marker="",
            solid_capstyle="butt",
            zorder=0,
        )
        # Beside the line, a third of the way up: there the lines do not meet yet.
        ax.text(
            x + (asking - x) * 0.3,
            0.28 + 2.04 * 0.3,
            f"{weight:.2f}".removeprefix("0"),
            ha="center",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    middle = (len(words) - 1) / 2
    for y, name in (-0.62, "tokens: keys and values"), (3.2, "tokens after the layer"):
        ax.text(middle, y, name, ha="center", va="center", fontsize=9, color=INK)
    ax.set(xlim=(-0.6, len(words) - 0.4), ylim=(-0.85, 3.4))
    ax.axis("off")
    return ax


def plot_kernel_heads(
    weights: Float[Tensor, "heads height width"], query: tuple[int, int]
) -> Figure:
    """Draw what one pixel gives to all pixels in each head, arranged as a kernel.

    Args:
        weights: of one query, for each head a picture; on a scale from 0 to 1.
        query: row and column of the asking pixel, which is outlined.

    Raises:
        ValueError: if the number of heads is no square.

    Example:
        >>> import torch
        >>> figure = plot_kernel_heads(torch.rand(9, 5, 6), (2, 3))
        >>> len(figure.axes)
        9
    """
    size = round(len(weights) ** 0.5)
    if size * size != len(weights):
        raise ValueError(
            f"weights must hold a square number of heads, got {len(weights)}"
        )
    figure = plt.figure(figsize=(5.6, 5.6))
    row, column = query
    panels = figure.subplots(size, size, squeeze=False).flat
    for head, (ax, shades) in enumerate(zip(panels, weights, strict=True), start=1):
        ax.imshow(shades.detach().float().cpu().numpy(), vmin=0, vmax=1)
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec=CONTEXT, lw=1.6))
        ax.set_title(f"head {head}", fontsize=9)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
    return figure


def _box(
    ax: Axes, x: int, y: float, text: str, color: str, *, faint: bool = False
) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.4, y - 0.2),
            0.8,
            0.4,
            boxstyle="round,pad=0.03",
            fc="white" if faint else color,
            ec=color,
            alpha=0.5 if faint else 0.9,
        )
    )
    ink = INK if faint else "black"
    draw_word(ax, x, y, text, fontsize=9, color=ink)

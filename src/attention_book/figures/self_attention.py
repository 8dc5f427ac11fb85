"""Figures of the chapter on self-attention."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.curves import plot_curves
from attention_book.figures.words import draw_word

# What is written on the figures.
TEXT = {
    "inputs": "tokens: keys and values",
    "outputs": "tokens after the layer",
    "head": "head {}",
    "components": "d, numbers of a query",
    "variance": "variance of the scores",
    "largest": "largest weight",
    "gradient": "size of the derivatives",
    "tokens": "tokens",
    "images": "training images",
    "image accuracy": "accuracy on test images",
    "distance": "distance between the two tokens",
    "accuracy": "accuracy",
}


def plot_asking(
    words: Sequence[str],
    weights: Sequence[float],
    asking: int,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the query of one word, which attends to all words, itself included.

    Args:
        words: words of the sentence.
        weights: weights of the words; the larger the weight, the thicker the line.
        asking: position of the query, from 0.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one weight for each word, or ``asking`` is not a
            position in the sentence.

    Example:
        >>> ax = plot_asking(["the", "cup"], [0.2, 0.8], asking=0)
        >>> [text.get_text() for text in ax.texts][-1]
        'tokens after the layer'
    """
    if len(words) != len(weights) or not 0 <= asking < len(words):
        raise ValueError(
            f"plot_asking needs a weight for each of the {len(words)} words, and "
            f"asking as one of their positions, got {len(weights)} weights and asking "
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
        # On the line, a third of the way up, where the lines are still apart.
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
    for y, name in (-0.62, "inputs"), (3.2, "outputs"):
        ax.text(middle, y, TEXT[name], ha="center", va="center", fontsize=9, color=INK)
    ax.set(xlim=(-0.6, len(words) - 0.4), ylim=(-0.85, 3.4))
    ax.axis("off")
    return ax


def plot_kernel_heads(
    weights: Float[Tensor, "heads height width"], query: tuple[int, int]
) -> Figure:
    """Draw the weights of one pixel in each head, the heads arranged as a kernel.

    Args:
        weights: weights of one query over all pixels, one image per head, drawn on a
            scale from 0 to 1.
        query: row and column of the query, which is outlined.

    Raises:
        ValueError: if the number of heads is not a square.

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
        ax.set_title(TEXT["head"].format(head), fontsize=9)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
    return figure


def plot_score_spreads(
    dims: Sequence[int],
    spreads: Mapping[str, Sequence[Sequence[float]]],
) -> Figure:
    """Draw what becomes of scores and weights as queries get more components.

    Args:
        dims: sizes of a query.
        spreads: of each name the variance of the scores, the largest weight and the
            size of the derivatives, for each of ``dims``.

    Example:
        >>> spreads = {"not divided": ([2.0, 8.0], [0.6, 0.9], [0.2, 0.1])}
        >>> [ax.get_yscale() for ax in plot_score_spreads([2, 8], spreads).axes]
        ['log', 'linear', 'linear']
    """
    figure = plt.figure(figsize=(5.6, 8.4))
    axes = figure.subplots(3, 1)
    names = "variance", "largest", "gradient"
    for row, (ax, name) in enumerate(zip(axes, names, strict=True)):
        label = TEXT[name]
        curves = {name: found[row] for name, found in spreads.items()}
        plot_curves(dims, curves, xlabel=TEXT["components"], ylabel=label, ax=ax)
        ax.set_xscale("log", base=2)
    axes[0].set_yscale("log")
    axes[1].set_ylim(0, 1.03)
    axes[2].set_ylim(0, None)
    return figure


def plot_layer_costs(
    token_counts: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]]
) -> Figure:
    """Draw time or memory by the number of tokens, both on axes of powers.

    Args:
        token_counts: lengths of the sentences.
        panels: the label of each panel with its curves.

    Example:
        >>> figure = plot_layer_costs([64, 128], {"milliseconds": {"GRU": [1.0, 2.0]}})
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['64', '128']
    """
    figure = plt.figure(figsize=(5.6, 3.2 * len(panels)))
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for ax, (label, curves) in zip(axes, panels.items(), strict=True):
        plot_curves(token_counts, curves, xlabel=TEXT["tokens"], ylabel=label, ax=ax)
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(token_counts, [f"{count:,}" for count in token_counts])
        ax.minorticks_off()
    return figure


def plot_image_scores(
    counts: Sequence[int],
    scores: Mapping[str, Float[np.ndarray, "counts trials"]],
    intervals: Mapping[str, Sequence[tuple[float, float]]],
) -> Axes:
    """Draw accuracy by the number of training images.

    Args:
        counts: numbers of images.
        scores: of each name, a row for each number of images.
        intervals: of each name, low and high for each number of images; drawn no
            further than from 0 to 1.

    Example:
        >>> scores = {"GRU": np.array([[0.5], [0.9]])}
        >>> bands = {"GRU": [(0.2, 0.8), (0.8, 1.4)]}
        >>> plot_image_scores([60, 250], scores, bands).get_ylabel()
        'accuracy on test images'
    """
    ax = plot_curves(
        counts,
        {name: rows.mean(axis=1) for name, rows in scores.items()},
        intervals={name: np.clip(band, 0, 1) for name, band in intervals.items()},
        xlabel=TEXT["images"],
        ylabel=TEXT["image accuracy"],
    )
    ax.set_xscale("log")
    ax.set_xticks(counts, [f"{count:,}" for count in counts])
    ax.minorticks_off()
    ax.set_ylim(0.3, 1.02)
    ax.legend(loc="lower right")
    return ax


def plot_distance_scores(
    distances: Sequence[int],
    scores: Mapping[str, Float[np.ndarray, "distances trials"]],
    chance: float,
) -> Axes:
    """Draw accuracy by the distance of two tokens, with guessing as a dotted line.

    Args:
        distances: in tokens.
        scores: of each name, a row for each distance.
        chance: accuracy of the best guess, from 0 to 1.

    Example:
        >>> scores = {"GRU": np.array([[0.5], [0.9]])}
        >>> plot_distance_scores([8, 16], scores, 0.5).get_xscale()
        'log'
    """
    ax = plot_curves(
        distances,
        {name: rows.mean(axis=1) for name, rows in scores.items()},
        xlabel=TEXT["distance"],
        ylabel=TEXT["accuracy"],
    )
    ax.axhline(chance, color="#404040", lw=0.8, ls=":", marker="", zorder=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(distances, [str(distance) for distance in distances])
    ax.set_ylim(0.25, 1.03)
    ax.legend(loc="lower left")
    return ax


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

"""Figures of the chapter on soft and hard attention: weights laid over images."""

from collections.abc import Sequence
from itertools import zip_longest

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.words import word_labels

_WEIGHT, _BOX = "#D55E00", "#0072B2"
# From transparent to opaque, by the square root: of 64 locations few get a weight above
# 0.1, and a linear scale would hide the others.
_SHADES = [0.9 * (i / 255) ** 0.5 for i in range(256)]
_VEIL = ListedColormap([(0.835, 0.369, 0.0, shade) for shade in _SHADES])

Corners = tuple[int, int, int]  # top, left and side of a square, in pixels

# What is written on the figures.
TEXT = {
    "soft": "soft: the average\nof all locations",
    "hard": "hard: one location,\ndrawn by its weight",
}


def plot_look(
    image: Float[Tensor, "height width"],
    weights: Float[Tensor, " locations"],
    *,
    box: Corners | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of one step over the image, on a fixed scale from 0 to 1.

    Args:
        image: brightness from 0 to 1; drawn dark on white.
        weights: weights of the locations of a square grid, row by row.
        box: top, left and side, in pixels, of a square to outline: the digit that the
            word describes.
        title: text above the image, usually the word.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if the weights are not those of a square grid.

    Example:
        >>> import torch
        >>> ax = plot_look(torch.zeros(8, 8), torch.eye(4)[0], title="seven")
        >>> ax.get_title()
        'seven'
    """
    side = round(len(weights) ** 0.5)
    if not len(weights) or side * side != len(weights):
        raise ValueError(
            f"weights must be those of a square grid, got {len(weights)} locations"
        )
    ax = ax or plt.figure(figsize=(2.5, 2.7)).subplots()
    height, width = image.shape
    extent = (0, width, height, 0)
    ax.imshow(image.cpu().numpy(), cmap="Greys", vmin=0, vmax=1.3, extent=extent)
    shades = weights.detach().float().cpu().view(side, side).numpy()
    ax.imshow(shades, cmap=_VEIL, vmin=0, vmax=1, extent=extent)
    if box is not None:
        top, left, edge = box
        ax.add_patch(
            Rectangle((left, top), edge, edge, fill=False, ec=_BOX, lw=1.6, ls="--")
        )
    ax.grid(False)
    (text,), font = word_labels([title])
    ax.set_title(text, **font)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color="0.6")
    return ax


def plot_looks(
    image: Float[Tensor, "height width"],
    words: Sequence[str],
    weights: Float[Tensor, "words locations"],
    *,
    boxes: Sequence[Corners | None] = (),
    columns: int = 5,
) -> list[Axes]:
    """Draw the weights of each word of a caption over the image, word by word.

    Args:
        image: brightness from 0 to 1.
        words: the words of the caption.
        weights: one row for each word.
        boxes: for each word the square to outline, or None; empty: no squares.
        columns: number of words side by side.

    Raises:
        ValueError: if there is not one row of weights for each word, or there are boxes
            but not one for each word.

    Example:
        >>> import torch
        >>> axes = plot_looks(torch.zeros(8, 8), ["a", "six"], torch.eye(4)[:2])
        >>> [ax.get_title() for ax in axes]
        ['a', 'six']
    """
    if not words or len(weights) != len(words) or len(boxes) not in (0, len(words)):
        raise ValueError(
            f"weights, and boxes if given, must have an entry for each of the "
            f"{len(words)} words, got {len(weights)} and {len(boxes)}"
        )
    rows = -(-len(words) // columns)
    figure = plt.figure(figsize=(5.6, 1.35 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for ax in grid[len(words) :]:
        ax.axis("off")
    panels = zip_longest(words, weights, boxes)
    for ax, (word, row, box) in zip(grid, panels, strict=False):
        plot_look(image, row, box=box, title=word, ax=ax)
    return list(grid[: len(words)])


def plot_soft_against_hard(
    image: Float[Tensor, "height width"],
    weights: Float[Tensor, " locations"],
    location: int,
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the two ways to use the same weights: average all, or sample one.

    Args:
        image: brightness from 0 to 1.
        weights: weights of the locations of a square grid, row by row.
        location: the location that hard attention drew.
        axes: where to draw, two; None: a new figure.

    Raises:
        ValueError: if ``location`` is not on the grid.

    Example:
        >>> import torch
        >>> axes = plot_soft_against_hard(torch.zeros(8, 8), torch.ones(4) / 4, 2)
        >>> len(axes)
        2
    """
    if not 0 <= location < len(weights):
        raise ValueError(
            f"location must be from 0 to {len(weights) - 1}, got {location}"
        )
    if axes is None:
        axes = plt.figure(figsize=(5.6, 3.0)).subplots(1, 2)
    soft, hard = axes
    plot_look(image, weights, title=TEXT["soft"], ax=soft)
    plot_look(image, weights * 0, title=TEXT["hard"], ax=hard)
    side = round(len(weights) ** 0.5)
    row, column = divmod(location, side)
    cell = image.shape[0] / side
    corner = (column * cell, row * cell)
    hard.add_patch(Rectangle(corner, cell, cell, fc=_WEIGHT, ec=_WEIGHT, alpha=0.8))
    return [soft, hard]

"""Figures of the chapter on soft and hard attention: weights laid over images."""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import zip_longest
from textwrap import fill
from typing import Any, Protocol, runtime_checkable

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import word_labels

_WEIGHT, _BOX = "#D55E00", "#0072B2"
# From transparent to opaque, by the square root: of 64 locations few get a weight above
# 0.1, and a linear scale would hide the others.
_SHADES = [0.9 * (i / 255) ** 0.5 for i in range(256)]
_VEIL = ListedColormap([(0.835, 0.369, 0.0, shade) for shade in _SHADES])

Corners = tuple[int, int, int]  # top, left and side of a square, in pixels

# What is written on the figures.
TEXT = {
    "weights": r"weights $\alpha_{ti}$ of the annotations $a_i$",
    "score": r"$f_{att}$, softmax",
    "soft": r"soft: $\sum_i \alpha_{ti} a_i$, the same each time",
    "hard": r"hard: $a_{s_t}$, another one with each draw",
    "unit": "LSTM",
    "word": r"next word, $h_t$",
    "written": "written",
    "right": "right",
}


def plot_look(
    image: Float[Tensor, "height width"],
    weights: Float[Tensor, " locations"],
    *,
    box: Corners | None = None,
    location: int | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of one step over the image, on a fixed scale from 0 to 1.

    Args:
        image: brightness from 0 to 1; drawn dark on white.
        weights: weights of the locations of a square grid, row by row.
        box: top, left and side, in pixels, of a square to outline: the digit that the
            word describes.
        location: the location that was drawn, to be framed; None: none was.
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
    if location is not None:
        _frame(ax, location, side, height)
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
    locations: Sequence[int] = (),
    columns: int = 5,
) -> list[Axes]:
    """Draw the weights of each word of a caption over the image, word by word.

    Args:
        image: brightness from 0 to 1.
        words: the words of the caption.
        weights: one row for each word.
        boxes: for each word the square to outline, or None; empty: no squares.
        locations: for each word the location that was drawn; empty: none was.
        columns: number of words side by side.

    Raises:
        ValueError: if there is not one row of weights for each word, or there are boxes
            or locations but not one for each word.

    Example:
        >>> import torch
        >>> axes = plot_looks(torch.zeros(8, 8), ["a", "six"], torch.eye(4)[:2])
        >>> [ax.get_title() for ax in axes]
        ['a', 'six']
    """
    given = len(boxes), len(locations)
    if not words or len(weights) != len(words) or {*given} - {0, len(words)}:
        raise ValueError(
            f"weights, and boxes and locations if given, must have an entry for each "
            f"of the {len(words)} words, got {len(weights)}, {given[0]} and {given[1]}"
        )
    rows = -(-len(words) // columns)
    figure = plt.figure(figsize=(5.6, 1.35 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for ax in grid[len(words) :]:
        ax.axis("off")
    panels = zip_longest(words, weights, boxes, locations)
    for ax, (word, row, box, location) in zip(grid, panels, strict=False):
        plot_look(image, row, box=box, location=location, title=word, ax=ax)
    return list(grid[: len(words)])


def plot_step(
    image: Float[Tensor, "height width"],
    weights: Float[Tensor, " locations"],
    draws: Sequence[int],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one step of the decoder, with soft and with hard attention.

    Args:
        image: brightness from 0 to 1.
        weights: weights of the locations of a square grid, row by row.
        draws: locations that hard attention drew, three of them.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are not three draws, or one is not on the grid.

    Example:
        >>> import torch
        >>> ax = plot_step(torch.zeros(8, 8), torch.ones(4) / 4, [2, 0, 3])
        >>> "$h_{t-1}$" in [text.get_text() for text in ax.texts]
        True
    """
    if len(draws) != 3 or not all(0 <= draw < len(weights) for draw in draws):
        raise ValueError(
            f"draws must be three locations from 0 to {len(weights) - 1}, got {draws}"
        )
    ax = ax or plt.figure(figsize=(7.6, 4.0)).subplots()
    shares = weights.detach().float().cpu()
    _picture(ax, image, (0.0, 1.5, 2.4), veil=shares)
    ax.text(1.2, 4.05, TEXT["weights"], ha="center", va="bottom")
    draw_box(ax, 1.2, 0.35, "$h_{t-1}$", QUERY, width=0.9)
    draw_arrow(ax, (1.2, 0.65), (1.2, 1.42))
    ax.text(1.3, 1.02, TEXT["score"], va="center")
    # What the decoder sees: the rest of the image is covered.
    _picture(ax, image, (4.3, 2.75, 1.7), cover=1 - shares / shares.max())
    ax.text(5.15, 4.55, TEXT["soft"], ha="center", va="bottom")
    for number, draw in enumerate(draws):
        corner = 3.4 + 1.25 * number, 0.35, 1.1
        cover = torch.ones_like(shares)
        cover[draw] = 0
        _picture(ax, image, corner, cover=cover, location=draw)
    ax.text(5.2, 1.55, TEXT["hard"], ha="center", va="bottom")
    draw_arrow(ax, (2.5, 3.1), (4.2, 3.6), color=CONTEXT)
    draw_arrow(ax, (2.5, 2.2), (3.3, 1.2), color=CONTEXT)
    draw_box(ax, 8.1, 2.3, r"$\hat z_t$", CONTEXT, width=0.7)
    draw_arrow(ax, (6.1, 3.6), (7.85, 2.65), color=CONTEXT)
    ax.text(7.05, 3.35, r"$\times\,\beta_t$", ha="left", va="bottom")
    draw_arrow(ax, (7.1, 0.95), (7.85, 1.97), color=CONTEXT)
    draw_box(ax, 9.6, 2.3, TEXT["unit"], QUERY, width=1.0)
    draw_arrow(ax, (8.5, 2.3), (9.05, 2.3))
    draw_box(ax, 9.6, 0.75, "$h_{t-1}, Ey_{t-1}$", QUERY, width=1.75, fontsize=9)
    draw_arrow(ax, (9.6, 1.05), (9.6, 1.98))
    draw_arrow(ax, (9.6, 2.62), (9.6, 3.45))
    ax.text(9.6, 3.55, TEXT["word"], ha="center", va="bottom")
    ax.set(xlim=(-0.1, 10.6), ylim=(0, 5.3), aspect="equal")
    ax.axis("off")
    return ax


@runtime_checkable
class Look(Protocol):
    """A caption and where its model looked: as ``recipes.hard_attention.Look``."""

    @property
    def words(self) -> Sequence[str]:
        """The words that were written."""

    @property
    def weights(self) -> Float[Tensor, "words locations"]:
        """One row for each word, over a square grid."""

    @property
    def locations(self) -> Sequence[int]:
        """For each word the location that was seen, or has the largest weight."""


def plot_captions(
    images: Sequence[Float[Tensor, "height width"]],
    written: Sequence[Look],
    right: Sequence[Sequence[str]],
    names: Collection[str],
    *,
    grid: int,
) -> list[Axes]:
    """Draw images with the captions that were written, and where the model looked.

    The location of each word that names a digit is framed and has this word above it.

    Args:
        images: brightness from 0 to 1.
        written: for each image what was written.
        right: for each image the right caption.
        names: the words that name a digit.
        grid: locations on each side of an image.

    Raises:
        ValueError: if there are no images.

    Example:
        >>> from types import SimpleNamespace
        >>> import torch
        >>> look = SimpleNamespace(
        ...     words=["a", "six"], weights=torch.eye(4)[[0, 3]], locations=[0, 3]
        ... )
        >>> axes = plot_captions([torch.zeros(8, 8)], [look], [["a"]], ["six"], grid=2)
        >>> axes[0].texts[0].get_text()
        'six'
    """
    if not images:
        raise ValueError("images must hold at least one image, got none")
    figure = plt.figure(figsize=(2.5 * len(images), 3.4))
    panels = figure.subplots(1, len(images), squeeze=False)[0]
    for ax, image, look, caption in zip(panels, images, written, right, strict=True):
        cell = image.shape[0] / grid
        plot_look(image, torch.zeros(grid * grid), ax=ax)
        named: dict[int, list[str]] = defaultdict(list)
        for word, location in zip(look.words, look.locations, strict=True):
            if word in names:
                named[location].append(word)
        for location, found in named.items():
            _frame(ax, location, grid, image.shape[0])
            row, column = divmod(location, grid)
            at = (column + 0.5) * cell, row * cell - 0.4
            label = ", ".join(found)
            ax.text(*at, label, ha="center", va="bottom", fontsize=8, color=_WEIGHT)
        words = [word for word in look.words if word != "<eos>"]
        for height, kind, text in ((-0.04, "written", words), (-0.3, "right", caption)):
            lines = fill(f"{TEXT[kind]}: {' '.join(text)}", 28)
            ax.text(0, height, lines, transform=ax.transAxes, va="top", fontsize=8)
    return list(panels)


def _frame(ax: Axes, location: int, side: int, height: float | int) -> None:
    row, column = divmod(location, side)
    cell = height / side
    corner = (column * cell, row * cell)
    ax.add_patch(Rectangle(corner, cell, cell, fill=False, ec=_WEIGHT, lw=2.2))


def _picture(
    ax: Axes,
    image: Float[Tensor, "height width"],
    corner: tuple[float, float, float],
    *,
    veil: Float[Tensor, " locations"] | None = None,
    cover: Float[Tensor, " locations"] | None = None,
    location: int | None = None,
) -> None:
    """An image in a drawing; ``corner``: left, bottom, side, in the drawing's units.

    ``veil`` are weights to be laid over it; ``cover`` is how much of each location is
    hidden, from 0 to 1.
    """
    left, bottom, edge = corner
    extent = (left, left + edge, bottom, bottom + edge)
    ax.imshow(image.cpu().numpy(), cmap="Greys", vmin=0, vmax=1.3, extent=extent)
    shades = cover if veil is None else veil
    if shades is not None:
        side = math.isqrt(len(shades))
        drawn = shades.view(side, side).numpy()
        if veil is not None:
            ax.imshow(drawn, cmap=_VEIL, vmin=0, vmax=1, extent=extent)
        else:
            hidden = np.ones((side, side, 4))
            hidden[..., :3], hidden[..., 3] = 0.86, 0.93 * drawn
            ax.imshow(hidden, extent=extent)
        for number in range(1, side):
            at = number * edge / side
            thin: dict[str, Any] = {"color": "0.6", "lw": 0.4, "marker": ""}
            ax.plot([left + at] * 2, [bottom, bottom + edge], **thin)
            ax.plot([left, left + edge], [bottom + at] * 2, **thin)
        if location is not None:
            row, column = divmod(location, side)
            cell = edge / side
            below = left + column * cell, bottom + edge - (row + 1) * cell
            frame = Rectangle(below, cell, cell, fill=False, ec=_WEIGHT, lw=2)
            ax.add_patch(frame)
    ax.add_patch(Rectangle((left, bottom), edge, edge, fill=False, ec="0.5", lw=0.8))

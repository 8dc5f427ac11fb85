"""Figures of the chapter on mechanisms that came with and after the Transformer."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE

# What is written on the figures.
TEXT = {
    "location": "location in the memory",
    "vector": "vector",
    "written": "written",
    "read": "read",
    "key": "key",
    "query": "query",
    "tokens": "tokens",
    "dense": "dense",
    "strided": "strided, both steps",
    "scores": "scores",
    "seconds": "seconds",
    "part": "part {}",
}
PARTS = ("query", "key", "value", "mask", "position")
_COLOURS = (QUERY, KEY, VALUE, INK, CONTEXT)
_SLOPES = {"dense": "#0072B2", "strided": "#D55E00"}


def plot_changes(
    changes: Mapping[str, Mapping[str, str]], *, ax: Axes | None = None
) -> Axes:
    """Draw a table: what each mechanism changes in attention, and where.

    Args:
        changes: for each mechanism, what it does to some of :data:`PARTS`, in a few
            words; lines may be broken.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a mechanism changes something else.

    Example:
        >>> ax = plot_changes({"sparse": {"mask": "fixed sets"}})
        >>> "fixed sets" in [text.get_text() for text in ax.texts]
        True
    """
    for name, cells in changes.items():
        if unknown := sorted(set(cells) - set(PARTS)):
            raise ValueError(f"{name} must change some of {PARTS}, got {unknown}")
    ax = ax or plt.figure(figsize=(7.2, 0.62 * len(changes) + 0.6)).subplots()
    for column, (part, colour) in enumerate(zip(PARTS, _COLOURS, strict=True)):
        ax.text(column, -0.75, part, ha="center", va="center", color=colour, weight=600)
        for row, cells in enumerate(changes.values()):
            filled = part in cells
            box = (column - 0.47, row - 0.42), 0.94, 0.84
            face = colour if filled else "none"
            style: dict[str, Any] = {
                "ec": colour,
                "lw": 0.8,
                "alpha": 0.25 if filled else 0.4,
            }
            ax.add_patch(Rectangle(*box, fc=face, **style))
            words = cells.get(part, "")
            ax.text(column, row, words, ha="center", va="center", fontsize=7.5)
    ax.set_yticks(range(len(changes)), [*changes])
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    ax.set(xlim=(-0.55, len(PARTS) - 0.45), ylim=(len(changes) - 0.4, -1.1))
    return ax


def plot_heads(
    written: Float[Tensor, "vectors locations"],
    read: Float[Tensor, "vectors locations"],
) -> Figure:
    """Draw where a head wrote and where another one read, vector by vector.

    Args:
        written: weights of the writing head.
        read: weights of the reading head.

    Example:
        >>> import torch
        >>> len(plot_heads(torch.eye(3), torch.eye(3)).axes)
        2
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.6), sharey=True)
    for ax, weights, name in zip(
        axes, (written, read), ("written", "read"), strict=True
    ):
        ax.imshow(weights.cpu().numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.set(title=TEXT[name], xlabel=TEXT["location"])
        ax.grid(False)
    axes[0].set_ylabel(TEXT["vector"])
    return figure


def plot_patterns(masks: Mapping[str, Bool[Tensor, "1 tokens tokens"]]) -> Figure:
    """Draw which query attends to which key, one square for each pattern.

    Args:
        masks: by name.

    Example:
        >>> import torch
        >>> len(plot_patterns({"a": torch.ones(1, 3, 3, dtype=torch.bool)}).axes)
        1
    """
    size = 2.0 * len(masks), 2.4
    figure, axes = plt.subplots(1, len(masks), figsize=size, squeeze=False)
    colours = ListedColormap(["white", KEY])
    for ax, (name, mask) in zip(axes[0], masks.items(), strict=True):
        ax.imshow(mask[0].cpu().numpy(), cmap=colours, vmin=0, vmax=1)
        ax.set(title=name, xlabel=TEXT["key"])
        ax.title.set_fontsize(9)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
    axes[0, 0].set_ylabel(TEXT["query"])
    return figure


def plot_costs(
    tokens: Sequence[int],
    scores: Mapping[str, Sequence[int]],
    seconds: Mapping[str, Sequence[float]],
) -> Figure:
    """Draw scores and seconds against the length, both axes logarithmic.

    Args:
        tokens: the lengths.
        scores: of "dense" and "strided" attention.
        seconds: of the same.

    Example:
        >>> scores = {"dense": [16, 256], "strided": [12, 96]}
        >>> seconds = {"dense": [0.1, 1.0], "strided": [0.1, 0.5]}
        >>> len(plot_costs([4, 16], scores, seconds).axes)
        2
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.7))
    named = {"scores": scores, "seconds": seconds}
    for ax, (name, curves) in zip(axes, named.items(), strict=True):
        for kind, marker in (("dense", "o"), ("strided", "s")):
            style = {"color": _SLOPES[kind], "marker": marker, "label": TEXT[kind]}
            ax.loglog(tokens, curves[kind], **style)
        ax.set(xlabel=TEXT["tokens"], ylabel=TEXT[name])
        ax.set_xticks(tokens, [f"{count:,}" for count in tokens])
        ax.set_xticks([], minor=True)
    axes[0].legend()
    figure.tight_layout()
    return figure


def plot_parts(
    images: Float[Tensor, "images 1 size size"],
    weights: Float[Tensor, "images parts locations"],
    centres: Int[Tensor, "images 2 2"],
) -> Figure:
    """Draw images, and where the parts of each have their peaks.

    Args:
        images: brightness; dark on white here.
        weights: of each part, one location for two by two pixels.
        centres: row and column of the two signs, drawn as small crosses.

    Example:
        >>> import torch
        >>> from attention_book.data.sequences.glyphs import glyph_pairs
        >>> pairs = glyph_pairs(2, seed=0)
        >>> figure = plot_parts(pairs.images, torch.rand(2, 2, 144), pairs.centres)
        >>> len(figure.axes)
        2
    """
    figure, axes = plt.subplots(
        1, len(images), figsize=(1.9 * len(images), 2.1), squeeze=False
    )
    width = images.shape[-1] // 2
    colours = (CONTEXT, "#0072B2", QUERY, VALUE)
    for ax, image, maps, places in zip(axes[0], images, weights, centres, strict=True):
        ax.imshow(image[0].cpu().numpy(), cmap="Greys", vmin=0, vmax=1.5)
        for number, peak in enumerate(maps.argmax(dim=-1).tolist()):
            row, column = divmod(peak, width)
            # The larger, the later: equal peaks can be seen.
            side = 4 + number
            corner = (2 * column + 0.5 - side / 2, 2 * row + 0.5 - side / 2)
            square: dict[str, Any] = {
                "fill": False,
                "lw": 2,
                "ec": colours[number % len(colours)],
            }
            label = TEXT["part"].format(number + 1)
            ax.add_patch(
                Rectangle(
                    corner, 4, 4, ls="-" if number else "--", **square, label=label
                )
            )
        ax.plot(*places.T.flip(0).cpu().numpy(), "+", color=INK, ms=7, ls="")
        ax.set(xticks=[], yticks=[])
        ax.set(xlim=(-0.5, image.shape[-1] - 0.5), ylim=(image.shape[-2] - 0.5, -0.5))
        ax.grid(False)
    figure.subplots_adjust(bottom=0.25)
    named = axes[0, 0].get_legend_handles_labels()
    figure.legend(*named, loc="lower center", ncols=4, bbox_to_anchor=(0.5, -0.02))
    return figure

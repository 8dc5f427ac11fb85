"""Figures of the chapter on graph attention."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY

# What is written on the figures.
TEXT = {
    "neighbours": "neighbours, itself included",
    "evenness": "evenness of the weights",
}


def plot_neighbourhood(
    centre: str,
    neighbours: Sequence[str],
    weights: Sequence[float],
    *,
    own: float | None = None,
    colours: Sequence[str] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a node amid its neighbours, with edges as thick as their weights.

    Args:
        centre: name of the node that attends.
        neighbours: names of the other nodes that it attends to.
        weights: one for each neighbour; the larger, the thicker the line.
        own: weight that the node gives to itself, a ring around it; None: it has no
            loop.
        colours: of the neighbours; None: that of keys for all.
        title: of the panel; the name of the node stands below it.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are not one weight and one colour for each neighbour.

    Example:
        >>> ax = plot_neighbourhood("sin", ["cos"], [0.7], own=0.3)
        >>> ax.get_title(), [text.get_text() for text in ax.texts]
        ('sin .30', ['cos .70'])
    """
    colours = [KEY] * len(neighbours) if colours is None else colours
    if not len(neighbours) == len(weights) == len(colours):
        raise ValueError(
            "weights and colours must be one for each neighbour, got "
            f"{len(weights)} and {len(colours)} for {len(neighbours)}"
        )
    ax = ax or plt.figure(figsize=(4.2, 3.6)).subplots()
    ax.set_aspect("equal")
    ax.axis("off")
    if own is not None:
        width = _width(own)
        ax.add_patch(Circle((0, 0), 0.2, fill=False, ec=INK, lw=width))
    ax.plot([0], [0], "o", ms=11, color=QUERY, mec=CONTEXT, mew=1.5)
    for number, (name, weight, color) in enumerate(
        zip(neighbours, weights, colours, strict=True)
    ):
        angle = math.pi * (0.5 - 2 * (number + 0.5) / len(neighbours))
        x, y = math.cos(angle), math.sin(angle)
        ax.plot(
            [0, x], [0, y], color=INK, lw=_width(weight), ls="-", marker="", zorder=0
        )
        ax.plot([x], [y], "o", ms=9, color=color)
        aside = "left" if x > 0.05 else "right" if x < -0.05 else "center"
        named = _named(name, weight)
        ax.text(1.16 * x, 1.16 * y, named, ha=aside, va="center", fontsize=8)
    named = centre if own is None else _named(centre, own)
    ax.set_title(f"{title}\n{named}".strip(), fontsize=9)
    ax.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25))
    return ax


def _named(name: str, weight: float) -> str:
    return f"{name} {weight:.2f}".replace(" 0.", " .")


def _width(weight: float) -> float:
    return 0.5 + 8 * weight


def plot_evenness(
    degree: Int[Tensor, " nodes"],
    evenness: Mapping[str, Float[Tensor, " nodes"]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how evenly nodes spread their weights, by the number of their neighbours.

    Args:
        degree: of each node, its loop included.
        evenness: by name, one value for each node; NaN is left out.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> import torch
        >>> even = torch.tensor([0.5, 1.0, 0.7])
        >>> ax = plot_evenness(torch.tensor([2, 2, 5]), {"hidden": even})
        >>> [len(line.get_xdata()) for line in ax.lines]
        [2]
    """
    ax = ax or plt.figure(figsize=(5.6, 3.2)).subplots()
    for name, values in evenness.items():
        real = ~values.isnan()
        sizes, lows, means, highs = [], [], [], []
        for size in sorted(set(degree[real].tolist())):
            some = values[real & (degree == size)].numpy()
            low, high = np.quantile(some, [0.1, 0.9])
            sizes.append(size)
            lows.append(low)
            highs.append(high)
            means.append(some.mean())
        (line,) = ax.plot(sizes, means, label=name)
        ax.fill_between(sizes, lows, highs, color=line.get_color(), alpha=0.15, lw=0)
    ax.set(xlabel=TEXT["neighbours"], ylabel=TEXT["evenness"])
    ax.set_ylim(top=1.02)
    ax.legend()
    return ax

"""Curves with intervals: a score over length, a loss over steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike


@runtime_checkable
class Bin(Protocol):
    """Scores of one range of lengths: those of ``evaluation.intervals.BinScore``."""

    @property
    def low(self) -> int:
        """Shortest length, in tokens."""

    @property
    def high(self) -> int:
        """Longest length, in tokens."""

    @property
    def mean(self) -> float:
        """Mean score, from 0 to 1."""

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the mean's interval."""


# What is written on the figures.
TEXT = {"length": "source words"}


def plot_curves(
    x: ArrayLike,
    curves: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    intervals: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one line for each name, and its interval as a band of the same colour.

    Args:
        x: positions of the points, the same for all lines.
        curves: the lines by name; a name becomes an entry of the legend.
        xlabel: what ``x`` is, with its unit.
        ylabel: what the lines measure, with its unit.
        intervals: for names of ``curves``, ``(low, high)`` at every point.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a line or its intervals have not one entry for each ``x``, or
            ``intervals`` has a name that ``curves`` has not.

    Example:
        >>> ax = plot_curves([1, 2], {"a": [0.5, 1]}, xlabel="words", ylabel="accuracy")
        >>> ax.get_xlabel()
        'words'
    """
    x = np.asarray(x)
    lines = {name: np.asarray(line) for name, line in curves.items()}
    bands = {name: np.asarray(band) for name, band in (intervals or {}).items()}
    if unknown := sorted(set(bands) - set(lines)):
        raise ValueError(f"intervals has names that curves has not: {unknown}")
    wanted: tuple[tuple[str, dict[str, np.ndarray], tuple[int, ...]], ...] = (
        ("curves", lines, (len(x),)),
        ("intervals", bands, (len(x), 2)),
    )
    for kind, given, shape in wanted:
        for name, points in given.items():
            if points.shape != shape:
                raise ValueError(
                    f"{kind}[{name!r}] must have shape {shape} to fit x, "
                    f"got {points.shape}"
                )
    ax = ax or plt.figure().subplots()
    # A marker on each of many points would hide the line.
    style: dict[str, Any] = {"marker": ""} if len(x) > 40 else {}
    for name, points in lines.items():
        (line,) = ax.plot(x, points, label=name, **style)
        if name in bands:
            ax.fill_between(x, *bands[name].T, color=line.get_color(), alpha=0.15, lw=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if len(curves) > 1:
        ax.legend()
    return ax


def plot_by_length(
    by_length: Mapping[str, Sequence[Bin]],
    *,
    ylabel: str,
    xlabel: str = TEXT["length"],
    ax: Axes | None = None,
) -> Axes:
    """Draw scores from 0 to 1 against length, each point in the middle of its bin.

    Args:
        by_length: for each line its bins, the same ranges of lengths for all.
        ylabel: what the scores measure.
        xlabel: what the lengths count.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if two lines have different numbers of bins, or there is no line.
    """
    if not by_length:
        raise ValueError("by_length must hold at least one line, got none")
    first = next(iter(by_length.values()))
    ax = plot_curves(
        [(part.low + part.high) / 2 for part in first],
        {name: [part.mean for part in bins] for name, bins in by_length.items()},
        intervals={
            name: [part.interval for part in bins] for name, bins in by_length.items()
        },
        xlabel=xlabel,
        ylabel=ylabel,
        ax=ax,
    )
    ax.set_ylim(0, 1.03)
    return ax

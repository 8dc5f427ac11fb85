"""Results over seeds: one value per run, their mean, and its interval."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def plot_seeds(
    values: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float]],
    *,
    xlabel: str,
    baselines: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one row per name: the values of the seeds, and their mean with its interval.

    Args:
        values: by name, one value for each seed, drawn as rings.
        intervals: by name, lower and upper end of the interval of the mean.
        xlabel: what the values measure, with its unit.
        baselines: values to compare with, by name, drawn as vertical lines.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if ``values`` and ``intervals`` have different names.

    Example:
        >>> ax = plot_seeds({"dot": [0.5, 0.7]}, {"dot": (0.5, 0.7)}, xlabel="loss")
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['dot']
    """
    if values.keys() != intervals.keys():
        raise ValueError(
            f"values and intervals must have the same names, got {list(values)} and "
            f"{list(intervals)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 0.6 + 0.4 * len(values))).subplots()
    for row, (name, points) in enumerate(values.items()):
        mean = float(np.mean(points))
        ax.plot(points, [row] * len(points), "o", mfc="none", color="0.55", ls="")
        ax.plot(intervals[name], [row, row], color="#0072B2", marker="|", ls="-", lw=2)
        ax.plot([mean], [row], marker="D", color="#0072B2", ls="")
    styles = cycle([("--", "#D55E00"), (":", "#009E73"), ("-.", "#CC79A7")])
    for (name, value), (style, color) in zip(
        (baselines or {}).items(), styles, strict=False
    ):
        ax.axvline(value, ls=style, color=color, marker="", label=name)
    if baselines:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    ax.set_yticks(range(len(values)), list(values))
    ax.set(xlabel=xlabel, ylim=(len(values) - 0.5, -0.5))
    return ax


def plot_seed_dots(
    values: Mapping[str, Sequence[float]],
    *,
    step: float,
    xlabel: str,
    reference: tuple[float, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw many runs as dots that pile up where values are equal, one row per name.

    Below each pile a diamond and a line stand for the mean and the standard deviation.

    Args:
        values: by name, one value for each run.
        step: values are rounded to multiples of this; equal ones pile up.
        xlabel: what the values measure, with its unit.
        reference: mean and standard deviation that another source reports, drawn as a
            vertical line and a band.
        title: of the panel.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a name has no values.

    Example:
        >>> ax = plot_seed_dots({"GAT": [82.9, 83.1, 83.1]}, step=0.1, xlabel="%")
        >>> ax.lines[0].get_ydata().tolist()
        [0.0, 0.0, 1.0]
    """
    for name, points in values.items():
        if not len(points):
            raise ValueError(f"values must not be empty, got none for {name}")
    rounded = {
        name: np.sort(np.round(np.asarray(points) / step))
        for name, points in values.items()
    }
    heights = {
        name: np.arange(len(points)) - np.searchsorted(points, points)
        for name, points in rounded.items()
    }
    tallest = max(float(height.max()) for height in heights.values())
    ax = ax or plt.figure(figsize=(5.6, 0.8 + 1.2 * len(values))).subplots()
    if reference is not None:
        mean, spread = reference
        ax.axvspan(mean - spread, mean + spread, color="#D55E00", alpha=0.15, lw=0)
        ax.axvline(mean, color="#D55E00", ls="--", marker="")
    floors = []
    for row, (name, ranks) in enumerate(rounded.items()):
        floor = -row * (tallest + 4)
        floors.append(floor)
        ax.plot(ranks * step, floor + heights[name], "o", ms=3, color="0.45", ls="")
        own = np.asarray(values[name])
        mean = float(own.mean())
        spread = float(own.std(ddof=1)) if len(own) > 1 else 0.0
        ends = [mean - spread, mean + spread]
        ax.plot(ends, [floor - 1.5] * 2, color="#0072B2", marker="|", ls="-", lw=2)
        ax.plot([mean], [floor - 1.5], marker="D", color="#0072B2", ls="")
    ax.set_yticks(floors, list(values))
    ax.set(xlabel=xlabel, ylim=(floors[-1] - 3, tallest + 1.5), title=title)
    ax.grid(visible=False)
    return ax

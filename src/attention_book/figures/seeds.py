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

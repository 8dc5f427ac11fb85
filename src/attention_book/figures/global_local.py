"""Figures of the chapter on global and local attention."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from attention_book.figures.heatmap import plot_weights
from attention_book.figures.words import word_labels

_WINDOW, _CENTRE = "#E69F00", "#D55E00"
# What is written on the figures.
TEXT = {"weight": "weight", "centre": "$p_t$"}


def plot_window(
    weights: Float[Tensor, " keys"],
    keys: Sequence[str],
    *,
    centre: float | None = None,
    window: int | None = None,
    curve: bool = False,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw one query's weights as bars over the words, and the window they come from.

    Args:
        weights: of one query over the keys.
        keys: a word for each key.
        centre: :math:`p_t`, a position from 0; None: there is no window.
        window: :math:`D`, in tokens; None: there is no window.
        curve: whether the Gaussian of width :math:`D / 2` is drawn.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not a word for each weight, or only one of ``centre``
            and ``window`` is given.

    Example:
        >>> import torch
        >>> ax = plot_window(torch.tensor([0.2, 0.8]), ["a", "b"], centre=0.7, window=1)
        >>> ax.get_ylabel()
        'weight'
    """
    if len(weights) != len(keys):
        raise ValueError(f"there are {len(weights)} weights and {len(keys)} keys")
    if (centre is None) != (window is None):
        raise ValueError(
            f"give centre and window or none of them, got {centre} and {window}"
        )
    ax = ax or plt.figure(figsize=(5.6, 1.8)).subplots()
    if centre is not None and window is not None:
        ax.axvspan(centre - window, centre + window, color=_WINDOW, alpha=0.2, lw=0)
        ax.axvline(centre, color=_CENTRE, ls="--", lw=1.4)
        if curve:
            x = np.linspace(centre - window, centre + window, 101)
            y = np.exp(-((x - centre) ** 2) / (2 * (window / 2) ** 2))
            ax.plot(x, y, color=_CENTRE, marker="", ls="-", lw=1.2)
    ax.bar(range(len(keys)), weights.detach().cpu().numpy(), width=0.6)
    texts, font = word_labels(keys)
    ax.set_xticks(
        range(len(keys)), texts, rotation=35, ha="right", rotation_mode="anchor", **font
    )
    ax.set(xlim=(-0.7, len(keys) - 0.3), ylim=(0, 1.05), ylabel=TEXT["weight"])
    ax.grid(axis="x", visible=False)
    return ax


def plot_kinds(
    weights: Mapping[str, Float[Tensor, " keys"]],
    keys: Sequence[str],
    *,
    centres: Mapping[str, float],
    window: int,
    curves: Collection[str] = (),
) -> list[Axes]:
    """Draw one query's weights under several kinds of attention, one below the other.

    Args:
        weights: by kind, over the same keys.
        keys: a word for each key.
        centres: of the kinds that have a window, its centre, a position from 0.
        window: half the width of all windows, in tokens.
        curves: the kinds whose Gaussian is drawn.

    Raises:
        ValueError: as from :func:`plot_window`.
    """
    figure = plt.figure(figsize=(5.6, 1.87 * len(weights)))
    axes = list(figure.subplots(len(weights), 1, sharex=True, squeeze=False)[:, 0])
    for ax, (kind, row) in zip(axes, weights.items(), strict=True):
        centre = centres.get(kind)
        plot_window(
            row,
            keys,
            centre=centre,
            window=None if centre is None else window,
            curve=kind in curves,
            ax=ax,
        )
        ax.set_title(kind, loc="left")
    return axes


def plot_centres(
    weights: Float[Tensor, "queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    centres: Float[Tensor, " queries"],
    window: int,
    *,
    alignment: Iterable[tuple[int, int]] = (),
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw weights as a heat map, and on each row the window that they come from.

    Args:
        weights: one row a query.
        queries: a label for each row.
        keys: a label for each column.
        centres: :math:`p_t` of each row, a position from 0.
        window: :math:`D`, in tokens.
        alignment: as for :func:`attention_book.figures.heatmap.plot_weights`.
        colorbar: as there.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not a centre for each row, or as ``plot_weights``.

    Example:
        >>> import torch
        >>> p = torch.tensor([0.0, 1.4])
        >>> ax = plot_centres(torch.eye(2), ["eins", "zwei"], ["one", "two"], p, 1)
        >>> ax.lines[0].get_xdata().tolist()[0]
        0.0
    """
    if len(centres) != len(queries):
        raise ValueError(f"there are {len(centres)} centres and {len(queries)} queries")
    ax = plot_weights(
        weights, queries, keys, alignment=alignment, colorbar=colorbar, ax=ax
    )
    p, rows = centres.detach().float().cpu().numpy(), range(len(queries))
    ax.plot(p, rows, color=_CENTRE, marker="o", ms=4, ls="", label=TEXT["centre"])
    ax.hlines(rows, p - window, p + window, color=_WINDOW, lw=1.4)
    # A centre may lie behind the last word, by up to one position.
    right = max(len(keys) - 0.5, float(p.max(initial=0)) + 0.2)
    ax.set(xlim=(-0.5, right), ylim=(len(queries) - 0.5, -0.5))
    return ax

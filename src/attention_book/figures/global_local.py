"""Figures of the chapter on global and local attention."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from attention_book.figures.colours import CONTEXT, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.heatmap import plot_weights
from attention_book.figures.words import word_labels

_WINDOW, _CENTRE = "#E69F00", "#D55E00"
# What is written on the figures.
TEXT = {
    "weight": "weight",
    "centre": "$p_t$",
    "bahdanau": "Bahdanau",
    "luong": "Luong",
    "old state": "the old state is the query; $c_i$ enters the new one",
    "new state": "the new state is the query; $c_t$ joins it in $\\tilde h_t$",
    "feeding": "input feeding",
}


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

    The columns are those of :func:`attention_book.figures.heatmap.plot_weights`: a
    window ends with the sentence, and a centre beyond its last position, which local-p
    may predict, is drawn as a triangle at the edge.

    Args:
        weights: one row for each query.
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
    p, rows = centres.detach().float().cpu().numpy(), np.arange(len(queries))
    left, right = -0.5, len(keys) - 0.5
    inside = p <= right
    point: dict[str, Any] = {"color": _CENTRE, "ms": 4, "ls": ""}
    ax.plot(p[inside], rows[inside], marker="o", label=TEXT["centre"], **point)
    beyond = rows[~inside]
    ax.plot([right - 0.15] * len(beyond), beyond, marker=">", **point)
    ends = np.clip(p - window, left, right), np.clip(p + window, left, right)
    ax.hlines(rows, *ends, color=_WINDOW, lw=1.4)
    ax.set(xlim=(left, right), ylim=(len(queries) - 0.5, -0.5))
    return ax


@dataclass(frozen=True)
class Panel:
    """The weights of one model for one sentence, and the windows they come from.

    Attributes:
        weights: one row for each query.
        centres: :math:`p_t` of each row; None: there is no window.
        window: :math:`D` in tokens; None: there is no window.
    """

    weights: Float[Tensor, "queries keys"]
    centres: Float[Tensor, " queries"] | None = None
    window: int | None = None


def plot_panels(
    panels: Mapping[str, Panel],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    alignment: Iterable[tuple[int, int]] = (),
) -> list[Axes]:
    """Draw the weights of several models for one sentence, with columns aligned.

    Args:
        panels: by name of the model, from top to bottom.
        queries: a label for each row.
        keys: a label for each column; they stand above the first panel only.
        alignment: as for :func:`attention_book.figures.heatmap.plot_weights`.

    Raises:
        ValueError: as from :func:`plot_centres`, or if only one of ``centres`` and
            ``window`` of a panel is given.
    """
    height = 0.5 + len(panels) * (0.35 + 0.19 * len(queries))
    figure = plt.figure(figsize=(5.6, height))
    axes = list(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    links = list(alignment)
    for ax, (name, panel) in zip(axes, panels.items(), strict=True):
        if (panel.centres is None) != (panel.window is None):
            raise ValueError(f"{name}: give centres and window, or none of them")
        shown = panel.weights, queries, keys
        options: dict[str, Any] = {"alignment": links, "colorbar": False, "ax": ax}
        if panel.centres is None or panel.window is None:
            plot_weights(*shown, **options)
        else:
            plot_centres(*shown, panel.centres, panel.window, **options)
        ax.set_ylabel(name)
        ax.tick_params(labeltop=ax is axes[0])
    return axes


def plot_centre_paths(
    steps: Sequence[int],
    paths: Mapping[str, Sequence[float]],
    keys: Sequence[str],
    *,
    truth: Mapping[str, int],
    xlabel: str,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw how predicted centres move over the source while a model learns.

    Args:
        steps: numbers of training steps, one for each look.
        paths: by target word, :math:`p_t` at each look.
        keys: the source words; each is a height.
        truth: for each target word the position of its true partner, drawn as a ring
            behind the end of its line.
        xlabel: what the steps count.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a path has not one entry for each step, or ``truth`` has other
            words than ``paths``.

    Example:
        >>> paths, truth = {"eins": [0.5, 0.1]}, {"eins": 0}
        >>> ax = plot_centre_paths([0, 9], paths, ["one"], truth=truth, xlabel="steps")
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['one']
    """
    if paths.keys() != truth.keys():
        raise ValueError(
            f"paths and truth must have the same words, got {list(paths)} and "
            f"{list(truth)}"
        )
    if wrong := [name for name, path in paths.items() if len(path) != len(steps)]:
        raise ValueError(f"each path must have {len(steps)} points: {wrong}")
    ax = ax or plt.figure(figsize=(5.6, 3.6)).subplots()
    end = max(steps) if steps else 0
    room = max(end, 1) * 0.04
    texts, _ = word_labels(list(paths))
    ring: dict[str, Any] = {"mfc": "none", "ms": 8, "mew": 1.8, "ls": ""}
    for text, (word, path) in zip(texts, paths.items(), strict=True):
        (line,) = ax.plot(steps, path, marker="", label=text)
        color = line.get_color()
        ax.plot([end + room], [truth[word]], marker="o", color=color, **ring)
    texts, font = word_labels(keys)
    ax.set_yticks(range(len(keys)), texts, **font)
    ax.set(xlabel=xlabel, xlim=(0, end + 2 * room), ylim=(len(keys) - 0.5, -0.5))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return ax


def plot_decoder_step(*, ax: Axes | None = None) -> Axes:
    r"""Draw which state is the query: one step of Luong's decoder, and of Bahdanau's.

    Args:
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_decoder_step()
        >>> "$c_t$" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(6.6, 3.6)).subplots()
    box = {"width": 0.95, "height": 0.6}
    # Bahdanau: the old state asks, and the context enters the recurrence.
    draw_box(ax, 0, 0, "$s_{i-1}$", QUERY, **box)
    draw_box(ax, 3, 0, "$s_i$", QUERY, **box)
    draw_box(ax, 0, 2, "$\\alpha_{ij}$", KEY, **box)
    draw_box(ax, 1.5, 2, "$c_i$", CONTEXT, **box)
    draw_arrow(ax, (0.55, 0), (2.45, 0))
    draw_arrow(ax, (0, 0.38), (0, 1.62), color=QUERY, lw=1.8)
    draw_arrow(ax, (0.55, 2), (0.95, 2))
    draw_arrow(ax, (1.75, 1.62), (2.75, 0.38), color=CONTEXT, lw=1.8)
    ax.text(3, 1.45, "$y_i$", ha="center", va="center")
    draw_arrow(ax, (3, 0.38), (3, 1.2))
    ax.text(1.5, 3.1, TEXT["bahdanau"], ha="center", va="center", fontweight="bold")
    ax.text(1.5, -0.85, TEXT["old state"], ha="center", va="center", fontsize=9)
    # Luong: the new state asks, and the context meets it above the recurrence.
    draw_box(ax, 5.5, 0, "$h_{t-1}$", QUERY, **box)
    draw_box(ax, 7.5, 0, "$h_t$", QUERY, **box)
    draw_box(ax, 7.5, 1.3, "$a_t$", KEY, **box)
    draw_box(ax, 9, 1.3, "$c_t$", CONTEXT, **box)
    draw_box(ax, 9, 2.4, "$\\tilde h_t$", CONTEXT, **box)
    draw_arrow(ax, (6.05, 0), (6.95, 0))
    draw_arrow(ax, (7.5, 0.38), (7.5, 0.92), color=QUERY, lw=1.8)
    draw_arrow(ax, (8.05, 1.3), (8.45, 1.3))
    draw_arrow(ax, (9, 1.68), (9, 2.02), color=CONTEXT, lw=1.8)
    draw_arrow(ax, (8.05, 0), (9.55, 2.2), bend="arc3,rad=0.45")
    ax.text(10.35, 2.4, "$y_t$", ha="center", va="center")
    draw_arrow(ax, (9.55, 2.4), (10.1, 2.4))
    draw_arrow(ax, (8.45, 2.5), (5.2, 0.4), ls="--", bend="arc3,rad=0.3")
    ax.text(6.2, 2.35, TEXT["feeding"], ha="center", va="center", fontsize=9)
    ax.text(7.7, 3.1, TEXT["luong"], ha="center", va="center", fontweight="bold")
    ax.text(7.7, -0.85, TEXT["new state"], ha="center", va="center", fontsize=9)
    ax.set(xlim=(-0.8, 10.8), ylim=(-1.2, 3.4))
    ax.axis("off")
    return ax

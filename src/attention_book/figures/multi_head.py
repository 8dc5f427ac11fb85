"""Figures of the chapter on multi-head attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.drawing import Number, draw_arrow
from attention_book.figures.interactive import Ask, PageElement, attention_view
from attention_book.figures.words import draw_word

HEADS = "#0072B2", "#CC79A7"
"""One colour for each of two heads."""

# What is written on the figures.
TEXT = {
    "head": "head {}",
    "query": "$Q W_{number}^Q$",
    "keys": "$K W_{number}^K$",
    "values": "$V W_{number}^V$",
    "weights": "weights",
    "output": "side by side",
    "mixed": "times $W^O$",
    "context": "context",
    "tokens": "{} tokens of {} features",
    "cut": "cut the features: (token, head, feature)",
    "swapped": "swap two axes: (head, token, feature)",
    "number of heads": "heads in each layer",
    "error": "mean squared error",
    "bound": "{} {}: bound",
    "trained": "{} {}: trained",
    "layer": "layer",
    "layers": "layers",
    "one head": "head",
    "removed": "heads removed",
    "random": "random order, {} draws",
    "kept": "own vector",
}

CELL = 0.2
"""Side of a square that stands for a feature of a token."""


def plot_two_heads(
    words: Sequence[str],
    first: Sequence[float],
    second: Sequence[float],
    query: str,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one query of two heads, with the queries, keys and values of each.

    A square is a feature; a token has four, and two of each kind are left in a head.

    Args:
        words: the words attended to.
        first: weights of the words in the first head; the larger the weight, the
            darker its box and the thicker the arrow from its value.
        second: weights of the words in the second head.
        query: the word whose query it is.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are fewer than two words, or a head does not have one
            weight for each of them.

    Example:
        >>> ax = plot_two_heads(["forty", "three"], [0.9, 0.1], [0.2, 0.8], "und")
        >>> "head 2" in [text.get_text() for text in ax.texts]
        True
    """
    if len(words) < 2 or not len(words) == len(first) == len(second):
        raise ValueError(
            "plot_two_heads needs two or more words and a weight for each of them in "
            f"both heads, got {len(words)} words, {len(first)} and {len(second)} "
            "weights"
        )
    ax = ax or plt.figure(figsize=(5.6, 6.2)).subplots()
    left, right = -1.75, len(words) + 0.05
    draw_word(ax, left, 0.35, query, fontsize=9, fontweight="bold", color=QUERY)
    _draw_features(ax, left, 0, [QUERY] * 4)
    for x, word in enumerate(words):
        draw_word(ax, x, 0.35, word, fontsize=9)
        _draw_features(ax, x, 0, [INK] * 4)
    for number, row in enumerate((first, second), start=1):
        colour, top = HEADS[number - 1], -0.55 - 2.45 * (number - 1)
        _draw_head(ax, top, number, row, colour, left, right)
    low = -5.75
    joined = (right + left) / 2 - 0.9
    _draw_features(ax, joined, low, [HEADS[0]] * 2 + [HEADS[1]] * 2)
    ax.text(joined, low - 0.38, TEXT["output"], ha="center", fontsize=8)
    # Out of its frame on the right, down, and back to the left.
    for number in range(2):
        out, values = right + 0.62 - 0.14 * number, -2.45 * (number + 1)
        end = low - 0.06 + 0.12 * number
        ax.plot(
            [right + 0.22, out, out, joined + 0.6],
            [values, values, end, end],
            color=HEADS[number],
            lw=1.2,
            ls="-",
            marker="",
        )
    draw_arrow(ax, (joined + 0.6, low), (joined + 0.45, low))
    draw_arrow(ax, (joined - 0.55, low), (joined - 1.35, low))
    ax.text(joined - 0.95, low + 0.16, TEXT["mixed"], ha="center", fontsize=8)
    _draw_features(ax, joined - 1.85, low, [CONTEXT] * 4)
    ax.text(
        joined - 1.85, low - 0.38, TEXT["context"], ha="center", fontsize=8, color=INK
    )
    ax.set(xlim=(left - 0.55, right + 0.7), ylim=(low - 0.55, 0.6))
    ax.axis("off")
    return ax


def _draw_head(
    ax: Axes,
    top: Number,
    number: int,
    weights: Sequence[float],
    colour: str,
    left: Number,
    right: Number,
) -> None:
    """Draw a frame with one head: query, keys, weights, values and output."""
    box = FancyBboxPatch(
        (left - 0.45, top - 2.2),
        right - left + 0.8,
        2.2,
        boxstyle="round,pad=0.03",
        fc="none",
        ec=colour,
        lw=1.3,
    )
    ax.add_patch(box)
    name = TEXT["head"].format(number)
    ax.text(right, top - 0.3, name, ha="center", color=colour, fontsize=9)
    keys, softmax, values = top - 0.5, top - 1.15, top - 1.9
    _draw_features(ax, left, keys, [QUERY] * 2)
    marks: dict[str, Any] = {"fontsize": 8, "va": "center"}
    ax.text(
        left, keys + 0.26, TEXT["query"].format(number=number), ha="center", **marks
    )
    for y, label in (keys, "keys"), (softmax, "weights"), (values, "values"):
        text = TEXT[label].format(number=number)
        ax.text(-0.5, y, text, ha="right", **marks)
    draw_arrow(ax, (left, keys - 0.15), (left, softmax))
    draw_arrow(ax, (left, softmax), (-1.05, softmax))
    for x, weight in enumerate(weights):
        _draw_features(ax, x, keys, [KEY] * 2)
        draw_arrow(ax, (x, keys - 0.13), (x, softmax + 0.2))
        shade = colour + f"{round(20 + 200 * weight):02x}"
        patch = {"facecolor": shade, "edgecolor": colour, "boxstyle": "round,pad=0.25"}
        text = f"{weight:.2f}".removeprefix("0")
        ax.text(x, softmax, text, ha="center", va="center", fontsize=8, bbox=patch)
        _draw_features(ax, x, values, [VALUE] * 2)
        start = x + 0.28 if x == len(weights) - 1 else x
        ends = (start, values + 0.16), (right - 0.28, values + 0.05)
        ax.annotate(
            "",
            ends[1],
            ends[0],
            arrowprops={
                "arrowstyle": "-",
                "lw": 0.4 + 4 * weight,
                "color": colour,
                "connectionstyle": "arc3,rad=-0.18",
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
    _draw_features(ax, right, values, [colour] * 2)


def _draw_features(ax: Axes, x: Number, y: Number, colours: Sequence[str]) -> None:
    """Draw a vector as a row of squares, centred on a point."""
    start = x - CELL * len(colours) / 2
    for number, colour in enumerate(colours):
        corner = start + CELL * number, y - CELL / 2
        ax.add_patch(Rectangle(corner, CELL, CELL, fc=colour + "55", ec=colour, lw=1.1))


def plot_split(
    num_tokens: int, embed_dim: int, num_heads: int, *, figure: Figure | None = None
) -> list[Axes]:
    """Draw how the features of a sentence's tokens are divided among heads.

    Three panels: the tokens as rows; each row cut into heads; the heads one below the
    other in place of the tokens. A number is where a feature stands in memory.

    Args:
        num_tokens: rows.
        embed_dim: features of each token.
        num_heads: two.
        figure: where to draw; None: a new figure.

    Raises:
        ValueError: if the heads do not divide the features, or are not two.

    Example:
        >>> axes = plot_split(3, 4, 2)
        >>> [text.get_text() for text in axes[2].texts][:6]
        ['0', '1', '4', '5', '8', '9']
    """
    if num_heads != len(HEADS) or embed_dim % num_heads:
        raise ValueError(
            f"plot_split needs two heads that divide embed_dim, got {num_heads} and "
            f"{embed_dim}"
        )
    share = embed_dim // num_heads
    numbers = np.arange(num_tokens * embed_dim).reshape(num_tokens, num_heads, share)
    figure = figure or plt.figure(figsize=(5.6, 6.0))
    heights = [num_tokens + 1, num_tokens + 1, num_heads * num_tokens + 2]
    axes = list(figure.subplots(3, 1, height_ratios=heights))
    titles = (
        TEXT["tokens"].format(num_tokens, embed_dim),
        TEXT["cut"],
        TEXT["swapped"],
    )
    gap = 0.7
    for stage, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for head in range(num_heads):
            for token in range(num_tokens):
                for feature in range(share):
                    x: float = head * (share + gap * (stage > 0)) + feature
                    y: float = -token
                    if stage == 2:
                        x, y = feature, -token - head * (num_tokens + gap)
                    number = str(numbers[token, head, feature])
                    _draw_number(ax, x, y, number, HEADS[head])
            if stage == 2:
                middle = -(num_tokens - 1) / 2 - head * (num_tokens + gap)
                name = TEXT["head"].format(head + 1)
                ax.text(-0.8, middle, name, ha="right", va="center", color=HEADS[head])
        wide = embed_dim + gap * num_heads
        ax.set(xlim=(-3, wide), aspect="equal")
        ax.set_title(title, loc="left", fontsize=9)
        ax.autoscale(axis="y")
        ax.axis("off")
    return axes


def _draw_number(ax: Axes, x: Number, y: Number, text: str, colour: str) -> None:
    corner = x - 0.5, y - 0.5
    ax.add_patch(Rectangle(corner, 1, 1, fc=colour + "33", ec=colour, lw=1.1))
    ax.text(x, y, text, ha="center", va="center", fontsize=8)


def plot_reach(shifts: Sequence[Sequence[int]], *, ax: Axes | None = None) -> Axes:
    """Draw which tokens reach one token through several layers of attention.

    Args:
        shifts: for each layer, from the first on, the offset of each head.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no layer.

    Example:
        >>> ax = plot_reach([[-1, 1], [-3, 3]])
        >>> len({tuple(text.get_position()) for text in ax.texts if text.get_text()})
        9
    """
    if not shifts:
        raise ValueError("shifts must hold at least one layer, got none")
    ax = ax or plt.figure(figsize=(5.6, 2.6)).subplots()
    reached = [0]
    for layer in range(len(shifts), 0, -1):
        below: list[int] = []
        for at in reached:
            ax.plot([at, at], [layer, layer - 1], color=INK, ls=":", lw=1.4, marker="")
            below.append(at)
            for head, offset in enumerate(shifts[layer - 1]):
                ends = (at + offset, layer - 0.93), (at, layer - 0.07)
                draw_arrow(ax, *ends, color=HEADS[head % len(HEADS)], lw=1.6)
                below.append(at + offset)
        ax.plot(reached, [layer] * len(reached), "o", ls="", color=INK, ms=7)
        reached = below
    ax.plot(reached, [0] * len(reached), "o", ls="", color=INK, ms=7)
    for at in reached:
        name = "$i$" if at == 0 else f"$i{at:+d}$"
        ax.text(at, -0.35, name, ha="center", fontsize=8)
    low, high = min(reached), max(reached)
    ax.set(xlim=(low - 0.7, high + 0.7), ylim=(-0.6, len(shifts) + 0.25))
    ax.axis("off")
    return ax


def plot_bounds(
    trained: Mapping[int, Mapping[int, float]],
    bounds: Mapping[int, Mapping[int, float]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw errors of trained layers over their number of heads, beside their bounds.

    Args:
        trained: by number of layers and of heads.
        bounds: the smallest errors that are possible, likewise.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_bounds({1: {1: 0.9}}, {1: {1: 0.875, 2: 0.75}})
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['1 layer: bound', '1 layer: trained']
    """
    ax = ax or plt.figure(figsize=(5.6, 3.3)).subplots()
    for colour, (layers, own) in zip(HEADS, bounds.items(), strict=False):
        noun = TEXT["layer" if layers == 1 else "layers"]
        label = TEXT["bound"].format(layers, noun)
        ax.plot(
            list(own), list(own.values()), color=colour, ls="--", marker="", label=label
        )
        found = trained.get(layers, {})
        label = TEXT["trained"].format(layers, noun)
        marker = "o" if layers == 1 else "s"
        ax.plot(
            list(found),
            list(found.values()),
            color=colour,
            ls="",
            marker=marker,
            label=label,
        )
    heads = sorted({count for own in bounds.values() for count in own})
    ax.set(xlabel=TEXT["number of heads"], ylabel=TEXT["error"], ylim=(-0.03, 1.03))
    ax.set_xticks(heads)
    ax.legend()
    return ax


def plot_scores(
    scores: Float[Tensor, "heads relations"],
    heads: Sequence[str],
    relations: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a table of shares from 0 to 1 as shaded cells with numbers.

    Args:
        scores: one row for each head, one column for each relation of query and key.
        heads: a label for each row.
        relations: a label for each column.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not a label for each row and column.

    Example:
        >>> import torch
        >>> ax = plot_scores(torch.tensor([[0.9, 0.1]]), ["head 1"], ["same", "next"])
        >>> [text.get_text() for text in ax.texts]
        ['.90', '.10']
    """
    if scores.shape != (len(heads), len(relations)):
        raise ValueError(
            f"scores must have shape ({len(heads)}, {len(relations)}) to fit the "
            f"labels of heads and relations, got {tuple(scores.shape)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 0.8 + 0.26 * len(heads))).subplots()
    shades = scores.detach().float().cpu().numpy()
    ax.imshow(shades, vmin=0, vmax=1, aspect="auto")
    ax.grid(False)
    for (row, column), share in np.ndenumerate(shades):
        ink = "white" if share > 0.6 else "black"
        text = f"{share:.2f}".removeprefix("0")
        ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    ax.set_xticks(range(len(relations)), relations)
    ax.set_yticks(range(len(heads)), heads)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    return ax


def plot_score_panels(
    panels: Sequence[
        tuple[Float[Tensor, "_rows _columns"], Sequence[str], Sequence[str]]
    ],
    extra: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Figure:
    """Draw several tables of scores below each other, all rows equally high.

    Args:
        panels: scores, names of the rows and names of the columns of each table.
        extra: by its name, a column of other numbers on the right, without shades: for
            each table one number for each row.

    Example:
        >>> import torch
        >>> panel = torch.eye(2), ["head 1", "head 2"], ["previous", "next"]
        >>> len(plot_score_panels([panel, panel]).axes)
        2
    """
    heights = [len(rows) for _, rows, _ in panels]
    # Two more for the labels of the columns.
    figure = plt.figure(figsize=(5.6, 0.27 * sum(height + 2 for height in heights)))
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)
    for number, (ax, panel) in enumerate(zip(axes[:, 0], panels, strict=True)):
        scores, rows, columns = panel
        plot_scores(scores, rows, columns, ax=ax)
        names = list(columns)
        for name, tables in (extra or {}).items():
            for row, value in enumerate(tables[number]):
                at = len(names), row
                ax.text(*at, f"{value:.2f}", ha="center", va="center", fontsize=8)
            names.append(name)
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
    return figure


def plot_ablations(
    series: Mapping[str, tuple[Sequence[float], Sequence[tuple[float, float]]]],
    heads: Sequence[str],
    *,
    xlabel: str,
    groups: Sequence[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw what it costs to replace each head, by several kinds of replacement.

    Args:
        series: by kind, one cost for each head from the top, and their intervals.
        heads: a label for each.
        xlabel: what the costs are, with their unit.
        groups: numbers of the heads before which a thin line is drawn.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a kind has not one cost and one interval for each head.

    Example:
        >>> one = [0.5], [(0.4, 0.6)]
        >>> ax = plot_ablations({"zero": one, "mean": one}, ["head 1"], xlabel="lost")
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['zero', 'mean']
    """
    ax = ax or plt.figure(figsize=(5.6, 1.1 + 0.22 * len(heads))).subplots()
    styles = zip(("#0072B2", "#D55E00"), "Ds", strict=True)
    offsets = np.linspace(-0.18, 0.18, len(series))
    for (kind, (costs, ends)), offset, style in zip(
        series.items(), offsets, styles, strict=False
    ):
        if not len(costs) == len(ends) == len(heads):
            raise ValueError(
                f"{kind} must have a cost and an interval for each of {len(heads)} "
                f"heads, got {len(costs)} and {len(ends)}"
            )
        colour, marker = style
        rows = np.arange(len(heads)) + offset
        for row, (low, high) in zip(rows, ends, strict=True):
            ax.plot([low, high], [row, row], color=colour, marker="|", ls="-", lw=1.2)
        ax.plot(costs, rows, marker=marker, ms=4, color=colour, ls="", label=kind)
    ax.axvline(0, color=INK, lw=0.8, ls="-", marker="")
    for row in groups:
        ax.axhline(row - 0.5, color="0.7", lw=0.8, ls="-", marker="")
    ax.set_yticks(range(len(heads)), heads, fontsize=8)
    ax.set(xlabel=xlabel, ylim=(len(heads) - 0.5, -0.5))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_pruning(
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    draws: tuple[Sequence[int], Sequence[Sequence[float]]],
    points: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    *,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw what is left of a model while its heads are removed.

    Args:
        curves: by name of the order, numbers of heads removed and what is left then.
        draws: numbers of heads removed, and what is left in each of several random
            orders: their mean is drawn as a line, their range as a band.
        points: by name, the same for models that were trained without the heads.
        ylabel: what is left, with its unit.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no random order.

    Example:
        >>> curve = [0, 1], [1.0, 0.0]
        >>> ax = plot_pruning({"a": curve}, ([0, 1], [[1.0, 0.5]]), {}, ylabel="right")
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['a', 'random order, 1 draws']
    """
    counts, shares = draws
    if not len(shares):
        raise ValueError("draws must hold at least one random order, got none")
    ax = ax or plt.figure(figsize=(5.6, 4.2)).subplots()
    for name, (at, share) in curves.items():
        ax.plot(at, share, label=name, ms=3)
    table = np.asarray(shares)
    label = TEXT["random"].format(len(table))
    ax.plot(counts, table.mean(axis=0), color="0.45", ls=":", marker="", label=label)
    ax.fill_between(
        counts, table.min(axis=0), table.max(axis=0), color="0.45", alpha=0.2
    )
    styles = zip(("#009E73", "#CC79A7", "#000000"), "*PX", strict=True)
    for (name, (at, share)), (colour, marker) in zip(
        points.items(), styles, strict=False
    ):
        ax.plot(at, share, ls="", marker=marker, ms=9, color=colour, label=name)
    ax.set(xlabel=TEXT["removed"], ylabel=ylabel, ylim=(-0.03, 1.03))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def view_heads(
    weights: Float[Tensor, "layers heads queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    alt: str,
    start: tuple[int, int] | None = None,
    mask: Tensor | None = None,
    truth: Sequence[tuple[int, int]] = (),
    ask: Ask | None = None,
) -> PageElement:
    """Make a figure that answers: the weights of any head of any layer.

    Args:
        weights: of all heads.
        queries: a label for each row.
        keys: a label for each column.
        alt: what the figure shows, in words.
        start: layer and head that are shown first, from 0; None: the last ones.
        mask: True where a query may attend; None: everywhere.
        truth: as for :func:`attention_book.figures.interactive.attention_view`.
        ask: a question about the head that is shown first; None: none.
    """
    layers, heads = weights.shape[:2]
    return attention_view(
        weights,
        queries,
        keys,
        alt=alt,
        axes={
            TEXT["layer"]: range(1, layers + 1),
            TEXT["one head"]: range(1, heads + 1),
        },
        start=start,
        mask=mask,
        truth=truth,
        ask=ask,
        view="map",
    )


def plot_costs(
    costs: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    heads: Sequence[str],
    *,
    xlabel: str,
    groups: Sequence[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw what it costs to remove each head, with its interval.

    Args:
        costs: one for each head, from the top.
        intervals: lower and upper end of each cost's interval.
        heads: a label for each.
        xlabel: what the costs are, with their unit.
        groups: numbers of the heads before which a thin line is drawn.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are not as many intervals and labels as costs.

    Example:
        >>> ax = plot_costs([0.5], [(0.4, 0.6)], ["head 1"], xlabel="sentences lost")
        >>> ax.get_xlabel()
        'sentences lost'
    """
    if not len(costs) == len(intervals) == len(heads):
        raise ValueError(
            "there must be an interval and a label for each cost, got "
            f"{len(costs)} costs, {len(intervals)} intervals and {len(heads)} labels"
        )
    ax = ax or plt.figure(figsize=(5.6, 0.8 + 0.2 * len(costs))).subplots()
    for row, (low, high) in enumerate(intervals):
        ax.plot([low, high], [row, row], color="#0072B2", marker="|", ls="-", lw=1.5)
    ax.plot(costs, range(len(costs)), marker="D", ms=4, color="#0072B2", ls="")
    ax.axvline(0, color=INK, lw=0.8, ls="-", marker="")
    for row in groups:
        ax.axhline(row - 0.5, color="0.7", lw=0.8, ls="-", marker="")
    ax.set_yticks(range(len(heads)), heads, fontsize=8)
    ax.set(xlabel=xlabel, ylim=(len(heads) - 0.5, -0.5))
    return ax

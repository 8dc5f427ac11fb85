"""Figures of the chapter on positions."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle
from numpy.typing import ArrayLike
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.curves import plot_curves
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.heatmap import plot_weights

_PLAIN = "0.45"
_ORDER = "#CC79A7"  # where order enters
_HAND = "#0072B2"
_FONT = {"fontsize": 9.5}
_ENTRIES = (("added", 1.2, 0.5), ("rotated", 3.8, 0.4), ("by distance", 6.2, 0.75))
# What is written on the figures.
TEXT = {
    "rotate": "2:  rotate",
    "softmax": "softmax",
    "added": "1: a vector for $i$ or $j$\nis added to the token:\nsinusoidal, learned",
    "rotated": "2: $q_i$ is rotated by $i$,\n$k_j$ by $j$: rotary",
    "by distance": (
        "3: what depends on $j - i$:\na number (T5, ALiBi),\n"
        "vectors $a^K_{ij}$, $a^V_{ij}$\n(relative, Shaw),\na mask (one-sided)"
    ),
    "position": "position",
    "dimension": "dimension",
    "pair": "pair {}",
    "one dimension": "dimension {}",
    "one position": "position {}",
    "sine": "sine",
    "offset": "$k$, in positions",
    "slope": "slope 1/{}",
    "distance": "distance of the key from the query, in tokens",
    "bias": "added to the score",
    "bucket": "bucket",
    "length": "length in digits",
    "digits": "{} digits",
    "accuracy": "accuracy",
    "query at": "query at {}",
    "key at": "key at {}",
    "product": "dot product {:.2f}",
    "share": "score / score at distance 0",
    "score": "score",
    "same vector": "query = key",
    "other vectors": "random query and key",
    "key": "key",
    "query": "query",
    "step": "optimizer step",
    "loss": "loss, nats per answer",
}


def plot_entries(*, ax: Axes | None = None) -> Axes:
    """Draw one head from the tokens to the context, and where order can enter it.

    Args:
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_entries()
        >>> "softmax" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(5.6, 5.0)).subplots()
    left, middle, right, beside = 0.0, 2.1, 3.8, 6.1
    for x, name in (left, "$x_i$"), (middle, "$x_j$"):
        draw_box(ax, x, 0.0, name, INK, width=0.7, **_FONT)
        draw_box(ax, x, 1.2, "1:  $+$", _ORDER, width=0.9, **_FONT)
    parts = (left, "$q_i$", QUERY), (middle, "$k_j$", KEY), (right, "$v_j$", VALUE)
    for x, name, color in parts:
        draw_box(ax, x, 2.6, name, color, width=0.7, **_FONT)
    for x in left, middle:
        draw_arrow(ax, (x, 0.3), (x, 0.9))
        draw_arrow(ax, (x, 1.5), (x, 2.3))
        draw_box(ax, x, 3.8, TEXT["rotate"], _ORDER, width=1.2, **_FONT)
        draw_arrow(ax, (x, 2.9), (x, 3.5))
    draw_arrow(ax, (middle + 0.5, 1.4), (right - 0.2, 2.3))
    score = (left + middle) / 2
    draw_box(ax, score, 5.0, r"$q_i k_j^\top$", INK, width=0.9, **_FONT)
    draw_arrow(ax, (left + 0.2, 4.1), (score - 0.3, 4.75))
    draw_arrow(ax, (middle - 0.2, 4.1), (score + 0.3, 4.75))
    draw_box(ax, score, 6.2, "3:  $+$", _ORDER, width=0.9, **_FONT)
    draw_arrow(ax, (score, 5.3), (score, 5.9))
    draw_box(ax, score, 7.4, TEXT["softmax"], INK, width=1.3, **_FONT)
    draw_arrow(ax, (score, 6.5), (score, 7.1))
    draw_box(ax, right, 6.2, "3:  $+$", _ORDER, width=0.9, **_FONT)
    draw_arrow(ax, (right, 2.9), (right, 5.9))
    draw_box(ax, right, 7.4, r"$z_i = \sum_j$", CONTEXT, width=1.3, **_FONT)
    draw_arrow(ax, (right, 6.5), (right, 7.1))
    draw_arrow(ax, (score + 0.7, 7.4), (right - 0.75, 7.4))
    for kind, y, half in _ENTRIES:
        ax.text(beside - 1.4, y, TEXT[kind], va="center", color=INK, fontsize=9)
        bracket = [beside - 1.55] * 2, [y - half, y + half]
        ax.plot(*bracket, color=_ORDER, lw=3, marker="", ls="-")
    ax.set(xlim=(-0.7, 8.3), ylim=(-0.5, 7.9))
    ax.axis("off")
    return ax


def plot_dials(
    table: Float[Tensor, "positions dim"],
    pairs: Sequence[int],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw pairs of a sinusoidal encoding as the hands of clocks.

    The tip of a hand is at (sine, cosine), so that it starts upwards and turns
    clockwise.

    Args:
        table: encodings of consecutive positions, one column of clocks for each.
        pairs: which pairs of dimensions to draw, one row of clocks for each.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> from attention_book.attention.positions.absolute import sinusoids
        >>> ax = plot_dials(sinusoids(5, 8), [0, 1])
        >>> len(ax.patches), len(ax.lines)
        (10, 10)
    """
    size = 0.56 * len(table) + 0.7, 0.56 * len(pairs) + 0.6
    ax = ax or plt.figure(figsize=size).subplots()
    for row, pair in enumerate(pairs):
        for p, (sine, cosine) in enumerate(table[:, 2 * pair : 2 * pair + 2].tolist()):
            ax.add_patch(Circle((p, row), 0.4, fill=False, ec=INK, lw=0.8))
            hand = [p, p + 0.36 * sine], [row, row - 0.36 * cosine]
            ax.plot(*hand, color=_HAND, lw=2, ls="-", marker="")
    ax.grid(False)
    ax.set_yticks(range(len(pairs)), [TEXT["pair"].format(pair) for pair in pairs])
    ax.set_xticks(range(len(table)))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel=TEXT["position"], aspect="equal")
    ax.set(xlim=(-0.5, len(table) - 0.5), ylim=(len(pairs) - 0.5, -0.5))
    return ax


def plot_table(
    table: Float[Tensor, "positions dim"], *, ax: Axes | None = None
) -> Axes:
    """Draw a table of positions with one column per position and one row per dimension.

    Args:
        table: numbers from -1 to 1.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> from attention_book.attention.positions.absolute import sinusoids
        >>> plot_table(sinusoids(9, 4)).get_ylabel()
        'dimension'
    """
    ax = ax or plt.figure().subplots()
    shades = table.detach().float().cpu().numpy().T
    image = ax.imshow(shades, vmin=-1, vmax=1, aspect="auto", cmap="RdBu")
    ax.grid(False)
    ax.set(xlabel=TEXT["position"], ylabel=TEXT["dimension"])
    ax.figure.colorbar(image, ax=ax, fraction=0.05)
    return ax


def plot_sinusoids(
    frequencies: Float[Tensor, " pairs"],
    table: Float[Tensor, "positions dim"],
    longer: Float[Tensor, "longer dim"],
) -> Figure:
    """Draw sinusoids three times: as waves, as a table, and as dot products.

    Args:
        frequencies: of each pair of dimensions, in radians per position.
        table: of the positions to draw, with at least 9 dimensions.
        longer: of at least 191 positions, whose products with their neighbours up to 30
            positions away are drawn.

    Example:
        >>> from attention_book.attention.positions.absolute import sinusoids
        >>> from attention_book.attention.positions.absolute import sinusoid_frequencies
        >>> tables = sinusoids(20, 12), sinusoids(200, 12)
        >>> len(plot_sinusoids(sinusoid_frequencies(12), *tables).axes)
        4
    """
    figure = plt.figure(figsize=(5.6, 7.4))
    axes = figure.subplots(3, 1)
    between = np.linspace(0, len(table) - 1, 20 * len(table))
    rows = (0, 4, 8)
    waves = {
        TEXT["one dimension"].format(row): np.sin(
            frequencies[row // 2].item() * between
        )
        for row in rows
    }
    plot_curves(
        between, waves, xlabel=TEXT["position"], ylabel=TEXT["sine"], ax=axes[0]
    )
    for line, row in zip(list(axes[0].lines), rows, strict=True):
        dots = {"ls": "", "marker": ".", "ms": 4, "color": line.get_color()}
        axes[0].plot(range(len(table)), table[:, row].tolist(), **dots)
    axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    plot_table(table, ax=axes[1])
    offsets, pairs = np.arange(-30, 31), longer.shape[1] // 2
    plot_curves(
        offsets,
        {
            TEXT["one position"].format(p): (longer[p + offsets] @ longer[p]) / pairs
            for p in (30, 60, 160)
        },
        xlabel=TEXT["offset"],
        ylabel=f"$PE_p \\cdot PE_{{p+k}}$ / {pairs}",
        ax=axes[2],
    )
    return figure


def plot_rotation(
    query: Sequence[float | int],
    key: Sequence[float | int],
    angle: float | int,
    positions: Sequence[tuple[int, int]],
) -> Figure:
    """Draw one pair of features of a query and of a key, rotated by their positions.

    Args:
        query: the pair before the rotation, dotted.
        key: the same of the key.
        angle: rotation for one position, in radians, counterclockwise.
        positions: those of query and key, one panel for each pair.

    Example:
        >>> figure = plot_rotation([2, 1], [1, 0.5], 0.5, [(0, 1), (2, 3)])
        >>> [ax.get_title() for ax in figure.axes]
        ['dot product 2.19', 'dot product 2.19']
    """
    figure = plt.figure(figsize=(5.6, 2.4))
    axes = figure.subplots(1, len(positions), squeeze=False)[0]
    most = 1.25 * max(math.hypot(*query), math.hypot(*key))
    lowest = min(0, query[1], key[1]) - 0.1 * most
    for ax, (at_query, at_key) in zip(axes, positions, strict=True):
        tips = []
        for vector, at, color, name in (
            (query, at_query, QUERY, "query at"),
            (key, at_key, KEY, "key at"),
        ):
            size, start = math.hypot(*vector), math.atan2(vector[1], vector[0])
            end = start + at * angle
            tip = size * math.cos(end), size * math.sin(end)
            lowest = min(lowest, 1.25 * tip[1])
            draw_arrow(ax, (0, 0), (vector[0], vector[1]), color=color, ls=":")
            draw_arrow(ax, (0, 0), tip, color=color, lw=2.2)
            reach = 0.5 * size
            degrees = math.degrees(start), math.degrees(end)
            turn = Arc(
                (0, 0), 2 * reach, 2 * reach, theta1=degrees[0], theta2=degrees[1]
            )
            turn.set(ec=color, lw=1.2, ls="--")
            ax.add_patch(turn)
            place = 1.18 * tip[0], 1.18 * tip[1]
            ax.text(*place, TEXT[name].format(at), ha="center", va="center", **_FONT)
            tips.append(tip)
        product = tips[0][0] * tips[1][0] + tips[0][1] * tips[1][1]
        ax.set_title(TEXT["product"].format(product))
        ax.set(xlim=(-most, most), aspect="equal", xticks=[], yticks=[])
        ax.axhline(0, color="0.8", lw=0.6, zorder=0, marker="", ls="-")
        ax.axvline(0, color="0.8", lw=0.6, zorder=0, marker="", ls="-")
        ax.spines[:].set_visible(False)
    for ax in axes:  # the same height for all
        ax.set_ylim(lowest, most)
    return figure


def plot_decay(
    distances: Int[Tensor, " distances"],
    equal: Mapping[str, Float[Tensor, " distances"]],
    other: Mapping[str, Float[Tensor, " distances"]],
) -> Figure:
    """Draw rotary scores by distance, of equal vectors and of unrelated ones.

    Args:
        distances: of the key from the query, rising.
        equal: by name the scores of a query with itself, divided by the one at
            distance 0.
        other: by name the scores of two vectors that have nothing to do with each
            other.

    Example:
        >>> import torch
        >>> at, line = torch.arange(3), torch.ones(3)
        >>> len(plot_decay(at, {"d = 8": line}, {"1": line, "2": line}).axes[1].lines)
        3
    """
    figure = plt.figure(figsize=(5.6, 5.2))
    panels = figure.subplots(2, 1, sharex=True)
    named = (equal, "share", "same vector"), (other, "score", "other vectors")
    for ax, (curves, label, title) in zip(panels, named, strict=True):
        plot_curves(distances, curves, xlabel="", ylabel=TEXT[label], ax=ax)
        ax.set_title(TEXT[title], loc="left")
        ax.axhline(0, color=_PLAIN, lw=0.8, zorder=0, marker="", ls="-")
    panels[1].set_xlabel(TEXT["distance"])
    return figure


def plot_score_maps(maps: Mapping[str, Float[Tensor, "_queries _keys"]]) -> Figure:
    """Draw scores as small maps: queries as rows, keys as columns.

    Each map has a scale of its own, red below 0 and blue above it; keys that a query
    may not attend to, with a score of minus infinity, are left grey.

    Args:
        maps: by the name of a method the scores of all pairs of tokens.

    Example:
        >>> import torch
        >>> figure = plot_score_maps({"none": torch.zeros(3, 3), "x": torch.eye(3)})
        >>> [ax.get_title() for ax in figure.axes]
        ['none', 'x']
    """
    columns = min(4, len(maps))
    rows = -(-len(maps) // columns)
    figure = plt.figure(figsize=(1.4 * columns, 1.65 * rows + 0.2))
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    cmap = plt.get_cmap("RdBu").with_extremes(bad="0.75")
    for ax, (name, scores) in zip(axes, maps.items(), strict=False):
        table = scores.detach().double().cpu().numpy()
        shown = np.ma.masked_invalid(table)
        most = float(np.abs(shown).max()) or 1.0
        ax.imshow(shown, vmin=-most, vmax=most, cmap=cmap)
        ax.grid(False)
        ax.set_title(name)
        ax.set(xticks=[], yticks=[])
    for ax in axes[len(maps) :]:
        ax.axis("off")
    for ax in axes[::columns]:
        ax.set_ylabel(TEXT["query"])
    for ax in axes[-columns:]:
        ax.set_xlabel(TEXT["key"])
    return figure


def plot_biases(
    near: Int[Tensor, " near"],
    bias: Float[Tensor, "heads near"],
    far: Int[Tensor, " far"],
    buckets: Int[Tensor, " far"],
) -> Figure:
    """Draw what ALiBi adds to the scores, and the buckets of T5, by distance.

    Args:
        near: distances of a key from its query, for ALiBi, rising.
        bias: what each head adds at these.
        far: distances for T5, rising.
        buckets: of each of these.

    Example:
        >>> import torch
        >>> near = torch.arange(-2, 3)
        >>> figure = plot_biases(near, -near.abs()[None] / 4, near, near.abs())
        >>> figure.axes[0].get_ylabel(), figure.axes[1].get_ylabel()
        ('added to the score', 'bucket')
    """
    figure = plt.figure(figsize=(5.6, 5.6))
    upper, lower = figure.subplots(2, 1)
    one = near.tolist().index(1)
    plot_curves(
        near,
        {TEXT["slope"].format(round(-1 / line[one].item())): line for line in bias},
        xlabel=TEXT["distance"],
        ylabel=TEXT["bias"],
        ax=upper,
    )
    plot_buckets(far, buckets, ax=lower)
    return figure


def plot_buckets(
    distances: Int[Tensor, " distances"],
    buckets: Int[Tensor, " distances"],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw which bucket each distance falls into, as steps.

    Args:
        distances: of a key from its query, rising.
        buckets: of each distance.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> import torch
        >>> ax = plot_buckets(torch.arange(3), torch.tensor([0, 1, 1]))
        >>> ax.get_xlabel()
        'distance of the key from the query, in tokens'
    """
    ax = ax or plt.figure().subplots()
    x, y = distances.tolist(), buckets.tolist()
    ax.step(x, y, where="mid", marker="", ls="-")
    ax.set(xlabel=TEXT["distance"], ylabel=TEXT["bucket"])
    return ax


def plot_lengths(
    lengths: Sequence[int],
    curves: Mapping[str, ArrayLike],
    intervals: Mapping[str, ArrayLike],
    trained: tuple[int, int],
    *,
    plain: str = "none",
    ax: Axes | None = None,
) -> Axes:
    """Draw accuracy by length, with the lengths seen in training shaded.

    Args:
        lengths: in digits.
        curves: a line for each name.
        intervals: ``(low, high)`` of names at every length, drawn as bands.
        trained: shortest and longest length in training.
        plain: the name to compare with, drawn in grey.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no line ``plain``, or as from ``plot_curves``.

    Example:
        >>> lines, bands = {"none": [0.3, 0.2]}, {"none": [(0.2, 0.4), (0.1, 0.3)]}
        >>> plot_lengths([4, 8], lines, bands, (4, 4)).get_ylabel()
        'accuracy'
    """
    if plain not in curves:
        raise ValueError(f"curves must have {plain!r}, got {list(curves)}")
    ax = ax or plt.figure().subplots()
    others = {name: line for name, line in curves.items() if name != plain}
    bands = {name: intervals[name] for name in others if name in intervals}
    labels = {"xlabel": TEXT["length"], "ylabel": TEXT["accuracy"]}
    ax.axvspan(trained[0] - 0.5, trained[1] + 0.5, color="0.5", alpha=0.13, lw=0)
    plot_curves(lengths, others, intervals=bands, ax=ax, **labels)
    line = lengths, np.asarray(curves[plain])
    ax.plot(*line, label=plain, color=_PLAIN, marker="", ls=":", lw=2)
    ax.set(ylim=(-0.03, 1.06), xlim=(min(lengths) - 0.5, max(lengths) + 0.5))
    if legend := ax.get_legend():
        legend.remove()  # one for all panels, by the figure
    return ax


def plot_length_panels(
    lengths: Sequence[int],
    shares: Mapping[str, Mapping[str, Float[np.ndarray, "models lengths"]]],
    trained: tuple[int, int],
) -> Figure:
    """Draw accuracy by length, one panel for each task: means, with bands to extremes.

    Args:
        lengths: in digits.
        shares: by task and name a row of accuracies for each model; the name "none" is
            drawn in grey.
        trained: shortest and longest length in training.

    Example:
        >>> shares = {"sort": {"none": np.array([[0.3, 0.2], [0.4, 0.2]])}}
        >>> plot_length_panels([4, 8], shares, (4, 4)).axes[0].get_title("left")
        'sort'
    """
    figure = plt.figure(figsize=(5.6, 2.3 + 2.1 * len(shares)))
    axes = figure.subplots(len(shares), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (task, named) in zip(axes, shares.items(), strict=True):
        curves = {name: rows.mean(0) for name, rows in named.items()}
        bands = {
            name: np.stack([rows.min(0), rows.max(0)], 1)
            for name, rows in named.items()
        }
        plot_lengths(lengths, curves, bands, trained, ax=ax)
        ax.set_title(task, loc="left")
    for ax in axes[:-1]:
        ax.set_xlabel("")
    labels = axes[0].get_legend_handles_labels()
    figure.legend(*labels, loc="outside upper center", ncols=3)
    return figure


def plot_losses(
    losses: Mapping[str, Float[np.ndarray, "models steps"]],
    *,
    plain: str = "none",
    window: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss of each step in training, averaged over models and some steps.

    Args:
        losses: by name one row of losses for each model.
        plain: the name to compare with, drawn in grey.
        window: number of steps that are averaged.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> losses = {"none": np.ones((2, 30)), "rotary": np.zeros((2, 30))}
        >>> plot_losses(losses).get_xlabel()
        'optimizer step'
    """
    ax = ax or plt.figure().subplots()
    weights = np.ones(window) / window
    lines = {
        name: np.convolve(rows.mean(0), weights, mode="valid")
        for name, rows in losses.items()
    }
    steps = np.arange(len(next(iter(lines.values())))) + window
    grey = lines.pop(plain, None)
    plot_curves(steps, lines, xlabel=TEXT["step"], ylabel=TEXT["loss"], ax=ax)
    if grey is not None:
        ax.plot(steps, grey, label=plain, color=_PLAIN, marker="", ls=":", lw=2)
    ax.set_ylim(bottom=0)
    ax.legend(ncols=2)
    return ax


def plot_reversals(
    weights: Sequence[Float[Tensor, "_tokens _tokens"]], sequences: Sequence[str]
) -> Figure:
    """Draw the weights of a head that reverses, with the answers marked.

    Args:
        weights: of the tokens of each sequence, the two marks included.
        sequences: digits.

    Example:
        >>> import torch
        >>> plot_reversals([torch.eye(5)], ["375"]).axes[0].get_ylabel()
        '3 digits'
    """
    figure = plt.figure(figsize=(5.6, 4.2 * len(sequences)))
    axes = figure.subplots(len(sequences), 1, squeeze=False)[:, 0]
    for ax, table, digits in zip(axes, weights, sequences, strict=True):
        tokens, n = ["[", *digits, "]"], len(digits)
        links = [(n - i, 1 + i) for i in range(n)]
        plot_weights(table, tokens, tokens, alignment=links, colorbar=False, ax=ax)
        ax.set_ylabel(TEXT["digits"].format(n))
    return figure

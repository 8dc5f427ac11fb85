"""Figures of the chapter on positions."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from attention_book.figures.colours import INK, KEY
from attention_book.figures.curves import plot_curves
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.heatmap import plot_weights

_TOKEN, _PLAIN = KEY, "0.45"
_FONT = {"fontsize": 9.5}
_ENTRIES = {"added": "#D55E00", "turned": "#009E73", "by distance": "#CC79A7"}
# What is written on the figures.
TEXT = {
    "turn": "turn",
    "softmax": "softmax",
    "added": "a vector for $i$ (or $j$)\nis added to the token:\nsinusoidal, learned",
    "turned": "$q_i$ is turned by $i$,\n$k_j$ by $j$: rotary",
    "by distance": (
        "what depends on $j - i$:\na number (T5, ALiBi),\n"
        "vectors $a^K_{ij}$, $a^V_{ij}$\n(relative, Shaw)"
    ),
    "position": "position",
    "dimension": "dimension",
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
        draw_box(ax, x, 0.0, name, _TOKEN, width=0.7, **_FONT)
        draw_box(ax, x, 1.2, "$+$", _ENTRIES["added"], width=0.7, **_FONT)
    for x, name in (left, "$q_i$"), (middle, "$k_j$"), (right, "$v_j$"):
        draw_box(ax, x, 2.6, name, _TOKEN, width=0.7, **_FONT)
    for x in left, middle:
        draw_arrow(ax, (x, 0.3), (x, 0.9))
        draw_arrow(ax, (x, 1.5), (x, 2.3))
        draw_box(ax, x, 3.8, TEXT["turn"], _ENTRIES["turned"], width=0.7, **_FONT)
        draw_arrow(ax, (x, 2.9), (x, 3.5))
    draw_arrow(ax, (middle + 0.4, 1.4), (right - 0.2, 2.3))
    score = (left + middle) / 2
    draw_box(ax, score, 5.0, r"$q_i k_j^\top$", _TOKEN, width=0.9, **_FONT)
    draw_arrow(ax, (left + 0.2, 4.1), (score - 0.3, 4.75))
    draw_arrow(ax, (middle - 0.2, 4.1), (score + 0.3, 4.75))
    draw_box(ax, score, 6.2, "$+$", _ENTRIES["by distance"], width=0.7, **_FONT)
    draw_arrow(ax, (score, 5.3), (score, 5.9))
    draw_box(ax, score, 7.4, TEXT["softmax"], _TOKEN, width=1.3, **_FONT)
    draw_arrow(ax, (score, 6.5), (score, 7.1))
    draw_box(ax, right, 6.2, "$+$", _ENTRIES["by distance"], width=0.7, **_FONT)
    draw_arrow(ax, (right, 2.9), (right, 5.9))
    draw_box(ax, right, 7.4, r"$\sum_j$", _TOKEN, width=0.7, **_FONT)
    draw_arrow(ax, (right, 6.5), (right, 7.1))
    draw_arrow(ax, (score + 0.7, 7.4), (right - 0.45, 7.4))
    for y, kind in zip((1.2, 3.8, 6.2), _ENTRIES, strict=True):
        ax.text(beside - 1.4, y, TEXT[kind], va="center", color=INK, fontsize=9)
        bracket = [beside - 1.55] * 2, [y - 0.5, y + 0.5]
        ax.plot(*bracket, color=_ENTRIES[kind], lw=3, marker="", ls="-")
    ax.set(xlim=(-0.7, 8.3), ylim=(-0.5, 7.9))
    ax.axis("off")
    return ax


def plot_table(
    table: Float[Tensor, "positions dim"], *, ax: Axes | None = None
) -> Axes:
    """Draw a table of positions as a picture: a column a position, a row a dimension.

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
    table: Float[Tensor, "positions dim"], longer: Float[Tensor, "longer dim"]
) -> Figure:
    """Draw sinusoids three times: as waves, as a table, and as products.

    Args:
        table: of the positions to draw, with at least 9 dimensions.
        longer: of at least 191 positions, whose products with their neighbours up to 30
            positions away are drawn.

    Example:
        >>> from attention_book.attention.positions.absolute import sinusoids
        >>> len(plot_sinusoids(sinusoids(20, 12), sinusoids(200, 12)).axes)
        4
    """
    figure = plt.figure(figsize=(5.6, 7.4))
    axes = figure.subplots(3, 1)
    plot_curves(
        range(len(table)),
        {TEXT["one dimension"].format(row): table[:, row] for row in (0, 4, 8)},
        xlabel=TEXT["position"],
        ylabel=TEXT["sine"],
        ax=axes[0],
    )
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

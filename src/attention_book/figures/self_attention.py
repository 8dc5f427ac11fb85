"""Figures of the chapter on self-attention."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.curves import plot_curves
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.heatmap import plot_weights
from attention_book.figures.interactive import PageElement, as_png, folded_table
from attention_book.figures.seeds import plot_seeds
from attention_book.figures.words import draw_word

# What is written on the figures.
TEXT = {
    "scores": "compare:\nscores, softmax",
    "average": "average",
    "tokens": "tokens",
    "images": "{:,} training images",
    "head": "head {}",
    "components": "d, components of a query",
    "variance": "variance of the scores",
    "largest": "largest weight",
    "gradient": "size of the derivatives",
    "image accuracy": "accuracy on test images",
    "steps": "optimizer steps",
    "distance": "distance between the two tokens",
    "accuracy": "accuracy",
    "softmax": "softmax of\neach row",
    "context": "context",
    "order": "One row for each of {} words: its weights on all of them, and its "
    "context. In another order each word keeps its context.",
}


def plot_asking(
    words: Sequence[str],
    weights: Sequence[float],
    asking: int,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how one token of a sentence gets its context from all tokens.

    Each word gives a key and a value, and the asking one a query as well. The query is
    compared with all keys; the weights decide how much of each value reaches the
    context.

    Args:
        words: words of the sentence.
        weights: weights of the words; the larger the weight, the thicker the arrow.
        asking: position of the query, from 0.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one weight for each word, or ``asking`` is not a
            position in the sentence.

    Example:
        >>> ax = plot_asking(["the", "cup"], [0.25, 0.75], asking=0)
        >>> "$q_1$" in [text.get_text() for text in ax.texts]
        True
    """
    if len(words) != len(weights) or not 0 <= asking < len(words):
        raise ValueError(
            f"plot_asking needs a weight for each of the {len(words)} words, and "
            f"asking as one of their positions, got {len(weights)} weights and asking "
            f"{asking}"
        )
    ax = ax or plt.figure(figsize=(5.6, 4.4)).subplots()
    last = 2.2 * (len(words) - 1)
    top = last / 2, 4.2
    for number, (word, weight) in enumerate(zip(words, weights, strict=True)):
        x = 2.2 * number
        draw_word(ax, x, -0.3, word, fontsize=10)
        shift = -0.35 if number == asking else 0.0
        for dx, name, color in ((-0.45, "k", KEY), (0.45, "v", VALUE)):
            at = x + dx + shift
            draw_arrow(ax, (x, 0.0), (at, 0.95))
            draw_box(ax, at, 1.25, f"${name}_{number + 1}$", color, width=0.5)
        at = x + (0.1 if number == asking else 0.45)
        draw_box(ax, at, 2.55, f"{weight:.2f}", QUERY, width=0.62, height=0.36)
        width = 0.5 + 5 * weight
        style: dict[str, Any] = {"lw": width, "color": VALUE}
        draw_arrow(ax, (at, 1.55), (at, 2.3), **style)
        end = top[0] + (at - top[0]) * 0.1, top[1] - 0.32
        draw_arrow(ax, (at, 2.8), end, **style)
    x, y = 2.2 * asking + 0.95, 1.25
    draw_arrow(ax, (2.2 * asking, 0.0), (x, y - 0.3))
    draw_box(ax, x, y, f"$q_{asking + 1}$", QUERY, width=0.5)
    # The query sets all weights.
    dashed: dict[str, Any] = {"color": QUERY, "ls": "--", "lw": 1.3, "marker": ""}
    ax.plot([x, x], [y + 0.3, 1.95], **dashed)
    ax.plot([-0.8 if asking == 0 else -0.45, x], [1.95, 1.95], **dashed)
    for number in range(len(words)):
        at = 2.2 * number - 0.45 + (-0.35 if number == asking else 0.0)
        ax.plot([at, at], [1.55, 1.95], **dashed)
        side = 2.2 * number + (0.1 if number == asking else 0.45) - 0.36
        draw_arrow(ax, (at, 1.95), (side, 2.45), color=QUERY, ls="--", lw=1.3)
    ax.text(last + 1.3, 2.3, TEXT["scores"], fontsize=8, va="center")
    draw_box(ax, *top, f"$c_{asking + 1}$", CONTEXT, width=0.6)
    ax.text(top[0] + 0.5, top[1], TEXT["average"], fontsize=8, va="center")
    ax.set(xlim=(-1.2, last + 2.9), ylim=(-0.6, 4.6))
    ax.axis("off")
    return ax


def plot_matrices(
    words: Sequence[str],
    features: Sequence[str],
    matrices: Mapping[str, Float[Tensor, "rows columns"]],
    *,
    row: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw self-attention as products of matrices, with numbers and shapes.

    From left to right: the tokens, their projections to queries, keys and values, the
    scores of all pairs, the weights, and the contexts.

    Args:
        words: one for each token.
        features: names of the features of a token.
        matrices: "X", "Q", "K", "V", "E", "A" and "C", with their numbers.
        row: position of a token whose way from its query to its context is outlined;
            None: none.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a matrix is missing, or has not one row for each word.

    Example:
        >>> import torch
        >>> small = {name: torch.ones(2, 2) for name in "XQKVEAC"}
        >>> ax = plot_matrices(["a", "b"], ["noun", "verb"], small)
        >>> "$C$" in [text.get_text() for text in ax.texts]
        True
    """
    n = len(words)
    if missing := [name for name in "XQKVEAC" if name not in matrices]:
        raise ValueError(
            f"matrices must have all of X, Q, K, V, E, A, C, not {missing}"
        )
    for name, matrix in matrices.items():
        if len(matrix) != n:
            raise ValueError(
                f"{name} must have a row for each of {n} words, got {len(matrix)}"
            )
    ax = ax or plt.figure(figsize=(7.6, 5.0)).subplots()
    middle = 4.2
    wide = {name: matrix.shape[1] for name, matrix in matrices.items()}
    at = {"X": (0.0, middle)}  # the lower left corners
    second = wide["X"] + 2.6
    at["Q"], at["K"], at["V"] = (
        (second, middle + step) for step in (n + 1.7, 0.0, -n - 1.7)
    )
    third = second + max(wide[name] for name in "QKV") + 2.2
    at["E"] = (third, middle + (n + 1.7) / 2)
    fourth = third + wide["E"] + 2.3
    at["A"] = (fourth, middle + (n + 1.7) / 2)
    fifth = fourth + wide["A"] + 1.9
    at["C"] = (fifth, middle)
    colors = {"X": INK, "Q": QUERY, "K": KEY, "V": VALUE, "C": CONTEXT}
    shapes = dict.fromkeys("QKVC", "n \\times d")
    shapes |= {"X": "n \\times d_x", "E": "n \\times n", "A": "n \\times n"}
    names = {"E": "QK^\\top / \\sqrt{d}"}
    for name, (x, y) in at.items():
        _matrix(ax, x, y, matrices[name], colors.get(name, QUERY))
        ax.text(
            x + wide[name] / 2, y + n + 0.42, f"${names.get(name, name)}$",
            ha="center", va="center", fontsize=11,
        )  # fmt: skip
        ax.text(
            x + wide[name] / 2, y - 0.4, f"${shapes[name]}$",
            ha="center", va="center", fontsize=8, color=INK,
        )  # fmt: skip
    for number, word in enumerate(words):
        y = middle + n - 0.5 - number
        draw_word(ax, -0.2, y, word, ha="right", fontsize=9)
        draw_word(ax, fifth + wide["C"] + 0.2, y, word, ha="left", fontsize=9)
    for column, feature in enumerate(features):
        draw_word(
            ax, column + 0.5, middle - 0.85, feature, rotation=90, va="top", fontsize=8
        )
    for name in "XQEAC" if row is not None else "":
        (x, y), size = at[name], wide[name]
        corner = (x - 0.06, y + n - 1.06 - (row or 0))
        outline = Rectangle(corner, size + 0.12, 1.12, fill=False, ec=INK, lw=2)
        ax.add_patch(outline)
    right = {name: (x + wide[name] + 0.15, y + n / 2) for name, (x, y) in at.items()}
    left = {name: (x - 0.15, y + n / 2) for name, (x, y) in at.items()}
    for name in "QKV":
        draw_arrow(ax, right["X"], left[name])
        x, y = (np.add(right["X"], left[name]) / 2).tolist()
        ax.text(
            x, y + 0.1, f"$W^{name}$", ha="center", va="center", fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    for name in "QK":
        draw_arrow(ax, right[name], left["E"], color=colors[name])
    draw_arrow(ax, right["E"], left["A"])
    x, y = (np.add(right["E"], left["A"]) / 2).tolist()
    ax.text(x, y + 0.25, TEXT["softmax"], ha="center", va="bottom", fontsize=8)
    draw_arrow(ax, right["A"], left["C"])
    draw_arrow(ax, right["V"], left["C"], color=VALUE)
    low = at["V"][1] - 0.8
    ax.set(xlim=(-2.1, fifth + wide["C"] + 2.0), ylim=(low, at["Q"][1] + n + 1))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def _matrix(ax: Axes, x: float, y: float, matrix: Tensor, color: str) -> None:
    """Draw a matrix as cells with numbers, its lower left corner at a point."""
    rows, columns = matrix.shape
    for i in range(rows):
        for j in range(columns):
            corner = (x + j, y + rows - 1 - i)
            ax.add_patch(Rectangle(corner, 1, 1, fc=color + "33", ec=color, lw=0.8))
            ax.text(
                corner[0] + 0.5, corner[1] + 0.5, _number(matrix[i, j].item()),
                ha="center", va="center", fontsize=8,
            )  # fmt: skip


def _number(value: float) -> str:
    """A number for a cell: an integer, a simple fraction or two decimals.

    Example:
        >>> _number(-3.0), _number(0.25), _number(2 / 3), _number(0.123)
        ('-3', '1/4', '2/3', '0.12')
    """
    for bottom in (1, 2, 3, 4, 6, 8):
        top = value * bottom
        if abs(top - round(top)) < 1e-4:
            return f"{round(top)}" + f"/{bottom}" * (bottom > 1)
    return f"{value:.2f}"


def plot_kernel_heads(
    weights: Float[Tensor, "heads height width"], query: tuple[int, int]
) -> Figure:
    """Draw the weights of one pixel in each head, the heads arranged as a kernel.

    Args:
        weights: weights of one query over all pixels, one image per head, drawn on a
            scale from 0 to 1.
        query: row and column of the query, which is outlined.

    Raises:
        ValueError: if the number of heads is not a square.

    Example:
        >>> import torch
        >>> figure = plot_kernel_heads(torch.rand(9, 5, 6), (2, 3))
        >>> len(figure.axes)
        9
    """
    size = round(len(weights) ** 0.5)
    if size * size != len(weights):
        raise ValueError(
            f"weights must hold a square number of heads, got {len(weights)}"
        )
    figure = plt.figure(figsize=(5.6, 5.6))
    row, column = query
    panels = figure.subplots(size, size, squeeze=False).flat
    for head, (ax, shades) in enumerate(zip(panels, weights, strict=True), start=1):
        ax.imshow(shades.detach().float().cpu().numpy(), vmin=0, vmax=1)
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec=CONTEXT, lw=1.6))
        ax.set_title(TEXT["head"].format(head), fontsize=9)
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
    return figure


def plot_score_spreads(
    dims: Sequence[int],
    spreads: Mapping[str, Sequence[Sequence[float]]],
) -> Figure:
    """Draw what becomes of scores and weights as queries get more components.

    Args:
        dims: sizes of a query.
        spreads: of each name the variance of the scores, the largest weight and the
            size of the derivatives, for each of ``dims``.

    Example:
        >>> spreads = {"not divided": ([2.0, 8.0], [0.6, 0.9], [0.2, 0.1])}
        >>> [ax.get_yscale() for ax in plot_score_spreads([2, 8], spreads).axes]
        ['log', 'linear', 'linear']
    """
    figure = plt.figure(figsize=(5.6, 8.4))
    axes = figure.subplots(3, 1)
    names = "variance", "largest", "gradient"
    for row, (ax, name) in enumerate(zip(axes, names, strict=True)):
        label = TEXT[name]
        curves = {name: found[row] for name, found in spreads.items()}
        plot_curves(dims, curves, xlabel=TEXT["components"], ylabel=label, ax=ax)
        ax.set_xscale("log", base=2)
    axes[0].set_yscale("log")
    axes[1].set_ylim(0, 1.03)
    axes[2].set_ylim(0, None)
    return figure


def plot_layer_costs(
    token_counts: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]]
) -> Figure:
    """Draw time or memory by the number of tokens, both on axes of powers.

    Args:
        token_counts: lengths of the sentences.
        panels: the label of each panel with its curves.

    Example:
        >>> figure = plot_layer_costs([64, 128], {"milliseconds": {"GRU": [1.0, 2.0]}})
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['64', '128']
    """
    figure = plt.figure(figsize=(5.6, 3.2 * len(panels)))
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for ax, (label, curves) in zip(axes, panels.items(), strict=True):
        plot_curves(token_counts, curves, xlabel=TEXT["tokens"], ylabel=label, ax=ax)
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(token_counts, [f"{count:,}" for count in token_counts])
        ax.minorticks_off()
    return figure


def plot_image_trials(
    counts: Sequence[int],
    scores: Mapping[str, Float[np.ndarray, "counts trials"]],
    ranges: Mapping[str, Sequence[tuple[float, float]]],
) -> Figure:
    """Draw the accuracy of each trial, one panel for each number of training images.

    Args:
        counts: numbers of images.
        scores: of each kind of model, a row for each number of images.
        ranges: of each kind, low and high for each number of images.

    Example:
        >>> scores = {"GRU": np.array([[0.5, 0.6], [0.9, 0.8]])}
        >>> ranges = {"GRU": [(0.5, 0.6), (0.8, 0.9)]}
        >>> figure = plot_image_trials([60, 250], scores, ranges)
        >>> [ax.get_title() for ax in figure.axes]
        ['60 training images', '250 training images']
    """
    figure = plt.figure(figsize=(5.6, (0.9 + 0.35 * len(scores)) * len(counts)))
    panels = figure.subplots(len(counts), 1, squeeze=False)[:, 0]
    for row, (ax, count) in enumerate(zip(panels, counts, strict=True)):
        ends = {name: own[row] for name, own in ranges.items()}
        own = {name: rows[row].tolist() for name, rows in scores.items()}
        plot_seeds(own, ends, xlabel="", ax=ax)
        ax.set_title(TEXT["images"].format(count), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(6))
    panels[-1].set_xlabel(TEXT["image accuracy"])
    return figure


def plot_budgets(
    steps: Sequence[int],
    curves: Mapping[int, Mapping[str, Sequence[Sequence[float]]]],
) -> Figure:
    """Draw accuracy by the number of training steps, a panel for each number of images.

    Args:
        steps: optimizer steps of the training runs, rising.
        curves: by number of training images and kind of model, the values of some runs
            for each of ``steps``; their means are drawn.

    Example:
        >>> figure = plot_budgets([200, 1000], {60: {"GRU": [[0.5, 0.7], [0.9, 0.9]]}})
        >>> figure.axes[0].lines[0].get_ydata().tolist()
        [0.6, 0.9]
    """
    figure = plt.figure(figsize=(7.4, 3.4))
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for ax, (count, lines) in zip(panels, curves.items(), strict=True):
        plot_curves(
            steps,
            {name: [float(np.mean(x)) for x in own] for name, own in lines.items()},
            xlabel=TEXT["steps"],
            ylabel=TEXT["image accuracy"],
            ax=ax,
        )
        ax.set_title(TEXT["images"].format(count), fontsize=10)
        ax.set_xscale("log")
        ax.set_xticks(steps, [f"{number:,}" for number in steps])
        ax.minorticks_off()
        ax.legend().remove()
    names = list(next(iter(curves.values()))) if curves else []
    figure.legend(panels[0].lines, names, loc="outside upper center", ncols=2)
    return figure


def plot_distance_scores(
    distances: Sequence[int],
    scores: Mapping[str, Float[np.ndarray, "distances trials"]],
    chance: float,
) -> Axes:
    """Draw accuracy by the distance of two tokens, with guessing as a dotted line.

    Args:
        distances: in tokens.
        scores: of each name, a row for each distance.
        chance: accuracy of the best guess, from 0 to 1.

    Example:
        >>> scores = {"GRU": np.array([[0.5], [0.9]])}
        >>> plot_distance_scores([8, 16], scores, 0.5).get_xscale()
        'log'
    """
    ax = plot_curves(
        distances,
        {name: rows.mean(axis=1) for name, rows in scores.items()},
        xlabel=TEXT["distance"],
        ylabel=TEXT["accuracy"],
    )
    ax.axhline(chance, color="#404040", lw=0.8, ls=":", marker="", zorder=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(distances, [str(distance) for distance in distances])
    ax.set_ylim(0.25, 1.03)
    ax.legend(loc="lower left")
    return ax


def order_view(
    words: Sequence[str],
    tokens: Float[Tensor, "words token_dim"],
    projections: Sequence[Float[Tensor, "token_dim dim"]],
    *,
    positions: Float[Tensor, "words token_dim"],
) -> PageElement:
    """Make a figure of self-attention on words whose order the reader changes.

    A word is dragged to another place, or moved there by the arrow keys; weights and
    contexts are computed anew. A box adds a vector for each position to the tokens.

    Args:
        words: a label for each token.
        tokens: :math:`X`, in the order that is shown first.
        projections: :math:`W^Q, W^K, W^V`.
        positions: what is added to the token at each position if the reader wants it.

    Raises:
        ValueError: if there are not as many words, tokens and positions, or not three
            projections of the tokens.
    """
    if not len(words) == len(tokens) == len(positions) > 0:
        raise ValueError(
            "there must be as many words, tokens and positions, got "
            f"{len(words)}, {len(tokens)} and {len(positions)}"
        )
    widths = {len(projection) for projection in projections}
    if len(projections) != 3 or widths != {tokens.shape[1]}:
        raise ValueError(
            f"projections must be three, of {tokens.shape[1]} rows each, got shapes "
            f"{[tuple(projection.shape) for projection in projections]}"
        )
    query, key, value = (tokens @ projection for projection in projections)
    weights = (query @ key.T / key.shape[1] ** 0.5).softmax(dim=-1)
    data = {
        "v": 1,
        "words": [*words],
        "tokens": tokens.tolist(),
        "projections": [projection.tolist() for projection in projections],
        "positions": positions.tolist(),
    }
    figure = plt.figure(figsize=(1.8 + 0.5 * len(words), 1.4 + 0.4 * len(words)))
    plot_weights(weights, words, words, ax=figure.subplots())
    contexts = weights @ value
    names = [f"{TEXT['context']} {i + 1}" for i in range(contexts.shape[1])]
    rows = [
        [word, *(f"{number:.2f}" for number in (*own, *context))]
        for word, own, context in zip(
            words, weights.tolist(), contexts.tolist(), strict=True
        )
    ]
    table = folded_table(["", *words, *names], rows)
    alt = TEXT["order"].format(len(words))
    return PageElement("order-view-1", data, alt=alt, still=as_png(figure), table=table)

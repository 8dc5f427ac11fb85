"""Figures of the chapter on the Transformer: the model, its mask, its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word, word_labels

_EMBED, _NORM, _NETWORK = "#CC79A7", "#999999", "#0072B2"
_CROSS, _OWN = "#0072B2", "#D55E00"
_WIDTH, _HEIGHT = 2.3, 0.52  # of a box
FAINT = 0.05
"""Smaller weights are not drawn as lines: many thin ones hide the few thick ones."""
# What is written on the figures.
TEXT = {
    "source": "source words",
    "read": "<bos> and target words",
    "embedding": r"embedding $\times \sqrt{d}$",
    "positions": "+ positions",
    "self": "self-attention",
    "masked": "masked self-attention",
    "cross": "cross-attention",
    "norm": "add and normalise",
    "network": "feed-forward network",
    "transposed": "embedding, transposed",
    "softmax": "softmax",
    "written": "target words and <eos>",
    "layers": "{} layers",
    "step": "step {}",
    "reads": "reads",
    "may": "may attend to",
    "writes": "must write",
}


def plot_model(num_layers: int | str = "N", *, ax: Axes | None = None) -> Axes:
    """Draw the whole model: encoder on the left, decoder on the right.

    Each sub-layer begins at a dot, where its input is divided: into the sub-layer, for
    attention as queries, keys and values, and past it to the sum.

    Args:
        num_layers: number of layers, written beside them.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_model(6)
        >>> "6 layers" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(5.6, 7.8)).subplots()
    left, right = 0.0, 4.3
    start = 2.75
    for x, words in (left, "source"), (right, "read"):
        ax.text(x, 0, TEXT[words], ha="center", va="center", fontsize=9)
        for y, name in (0.85, "embedding"), (1.75, "positions"):
            draw_arrow(ax, (x, y - 0.6), (x, y - 0.3))
            _box(ax, x, y, name, _EMBED)
        ax.plot([x, x], [2.05, start], color=INK, lw=1.1, marker="", ls="-")
    # The encoder, from below.
    attended = _sub_layer(ax, left, start, "self", "QKV", side=-1)
    encoded = _sub_layer(ax, left, attended, "network", "", side=-1)
    # The decoder.
    attended = _sub_layer(ax, right, start, "masked", "QKV", side=1)
    crossed = _sub_layer(ax, right, attended, "cross", "Q", side=1)
    decoded = _sub_layer(ax, right, crossed, "network", "", side=1)
    # The encoder's output is keys and values of every cross-attention.
    middle, cross = (left + right) / 2 - 0.15, attended + 0.85
    ax.plot(
        [left, left, middle, middle],
        [encoded, encoded + 0.5, encoded + 0.5, cross],
        color=INK,
        lw=1.1,
        marker="",
        ls="-",
    )
    for letter, color, shift in ("K", KEY, 0.14), ("V", VALUE, -0.14):
        edge = right - _WIDTH / 2 - 0.05
        draw_arrow(ax, (middle, cross), (edge, cross + shift), color=color, lw=1.6)
        at = middle + 0.62 * (edge - middle), cross + 2.1 * shift
        ax.text(*at, letter, color=color, ha="center", va="center", fontweight="bold")
    for x, end in (left, encoded), (right, decoded):
        frame = (x - 1.72, start - 0.25), 3.44, end - start + 0.1
        ax.add_patch(Rectangle(*frame, fill=False, ec="0.6", ls="--", lw=1))
        name = TEXT["layers"].format(num_layers)
        ax.text(x - 1.7, end - 0.08, name, ha="left", va="bottom", color=INK)
    y = decoded - 0.25
    for name, color in ("transposed", _EMBED), ("softmax", _NORM):
        y += 0.85
        draw_arrow(ax, (right, y - 0.6), (right, y - 0.3))
        _box(ax, right, y, name, color)
    draw_arrow(ax, (right, y + 0.3), (right, y + 0.65))
    ax.text(right, y + 0.9, TEXT["written"], ha="center", va="center", fontsize=9)
    ax.set(xlim=(left - 1.85, right + 1.85), ylim=(-0.4, y + 1.2))
    ax.axis("off")
    return ax


def _box(ax: Axes, x: float, y: float, name: str, color: str) -> None:
    size = {"width": _WIDTH, "height": _HEIGHT}
    draw_box(ax, x, y, TEXT[name], color, **size, fontsize=9)


def _sub_layer(
    ax: Axes, x: float, y: float, name: str, letters: str, *, side: int
) -> float:
    """Draw a sub-layer whose input is at ``y``; return where its output is."""
    box, norm = y + 0.85, y + 1.72
    ax.plot([x], [y], color=INK, marker="o", ms=4, ls="")
    colors = {"Q": QUERY, "K": KEY, "V": VALUE}
    for letter in letters:
        at = x + 0.62 * (letters.index(letter) - (len(letters) - 1) / 2)
        draw_arrow(ax, (x, y), (at, box - 0.3), color=colors[letter], lw=1.6)
        font: dict[str, Any] = {"color": colors[letter], "fontweight": "bold"}
        ax.text(at + 0.2, box - 0.45, letter, ha="center", va="center", **font)
    if not letters:
        draw_arrow(ax, (x, y), (x, box - 0.3))
    _box(ax, x, box, name, CONTEXT if letters else _NETWORK)
    draw_arrow(ax, (x, box + 0.3), (x, norm - 0.3))
    _box(ax, x, norm, "norm", _NORM)
    # Past it: the residual connection.
    far, edge = x + 1.5 * side, x + (_WIDTH / 2 + 0.05) * side
    path = [x, far, far], [y, y, norm]
    ax.plot(*path, color=INK, lw=1.1, marker="", ls="-")
    draw_arrow(ax, (far, norm), (edge, norm))
    after = norm + 0.5
    ax.plot([x, x], [norm + 0.3, after], color=INK, lw=1.1, marker="", ls="-")
    return after


def plot_mask(
    read: Sequence[str], written: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw the causal mask: which words each position of the decoder may attend to.

    The word that a position must write is the next one that is read. Its cell is
    outlined: the mask blocks it.

    Args:
        read: the words that the decoder reads, from ``<bos>`` on.
        written: the word that each of these positions must write.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are not as many words to write as to read.

    Example:
        >>> ax = plot_mask(["<bos>", "zwei"], ["zwei", "<eos>"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['<bos>', 'zwei']
    """
    if len(read) != len(written):
        raise ValueError(
            f"read and written must have the same length, got {len(read)} and "
            f"{len(written)}"
        )
    size = len(read)
    ax = ax or plt.figure(figsize=(4.6, 1.2 + 0.4 * size)).subplots()
    for query in range(size):
        for key in range(size):
            corner = (key - 0.5, query - 0.5)
            style: dict[str, Any] = {"fc": "none", "hatch": "///", "ec": "0.8"}
            if key <= query:
                style = {"fc": KEY, "ec": "white"}
            ax.add_patch(Rectangle(corner, 1, 1, lw=1, **style))
        if query + 1 < size:
            corner = (query + 0.5, query - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec=CONTEXT, lw=2))
    texts, font = word_labels(read)
    ax.set_xticks(range(size), texts, **font)
    ax.set_yticks(range(size), texts, **font)
    ax.set(xlim=(-0.55, size - 0.45), ylim=(size - 0.45, -0.55))
    ax.set_xlabel(TEXT["may"])
    ax.set_ylabel(TEXT["reads"])
    ax.xaxis.set_label_position("top")
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.text(size - 0.3, -0.75, TEXT["writes"], va="bottom", fontsize=9.5)
    for query, word in enumerate(written):
        draw_word(ax, size - 0.3, query, word, ha="left", fontweight="bold", fontsize=9)
    return ax


def plot_step(
    source: Sequence[str],
    written: Sequence[str],
    output: str,
    cross: Float[Tensor, " source"],
    own: Float[Tensor, " written"],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one step of a decoder: what it attends to, and the word that it writes.

    Weights below :data:`FAINT` are left out.

    Args:
        source: the source words, below.
        written: the words written so far, above; the last of them is the query.
        output: the word that is written next, in bold after them.
        cross: weights over the source words, drawn as straight lines.
        own: weights over the words written so far, drawn as arcs.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one weight for each word.

    Example:
        >>> import torch
        >>> half = torch.tensor([0.5, 0.5])
        >>> ax = plot_step(["two", "<eos>"], ["<bos>", "zwei"], "<eos>", half, half)
        >>> len(ax.lines), len(ax.patches)
        (2, 1)
    """
    if len(source) != len(cross) or len(written) != len(own):
        raise ValueError(
            "there must be a weight for each word, got "
            f"{len(source)} source words and {len(cross)} weights, "
            f"{len(written)} words so far and {len(own)} weights"
        )
    ax = ax or plt.figure(figsize=(5.6, 1.8)).subplots()
    last = len(written) - 1
    for position, word in enumerate(source):
        draw_word(ax, position, 0, word, fontsize=8)
        weight = cross[position].item()
        if weight >= FAINT:
            ends = [position, last], [0.16, 0.84]
            ax.plot(*ends, color=_CROSS, **_width(weight), marker="", ls="-")
    for position, (word, weight) in enumerate(zip(written, own.tolist(), strict=True)):
        draw_word(ax, position, 1, word, fontsize=8)
        if position < last and weight >= FAINT:
            arc = FancyArrowPatch(
                (position, 1.15),
                (last, 1.15),
                connectionstyle=f"arc3,rad={-0.5 / (last - position) ** 0.6}",
                arrowstyle="-",
                color=_OWN,
                **_width(weight),
            )
            ax.add_patch(arc)
    draw_word(ax, last + 1, 1, output, fontsize=8, fontweight="bold")
    ax.set(xlim=(-1.6, max(len(source), len(written) + 1) - 0.4), ylim=(-0.3, 1.95))
    ax.axis("off")
    return ax


def plot_way(
    source: Sequence[str],
    target: Sequence[str],
    outputs: Sequence[str],
    weights: Mapping[str, Float[Tensor, "_queries _keys"]],
    steps: Sequence[int],
) -> list[Axes]:
    """Draw some steps of a decoder, one below the other.

    Args:
        source: the source's words, ``<eos>`` included.
        target: what the decoder reads, from ``<bos>`` on.
        outputs: the word that it writes at each step.
        weights: of one sentence and one layer, "decoder" (its self-attention) and
            "cross".
        steps: the steps that are drawn, from 0.

    Returns:
        The axes, one for each step.
    """
    figure = plt.figure(figsize=(5.6, 1.75 * len(steps)))
    axes = list(figure.subplots(len(steps), 1, squeeze=False)[:, 0])
    for ax, step in zip(axes, steps, strict=True):
        plot_step(
            source,
            target[: step + 1],
            outputs[step],
            weights["cross"][step],
            weights["decoder"][step, : step + 1],
            ax=ax,
        )
        ax.set_title(TEXT["step"].format(step + 1), loc="left", fontsize=9)
        ax.set_xlim(-1.0, max(len(source), len(target) + 1) - 0.4)
    return axes


def _width(weight: float) -> dict[str, Any]:
    return {"lw": 0.3 + 3.5 * weight, "alpha": 0.25 + 0.75 * weight}

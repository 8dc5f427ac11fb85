"""Figures of the chapter on the Transformer: the model, and a sentence inside it."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from attention_book.figures.colours import INK
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word

_EMBED, _ATTEND, _NORM, _NETWORK, _OUT = (
    "#56B4E9",
    "#E69F00",
    "#999999",
    "#0072B2",
    "#009E73",
)
_CROSS, _OWN = "#0072B2", "#D55E00"
# What is written on the figures.
TEXT = {
    "source": "source words",
    "read": "<bos> and target words",
    "embedding": r"embedding $\times \sqrt{d}$",
    "positions": "+ positions",
    "self": "self-attention",
    "masked": "masked self-attention",
    "cross": "cross-attention",
    "norm": "add, normalise",
    "network": "feed-forward",
    "transposed": "embedding, transposed",
    "softmax": "softmax",
    "written": "target words and <eos>",
    "memory": "keys,\nvalues",
    "layers": "{} layers",
    "words": "words",
    "layer": "layer {}",
    "step": "step {}",
}


def plot_model(num_layers: int | str = "N", *, ax: Axes | None = None) -> Axes:
    """Draw the whole model: encoder on the left, decoder on the right.

    Args:
        num_layers: number of layers, written beside them.
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_model(6)
        >>> "6 layers" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(5.6, 7.4)).subplots()
    left, right = 0.0, 3.6
    sub_layer = ("norm", _NORM)
    columns = {
        left: [
            ("source", None),
            ("embedding", _EMBED),
            ("positions", _EMBED),
            ("self", _ATTEND),
            sub_layer,
            ("network", _NETWORK),
            sub_layer,
        ],
        right: [
            ("read", None),
            ("embedding", _EMBED),
            ("positions", _EMBED),
            ("masked", _ATTEND),
            sub_layer,
            ("cross", _ATTEND),
            sub_layer,
            ("network", _NETWORK),
            sub_layer,
            ("transposed", _EMBED),
            ("softmax", _OUT),
            ("written", None),
        ],
    }
    for x, boxes in columns.items():
        for y, (name, color) in enumerate(boxes):
            text = TEXT[name]
            if color is None:
                ax.text(x, y, text, ha="center", va="center", fontsize=9)
            else:
                draw_box(ax, x, y, text, color, width=2.5, height=0.54, fontsize=9)
            if y:
                draw_arrow(ax, (x, y - 0.68), (x, y - 0.32))
            if name == sub_layer[0]:  # the input goes round the sub-layer
                around = "arc3,rad=0.6" if x == right else "arc3,rad=-0.6"
                side = 1.28 if x == right else -1.28
                draw_arrow(ax, (x + side, y - 1.45), (x + side, y), bend=around)
    top = len(columns[left]) - 1
    # The encoder's tokens are keys and values of every layer.
    draw_arrow(ax, (left + 1.28, top), (right - 1.28, 5.0), bend="arc3,rad=-0.15")
    ax.text(1.8, 5.95, TEXT["memory"], ha="center", fontsize=8, color=INK)
    for x, low, high in (left, 3, 6), (right, 3, 8):
        frame = (x - 1.5, low - 0.45), 3.0, high - low + 0.9
        ax.add_patch(Rectangle(*frame, fill=False, ec="0.6", ls="--", lw=1))
    layers = TEXT["layers"].format(num_layers)
    ax.text(left, top + 0.7, layers, ha="center", color=INK)
    ax.text(right + 1.6, 8.6, layers.replace(" ", "\n"), ha="left", color=INK)
    ax.set(xlim=(-2.0, 5.9), ylim=(-0.5, 11.5))
    ax.axis("off")
    return ax


def plot_layers(
    words: Sequence[str],
    weights: Float[Tensor, "layers words words"],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the tokens of each layer, with a line for each pair of query and key.

    Args:
        words: a label for each token, from left to right.
        weights: weights of each layer, from the first; the larger the weight, the
            thicker the line.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one weight for each pair of words.

    Example:
        >>> import torch
        >>> ax = plot_layers(["two", "<eos>"], torch.full((3, 2, 2), 0.5))
        >>> len(ax.lines)
        12
    """
    if weights.ndim != 3 or weights.shape[1:] != (len(words), len(words)):
        raise ValueError(
            f"weights must have shape (layers, {len(words)}, {len(words)}) to fit the "
            f"words, got {tuple(weights.shape)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 1.0 + 0.9 * len(weights))).subplots()
    for layer, table in enumerate(weights.tolist()):
        for query, row in enumerate(table):
            for key, weight in enumerate(row):
                _line(ax, (key, layer + 0.14), (query, layer + 0.86), weight, _OWN)
    for level in range(len(weights) + 1):
        for position, word in enumerate(words):
            draw_word(ax, position, level, word, fontsize=8)
        name = TEXT["layer"].format(level) if level else TEXT["words"]
        ax.text(-0.75, level, name, ha="right", va="center", fontsize=8, color=INK)
    ax.set(xlim=(-1.6, len(words) - 0.4), ylim=(-0.3, len(weights) + 0.3))
    ax.axis("off")
    return ax


def plot_step(
    source: Sequence[str],
    written: Sequence[str],
    found: str,
    cross: Float[Tensor, " source"],
    own: Float[Tensor, " written"],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw one step of a decoder: what it attends to, and the word that it writes.

    Args:
        source: the source words, below.
        written: the words written so far, above; the last of them is the query.
        found: the word that is written next, in bold after them.
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
        _line(ax, (position, 0.16), (last, 0.84), cross[position].item(), _CROSS)
    for position, (word, weight) in enumerate(zip(written, own.tolist(), strict=True)):
        draw_word(ax, position, 1, word, fontsize=8)
        if position < last:
            arc = FancyArrowPatch(
                (position, 1.15),
                (last, 1.15),
                connectionstyle=f"arc3,rad={-0.5 / (last - position) ** 0.6}",
                arrowstyle="-",
                lw=0.3 + 3.5 * weight,
                color=_OWN,
                alpha=0.25 + 0.75 * weight,
            )
            ax.add_patch(arc)
    draw_word(ax, last + 1, 1, found, fontsize=8, fontweight="bold")
    ax.set(xlim=(-1.6, max(len(source), len(written) + 1) - 0.4), ylim=(-0.3, 1.95))
    ax.axis("off")
    return ax


def plot_way(
    source: Sequence[str],
    target: Sequence[str],
    outputs: Sequence[str],
    weights: Mapping[str, Float[Tensor, "layers heads _queries _keys"]],
    steps: Sequence[int],
) -> list[Axes]:
    """Draw a sentence's way through an encoder, and some steps of its decoder.

    Args:
        source: the source's words, ``<eos>`` included.
        target: what the decoder reads, from ``<bos>`` on.
        outputs: the word that it writes at each step.
        weights: of one sentence, "encoder", "decoder" (its self-attention) and "cross".
        steps: the decoder's steps that are drawn, from 0.

    Returns:
        The axes: the encoder's, with the mean over its heads, and one for each step,
        with the mean over heads and layers.
    """
    figure = plt.figure(figsize=(5.6, 2.6 + 1.75 * len(steps)))
    ratios = [1.6, *[1.0] * len(steps)]
    axes = list(figure.subplots(1 + len(steps), 1, height_ratios=ratios))
    plot_layers(source, weights["encoder"].mean(dim=1), ax=axes[0])
    for ax, step in zip(axes[1:], steps, strict=True):
        plot_step(
            source,
            target[: step + 1],
            outputs[step],
            weights["cross"][:, :, step].mean(dim=(0, 1)),
            weights["decoder"][:, :, step, : step + 1].mean(dim=(0, 1)),
            ax=ax,
        )
        ax.set_title(TEXT["step"].format(step + 1), loc="left", fontsize=9)
        ax.set_xlim(-1.0, max(len(source), len(target) + 1) - 0.4)
    return axes


def _line(
    ax: Axes,
    start: tuple[float | int, float | int],
    end: tuple[float | int, float | int],
    weight: float,
    color: str,
) -> None:
    ax.plot(
        *zip(start, end, strict=True),
        color=color,
        lw=0.3 + 3.5 * weight,
        alpha=0.15 + 0.85 * weight,
        marker="",
        ls="-",
    )

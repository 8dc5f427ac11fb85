"""Figures of the chapter on encoders: frames, sounds, and where a decoder looks."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word, word_labels

Span = tuple[int, int]  # the first position, and the one after the last

_TRUTH = "#D55E00"

# What is written on the figures.
INPUTS = ("words", "image", "video", "speech")
ENCODERS = (
    "recurrent,\nboth directions",
    "convolution\non each cell",
    "convolution, then\nrecurrent over time",
    "convolutions\nover time",
)
TEXT = {
    "annotations": "annotations $h_1 \\dots h_M$ and a mask",
    "attention": "attention",
    "decoder": "one decoder, $s_i$",
    "output": "words $y_1, y_2, \\dots$",
    "context": "$c_i$",
    "last": "$\\alpha_{i-1}$, for speech",
    "seconds": "seconds",
    "mel": "mel band",
    "frame": "frame",
}


def plot_one_decoder(*, ax: Axes | None = None) -> Axes:
    """Draw four encoders whose annotations one decoder reads.

    Args:
        ax: where to draw; None: the axes of a new figure.

    Example:
        >>> ax = plot_one_decoder()
        >>> "speech" in [text.get_text() for text in ax.texts]
        True
    """
    ax = ax or plt.figure(figsize=(6.4, 4.3)).subplots()
    for x, name, encoder in zip(range(4), INPUTS, ENCODERS, strict=True):
        place = 2.0 * x
        draw_word(ax, place, 0, name, fontweight="bold")
        draw_arrow(ax, (place, 0.25), (place, 0.62))
        draw_box(ax, place, 1.05, encoder, KEY, width=1.8, height=0.8, fontsize=8)
        draw_arrow(ax, (place, 1.5), (place, 1.93))
    draw_box(ax, 3.0, 2.25, TEXT["annotations"], KEY, width=7.8, height=0.5)
    draw_arrow(ax, (1.5, 2.55), (1.5, 3.1))
    draw_box(ax, 1.5, 3.4, TEXT["attention"], CONTEXT, width=2.2, height=0.5)
    draw_box(ax, 5.0, 3.4, TEXT["decoder"], QUERY, width=2.8, height=0.5)
    draw_arrow(ax, (2.65, 3.5), (3.55, 3.5), color=CONTEXT)
    ax.text(3.1, 3.6, TEXT["context"], ha="center", va="bottom")
    draw_arrow(ax, (3.55, 3.28), (2.65, 3.28), ls="--")
    ax.text(3.1, 3.2, "$s_{i-1}$", ha="center", va="top")
    draw_arrow(ax, (5.0, 3.7), (5.0, 4.25))
    ax.text(5.0, 4.35, TEXT["output"], ha="center", va="bottom")
    bend = "arc3,rad=-1.6"
    draw_arrow(ax, (0.9, 3.7), (2.1, 3.7), color=CONTEXT, ls=":", bend=bend)
    ax.text(1.5, 4.72, TEXT["last"], ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(-1.1, 7.1), ylim=(-0.25, 5.1))
    ax.axis("off")
    return ax


def plot_frames(
    frames: Float[Tensor, "frames height width"],
    weights: Float[Tensor, "words frames"],
    words: Sequence[str],
    *,
    spans: Sequence[Span] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw the frames of a clip in a row, and below each word's weights over them.

    Args:
        frames: brightness from 0 to 1; drawn dark on white.
        weights: one row for each word, on a fixed scale from 0 to 1.
        words: the words that are written.
        spans: for each word the frames that it is about, to be outlined; empty: none.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one weight for each word and frame, or there are
            spans but not one for each word.

    Example:
        >>> import torch
        >>> ax = plot_frames(torch.zeros(3, 8, 8), torch.eye(3)[:2], ["six", "two"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['six', 'two']
    """
    _check(weights, words, len(frames), spans)
    count = len(frames)
    ax = ax or plt.figure(figsize=(6.2, 1.6 + 0.35 * len(words))).subplots()
    for number, frame in enumerate(frames.cpu().numpy()):
        extent = (number - 0.47, number + 0.47, -0.6, -1.54)
        ax.imshow(frame, cmap="Greys", vmin=0, vmax=1.3, extent=extent)
        ax.add_patch(
            Rectangle((number - 0.47, -1.54), 0.94, 0.94, fill=False, ec="0.6")
        )
    _rows(ax, weights, words, 1.0, spans)
    ax.set(xlim=(-0.5, count - 0.5), ylim=(len(words) - 0.5, -1.6), aspect="auto")
    ax.set_xticks(range(count), [str(number) for number in range(count)])
    ax.set_xlabel(TEXT["frame"])
    return ax


def plot_speech(
    frames: Float[Tensor, "frames num_mels"],
    weights: Float[Tensor, "words positions"],
    words: Sequence[str],
    *,
    reduction: int,
    spans: Sequence[Span] = (),
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the spectrogram of an utterance, and below it the path of attention.

    Args:
        frames: log energies, one row each 10 milliseconds.
        weights: one row for each word over the annotations, on a scale from 0 to 1.
        words: the words that are written.
        reduction: frames for each annotation.
        spans: for each word the frames of its sound, to be outlined; empty: none.
        axes: two axes, the upper one for the spectrogram; None: of a new figure.

    Raises:
        ValueError: if there is not a row of weights for each word, the weights do not
            cover the frames, or there are spans but not one for each word.

    Example:
        >>> import torch
        >>> axes = plot_speech(
        ...     torch.zeros(8, 5), torch.eye(4)[:2], ["six", "two"], reduction=2
        ... )
        >>> len(axes)
        2
    """
    _check(weights, words, -(-len(frames) // reduction), spans)
    if axes is None:
        figure = plt.figure(figsize=(6.2, 1.9 + 0.26 * len(words)))
        axes = figure.subplots(2, 1, sharex=True)
    upper, lower = axes
    seconds = len(frames) / 100
    upper.imshow(
        frames.T.cpu().numpy(),
        cmap="Greys",
        aspect="auto",
        origin="lower",
        extent=(0, seconds, 0, frames.shape[1]),
    )
    upper.grid(False)
    upper.set_ylabel(TEXT["mel"])
    step = reduction / 100
    _rows(
        lower, weights, words, step, [(a / reduction, b / reduction) for a, b in spans]
    )
    for ax in axes:
        ax.set_xlim(0, seconds)
    lower.set_ylim(len(words) - 0.5, -0.5)
    lower.set_xlabel(TEXT["seconds"])
    return [upper, lower]


def plot_four(size: tuple[float, float] = (7.4, 6.6)) -> tuple[Figure, dict[str, Axes]]:
    """Make a figure with a panel for each kind of input.

    Args:
        size: width and height in inches.

    Returns:
        The figure, and its axes by the names "text", "image", "video" and, for the two
        of "speech", "sound" and "path".

    Example:
        >>> sorted(plot_four()[1])
        ['image', 'path', 'sound', 'text', 'video']
    """
    figure = plt.figure(figsize=size)
    axes = figure.subplot_mosaic(
        [["text", "image"], ["video", "sound"], ["video", "path"]],
        height_ratios=[2.2, 1, 1],
        gridspec_kw={"hspace": 0.3, "wspace": 0.35},
    )
    return figure, axes


def _rows(
    ax: Axes,
    weights: Float[Tensor, "words positions"],
    words: Sequence[str],
    step: float,
    spans: Sequence[tuple[float | int, float | int]],
) -> None:
    """One row of shades for each word; a position is ``step`` wide."""
    shades = weights.detach().float().cpu().numpy()
    start = 0.0 if step < 1 else -0.5
    edges = start + step * np.arange(shades.shape[1] + 1)
    rows = np.arange(len(words) + 1) - 0.5
    ax.pcolormesh(edges, rows, shades, cmap="Blues", vmin=0, vmax=1)
    for row, (first, after) in enumerate(spans):
        corner = start + step * first, row - 0.5
        width = step * (after - first)
        ax.add_patch(Rectangle(corner, width, 1, fill=False, ec=_TRUTH, lw=1.4))
    ax.grid(False)
    texts, font = word_labels(words)
    ax.set_yticks(range(len(words)), texts, **font)
    ax.tick_params(length=0)


def _check(
    weights: Float[Tensor, "words positions"],
    words: Sequence[str],
    positions: int,
    spans: Sequence[Span],
) -> None:
    if not words or weights.shape != (len(words), positions):
        raise ValueError(
            f"weights must have shape ({len(words)}, {positions}), one for each word "
            f"and position, got {tuple(weights.shape)}"
        )
    if spans and len(spans) != len(words):
        raise ValueError(
            f"spans must have an entry for each of {len(words)} words, got {len(spans)}"
        )

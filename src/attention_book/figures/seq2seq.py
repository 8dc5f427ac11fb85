"""Figures of the chapter on the bottleneck."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Arc
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.interactive import PageElement, attention_view
from attention_book.figures.words import draw_word, word_labels

# What is written on the figures.
TEXT = {
    "summary": "the summary",
    "forwards": "source read forwards",
    "backwards": "source read backwards",
    "forced": "teacher-forced",
    "free": "free-running",
    "first": "first principal component",
    "second": "second principal component",
    "decoding": "Probabilities of words (columns) at each step of the decoder (rows).",
}

BOX = 0.62
"""Width and height of a state."""


def plot_bottleneck(
    source: Sequence[str], target: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw an encoder-decoder: all that passes from left to right is one state.

    Args:
        source: what the encoder reads, in this order, its end mark included.
        target: words that the decoder writes; it reads each before writing the next.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if one of the sentences has no word.

    Example:
        >>> ax = plot_bottleneck(["twenty", "one"], ["ein", "und", "zwanzig"])
        >>> "twenty" in [text.get_text() for text in ax.texts]
        True
    """
    if not source or not target:
        raise ValueError("source and target must have at least one word each")
    ax = ax or plt.figure(figsize=(6.6, 2.1)).subplots()
    last = len(source) - 1
    for x, word in enumerate(source):
        state, color = (f"$h_{{{x + 1}}}$", KEY) if x < last else ("$v$", CONTEXT)
        draw_box(ax, x, 0, state, color, width=BOX, height=BOX)
        _read(ax, x, word)
    label = f"{TEXT['summary']} $v = h_{{{last + 1}}}$"
    ax.text(last + 0.3, 0.75, label, ha="right", va="center", color=CONTEXT)
    start = len(source) + 0.4  # a little apart: another network begins
    for step, (read, word) in enumerate(
        zip(["<bos>", *target], [*target, "<eos>"], strict=True)
    ):
        at = start + step
        draw_box(ax, at, 0, f"$h'_{{{step + 1}}}$", QUERY, width=BOX, height=BOX)
        _read(ax, at, read)
        _write(ax, at, word)
    centres = [*range(len(source)), *(start + x for x in range(len(target) + 1))]
    for left, right in pairwise(centres):
        draw_arrow(ax, (left + 0.36, 0), (right - 0.36, 0))
    ax.set(xlim=(-0.6, centres[-1] + 0.6), ylim=(-1.3, 1.3))
    ax.axis("off")
    return ax


def plot_lags(
    source: Sequence[str],
    target: Sequence[str],
    links: Collection[tuple[int, int]],
    *,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw how long each source word must be kept until its translation is written.

    Time runs from left to right, one word per step: first the source is read, forwards
    above and backwards below, then the target is written. An arc joins the step at
    which a word is read to the step at which its translation is written, and says how
    many steps lie between. The shortest arcs have a colour of their own.

    Args:
        source: words of the source.
        target: words of the target.
        links: (source position, target position) of words that belong together.
        axes: two, to draw on; None: those of a new figure.

    Raises:
        ValueError: if there are no links.

    Example:
        >>> axes = plot_lags(["twenty", "one"], ["ein", "und", "zwanzig"], {(1, 0)})
        >>> [[text.get_text() for text in ax.texts] for ax in axes]
        [['2'], ['3']]
    """
    if not links:
        raise ValueError("links must join at least one pair of words, got none")
    if axes is None:
        axes = list(plt.figure(figsize=(6.2, 4.4)).subplots(2, 1))
    size = len(source)
    whole = size + 1 + len(target)
    # A little higher than the widest arc may be, which begins at the first word read.
    highest = (size + 1 + max(j for _, j in links)) / 2 + 0.8
    for ax, reverse in zip(axes, (False, True), strict=True):
        spans = [
            (size - 1 - i if reverse else i, size + 1 + j) for i, j in sorted(links)
        ]
        shortest = min(end - start for start, end in spans)
        for start, end in spans:
            lag, centre = end - start, (start + end) / 2
            short = lag == shortest
            colour, width = (CONTEXT, 2.2) if short else (KEY, 1.4)
            ax.add_patch(
                Arc((centre, 0), lag, lag, theta2=180, ec=colour, lw=width, fc="none")
            )
            ax.text(centre, lag / 2 + 0.1, str(lag), ha="center", color=INK, fontsize=9)
        read = list(reversed(source)) if reverse else list(source)
        words, font = word_labels([*read, "<eos>", *target])
        ax.set_xticks(range(whole), words, rotation=50, ha="right", **font)
        for at, label in enumerate(ax.get_xticklabels()):
            label.set(rotation_mode="anchor", fontweight="bold" if at > size else None)
        ax.axvline(size + 0.5, color=INK, lw=0.8, ls=":")
        ax.set_title(TEXT["backwards" if reverse else "forwards"], loc="left")
        ax.set(xlim=(-0.7, whole - 0.3), ylim=(0, highest), yticks=[])
        ax.spines["left"].set_visible(False)
        ax.grid(False)
    return list(axes)


def plot_feeding(
    target: Sequence[str], written: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw what a decoder reads: above the right words, below the words it has written.

    Args:
        target: the right words.
        written: the words that the decoder writes if it reads its own; wrong ones are
            marked.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if the two are not equally long, or empty.

    Example:
        >>> ax = plot_feeding(["drei", "und"], ["zwei", "und"])
        >>> [text.get_text() for text in ax.texts].count("zwei")  # written, then read
        2
    """
    if len(target) != len(written) or not target:
        raise ValueError(
            f"written must have as many words as target, at least one, got "
            f"{len(written)} and {len(target)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 3.6)).subplots()
    for y, name in ((2.9, "forced"), (0, "free")):
        words = target if name == "forced" else written
        ax.text(-1.15, y, TEXT[name], ha="right", va="center", fontsize=9)
        for x, (word, right) in enumerate(zip(words, target, strict=True)):
            draw_box(ax, x, y, f"$h'_{{{x + 1}}}$", QUERY, width=BOX, height=BOX)
            read = "<bos>" if x == 0 else words[x - 1]
            strange = x > 0 and read != target[x - 1]
            _read(ax, x, read, y, wrong=strange)
            _write(ax, x, word, y, wrong=word != right)
            if x + 1 < len(words):
                draw_arrow(ax, (x + 0.36, y), (x + 0.64, y))
                if name == "free":
                    draw_arrow(
                        ax, (x + 0.3, y + 0.85), (x + 0.75, y - 0.85),
                        color=CONTEXT, ls="--", bend="arc3,rad=-0.2",
                    )  # fmt: skip
    ax.set(xlim=(-2.9, len(target) - 0.4), ylim=(-1.3, 4.2))
    ax.axis("off")
    return ax


def plot_plane(
    points: Float[Tensor, "sentences two"],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw sentences as points of a plane, each with its label.

    Args:
        points: two coordinates for each sentence.
        labels: what is written beside each point.
        groups: the group of each sentence; one colour and marker for each group.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if points, labels and groups are not equally many.

    Example:
        >>> import torch
        >>> ax = plot_plane(torch.eye(2), ["2 3", "3 2"], ["digits", "digits"])
        >>> [text.get_text() for text in ax.texts]
        ['2 3', '3 2']
    """
    if not len(points) == len(labels) == len(groups):
        raise ValueError(
            f"points ({len(points)}), labels ({len(labels)}) and groups "
            f"({len(groups)}) must be equally many"
        )
    ax = ax or plt.figure().subplots()
    places = points.tolist()
    for name in dict.fromkeys(groups):
        chosen = [at for at, group in zip(places, groups, strict=True) if group == name]
        x, y = zip(*chosen, strict=True)
        ax.plot(x, y, ls="", label=name)
    for (x, y), label in zip(places, labels, strict=True):
        ax.annotate(
            label, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8
        )
    ax.set(xlabel=TEXT["first"], ylabel=TEXT["second"])
    ax.legend()
    return ax


def decoding_view(
    chances: Float[Tensor, "*axes steps words"],
    right: Sequence[str],
    words: Sequence[str],
    axes: Mapping[str, Sequence[str]],
    *,
    num_words: int = 12,
) -> PageElement:
    """Show how probable words are at each step of decoding one sentence.

    Args:
        chances: probability of each word at each step; axes in front, such as the
            model, can be chosen by the reader.
        right: the right word of each step.
        words: the vocabulary.
        axes: for each axis in front, by its label, a name for each position.
        num_words: so many words have a column, those that are probable anywhere.

    Raises:
        ValueError: if labels or axes do not fit.
    """
    most = chances.flatten(0, -2).amax(dim=0)
    shown = most.topk(min(num_words, len(words))).indices.sort().values
    return attention_view(
        chances[..., shown],
        [f"{step}. {word}" for step, word in enumerate(right, start=1)],
        [words[at] for at in shown.tolist()],
        axes=axes,
        start=[0] * len(axes),
        view="map",
        alt=TEXT["decoding"],
    )


def _read(
    ax: Axes, x: float | int, word: str, y: float | int = 0, *, wrong: bool = False
) -> None:
    """A word below a state, and the arrow to it."""
    color = CONTEXT if wrong else "black"
    draw_word(ax, x, y - 1.05, word, fontsize=8, color=color)
    draw_arrow(ax, (x, y - 0.8), (x, y - 0.36))


def _write(
    ax: Axes, x: float | int, word: str, y: float | int = 0, *, wrong: bool = False
) -> None:
    """A word above a state, and the arrow from it."""
    color = CONTEXT if wrong else "black"
    draw_word(ax, x, y + 1.05, word, fontsize=8, fontweight="bold", color=color)
    draw_arrow(ax, (x, y + 0.36), (x, y + 0.8))

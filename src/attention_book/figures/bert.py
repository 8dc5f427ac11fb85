"""Figures of the chapter on BERT: the idea, hidden words and their guesses, heads."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY, VALUE
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.interactive import PageElement, as_png

# What is written on the figures.
TEXT = {
    "mask": "[MASK]",
    "read": "read",
    "added": "plus segment\nplus position",
    "encoder": "Transformer encoder: every token attends to every other",
    "predict": "predicted",
    "next": "next?",
    "head": "head {}.{}",
    "share": "share of weight",
    "uniform": "uniform",
    "probability": "probability",
}


@runtime_checkable
class WordGuess(Protocol):
    """A guess: that of :class:`attention_book.recipes.pretraining.Guess`."""

    @property
    def best(self) -> Sequence[tuple[str, float]]:
        """The most probable words with their probabilities, the best one first."""

    @property
    def share(self) -> float | None:
        """Probability of the true word."""

    @property
    def rank(self) -> int | None:
        """How many words are at least as probable."""


def plot_pretraining(
    words: Sequence[str],
    read: Sequence[str],
    segments: Sequence[int],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw what BERT reads of a pair of segments, and what it predicts.

    Args:
        words: the true tokens, special ones included; the first is ``[CLS]``.
        read: what stands in their places. Where the two differ, and the encoder's
            output is asked, an arrow leads to the true word.
        segments: 0 or 1 for each token.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one entry for each token.

    Example:
        >>> words = ["[CLS]", "a", "line", "[SEP]"]
        >>> ax = plot_pretraining(words, ["[CLS]", "a", "[MASK]", "[SEP]"], [0] * 4)
        >>> "line" in [text.get_text() for text in ax.texts]
        True
    """
    if not words or not len(words) == len(read) == len(segments):
        raise ValueError(
            "words, read and segments must have one entry for each token, got "
            f"{len(words)}, {len(read)} and {len(segments)}"
        )
    ax = ax or plt.figure(figsize=(6.8, 3.6)).subplots()
    last = len(words) - 1
    for x, (word, seen, segment) in enumerate(zip(words, read, segments, strict=True)):
        changed = word != seen
        draw_box(ax, x, 0, seen, VALUE if changed else KEY, width=0.86, fontsize=7.5)
        added = f"$E_{segment}$\n$p_{{{x}}}$"
        ax.text(x, -0.42, added, ha="center", va="top", fontsize=8)
        draw_arrow(ax, (x, 0.3), (x, 0.75))
        if changed:
            draw_arrow(ax, (x, 1.65), (x, 2.1), color=CONTEXT)
            draw_box(ax, x, 2.4, word, QUERY, width=0.86, fontsize=7.5)
    draw_box(
        ax,
        last / 2,
        1.2,
        TEXT["encoder"],
        INK,
        width=last + 0.86,
        height=0.8,
        fontsize=9,
    )
    draw_arrow(ax, (0, 1.65), (0, 2.1), color=CONTEXT)
    draw_box(ax, 0, 2.4, TEXT["next"], CONTEXT, width=0.86, fontsize=7.5)
    for y, label in (0, "read"), (2.4, "predict"):
        ax.text(-0.65, y, TEXT[label], ha="right", va="center", fontsize=8)
    ax.text(-0.65, -0.42, TEXT["added"], ha="right", va="top", fontsize=8)
    ax.set(xlim=(-2.4, last + 0.6), ylim=(-1.2, 2.8))
    ax.axis("off")
    return ax


def plot_head_shares(
    shares: Mapping[str, Float[Tensor, "layers heads"]],
    uniform: Mapping[str, float],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of weight of each head on each kind of key, as a heat map.

    The last row is what equal weights on all tokens would have.

    Args:
        shares: for each kind of key one share for each layer and head, from 0 to 1.
        uniform: the same of equal weights.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if the kinds differ, or there are none.

    Example:
        >>> import torch
        >>> shares = {"itself": torch.tensor([[0.1, 0.9]])}
        >>> ax = plot_head_shares(shares, {"itself": 0.2})
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['head 1.1', 'head 1.2', 'uniform']
    """
    if not shares or shares.keys() != uniform.keys():
        raise ValueError(
            f"shares and uniform must have the same kinds, got {[*shares]} and "
            f"{[*uniform]}"
        )
    rows = np.stack([table.flatten().numpy() for table in shares.values()], axis=1)
    rows = np.vstack([rows, list(uniform.values())])
    layers, heads = next(iter(shares.values())).shape
    names = [
        TEXT["head"].format(layer + 1, head + 1)
        for layer in range(layers)
        for head in range(heads)
    ]
    ax = ax or plt.figure(figsize=(5.6, 0.7 + 0.32 * len(rows))).subplots()
    image = ax.imshow(rows, vmin=0, vmax=1, aspect="auto")
    ax.grid(False)
    ax.set_xticks(range(len(shares)), [*shares], rotation=30, ha="right")
    ax.set_yticks(range(len(rows)), [*names, TEXT["uniform"]])
    ax.tick_params(length=0)
    for y, row in enumerate(rows):
        for x, value in enumerate(row):
            colour = "white" if value > 0.5 else INK
            ax.text(
                x, y, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour
            )
    ax.axhline(len(names) - 0.5, color=INK, lw=1.2, ls="-", marker="")
    ax.figure.colorbar(image, ax=ax, label=TEXT["share"], fraction=0.05)
    return ax


def mask_view(
    words: Sequence[str],
    guesses: Mapping[str, Sequence[WordGuess]],
    *,
    start: int,
    alt: str,
) -> PageElement:
    """Make a text whose words can be hidden, with what models guess in their place.

    Args:
        words: of the text.
        guesses: for each model, by its name, a guess for each word, computed with that
            word hidden and all others in their places.
        start: position of the word that is hidden at first.
        alt: what the figure shows, in words.

    Raises:
        ValueError: if there is no model, not one guess for each word, a guess does not
            know the true word, or ``start`` is no position.
    """
    if not guesses or any(len(row) != len(words) for row in guesses.values()):
        raise ValueError(
            f"guesses must be {len(words)} for each model, one for each word, got "
            f"{[len(row) for row in guesses.values()]}"
        )
    if not 0 <= start < len(words):
        raise ValueError(f"start must be from 0 to {len(words) - 1}, got {start}")
    sides: list[dict[str, Any]] = []
    for name, row in guesses.items():
        entries = []
        for guess in row:
            if guess.share is None or guess.rank is None:
                raise ValueError(f"{name} must know the true words of its guesses")
            best = [[word, round(1000 * share)] for word, share in guess.best]
            entries.append(
                {"best": best, "share": round(1000 * guess.share), "rank": guess.rank}
            )
        sides.append({"name": name, "guesses": entries})
    data = {
        "v": 1,
        "words": [*words],
        "mask": TEXT["mask"],
        "start": start,
        "sides": sides,
    }
    still = _still(words, guesses, start)
    return PageElement(
        "mask-view-1", data, alt=alt, still=still, table=_table(words, guesses)
    )


def _table(words: Sequence[str], guesses: Mapping[str, Sequence[WordGuess]]) -> str:
    """For each word the best guess of each model and the share of the true word."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in guesses)
    rows = []
    for at, word in enumerate(words):
        cells = "".join(
            f"<td>{html.escape(row[at].best[0][0])} {row[at].best[0][1]:.2f}; "
            f"{row[at].share or 0:.2f}</td>"
            for row in guesses.values()
        )
        rows.append(f'<tr><th scope="row">{html.escape(word)}</th>{cells}</tr>')
    return (
        '<details slot="table"><summary>Numbers</summary>'
        '<div style="overflow-x: auto" tabindex="0"><table>'
        f"<thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _still(
    words: Sequence[str], guesses: Mapping[str, Sequence[WordGuess]], start: int
) -> bytes:
    """The bars of the word that is hidden at first, as PNG."""
    figure = plt.figure(figsize=(6.4, 2.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(guesses), sharex=True))
    shown = [TEXT["mask"] if at == start else word for at, word in enumerate(words)]
    figure.suptitle(" ".join(shown), fontsize=9, wrap=True)
    for ax, (name, row) in zip(axes, guesses.items(), strict=True):
        best = row[start].best[::-1]
        ax.barh([word for word, _ in best], [share for _, share in best])
        ax.set(title=name, xlabel=TEXT["probability"], xlim=(0, 1))
    return as_png(figure)

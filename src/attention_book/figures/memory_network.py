"""Figures of the chapter on memory networks."""

from collections.abc import Collection, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.colours import CONTEXT, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.words import draw_word, word_labels

# What is written on the figures.
TEXT = {"memory": "memory", "hop": "hop {}"}


def plot_memory(
    facts: Sequence[str],
    question: str,
    answer: str,
    weights: Sequence[Sequence[float]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how a question goes through a memory in several hops.

    Args:
        facts: sentences of the story, the oldest first; drawn as a column.
        question: the question, from which the first state is made.
        answer: the answer, read out of the last state.
        weights: for each hop one weight for each fact; the larger the weight, the
            thicker the arrow.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no fact or no hop, or a hop has not one weight for each
            fact.

    Example:
        >>> ax = plot_memory(["ada sings"], "who sings", "ada", [[1.0]])
        >>> "ada sings" in [text.get_text() for text in ax.texts]
        True
    """
    if not facts or not weights or any(len(hop) != len(facts) for hop in weights):
        raise ValueError(
            "plot_memory needs facts, and one or more hops with a weight for each, got "
            f"{len(facts)} facts and hops of {[len(hop) for hop in weights]} weights"
        )
    ax = ax or plt.figure(figsize=(6.4, 0.9 + 0.95 * (len(weights) + 1))).subplots()
    right, gap = 6.0, 2.0  # where the states stand, and how far from each other
    height = gap * len(weights)
    rows = [
        height * (1 - (i + 0.5) / len(facts)) for i in range(len(facts))
    ]  # the oldest on top
    for y, fact in zip(rows, facts, strict=True):
        draw_box(ax, 0, y, "", KEY, width=3.7, height=0.62)
        draw_word(ax, 0, y, fact, fontsize=9)
    for k, hop in enumerate(weights):
        y = height - gap * k
        draw_box(ax, right, y, f"$u^{{{k + 1}}}$", QUERY, width=0.8, height=0.62)
        draw_arrow(ax, (right, y - 0.36), (right, y - gap + 0.36))
        draw_box(
            ax, 4.2, y - gap / 2, f"$o^{{{k + 1}}}$", CONTEXT, width=0.8, height=0.6
        )
        draw_arrow(ax, (right - 0.42, y - 0.2), (4.45, y - gap / 2 + 0.34), ls="--")
        draw_arrow(ax, (4.62, y - gap / 2 - 0.2), (right - 0.44, y - gap + 0.2))
        for row, weight in zip(rows, hop, strict=True):
            width = 0.3 + 4 * weight
            draw_arrow(ax, (1.9, row), (3.76, y - gap / 2), lw=width, color=CONTEXT)
    last = f"$u^{{{len(weights) + 1}}}$"
    draw_box(ax, right, 0, last, QUERY, width=0.8, height=0.62)
    draw_arrow(ax, (right, height + 1.0), (right, height + 0.36))
    draw_word(ax, right, height + 1.25, question, fontsize=9)
    draw_arrow(ax, (right, -0.36), (right, -1.0))
    draw_word(ax, right, -1.3, answer, fontweight="bold")
    ax.text(0, height + 1.25, TEXT["memory"], ha="center", va="center", fontsize=9)
    ax.set(xlim=(-2.0, right + 1.7), ylim=(-1.6, height + 1.6))
    ax.axis("off")
    return ax


def plot_hops(
    weights: Float[Tensor, "hops facts"],
    facts: Sequence[str],
    *,
    support: Collection[int] = (),
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of each hop over the facts of a story.

    Args:
        weights: one row for each hop; drawn as columns on a scale from 0 to 1, with the
            larger weights written in.
        facts: sentences of the story, the oldest first; one row each.
        support: positions of the supporting facts, from 0, which are outlined.
        title: words above, such as the question with its answer.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one weight for each fact, or a supporting fact is
            not one of the facts.

    Example:
        >>> import torch
        >>> ax = plot_hops(torch.eye(2), ["ada sings", "ben sings"], support=[1])
        >>> [label.get_text() for label in ax.get_xticklabels()]
        ['hop 1', 'hop 2']
    """
    if weights.shape[1] != len(facts):
        raise ValueError(
            f"weights must have one column for each of {len(facts)} facts, got "
            f"{weights.shape[1]}"
        )
    if not all(0 <= fact < len(facts) for fact in support):
        raise ValueError(
            f"support must be from 0 to {len(facts) - 1}, got {sorted(support)}"
        )
    hops = len(weights)
    if ax is None:
        size = 2.6 + 0.75 * hops, 0.7 + 0.26 * len(facts)
        ax = plt.figure(figsize=size).subplots()
    shades = weights.detach().float().cpu().T
    ax.imshow(shades.numpy(), vmin=0, vmax=1, aspect="auto", cmap="Blues")
    ax.grid(False)
    for row, column in (shades >= 0.1).nonzero().tolist():
        weight = float(shades[row, column])
        color = "white" if weight > 0.6 else "black"
        ax.text(
            column,
            row,
            f"{weight:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color=color,
        )
    for row in support:
        corner = (-0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, hops, 1, fill=False, ec="#D55E00", lw=1.6))
    texts, font = word_labels(facts)
    ax.set_yticks(range(len(facts)), texts, **font)
    ax.set_xticks(range(hops), [TEXT["hop"].format(k + 1) for k in range(hops)])
    ax.tick_params(length=0)
    if title:
        (text,), font = word_labels([title])
        ax.set_title(text, **font)
    return ax

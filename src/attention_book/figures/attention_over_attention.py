"""Figures of the chapter on attention over attention: a reader, and what it reads."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from attention_book.figures.colours import CONTEXT, INK, KEY, QUERY
from attention_book.figures.drawing import draw_arrow, draw_box
from attention_book.figures.heatmap import plot_weights
from attention_book.figures.words import draw_word, word_labels

# What is written on the figures.
TEXT = {
    "row": r"blue: $\alpha$, where this word looks",
    "column": "green: $\\beta$,\nwhat counts",
    "product": "$s = \\beta\\alpha$",
    "answer weight": "P({})",
    "rows": r"$\alpha$: one row for each word of the question",
    "answer": "answer: {}",
}


def plot_reader(
    question: Sequence[str], document: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Draw how a reader gets from a question and a document to an answer.

    Args:
        question: words, from top to bottom.
        document: words, from left to right; the mentions of the first are added up.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if one of them has no words.

    Example:
        >>> ax = plot_reader(["XXXXX", "sings"], ["Ann", "sings", "here"])
        >>> len(ax.patches)  # six pairs of words, two weights and three
        11
    """
    if not question or not document:
        raise ValueError(
            f"question and document must have words, got {len(question)} and "
            f"{len(document)}"
        )
    rows, columns = len(question), len(document)
    ax = ax or plt.figure(figsize=(5.6, 1.6 + 0.75 * rows)).subplots()
    right, bottom = columns + 0.55, rows + 0.55
    for i, word in enumerate(question):
        draw_word(ax, -0.95, i, word, fontsize=8, color=QUERY)
        for j in range(columns):
            draw_box(ax, j, i, "", INK, width=0.8, height=0.66)
        draw_box(ax, right, i, "", QUERY, width=0.6, height=0.66)
    for j, word in enumerate(document):
        draw_word(ax, j, -0.9, word, fontsize=8, color=INK)
        draw_box(ax, j, bottom, "", CONTEXT, width=0.8, height=0.55)
    draw_arrow(ax, (-0.42, 0), (columns - 0.58, 0), color=KEY, lw=2.2)
    draw_arrow(ax, (columns - 1, -0.4), (columns - 1, rows - 0.62), color=QUERY, lw=2.2)
    draw_arrow(ax, (columns - 0.5, rows - 0.5), (right, rows - 0.5), color=QUERY)
    draw_arrow(ax, (right, rows - 0.42), (columns - 0.5, bottom), color=CONTEXT)
    mentions = [j for j, word in enumerate(document) if word == document[0]]
    middle, answer = sum(mentions) / len(mentions), bottom + 1.05
    for j in mentions:
        draw_arrow(ax, (j, bottom + 0.35), (middle, answer - 0.2), color=CONTEXT)
    draw_word(
        ax,
        middle,
        answer,
        TEXT["answer weight"].format(document[0]),
        fontsize=8,
        color=CONTEXT,
    )
    font: dict[str, Any] = {"fontsize": 8, "va": "center"}
    ax.text(-0.4, -1.5, TEXT["row"], color=KEY, **font)
    ax.text(right + 0.45, 0.5, TEXT["column"], color=QUERY, **font)
    ax.text(right + 0.45, bottom, TEXT["product"], color=CONTEXT, **font)
    ax.set(xlim=(-1.7, right + 1.9), ylim=(answer + 0.4, -1.9))
    ax.axis("off")
    return ax


def plot_reading(
    key_weights: Float[Tensor, "question_words document_words"],
    query_weights: Float[Tensor, " question_words"],
    weights: Float[Tensor, " document_words"],
    question: Sequence[str],
    document: Sequence[str],
    *,
    answer: str | None = None,
) -> list[Axes]:
    """Draw both attentions of a question, and the one that they give together.

    Args:
        key_weights: one distribution over the document for each word of the question.
        query_weights: the distribution over the question.
        weights: the distribution over the document that results.
        question: words.
        document: words.
        answer: the right answer; bars at its mentions are filled.

    Raises:
        ValueError: if the weights do not fit the words.

    Example:
        >>> import torch
        >>> words = ["a", "b"]
        >>> even = torch.full((2,), 0.5)
        >>> axes = plot_reading(torch.eye(2), even, even, words, words, answer="b")
        >>> [float(bar.get_height()) for bar in axes[2].patches]
        [0.5, 0.5]
    """
    sizes = len(question), len(document)
    if query_weights.shape != sizes[:1] or weights.shape != sizes[1:]:
        raise ValueError(
            f"query_weights and weights must have shapes ({sizes[0]},) and "
            f"({sizes[1]},) to fit the words, got {tuple(query_weights.shape)} and "
            f"{tuple(weights.shape)}"
        )
    figure = plt.figure(figsize=(6.4, 2.2 + 0.2 * sizes[0]))
    (above, right), (below, corner) = figure.subplots(
        2, 2, width_ratios=(6, 1), height_ratios=(sizes[0], 5)
    )
    plot_weights(key_weights, question, document, colorbar=False, ax=above)
    above.set_xlabel(TEXT["rows"], fontsize=8)
    rows, columns = range(sizes[0]), range(sizes[1])
    right.barh(rows, query_weights.tolist(), color=QUERY)
    right.set(xlim=(0, 1), ylim=(sizes[0] - 0.5, -0.5), yticks=[])
    right.set_title(r"$\beta$", fontsize=9)
    colors = [CONTEXT if word == answer else CONTEXT + "44" for word in document]
    below.bar(columns, weights.tolist(), color=colors, edgecolor=CONTEXT, lw=0.6)
    below.set(xlim=(-0.5, sizes[1] - 0.5), ylim=(0, 1), xticks=[])
    below.set_ylabel("$s$")
    if answer is not None:
        (label,), font = word_labels([TEXT["answer"].format(answer)])
        below.set_xlabel(label, **font)
    corner.axis("off")
    return [above, right, below]

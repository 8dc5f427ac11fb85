"""Figures of the chapter on MPCNN."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.words import draw_word, word_labels

_ROW, _COLUMN, _CELL, _INK = "#D55E00", "#0072B2", "#E8EEF4", "#404040"
# What is written on the figures.
TEXT = {
    "width": "filter width",
    "filters": "filters",
    "rows": "algorithm 1,\nrow with row:\ncosine,\ndistance",
    "columns": (
        "algorithm 2, each column with every column:\n"
        "cosine, distance, differences of all numbers"
    ),
    "weight": "weight",
    "cosine": "cosine",
}


def plot_comparisons(
    first: str,
    second: str,
    *,
    num_filters: int = 4,
    widths: Sequence[str] = ("1", "2", "3", r"$\infty$"),
    ax: Axes | None = None,
) -> Axes:
    """Draw what two sentences became, and which parts of it are compared.

    Args:
        first: first sentence, written over its matrix.
        second: second sentence.
        num_filters: rows of a matrix, at least two.
        widths: labels of its columns, at least two.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there are less than two rows or columns.

    Example:
        >>> ax = plot_comparisons("a cat sits", "a dog lies")
        >>> "a cat sits" in [text.get_text() for text in ax.texts]
        True
    """
    if num_filters < 2 or len(widths) < 2:
        raise ValueError(
            f"plot_comparisons needs two filters and two widths or more, got "
            f"{num_filters} and {len(widths)}"
        )
    ax = ax or plt.figure(figsize=(5.6, 4.1)).subplots()
    columns, gap = len(widths), 3.4
    lefts = 0.0, columns + gap
    for left, sentence in zip(lefts, (first, second), strict=True):
        for x in range(columns):
            ax.text(left + x + 0.5, num_filters + 0.3, widths[x], ha="center")
            for y in range(num_filters):
                ax.add_patch(Rectangle((left + x, y), 1, 1, fc=_CELL, ec="white", lw=2))
        top = num_filters + 1.0
        ax.text(left + columns / 2, top, TEXT["width"], ha="center")
        written = {"va": "baseline", "style": "italic"}
        draw_word(ax, left + columns / 2, top + 0.9, sentence, **written)
        row = Rectangle((left, num_filters - 2), columns, 1, fill=False, ec=_ROW, lw=2)
        ax.add_patch(row)
    ax.text(
        -0.25, num_filters / 2, TEXT["filters"], rotation=90, ha="right", va="center"
    )
    arrow = {"arrowstyle": "<->", "shrinkA": 2, "shrinkB": 2}
    height = num_filters - 1.5
    ax.annotate(
        "",
        (columns, height),
        (lefts[1], height),
        arrowprops=arrow | {"color": _ROW, "lw": 1.6},
    )
    ours = columns - 2  # the column of the first sentence that looks at all others
    frame = Rectangle((ours, 0), 1, num_filters, fill=False, ec=_COLUMN, lw=2, ls="--")
    ax.add_patch(frame)
    for x in range(columns):
        ax.annotate(
            "",
            (ours + 0.5, -0.05),
            (lefts[1] + x + 0.5, -0.05),
            arrowprops=arrow
            | {"color": _COLUMN, "lw": 1.0, "connectionstyle": "arc3,rad=-0.28"},
        )
    middle = columns + gap / 2
    ax.text(
        middle,
        height + 0.2,
        TEXT["rows"],
        color=_ROW,
        ha="center",
        va="bottom",
        fontsize=8.5,
    )
    ax.text(
        middle,
        -1.9,
        TEXT["columns"],
        color=_COLUMN,
        ha="center",
        va="top",
    )
    ax.set(xlim=(-1, 2 * columns + gap + 0.3), ylim=(-3.1, num_filters + 2.6))
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def plot_cosines(
    cosines: Float[Tensor, "first_words second_words"],
    first: Sequence[str],
    second: Sequence[str],
    first_weights: Float[Tensor, " first_words"],
    second_weights: Float[Tensor, " second_words"],
    *,
    figure: Figure | None = None,
) -> Figure:
    """Draw the cosine of each word with each, and at the edges the weights they give.

    Args:
        cosines: from -1 to 1.
        first: words of the rows.
        second: words of the columns.
        first_weights: attention over the rows, as bars at the right.
        second_weights: attention over the columns, as bars below.
        figure: where to draw; None: a new one.

    Raises:
        ValueError: if the sizes do not fit.

    Example:
        >>> import torch
        >>> half = torch.tensor([0.5, 0.5])
        >>> figure = plot_cosines(torch.eye(2), ["a", "b"], ["c", "d"], half, half)
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['a', 'b']
    """
    sizes = len(first), len(second)
    if cosines.shape != sizes or (len(first_weights), len(second_weights)) != sizes:
        raise ValueError(
            f"cosines and weights must fit {sizes[0]} and {sizes[1]} words, got "
            f"{tuple(cosines.shape)}, {len(first_weights)} and {len(second_weights)}"
        )
    figure = figure or plt.figure(figsize=(5.6, 1.9 + 0.3 * len(first)))
    grid = figure.subplots(
        2,
        2,
        gridspec_kw={"width_ratios": (4, 1), "height_ratios": (4, 1.2)},
    )
    ((ax, right), (below, corner)) = grid
    corner.axis("off")
    image = ax.imshow(
        cosines.detach().cpu().numpy(), vmin=-1, vmax=1, cmap="PuOr_r", aspect="auto"
    )
    ax.grid(False)
    texts, font = word_labels(first)
    ax.set_yticks(range(len(first)), texts, **font)
    texts, font = word_labels(second)
    slanted = {"rotation": 60, "ha": "left", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(second)), texts, **slanted, **font)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    right.barh(range(len(first)), first_weights.detach().cpu().numpy())
    right.set(ylim=(len(first) - 0.5, -0.5), yticks=[], xlabel=TEXT["weight"])
    below.bar(range(len(second)), second_weights.detach().cpu().numpy())
    below.set(xlim=(-0.5, len(second) - 0.5), xticks=[], ylabel=TEXT["weight"])
    figure.colorbar(image, ax=corner, label=TEXT["cosine"], fraction=0.5, aspect=6)
    return figure

"""Attention weights as a heat map: queries are rows, keys are columns."""

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from attention_book.figures.words import word_labels

# What is written on the figures.
TEXT = {"weight": "weight"}


def plot_weights(
    weights: Float[Tensor, "queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    alignment: Iterable[tuple[int, int]] = (),
    colorbar: bool = True,
    label: str = TEXT["weight"],
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of each query over the keys, on a fixed scale from 0 to 1.

    Args:
        weights: one row per query; a row sums to 1, or to 0 if it has no key.
        queries: a label for each row, usually the target words.
        keys: a label for each column, usually the source words.
        alignment: links (source position, target position), that is (column, row), to
            outline: the true alignment beside the learned one.
        colorbar: whether to draw the scale beside the heat map.
        label: what the scale says the shades are.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one label for each row and column, or a link lies
            outside the heat map.

    Example:
        >>> import torch
        >>> ax = plot_weights(torch.eye(2), ["eins", "zwei"], ["one", "two"])
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['eins', 'zwei']
    """
    if weights.shape != (len(queries), len(keys)):
        raise ValueError(
            f"weights must have shape ({len(queries)}, {len(keys)}) to fit the labels "
            f"of queries and keys, got {tuple(weights.shape)}"
        )
    ax = ax or plt.figure().subplots()
    shades = weights.detach().float().cpu().numpy()
    image = ax.imshow(shades, vmin=0, vmax=1, aspect="auto")
    ax.grid(False)
    texts, font = word_labels(keys)
    ax.set_xticks(
        range(len(keys)), texts, rotation=60, ha="left", rotation_mode="anchor", **font
    )
    texts, font = word_labels(queries)
    ax.set_yticks(range(len(queries)), texts, **font)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    for key, query in alignment:
        if not (0 <= key < len(keys) and 0 <= query < len(queries)):
            raise ValueError(
                f"alignment has link ({key}, {query}) outside {len(keys)} keys and "
                f"{len(queries)} queries"
            )
        corner = (key - 0.5, query - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec="#D55E00", lw=1.4))
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label=label, fraction=0.05)
    return ax

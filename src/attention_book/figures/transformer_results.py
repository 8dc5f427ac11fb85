"""Figures of what a Transformer learned: heads, predictions, learning curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from attention_book.figures.words import draw_word, word_labels

# What is written on the figures.
TEXT = {"head": "layer {}, head {}"}


def plot_heads(
    weights: Float[Tensor, "layers heads queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draw the weights of every head: one row of heat maps for each layer.

    With more than four heads, a layer takes several rows.

    Args:
        weights: weights of all heads, drawn on a fixed scale from 0 to 1.
        queries: a label for each row of a heat map.
        keys: a label for each column of a heat map.
        figure: where to draw; None: a new figure.

    Returns:
        The axes, those of the first layer first.

    Raises:
        ValueError: if there is not one label for each row and column.

    Example:
        >>> import torch
        >>> axes = plot_heads(torch.full((2, 3, 1, 2), 0.5), ["zwei"], ["two", "<eos>"])
        >>> len(axes), axes[-1].get_title()
        (6, 'layer 2, head 3')
    """
    if weights.ndim != 4 or weights.shape[2:] != (len(queries), len(keys)):
        raise ValueError(
            f"weights must have shape (layers, heads, {len(queries)}, {len(keys)}) to "
            f"fit the labels of queries and keys, got {tuple(weights.shape)}"
        )
    layers, heads = weights.shape[:2]
    # As many heads side by side as a phone can show.
    columns = min(heads, 4)
    rows = layers * -(-heads // columns)
    if figure is None:
        height = 0.8 + 0.16 * len(queries) * rows + 0.5 * rows
        figure = plt.figure(figsize=(5.6, height))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.flat)
    places = [
        (layer * -(-heads // columns) + head // columns, head % columns)
        for layer in range(layers)
        for head in range(heads)
    ]
    shades = weights.detach().float().cpu().numpy().reshape(-1, *weights.shape[2:])
    used = []
    for number, (place, table) in enumerate(zip(places, shades, strict=True)):
        ax = grid[place]
        ax.imshow(table, vmin=0, vmax=1, aspect="auto")
        ax.grid(False)
        layer, head = divmod(number, heads)
        ax.set_title(TEXT["head"].format(layer + 1, head + 1), fontsize=8)
        ax.tick_params(length=0, labelsize=7)
        used.append(ax)
    for ax in set(axes) - set(used):
        ax.axis("off")
    query_texts, query_font = word_labels(queries)
    axes[0].set_yticks(range(len(queries)), query_texts, **query_font)
    key_texts, key_font = word_labels(keys)
    axes[0].set_xticks(range(len(keys)), key_texts, **key_font)
    for ax in axes:  # they share their labels, but not how these are drawn
        plt.setp(ax.get_yticklabels(), **query_font)
        plt.setp(ax.get_xticklabels(), rotation=90, **key_font)
    return used


def plot_guesses(
    guesses: Sequence[Sequence[str]],
    chances: Float[Tensor, "stages positions"],
    stages: Sequence[str],
    wanted: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the word that each position predicts after each stage, from the bottom up.

    Args:
        guesses: the most probable word at each position, one row per stage.
        chances: probability of the right word, which shades the cell.
        stages: a label for each row.
        wanted: the right words, above the columns.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is not one guess and one probability for each stage and
            position.

    Example:
        >>> import torch
        >>> chances = torch.tensor([[0.1], [0.9]])
        >>> ax = plot_guesses([["ein"], ["zwei"]], chances, ["words", "end"], ["zwei"])
        >>> [text.get_text() for text in ax.texts]
        ['ein', 'zwei']
    """
    shape = (len(stages), len(wanted))
    if chances.shape != shape or [len(row) for row in guesses] != [shape[1]] * shape[0]:
        raise ValueError(
            f"there must be a guess and a chance for each of {shape[0]} stages and "
            f"{shape[1]} positions, got chances {tuple(chances.shape)} and rows of "
            f"{[len(row) for row in guesses]} guesses"
        )
    ax = ax or plt.figure(figsize=(5.6, 0.8 + 0.32 * len(stages))).subplots()
    shades = chances.detach().float().cpu().numpy()
    ax.imshow(shades, vmin=0, vmax=1, aspect="auto", origin="lower")
    ax.grid(False)
    for row, words in enumerate(guesses):
        for column, word in enumerate(words):
            ink = "white" if shades[row, column] > 0.6 else "black"
            draw_word(ax, column, row, word, color=ink, fontsize=7)
    texts, font = word_labels(wanted)
    ax.set_xticks(range(len(wanted)), texts, fontsize=8, **font)
    ax.set_yticks(range(len(stages)), stages, fontsize=8)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    return ax


def plot_race(
    runs: Mapping[str, Sequence[Sequence[tuple[float | int, float | int]]]],
    *,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw learning curves of several models, one line for each run.

    Args:
        runs: by the model's name, for each run its points (x, y); the lines of one
            model share colour and line style.
        xlabel: what is spent, with its unit.
        ylabel: what is reached, with its unit.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if a model has no runs.

    Example:
        >>> ax = plot_race({"a": [[(0, 0.0), (1, 0.5)]]}, xlabel="s", ylabel="right")
        >>> ax.get_legend_handles_labels()[1]
        ['a']
    """
    if empty := sorted(name for name, lines in runs.items() if not len(lines)):
        raise ValueError(f"runs must have a run for each model, got none for {empty}")
    ax = ax or plt.figure().subplots()
    styles = (":", "--", "-.", "-")
    for number, (name, lines) in enumerate(runs.items()):
        look: dict[str, Any] = {"color": f"C{number}", "ms": 4}
        look |= {"marker": "osD^vP"[number % 6], "ls": styles[number % len(styles)]}
        for run, points in enumerate(lines):
            x, y = zip(*points, strict=True)
            ax.plot(x, y, **look, label=name if run == 0 else None)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if len(runs) > 1:
        ax.legend()
    return ax

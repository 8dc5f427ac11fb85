"""Figures of a Transformer's training, and of what it learned."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from attention_book.figures.interactive import PageElement, attention_view
from attention_book.figures.words import draw_word, word_labels

# What is written on the figures.
TEXT = {
    "head": "layer {}, head {}",
    "loss": "loss, nats per token",
    "rate": "learning rate",
    "steps": "optimizer steps",
    "floor": "smallest possible loss",
    "begin": "<bos>",
    "layer": "layer",
    "one head": "head",
    "mean": "mean",
    "model": "model",
    "published": "published",
}


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


def plot_training(
    losses: Sequence[float],
    rates: Sequence[float],
    floor: float,
    *,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draw the loss of each optimizer step, and the learning rate below it.

    Args:
        losses: of each step, in nats per token.
        rates: learning rate of each step.
        floor: the smallest loss that any model could have, drawn as a line.
        figure: where to draw; None: a new figure.

    Returns:
        The axes of the loss and those of the rate.

    Raises:
        ValueError: if there is not one rate for each loss.

    Example:
        >>> axes = plot_training([3.0, 2.0], [0.1, 0.2], 1.0)
        >>> [ax.get_ylabel() for ax in axes]
        ['loss, nats per token', 'learning rate']
    """
    if len(losses) != len(rates):
        raise ValueError(
            f"losses and rates must be of the same steps, got {len(losses)} and "
            f"{len(rates)}"
        )
    if figure is None:
        figure = plt.figure(figsize=(5.6, 4.2))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    steps = range(1, len(losses) + 1)
    above.plot(steps, losses, marker="")
    above.axhline(floor, color="#D55E00", ls="--", marker="", label=TEXT["floor"])
    above.legend()
    above.set(ylabel=TEXT["loss"], ylim=(0, None))
    below.plot(steps, rates, marker="")
    below.set(xlabel=TEXT["steps"], ylabel=TEXT["rate"], ylim=(0, None))
    return [above, below]


def plot_beams(
    steps: Sequence[Sequence[tuple[str, float, int]]],
    path: Sequence[int],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw what a beam search kept as a tree that grows to the right.

    Args:
        steps: for each step the prefixes that were kept, the most probable first: last
            word, log-probability of the whole prefix, and the number of the prefix, in
            the step before, that it continues.
        path: the number of the winner's prefix at each of its steps, drawn bold.
        ax: where to draw; None: the axes of a new figure.

    Raises:
        ValueError: if there is no step, or the path is longer than the steps.

    Example:
        >>> steps = [[("zwei", -0.1, 0), ("ein", -2.4, 0)], [("<eos>", -0.2, 0)]]
        >>> ax = plot_beams(steps, [0, 0])
        >>> [text.get_text() for text in ax.texts if text.get_fontweight() == "bold"]
        ['<bos>', 'zwei', '<eos>']
    """
    if not steps or len(path) > len(steps):
        raise ValueError(
            "there must be a step, and as many steps as the path has, got "
            f"{len(steps)} steps and a path of {len(path)}"
        )
    widest = max(map(len, steps))
    if ax is None:
        size = (max(5.6, 0.95 * (len(steps) + 1)), 0.6 + 0.55 * widest)
        ax = plt.figure(figsize=size).subplots()
    draw_word(ax, 0, 0, TEXT["begin"], fontsize=8, fontweight="bold")
    for step, beams in enumerate(steps, start=1):
        for rank, (word, log_prob, parent) in enumerate(beams):
            won = step <= len(path) and path[step - 1] == rank
            ink = "#D55E00" if won else "0.45"
            before = -parent if step > 1 else 0
            ends = [step - 0.6, step - 0.38], [before, -rank]
            width = 1.8 if won else 0.8
            ax.plot(*ends, color=ink, lw=width, marker="", ls="-")
            weight = "bold" if won else "normal"
            draw_word(ax, step, -rank, word, fontsize=8, fontweight=weight)
            text = f"{log_prob:.1f}"
            ax.text(step, -rank - 0.32, text, ha="center", fontsize=6.5, color=ink)
    ax.set(xlim=(-0.5, len(steps) + 0.5), ylim=(-widest + 0.4, 0.5))
    ax.axis("off")
    return ax


def plot_losses(
    losses: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    window: int = 10,
    figure: Figure | SubFigure | None = None,
) -> list[Axes]:
    """Draw losses over the optimizer steps, each point a mean of several steps.

    Args:
        losses: for each panel, by its name, the losses of each run, by the run's name;
            runs without losses are left out.
        window: number of steps that a point is the mean of.
        figure: where to draw; None: a new figure.

    Returns:
        The axes, one for each panel.

    Raises:
        ValueError: if there is no panel.

    Example:
        >>> (ax,) = plot_losses({"post": {"a": [3.0, 2.0, 1.0]}}, window=2)
        >>> ax.lines[0].get_ydata().tolist()
        [2.5, 1.5]
    """
    if not losses:
        raise ValueError("losses must have a panel, got none")
    if figure is None:
        figure = plt.figure(figsize=(5.6, 0.4 + 2.5 * len(losses)))
    grid = figure.subplots(len(losses), 1, sharex=True, sharey=True, squeeze=False)
    panels = list(grid[:, 0])
    for ax, (name, runs) in zip(panels, losses.items(), strict=True):
        for label, own in runs.items():
            size = min(window, len(own))
            if size:
                means = np.convolve(own, np.ones(size) / size, "valid")
                ax.plot(range(size, len(own) + 1), means, marker="", label=label)
        ax.set(ylabel=TEXT["loss"])
        ax.set_title(name, loc="left")
        if ax.lines:
            ax.legend()
    panels[-1].set_xlabel(TEXT["steps"])
    return panels


def view_heads(
    weights: Float[Tensor, "layers heads queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    alt: str,
    mask: Tensor | None = None,
    truth: Iterable[tuple[int, int]] = (),
    others: Mapping[str, Float[Tensor, "layers heads queries keys"]] | None = None,
) -> PageElement:
    """Make a figure that answers: any layer, any head, or the mean of a layer's heads.

    Args:
        weights: of all heads.
        queries: a label for each row.
        keys: a label for each column.
        alt: what the figure shows, in words.
        mask: True where a query of ``weights`` may attend; None: everywhere.
        truth: as for :func:`attention_book.figures.interactive.attention_view`.
        others: weights of other models, by a name for each; the first model is called
            "published". They have no mask.
    """
    models = [weights, *(others or {}).values()]
    layers, heads = weights.shape[:2]
    tables = torch.stack([torch.cat([x, x.mean(1, keepdim=True)], 1) for x in models])
    axes: dict[str, Sequence[object]] = {
        TEXT["layer"]: range(1, layers + 1),
        TEXT["one head"]: [*range(1, heads + 1), TEXT["mean"]],
    }
    if others:
        axes = {TEXT["model"]: [TEXT["published"], *others], **axes}
        if mask is not None:
            free = torch.ones_like(mask)
            masks = torch.stack([mask, *[free] * len(others)])
            mask = masks[:, None, None]
    return attention_view(
        tables if others else tables[0],
        queries,
        keys,
        alt=alt,
        axes=axes,
        mask=mask,
        truth=truth,
        view="map",
    )

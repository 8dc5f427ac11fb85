"""Figures that answer: two mechanisms side by side, with their weights and facts."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from torch import Tensor

from attention_book.figures.heatmap import plot_weights
from attention_book.figures.interactive import Ask, PageElement, as_png


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One side of a comparison.

    Attributes:
        name: of a mechanism or another subject of the comparison.
        weights: one row for each query.
        queries: a label for each row.
        keys: a label for each column.
        facts: what else there is to say, by names that all sides share.

    Raises:
        ValueError: if the labels do not fit the weights.
    """

    name: str
    weights: Float[Tensor, "queries keys"]
    queries: Sequence[str]
    keys: Sequence[str]
    facts: Mapping[str, str]

    def __post_init__(self) -> None:
        """Check the sizes."""
        shape = len(self.queries), len(self.keys)
        if self.weights.shape != shape or not all(shape):
            raise ValueError(
                f"weights of {self.name} must have shape {shape} to fit queries and "
                f"keys, got {tuple(self.weights.shape)}"
            )


def compare_view(
    sides: Sequence[Compared],
    *,
    alt: str,
    start: tuple[int, int] = (0, 1),
    ask: Ask | None = None,
) -> PageElement:
    """Make a figure that sets any two of several mechanisms beside each other.

    Two lists choose them. Pointing at a query word, or reaching it by the keyboard,
    marks it on both sides and says the largest weights; facts that differ are marked.

    Args:
        sides: what can be compared.
        alt: what the figure shows, in words.
        start: positions of the two that are shown first.
        ask: a question about the second of these, to be answered first; None: none.

    Raises:
        ValueError: if there are less than two sides, they have not the same facts,
            ``start`` is no pair of positions, or the question does not fit.

    Example:
        >>> import torch
        >>> one, other = (
        ...     Compared(
        ...         name=name,
        ...         weights=torch.eye(2),
        ...         queries=["eins", "zwei"],
        ...         keys=["one", "two"],
        ...         facts={"parameters": "0"},
        ...     )
        ...     for name in ("dot", "additive")
        ... )
        >>> compare_view([one, other], alt="Twice the same.").data["panels"][1]["w"]
        [1000, 0, 0, 1000]
    """
    if len(sides) < 2 or len({tuple(side.facts) for side in sides}) > 1:
        raise ValueError(
            "compare_view needs two or more sides with the same facts, got "
            f"{[(side.name, [*side.facts]) for side in sides]}"
        )
    if not all(0 <= at < len(sides) for at in start):
        raise ValueError(f"start must be positions of {len(sides)} sides, got {start}")
    data = {
        "v": 1,
        "facts": [*sides[0].facts],
        "panels": [
            {
                "name": side.name,
                "queries": [*side.queries],
                "keys": [*side.keys],
                "w": _permille(side.weights),
                "facts": [*side.facts.values()],
            }
            for side in sides
        ],
        "start": [*start],
        "ask": None if ask is None else _question(ask, start[1], sides[start[1]]),
    }
    shown = [sides[at] for at in start]
    return PageElement(
        "compare-view-1", data, alt=alt, still=_still(shown), table=_table(sides)
    )


def _permille(weights: Tensor) -> list[int]:
    plain = weights.detach().float().cpu()
    return [round(value) for value in (1000 * plain).flatten().tolist()]


def _question(ask: Ask, panel: int, side: Compared) -> dict[str, Any]:
    if not 0 <= ask.query < len(side.queries):
        raise ValueError(
            f"ask.query must be from 0 to {len(side.queries) - 1}, got {ask.query}"
        )
    key = int(side.weights[ask.query].argmax())
    if not {key} <= set(ask.choices) <= set(range(len(side.keys))):
        raise ValueError(
            f"ask.choices must be positions of keys with {key}, the right one, among "
            f"them, got {[*ask.choices]}"
        )
    return {
        "panel": panel,
        "query": ask.query,
        "key": key,
        "text": ask.text,
        "choices": [*ask.choices],
    }


def _still(shown: Sequence[Compared]) -> bytes:
    """The two heat maps beside each other, as PNG."""
    width = sum(1.8 + 0.34 * len(side.keys) for side in shown)
    height = 1.5 + 0.28 * max(len(side.queries) for side in shown)
    figure = plt.figure(figsize=(width, height))
    for ax, side in zip(figure.subplots(1, len(shown)), shown, strict=True):
        plot_weights(
            side.weights, side.queries, side.keys, colorbar=False, label="", ax=ax
        )
        ax.set_xlabel(side.name)
    return as_png(figure)


def _table(sides: Sequence[Compared]) -> str:
    """The facts of all sides, for those who want to see them at once."""
    names = [*sides[0].facts]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(side.name)}</th>'
        + "".join(f"<td>{html.escape(fact)}</td>" for fact in side.facts.values())
        + "</tr>"
        for side in sides
    )
    return (
        '<details slot="table"><summary>All of them in one table</summary>'
        '<div style="overflow-x: auto" tabindex="0"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        "</details>"
    )

"""Figures that answer: attention weights that react to pointer, touch and keyboard.

A figure is one custom element with its data as JSON, drawn in the browser by a script
of the book's own from the folder ``web``. It works without a kernel and without any
other host, on the book's pages, in JupyterLab and in Colab.
"""

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from attention_book.figures.heatmap import TEXT, plot_weights

WEB = Path(__file__).with_name("web")
"""The folder of the scripts."""

MARKER = "data-answering"
"""Attribute of the inlined script. On the book's pages, which load the script once, the
build takes it out."""

SHARED = "figure-element"
"""The script that those of all figures build on."""

NEEDS = {
    "try-it": ("forward-pass", "numerals"),
    "try-scene": ("forward-pass",),
}
"""By the script of a figure, further ones that must run before it."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question that the reader answers before the weights are shown.

    Attributes:
        query: position of the query word that the question is about.
        text: the question.
        choices: positions of the key words to choose from; the right answer, the key
            with the largest weight, must be among them.
    """

    query: int
    text: str
    choices: Sequence[int]


class PageElement:
    """A custom element of the book's own, which shows itself in a notebook.

    Args:
        tag: name of the element; ``web/<name>.js``, without the number at the end of
            the tag, draws it, with what :func:`scripts` names before it.
        data: what the script draws, as JSON can hold it.
        alt: what the figure shows, in words.
        still: what is shown without scripts, as PNG; None: ``table`` alone.
        table: the numbers as HTML, for screen readers and for those who want them all.
        weights: weights of models by name, as files; the element holds them as base64,
            and the book's pages load them when they are asked for.
    """

    def __init__(
        self,
        tag: str,
        data: dict[str, Any],
        *,
        alt: str,
        still: bytes | None,
        table: str = "",
        weights: Mapping[str, bytes] | None = None,
    ) -> None:
        self.tag = tag
        self.data = data
        self.alt = alt
        self.still = still
        self.table = table
        self.weights = dict(weights or {})

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, Any]:
        bundle = {"text/html": self.to_html(), "text/plain": self.alt}
        if self.still is not None:
            bundle["image/png"] = base64.b64encode(self.still).decode()
        return bundle

    def to_html(self) -> str:
        """The figure as HTML, with the script that draws it."""
        image = ""
        if self.still is not None:
            source = f"data:image/png;base64,{base64.b64encode(self.still).decode()}"
            image = f'<img alt="{html.escape(self.alt)}" src="{source}">'
        # "<" could end the script element.
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        data = data.replace("<", "\\u003c")
        return (
            f'<div class="answering"><{self.tag}>'
            f"{image}{self.table}"
            f'<script type="application/json">{data}</script>'
            f"{''.join(map(_weights_script, self.weights.items()))}"
            f"</{self.tag}>"
            f"<script {MARKER}>{script(self.tag)}</script></div>"
        )


def scripts(stem: str) -> tuple[str, ...]:
    """The scripts that a figure needs, in the order in which they must run.

    Args:
        stem: name of the figure's own script.

    Example:
        >>> scripts("slider-view")
        ('figure-element', 'slider-view')
    """
    return SHARED, *NEEDS.get(stem, ()), stem


@cache
def script(tag: str) -> str:
    """The scripts that draw the elements of a name, one after the other."""
    stems = scripts(tag.rpartition("-")[0])
    return "".join((WEB / f"{stem}.js").read_text("utf-8") for stem in stems)


def _weights_script(item: tuple[str, bytes]) -> str:
    name, file = item
    text = base64.b64encode(file).decode()
    return (
        f'<script type="text/plain" data-weights="{html.escape(name)}">{text}</script>'
    )


def attention_view(
    weights: Float[Tensor, "*axes queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    alt: str,
    axes: Mapping[str, Sequence[object]] | None = None,
    start: Sequence[int] | None = None,
    mask: Tensor | None = None,
    truth: Iterable[tuple[int, int]] = (),
    ask: Ask | None = None,
    view: str = "links",
    label: str = TEXT["weight"],
) -> PageElement:
    """Make a figure of attention weights that answers.

    Pointing at a query word, or reaching it by the keyboard, lights up what it attends
    to and says the numbers; a click or Enter keeps it, Escape lets it go.

    Args:
        weights: one row for each query; further axes in front, such as layer, head or
            training step, can be chosen.
        queries: a label for each row, usually the target words.
        keys: a label for each column, usually the source words.
        alt: what the figure shows, in words.
        axes: for each axis in front, by its label, a name for each position.
        start: the position that is shown first on each of these axes; None: the last,
            which is the trained model, the top layer.
        mask: True where a query may attend; blocked cells are hatched. None: all may.
        truth: links (source position, target position) of the true alignment, to be
            drawn beside the weights, as in :func:`plot_weights`.
        ask: a question to be answered first; None: none.
        view: "links", lines between two lists of words, or "map", a heat map; the
            reader can switch.
        label: what the scale of the still image says the shades are.

    Raises:
        ValueError: if labels, axes, start, mask, links or question do not fit the
            weights, or there is no such view.

    Example:
        >>> import torch
        >>> figure = attention_view(
        ...     torch.eye(2),
        ...     ["eins", "zwei"],
        ...     ["one", "two"],
        ...     alt="One to one.",
        ... )
        >>> figure.data["w"]
        [1000, 0, 0, 1000]
    """
    axes = dict(axes or {})
    shape = tuple(len(names) for names in axes.values())
    whole = (*shape, len(queries), len(keys))
    if weights.shape != whole or not all(whole):
        raise ValueError(
            f"weights must have shape {whole} to fit axes, queries and keys, got "
            f"{tuple(weights.shape)}"
        )
    first = [size - 1 for size in shape] if start is None else [*start]
    if len(first) != len(shape) or not all(
        0 <= at < size for at, size in zip(first, shape, strict=True)
    ):
        raise ValueError(f"start must be a position on axes of {shape}, got {first}")
    if view not in ("links", "map"):
        raise ValueError(f'view must be "links" or "map", got {view!r}')
    truth = sorted(truth)
    for key, query in truth:
        if not (0 <= key < len(keys) and 0 <= query < len(queries)):
            raise ValueError(f"the link {(key, query)} lies outside the weights")
    plain = weights.detach().float().cpu()
    permille: list[int | None] = [
        round(value) for value in (1000 * plain).flatten().tolist()
    ]
    if mask is not None:
        allowed = mask.expand(whole).flatten().tolist()
        permille = [
            value if is_allowed else None
            for value, is_allowed in zip(permille, allowed, strict=True)
        ]
    shown = plain[tuple(first)]
    data = {
        "v": 1,
        "queries": [*queries],
        "keys": [*keys],
        "axes": [
            {"label": label, "names": [str(name) for name in names], "start": at}
            for (label, names), at in zip(axes.items(), first, strict=True)
        ],
        "shape": [*whole],
        "w": permille,
        "truth": truth,
        "view": view,
        "ask": None if ask is None else _question(ask, shown, len(keys)),
    }
    still = _still(shown, queries, keys, truth, label)
    return PageElement(
        "attention-view-1", data, alt=alt, still=still, table=_table(data)
    )


def _table(data: dict[str, Any]) -> str:
    """The numbers of the choices that are shown first."""
    queries, keys = data["queries"], data["keys"]
    first = 0
    for axis, size in zip(data["axes"], data["shape"], strict=False):
        first = first * size + axis["start"]
    first *= len(queries) * len(keys)
    rows = []
    for number, query in enumerate(queries):
        start = first + number * len(keys)
        weights = data["w"][start : start + len(keys)]
        rows.append([query, *("" if w is None else f"{w / 1000:.2f}" for w in weights)])
    shown = ", ".join(
        f"{axis['label']} {axis['names'][axis['start']]}" for axis in data["axes"]
    )
    return folded_table(["", *keys], rows, caption=shown)


def folded_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = ""
) -> str:
    """The numbers of a figure as HTML, in a table that the reader unfolds.

    Args:
        head: names of the columns; the first one is that of the rows' names.
        rows: cells of each row, its name first.
        caption: what the table shows; "": nothing is said.

    Example:
        >>> "<td>0.50</td>" in folded_table(["", "a"], [["b", "0.50"]])
        True
    """
    corner, *columns = map(html.escape, head)
    names = "".join(f'<th scope="col">{name}</th>' for name in columns)
    lines = []
    for row in rows:
        name, *cells = map(html.escape, row)
        shown = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{name}</th>{shown}</tr>')
    said = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return (
        '<details slot="table"><summary>Numbers</summary>'
        f'<div style="overflow-x: auto" tabindex="0"><table>{said}'
        f"<thead><tr><td>{corner}</td>{names}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div></details>"
    )


def _question(ask: Ask, shown: Tensor, num_keys: int) -> dict[str, Any]:
    if not 0 <= ask.query < len(shown):
        raise ValueError(
            f"ask.query must be from 0 to {len(shown) - 1}, got {ask.query}"
        )
    key = int(shown[ask.query].argmax())
    if key not in ask.choices or not all(0 <= k < num_keys for k in ask.choices):
        raise ValueError(
            f"ask.choices must be positions of keys with {key}, the right one, among "
            f"them, got {[*ask.choices]}"
        )
    return {
        "query": ask.query,
        "key": key,
        "text": ask.text,
        "choices": [*ask.choices],
    }


def _still(
    weights: Tensor,
    queries: Sequence[str],
    keys: Sequence[str],
    truth: list[tuple[int, int]],
    label: str,
) -> bytes:
    """The heat map as it is without scripts, as PNG."""
    size = 1.6 + 0.32 * len(keys), 1.2 + 0.28 * len(queries)
    figure = plt.figure(figsize=size)
    ax = figure.subplots()
    plot_weights(weights, queries, keys, alignment=truth, label=label, ax=ax)
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    """Close a figure and return its image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()

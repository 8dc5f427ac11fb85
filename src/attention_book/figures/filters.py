"""Figures that answer: a table whose rows are chosen by their values."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from attention_book.figures.interactive import Ask, PageElement

# What is written on the figures.
TEXT = {"rows": "rows"}


def filter_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    facets: Mapping[str, Mapping[str, Sequence[int]]],
    *,
    caption: str,
    noun: str = TEXT["rows"],
    asks: Sequence[tuple[str, Ask]] = (),
) -> PageElement:
    """Make a table whose rows can be chosen by their values.

    Each facet becomes a list of its values, with the number of rows that each would
    leave. Values of several facets are combined: a row stays if it has all of them.
    Where scripts do not run, the whole table stands there, as a plain table.

    Args:
        header: names of the columns.
        rows: the cells; the first of each row is the row's own heading.
        facets: for each facet, by its label, and for each of its values, the positions
            of the rows that have it. A row may have several values of a facet.
        caption: what the table holds.
        noun: what a row is, in the plural.
        asks: questions about the place of a row, each with the label of a facet.
            ``query`` is the position of the row and ``choices`` are positions of values
            of the facet; all values that the row has are right.

    Raises:
        ValueError: if there is no row or no facet, a row has not a cell for each
            column, a facet names a row that does not exist, or a question does not fit.

    Example:
        >>> levels = {"level": {"single": [0], "multi": [1]}}
        >>> table = filter_table(["name"], [["a"], ["b"]], levels, caption="Levels")
        >>> table.data["facets"]
        [{'label': 'level', 'values': ['single', 'multi'], 'has': [[0], [1]]}]
    """
    if not rows or not facets:
        raise ValueError(
            f"filter_table needs rows and facets, got {len(rows)} rows and "
            f"{len(facets)} facets"
        )
    if wrong := [row for row in rows if len(row) != len(header)]:
        raise ValueError(f"rows must have {len(header)} cells, got {wrong[0]}")
    for label, values in facets.items():
        named = {number for has in values.values() for number in has}
        if not named <= set(range(len(rows))):
            raise ValueError(
                f"facet {label!r} must name rows from 0 to {len(rows) - 1}, got "
                f"{sorted(named)}"
            )
    data = {
        "v": 1,
        "rows": len(rows),
        "noun": noun,
        "facets": [
            {
                "label": label,
                "values": [*values],
                "has": [[*has] for has in values.values()],
            }
            for label, values in facets.items()
        ],
        "asks": [_question(label, ask, facets) for label, ask in asks],
    }
    table = _table(header, rows, caption)
    return PageElement("filter-table-1", data, alt=caption, still=None, table=table)


def _question(
    label: str, ask: Ask, facets: Mapping[str, Mapping[str, Sequence[int]]]
) -> dict[str, Any]:
    if label not in facets:
        raise ValueError(f"a question must name a facet, got {label!r}")
    values = list(facets[label].values())
    right = [value for value, has in enumerate(values) if ask.query in has]
    if not right or not set(right) <= set(ask.choices) <= set(range(len(values))):
        raise ValueError(
            f"ask.choices must be positions of values of {label!r} with those of row "
            f"{ask.query}, {right}, among them, got {[*ask.choices]}"
        )
    return {
        "row": ask.query,
        "facet": list(facets).index(label),
        "text": ask.text,
        "choices": [*ask.choices],
        "right": right,
    }


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """The plain table, in a box that scrolls and that the keyboard reaches."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    name = html.escape(caption)
    return (
        f'<div slot="table" class="book-table" role="region" aria-label="{name}" '
        'style="overflow-x: auto" tabindex="0">'
        f'<table class="table filtered"><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )

"""Questions that are answered before their table is shown."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from attention_book.figures.interactive import PageElement


@runtime_checkable
class ShownTable(Protocol):
    """A table that notebooks display.

    Attributes:
        caption: what it holds.
        rows: the cells; the first of each row is the row's own heading.
    """

    caption: str
    rows: Sequence[Sequence[str]]

    def _repr_html_(self) -> str: ...


def ask_first(
    table: ShownTable,
    question: str,
    values: Sequence[float],
    *,
    among: Sequence[int] | None = None,
    least: bool = False,
) -> PageElement:
    """Ask which row of a table stands out; the answer brings the table into sight.

    Where scripts do not run, and in print, the table alone is shown.

    Args:
        table: what is asked about, such as a
            :class:`~attention_book.chapters.tables.Table`; the first cells of its rows
            are the answers.
        question: which row has the largest value, in words.
        values: one for each row. Rows that share the largest are all right.
        among: positions of the rows to choose from; None: all.
        least: whether the question is about the smallest value.

    Raises:
        ValueError: if there is not one value for each row, or ``among`` does not hold
            two or more rows of the table.

    Example:
        >>> from attention_book.chapters.tables import Table
        >>> table = Table("Loss", ["", "nats"], [["a", "1.0"], ["b", "2.0"]])
        >>> ask_first(table, "Which loses more?", [1.0, 2.0]).data["right"]
        [1]
    """
    among = range(len(table.rows)) if among is None else among
    if len(values) != len(table.rows):
        raise ValueError(
            f"values must be {len(table.rows)}, one for each row, got {len(values)}"
        )
    if len(among) < 2 or not all(0 <= row < len(table.rows) for row in among):
        raise ValueError(
            f"among must hold two or more rows from 0 to {len(table.rows) - 1}, got "
            f"{[*among]}"
        )
    best = (min if least else max)(values[row] for row in among)
    data = {
        "v": 1,
        "text": question,
        "choices": [table.rows[row][0] for row in among],
        "right": [at for at, row in enumerate(among) if values[row] == best],
    }
    shown = f'<div slot="table">{table._repr_html_()}</div>'
    return PageElement(
        "predict-view-1", data, alt=table.caption, still=None, table=shown
    )

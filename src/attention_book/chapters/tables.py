"""Tables on a chapter's page: of text, and of what a record holds over its seeds."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import Any

from attention_book.chapters.recorded import (
    STATISTICS,
    Selection,
    having,
    provenance,
    recorded_runs,
    values_of,
)
from attention_book.chapters.settings import Settings
from attention_book.evaluation.intervals import BinScore

NONE = "-"
_CODE = re.compile("`([^`]+)`")
HEADINGS = {
    "n": "n",
    "mean": "mean",
    "sd": "standard deviation",
    "min": "smallest",
    "median": "median",
    "max": "largest",
}
SEEDS = {"quick": "0-19", "full": "0-2"}
"""The seeds that a record should have: a sweep over them is proposed without one."""


class Table:
    """A table of text, which notebooks and pages display.

    Attributes:
        caption: what the table holds; a sentence or its beginning.
        header: names of the columns.
        rows: the cells; the first of each row is the row's own heading.
        notes: lines below the table; what stands between backticks is code.
        numeric: whether all cells but the headings are numbers.

    Raises:
        ValueError: if a row has not a cell for each column.
    """

    def __init__(
        self,
        caption: str,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        notes: Sequence[str] = (),
        numeric: bool = False,
    ) -> None:
        if wrong := [row for row in rows if len(row) != len(header)]:
            raise ValueError(f"rows must have {len(header)} cells, got {wrong[0]}")
        self.caption, self.header, self.rows = caption, header, rows
        self.notes, self.numeric = notes, numeric

    def __repr__(self) -> str:
        """The table as text, for terminals."""
        return self._repr_markdown_()

    def _repr_markdown_(self) -> str:
        lines = [self.caption, ""]
        if self.rows:
            rule = ["---", *["--:" if self.numeric else "---"] * (len(self.header) - 1)]
            for row in (self.header, rule, *self.rows):
                cells = (cell.replace("|", r"\|") for cell in row)
                lines.append(f"| {' | '.join(cells)} |")
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.header)
        body = "\n".join(
            f'<tr><th scope="row">{escape(first)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in self.rows
        )
        caption = escape(self.caption)
        table = (
            f'<div class="book-table" role="region" aria-label="{caption}" '
            'tabindex="0">\n'
            f'<table class="table{" numbers" * self.numeric}">\n'
            f"<caption>{caption}</caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
        )
        notes = [_CODE.sub(r"<code>\1</code>", escape(note)) for note in self.notes]
        notes = [f'<p class="table-note">{note}</p>' for note in notes]
        return "\n".join([table] * bool(self.rows) + notes)


def bins_table(by_length: Mapping[str, Sequence[BinScore]], *, caption: str) -> Table:
    """Show scores by source length: one row for each range, one column for each system.

    Args:
        by_length: for each system its ranges, the same lengths for all.
        caption: what the table holds.

    Example:
        >>> bins = [BinScore(1, 3, 40, 0.5, (0.25, 0.75))]
        >>> bins_table({"forward": bins}, caption="Right").rows
        [['1 to 3', '40', '50.0% (25.0 to 75.0)']]
    """
    rows = []
    for parts in zip(*by_length.values(), strict=True):
        first = parts[0]
        cells = [
            f"{b.mean:.1%} ({100 * b.interval[0]:.1f} to {100 * b.interval[1]:.1f})"
            for b in parts
        ]
        rows.append([f"{first.low} to {first.high}", str(first.count), *cells])
    header = ["source words", "sentences", *by_length]
    return Table(caption, header, rows, numeric=True)


def words_table(
    reference: Sequence[str], outputs: Mapping[str, Sequence[str]], *, caption: str
) -> Table:
    """Show what several systems wrote beside what is right: one row for each word.

    Args:
        reference: the right words.
        outputs: the words of each system, by its name. One that differs from the right
            word at its position is marked.
        caption: what the table holds.

    Example:
        >>> words_table(["drei", "und"], {"ours": ["zwei"]}, caption="Words").rows
        [['1', 'drei', '≠ zwei'], ['2', 'und', '≠ (nothing)']]
    """
    rows = []
    columns = zip_longest(reference, *outputs.values(), fillvalue="(nothing)")
    for position, (right, *words) in enumerate(columns, start=1):
        cells = [word if word == right else f"≠ {word}" for word in words]
        rows.append([str(position), right, *cells])
    return Table(caption, ["position", "reference", *outputs], rows)


def seeds_table(
    settings: Settings,
    chapter: str,
    quantities: Mapping[str, str],
    *,
    caption: str,
    form: str = ".2f",
    preset: str | None = None,
    median: bool = False,
    folder: Path | None = None,
    **parameters: Any,
) -> Table:
    """Show what a record holds over its seeds: one row for each quantity.

    Below the table one line says where the numbers come from: of a record's runs those
    that have one of the quantities. A record of other
    settings than the chapter has now is shown with a line that says so; where no
    run has any of the quantities, the command that records them is shown instead.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: the chapter's slug.
        quantities: by the words that the table has for it, the name of a value that the
            chapter handed to ``glue``, or "a-b", the difference of two in the same run;
            after a colon there may be a format: "taxonomy_ratio:.0f".
        caption: what the table holds.
        form: format of values that have none of their own.
        preset: "quick" or "full"; None: that of this run.
        median: whether there is a column for the median, too.
        folder: where the records are; None: the book's.
        parameters: the runs' parameters, apart from the seed.

    Raises:
        RecordError: if the record's file is damaged.
        ValueError: if a value is text.
    """
    preset = preset or settings.preset
    selection = recorded_runs(settings, chapter, preset, folder, **parameters)
    names = [name.partition(":")[0] for name in quantities.values()]
    # Runs of single systems have none of the quantities of the others.
    selection = having(selection, [name.split("-") for name in names])
    if not selection.runs:
        failed = f" ({selection.failed} failed)" if selection.failed else ""
        command = _command(chapter, preset, parameters)
        note = f"{caption}: no run is recorded yet{failed}. To record them: `{command}`"
        return Table(caption, [], [], notes=[note])
    columns = [name for name in HEADINGS if name != "median" or median]
    rows = [
        [label, *_cells(selection, *name.partition(":")[::2], form, columns)]
        for label, name in quantities.items()
    ]
    notes = [f"{provenance(selection)}."]
    if selection.outdated:
        notes.append(
            "Outdated: the chapter now has other settings than these runs had "
            f"({', '.join(selection.outdated)})."
        )
    header = ["quantity", *(HEADINGS[name] for name in columns)]
    return Table(caption, header, rows, notes=notes, numeric=True)


def _cells(
    selection: Selection, name: str, own: str, form: str, columns: Sequence[str]
) -> list[str]:
    values = values_of(selection.runs, name)
    cells = []
    for column in columns:
        if column == "n":
            cells.append(str(len(values)))
        elif len(values) < (2 if column == "sd" else 1):
            cells.append(NONE)
        else:
            cells.append(format(STATISTICS[column](values), own or form))
    return cells


def _command(chapter: str, preset: str, parameters: Mapping[str, Any]) -> str:
    given = "".join(f' -p "{name}={value}"' for name, value in parameters.items())
    return (
        f"attention-book sweep {chapter} --preset {preset} "
        f"--seeds {SEEDS[preset]}{given}"
    )

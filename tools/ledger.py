"""A Sphinx extension: the ledger, made from the records.

The directive ``{ledger}`` writes, for each chapter with a published number, a table of
the paper's number, independent ones and ours, and below it, folded, where ours come
from.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from attention_book.chapters.ledger import VERDICTS, Entry, Published, entry, published
from attention_book.chapters.records import load_record
from attention_book.sweeps.notebooks import settings_of

ROOT = Path(__file__).resolve().parent.parent


def present_entry(row: Published) -> Entry:
    """Our runs for a published number, with the settings that the chapter has now."""
    if not load_record(row.chapter, row.preset).runs:
        return entry(row)
    notebook = nbformat.read(ROOT / "book" / f"{row.chapter}.ipynb", as_version=4)
    given = {"preset": row.preset, **row.parts()[0].parameters}
    return entry(row, settings_of(notebook, given))


def title(chapter: str) -> str:
    """The title of a chapter, from its notebook."""
    notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
    return notebook.cells[0].source.splitlines()[1].removeprefix("# ")


def lines(entries: list[Entry]) -> Iterator[str]:
    """The ledger in MyST's Markdown."""
    for chapter, group in groupby(entries, key=lambda each: each.published.chapter):
        rows = list(group)
        yield from ("", f"## {title(chapter)}", "", f"Chapter: {{ref}}`{chapter}`.", "")
        yield "| system and data | paper | others | this book | verdict |"
        yield "| --- | --- | --- | --- | --- |"
        for each in rows:
            row = each.published
            yield (
                f"| {row.system}; {row.data}; {row.metric} "
                f"| {row.paper} {{cite}}`{row.paper_cite}` | {row.others} "
                f"| {each.ours} | {each.verdict} |"
            )
        yield from ("", "````{dropdown} Reasons, commands, devices, hours, dates")
        for each in rows:
            yield from (f"{each.published.system}", f": {details(each)}", "")
        yield from ("````", "")
    counts = [[each.verdict for each in entries].count(name) for name in VERDICTS]
    parts = [f"{n} {name}" for n, name in zip(counts, VERDICTS, strict=True) if n]
    yield from ("## Sum", "", f"{len(entries)} numbers: {', '.join(parts)}.")


def details(each: Entry) -> str:
    """What is to be reached, what differs, and how to run it."""
    row = each.published
    parts = [row.reason, f"Command: `{row.command}`."]
    if row.comparable:
        reach = f"Number to reach: {row.target:g}, tolerance {row.tolerance:g}."
        parts.insert(0, reach)
    if each.provenance:
        parts.append(f"{each.provenance}.")
    if each.outdated:
        parts.append(f"Outdated runs, of other settings: {each.outdated}.")
    if each.failed is not None and each.failed.error is not None and not each.runs:
        parts.append(f"The last try failed: {each.failed.error['type']}.")
    return " ".join(parts)


class LedgerDirective(SphinxDirective):
    """The whole ledger."""

    def run(self) -> list[nodes.Node]:
        """Return it, and remember the files that it depends on."""
        for path in sorted((ROOT / "results").glob("*.json")):
            self.env.note_dependency(str(path))
        text = StringList(list(lines([present_entry(row) for row in published()])))
        node = nodes.Element()
        self.state.nested_parse(text, self.content_offset, node, match_titles=True)
        return node.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.add_directive("ledger", LedgerDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

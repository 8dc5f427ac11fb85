"""The ledger: the papers' numbers beside those that the book has recorded."""

import statistics
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from attention_book.chapters.recorded import deviation
from attention_book.chapters.records import Run, load_record
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import NONE, Table

VERDICTS = ("reproduced", "close", "not reproduced", "not comparable", "not measured")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number from the literature, and where ours is to be found.

    Attributes:
        chapter: the chapter's slug.
        system: what was measured.
        data: on which data.
        metric: by which measure.
        paper: the original paper's number, as text.
        paper_cite: key of the paper in the bibliography.
        others: numbers of independent re-implementations, as text.
        target: the number that ours is compared with, on the same data.
        tolerance: how far below the target still counts as reproduced.
        preset: preset of the record.
        parameters: parameters of its runs.
        each: what takes the place of "{}" in ``parameters`` and ``value``, one after
            the other; the number is then the mean over these runs. Nothing: one run.
        value: name under which the chapter hands its number to ``glue``.
        scale: what that number is multiplied by, to have the target's unit.
        lower_is_better: whether the metric counts errors.
        comparable: whether ours is measured on the target's data and metric.
        reason: what differs, or why there is no record.
    """

    chapter: str
    system: str
    data: str
    metric: str
    paper: str
    paper_cite: str
    others: str
    target: float
    tolerance: float
    preset: str
    value: str
    reason: str
    parameters: dict[str, Any] = field(default_factory=dict)
    each: Sequence[Any] = ()
    scale: float = 1.0
    lower_is_better: bool = False
    comparable: bool = True

    @property
    def command(self) -> str:
        """What records one run of it, or one of each of its parts."""
        parts = self.parts()
        words = []
        for name in self.parameters:
            values = dict.fromkeys(str(part.parameters[name]) for part in parts)
            words.append(f"-p {name}={_quoted('|'.join(values))}")
        start = f"attention-book sweep {self.chapter} --preset {self.preset}"
        return " ".join([start, "--seeds 0", *words])

    def parts(self) -> list["Published"]:
        """The numbers of which this one is the mean: one for each, or itself alone."""
        return [
            replace(
                self,
                each=(),
                value=self.value.format(one),
                parameters={k: str(x).format(one) for k, x in self.parameters.items()},
            )
            for one in self.each
        ] or [self]


@cache
def published() -> tuple[Published, ...]:
    """The table of published numbers, in the order of the chapters."""
    text = Path(__file__).with_name("published.toml").read_text("utf-8")
    return tuple(Published(**row) for row in tomllib.loads(text)["row"])


@dataclass(frozen=True)
class Entry:
    """A row of the ledger: a published number and our runs.

    Attributes:
        published: the number.
        runs: our finished runs with the settings that the chapter has now.
        outdated: number of finished runs with other settings.
        failed: the last run that failed, if there is no other.
    """

    published: Published
    runs: list[Run]
    outdated: int = 0
    failed: Run | None = None

    @property
    def numbers(self) -> list[float]:
        """Ours, one for each run, in the target's unit."""
        return self.numbers_beside("")

    def numbers_beside(self, suffix: str) -> list[float]:
        """Other numbers of the same runs, whose names have an end besides.

        Args:
            suffix: the end, such as "_last".
        """
        name, scale = self.published.value + suffix, self.published.scale
        return [run.values[name] * scale for run in self.runs if name in run.values]

    @property
    def verdict(self) -> str:
        """One of :data:`VERDICTS`, by the mean of our numbers."""
        row = self.published
        if not self.numbers:
            return "not measured"
        if not row.comparable:
            return "not comparable"
        missing = row.target - statistics.mean(self.numbers)
        if row.lower_is_better:
            missing = -missing
        if missing <= row.tolerance:
            return "reproduced"
        return "close" if missing <= 3 * row.tolerance else "not reproduced"

    @property
    def ours(self) -> str:
        """Mean and standard deviation of our numbers, and how many there are."""
        count = len(self.numbers)
        seeds = "seeds" if count > 1 else "seed"
        return f"{self.summary(self.numbers)} ({count} {seeds})" if count else ""

    def summary(self, numbers: Sequence[float]) -> str:
        """Mean and standard deviation of some numbers in the target's unit."""
        percent = self.published.scale == 100 or "per cent" in self.published.metric
        digits = 1 if percent or abs(self.published.target) > 2 else 3
        text = f"{statistics.mean(numbers):.{digits}f}"
        if len(numbers) > 1:
            text += f" ± {deviation(numbers):.{digits}f}"
        return text

    @property
    def provenance(self) -> str:
        """Device, hours of a run, and day of the last one; nothing without runs."""
        if not self.runs:
            return ""
        last = max(self.runs, key=lambda run: run.date)
        hours = statistics.mean(run.seconds for run in self.runs) / 3600
        threads = "1 thread" if last.threads == 1 else f"{last.threads} threads"
        return f"{last.device}, {threads}, {hours:.1f} hours a run, {last.date[:10]}"


def entry(row: Published, settings: dict[str, Any] | None = None) -> Entry:
    """Our runs for a published number.

    Args:
        row: the number.
        settings: the settings that the chapter has now for its parameters; None: they
            are not compared.
    """
    found = [_entry_of_one(part, settings) for part in row.parts()]
    if not row.each:
        return found[0]
    failed = [each.failed for each in found if each.failed is not None]
    return Entry(
        row,
        _means(row, found),
        max(each.outdated for each in found),
        failed[0] if failed else None,
    )


def _entry_of_one(row: Published, settings: dict[str, Any] | None) -> Entry:
    record = load_record(row.chapter, row.preset)
    own = {
        "systems": None,
        "dataset": None,
        "epochs": None,
        "limit": None,
        **row.parameters,
    }
    every = record.finished(**own)
    runs = record.finished(settings, **own)
    failed = [
        run
        for run in record.runs.values()
        if not run.finished
        and all(run.parameters.get(name) == value for name, value in own.items())
    ]
    last = max(failed, key=lambda run: run.date, default=None)
    return Entry(row, runs, len(every) - len(runs), last)


def _means(row: Published, parts: Sequence[Entry]) -> list[Run]:
    """One run for each seed that all parts have, with the means of their values."""
    by_seed = [{run.parameters["seed"]: run for run in part.runs} for part in parts]
    means = []
    for seed in sorted(set.intersection(*map(set, by_seed))):
        runs = [found[seed] for found in by_seed]
        values: dict[str, list[float]] = {}
        for part, run in zip(parts, runs, strict=True):
            own = part.published.value
            for name, value in run.values.items():
                if name == own or name.startswith(f"{own}_"):
                    values.setdefault(name.removeprefix(own), []).append(value)
        means.append(
            replace(
                max(runs, key=lambda run: run.date),
                parameters={"seed": seed},
                values={
                    row.value + suffix: statistics.mean(found)
                    for suffix, found in values.items()
                    if len(found) == len(runs)
                },
                seconds=sum(run.seconds for run in runs),
            )
        )
    return means


def chapter_entries(settings: Settings, chapter: str) -> list[Entry]:
    """Our runs for all published numbers of a chapter, with its present settings.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: the chapter's slug.
    """
    found = []
    for row in published():
        if row.chapter == chapter:
            present = {"epochs": None, "limit": None, **settings.presets[row.preset]}
            own = {k: x for k, x in row.parameters.items() if k in present}
            found.append(entry(row, present | own))
    return found


def entries_table(
    entries: Sequence[Entry], *, caption: str, beside: Mapping[str, str] | None = None
) -> Table:
    """Show published numbers and ours on a chapter's page.

    Args:
        entries: from :func:`chapter_entries`.
        caption: what the numbers are, with their unit.
        beside: further columns of ours: heading, and the end of their values' names.
    """
    beside = beside or {}
    rows = []
    for each in entries:
        others = [each.numbers_beside(suffix) for suffix in beside.values()]
        rows.append(
            [
                f"{each.published.system}; {each.published.data}",
                each.published.paper,
                each.published.others or NONE,
                each.ours or NONE,
                *(each.summary(numbers) if numbers else NONE for numbers in others),
            ]
        )
    header = ["system and data", "paper", "others", "this book", *beside]
    missing = [each for each in entries if not each.numbers]
    notes = ["Commands, devices, hours and dates are in the ledger."]
    if missing:
        notes.append(
            f"{len(missing)} of {len(entries)} are not recorded yet; the first of them "
            f"by `{missing[0].published.command}`"
        )
    if any(each.outdated and not each.runs for each in entries):
        notes.append("Some have runs of other settings than the chapter has now.")
    return Table(caption, header, rows, notes=notes, numeric=True)


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if set(text) & set(" |") else text

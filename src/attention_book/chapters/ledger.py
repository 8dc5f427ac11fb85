"""The ledger: the papers' numbers beside those that the book has recorded."""

import statistics
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from attention_book.chapters.records import Run, load_record

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
    scale: float = 1.0
    lower_is_better: bool = False
    comparable: bool = True

    @property
    def command(self) -> str:
        """What records one run of it."""
        words = [f"-p {name}={_quoted(x)}" for name, x in self.parameters.items()]
        start = f"attention-book sweep {self.chapter} --preset {self.preset}"
        return " ".join([start, "--seeds 0", *words])


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
        name, scale = self.published.value, self.published.scale
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
        numbers = self.numbers
        if not numbers:
            return ""
        digits = 1 if abs(self.published.target) > 2 else 3
        text = f"{statistics.mean(numbers):.{digits}f}"
        if len(numbers) > 1:
            text += f" ± {statistics.stdev(numbers):.{digits}f}"
        return f"{text} ({len(numbers)} {'seeds' if len(numbers) > 1 else 'seed'})"

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
    record = load_record(row.chapter, row.preset)
    own = {
        "systems": None,
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
        and all(run.parameters.get(k) == x for k, x in row.parameters.items())
    ]
    return Entry(row, runs, len(every) - len(runs), failed[-1] if failed else None)


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text

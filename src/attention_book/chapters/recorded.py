"""What records say over their runs: which runs, which values, which statistics."""

import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from attention_book.chapters.records import Record, Run, differences, load_record
from attention_book.chapters.settings import Settings


def deviation(values: Sequence[float]) -> float:
    """The sample's standard deviation; NaN if a value is not finite.

    Example:
        >>> deviation([1.0, 3.0, 5.0]), deviation([1.0, math.inf])
        (2.0, nan)
    """
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "n": len,
    "mean": statistics.fmean,
    "sd": deviation,
    "min": min,
    "max": max,
    "median": statistics.median,
}
_STATISTIC = re.compile(
    r"(?P<kind>[a-z]+)((?P<sign><=|>=|<|>)(?P<bound>[^:]+))?(:(?P<form>.+))?"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


@dataclass(frozen=True)
class Selection:
    """The runs of a record that a table or a sentence is about.

    Attributes:
        runs: finished ones, by seed.
        failed: how many others ended with an error.
        outdated: names of the settings in which the runs differ from the chapter's
            present ones; nothing if they are the same.
    """

    runs: list[Run]
    failed: int
    outdated: list[str]


def select_runs(
    record: Record, present: Mapping[str, Any], **parameters: Any
) -> Selection:
    """Choose the runs of a record that have some parameters.

    A record may hold runs of other settings than the chapter has now. They are chosen
    only if there are no others.

    Args:
        record: of a chapter and preset.
        present: the settings that the preset has in the chapter now.
        parameters: the chapter's parameters that were set, apart from the seed. What a
            run was limited to by ``systems`` decides which values it has and not what
            they are, so it matters only if it is asked for.
    """
    wanted = {name: value for name, value in parameters.items() if value is not None}
    ignored = {"seed"} if "systems" in wanted else {"seed", "systems"}
    runs = [
        run
        for run in record.runs.values()
        if wanted == {k: v for k, v in _given(run).items() if k not in ignored}
    ]
    now = {**present, **{k: v for k, v in wanted.items() if k != "systems"}}
    finished = sorted(
        (run for run in runs if run.finished), key=lambda run: run.parameters["seed"]
    )
    current = [run for run in finished if not differences(run.settings, now)]
    outdated = set()
    if not current:
        outdated = {name for run in finished for name in differences(run.settings, now)}
    failed = len(runs) - len(finished)
    return Selection(current or finished, failed, sorted(outdated))


def _given(run: Run) -> dict[str, Any]:
    """The parameters that a run was given: None stands for one that was not set."""
    return {name: value for name, value in run.parameters.items() if value is not None}


def recorded_runs(
    settings: Settings,
    chapter: str,
    preset: str | None = None,
    folder: Path | None = None,
    **parameters: Any,
) -> Selection:
    """Choose the runs of a chapter's record, compared with its present settings.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: the chapter's slug.
        preset: "quick" or "full"; None: that of this run.
        folder: where the records are; None: the book's.
        parameters: as for :func:`select_runs`.

    Raises:
        RecordError: if the record's file is damaged.
    """
    preset = preset or settings.preset
    present = {"epochs": None, "limit": None, **settings.presets[preset]}
    return select_runs(load_record(chapter, preset, folder), present, **parameters)


def recorded_values(
    settings: Settings,
    chapter: str,
    quantities: Mapping[str, tuple[str, str]],
    preset: str | None = None,
    folder: Path | None = None,
) -> dict[str, list[float]]:
    """The values of several quantities over the seeds of runs of single systems.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: the chapter's slug.
        quantities: by label, the parameter ``systems`` of the runs and a quantity as
            for :func:`values_of`.
        preset: "quick" or "full"; None: that of this run.
        folder: where the records are; None: the book's.

    Returns:
        The values by label, without labels that have none. Runs of other settings than
        the chapter has now do not count.

    Raises:
        RecordError: if the record's file is damaged.
        ValueError: if a value is text.
    """
    found = {}
    for label, (systems, quantity) in quantities.items():
        selection = recorded_runs(settings, chapter, preset, folder, systems=systems)
        values = [] if selection.outdated else values_of(selection.runs, quantity)
        if values:
            found[label] = values
    return found


def runs_with(runs: Iterable[Run], names: Iterable[str]) -> list[Run]:
    """The runs that have some values, one for each seed: the last one.

    Runs of single systems may all have a value that belongs to none of them, and a run
    of the whole chapter may stand beside them. They are no further measurements.

    Args:
        runs: recorded runs that differ in their seeds and systems alone.
        names: of the values.
    """
    wanted = set(names)
    found: dict[Any, Run] = {}
    for run in runs:
        old = found.get(seed := run.parameters["seed"])
        if run.values.keys() >= wanted and (old is None or run.date >= old.date):
            found[seed] = run
    return list(found.values())


def having(selection: Selection, quantities: Iterable[Sequence[str]]) -> Selection:
    """Keep the runs that a table is made of.

    Args:
        selection: of a record's runs.
        quantities: what the table shows: for each quantity the names of its values.
    """
    wanted = [runs_with(selection.runs, names) for names in quantities]
    kept = {run.identity for runs in wanted for run in runs}
    runs = [run for run in selection.runs if run.identity in kept]
    return replace(selection, runs=runs)


def values_of(runs: Iterable[Run], quantity: str) -> list[float]:
    """The values of a quantity in those runs that have it, one for each seed.

    Args:
        runs: recorded runs.
        quantity: a name that the chapter handed to ``glue``, or "a-b", the difference
            of two in the same run.

    Raises:
        ValueError: if a value is text.

    Example:
        >>> runs = [Run(parameters={"seed": 0}, values={"a": 3, "b": 1})]
        >>> values_of(runs, "a-b"), values_of(runs, "c")
        ([2.0], [])
    """
    first, *rest = names = quantity.split("-")
    found = []
    for run in runs_with(runs, names):
        for name in names:
            if isinstance(run.values[name], str):
                raise ValueError(f"{name} is text, not a number")
        found.append(float(run.values[first] - sum(run.values[n] for n in rest)))
    return found


def describe(runs: Sequence[Run], quantity: str, statistic: str) -> str:
    """Say one thing about a quantity over recorded runs.

    Args:
        runs: recorded runs.
        quantity: see :func:`values_of`.
        statistic: what to say, and after a colon a format. "mean", "sd" (the sample's
            standard deviation), "min", "max", "median" and "n" are numbers;
            "count>=0.9" counts the runs that reach 0.9 and gives "17 of 20",
            "share>=0.9" their share. In place of 0.9 there may be the name of another
            quantity of the same run; the other signs are >, < and <=.

    Raises:
        KeyError: if no run has the quantity.
        ValueError: if the statistic is unknown, or needs more runs than there are.

    Example:
        >>> runs = [Run(parameters={"seed": s}, values={"a": s}) for s in range(4)]
        >>> describe(runs, "a", "mean:.1f"), describe(runs, "a", "count>=1")
        ('1.5', '3 of 4')
    """
    values = values_of(runs, quantity)
    if not values:
        raise KeyError(f"no recorded run has {quantity}")
    match = _STATISTIC.fullmatch(statistic)
    kind, form = (match["kind"], match["form"] or "") if match else ("", "")
    if match and match["sign"] and kind in ("count", "share"):
        bound, compare = match["bound"].strip(), _SIGNS[match["sign"]]
        try:
            passed = [compare(value, float(bound)) for value in values]
        except ValueError:  # not a number: another quantity
            passed = [compare(v, 0) for v in values_of(runs, f"{quantity}-{bound}")]
            if len(passed) != len(values):
                raise KeyError(f"not all recorded runs have {bound}") from None
        if kind == "count":
            return f"{sum(passed)} of {len(passed)}"
        return format(sum(passed) / len(passed), form)
    if match is None or match["sign"] or kind not in STATISTICS:
        raise ValueError(
            f"a statistic is one of {', '.join(STATISTICS)}, or count or share with a "
            f"condition as in count>=0.9, got {statistic!r}"
        )
    return format(STATISTICS[kind](values), form)


def provenance(selection: Selection) -> str:
    """Say in one line where recorded values come from.

    Example:
        >>> runs = [Run(parameters={"seed": 3}, date="2026-01-02T03", device="a CPU")]
        >>> provenance(Selection(runs, failed=0, outdated=[]))
        '1 run (seed 3), 2026-01-02, a CPU, 0 minutes in all'
    """
    runs, failed = selection.runs, selection.failed
    seeds = sorted({run.parameters["seed"] for run in runs})
    days = sorted({run.date[:10] for run in runs})
    minutes = sum(run.seconds for run in runs) / 60
    time = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
    parts = [
        f"{_count(len(runs), 'run')} ({'seed' if len(seeds) == 1 else 'seeds'} "
        f"{_ranges(seeds)})",
        f"{_count(failed, 'further run')} failed" if failed else "",
        days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}",
        _different(f"commit {run.commit[:7]}" for run in runs if run.commit),
        _different(run.device for run in runs),
        _different(_count(run.threads, "thread") for run in runs if run.threads),
        _different(
            f"PyTorch {run.versions['torch']}"
            for run in runs
            if "torch" in run.versions
        ),
        f"{time} in all",
    ]
    return ", ".join(filter(None, parts))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _different(texts: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(texts))


def _ranges(seeds: Sequence[int]) -> str:
    """Seeds in words: "0 to 19, 23"."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(
        f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts
    )

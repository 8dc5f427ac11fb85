"""What recorded runs hold besides numbers: curves over length, translations."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attention_book.chapters.recorded import runs_with, select_runs
from attention_book.chapters.records import load_record
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import Table
from attention_book.data.translation.pairs import Pair
from attention_book.evaluation.intervals import BinScore, student_interval
from attention_book.recipes.systems import Sample, result_prefix


@dataclass(frozen=True)
class RecordedBin:
    """The mean score, over recorded runs, of sentences of a range of lengths.

    Attributes:
        low: shortest length of the range, in tokens.
        high: longest length of the range, in tokens.
        mean: mean score, from 0 to 1.
        interval: of several runs Student's 95 % interval of the mean, cut off at 0 and
            1; of one run the interval that it has recorded.
    """

    low: int
    high: int
    mean: float
    interval: tuple[float, float]


def recorded_results(
    settings: Settings,
    chapter: str,
    name: str,
    *,
    preset: str | None = None,
    folder: Path | None = None,
    **parameters: Any,
) -> list[Any]:
    """Read a result that runs have recorded as JSON, once for each seed.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: its slug.
        name: of the result, as it was handed to ``glue``.
        preset: "quick" or "full"; None: that of this run.
        folder: where the records are; None: the book's.
        parameters: the runs' parameters, apart from the seed and the systems.

    Returns:
        The results by seed; nothing if no run of the chapter's present settings has
        one.

    Raises:
        RecordError: if the record's file is damaged.
    """
    preset = preset or settings.preset
    present = {"epochs": None, "limit": None, **settings.presets[preset]}
    selection = select_runs(load_record(chapter, preset, folder), present, **parameters)
    if selection.outdated:
        return []
    runs = runs_with(selection.runs, [name])
    return [json.loads(run.values[name]) for run in runs]


def bins_text(bins: Iterable[BinScore]) -> str:
    """Write scores by length for ``glue``, as :func:`recorded_bins` reads them.

    Args:
        bins: scores from 0 to 1.

    Example:
        >>> bins_text([BinScore(1, 3, 40, 0.5, (0.25, 0.75))])
        '[[1, 3, 40, 50.0, 25.0, 75.0]]'
    """
    rows = []
    for part in bins:
        shares = part.mean, *part.interval
        scores = [round(100 * share, 2) for share in shares]
        rows.append([part.low, part.high, part.count, *scores])
    return json.dumps(rows)


def recorded_curve(
    settings: Settings, chapter: str, name: str, **options: Any
) -> Float[np.ndarray, "points two"] | None:
    """Average a learning curve over recorded runs.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: its slug.
        name: of a result that lists ``[step, share]`` for each point.
        **options: as for :func:`recorded_results`.

    Returns:
        Steps and mean shares; None if no curve is recorded.
    """
    found = recorded_results(settings, chapter, name, **options)
    return np.mean(found, axis=0) if found else None


def recorded_bins(
    settings: Settings, chapter: str, name: str, **options: Any
) -> list[RecordedBin]:
    """Average a score by length over recorded runs.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: its slug.
        name: of a result that lists ``[low, high, count, score, low end, high end]``
            for each range of lengths, scores from 0 to 100.
        **options: as for :func:`recorded_results`.

    Returns:
        The ranges in increasing order; nothing if none is recorded.
    """
    found = []
    for rows in zip(*recorded_results(settings, chapter, name, **options), strict=True):
        low, high, _, _, *ends = rows[0]
        scores = [row[3] for row in rows]
        if len(scores) > 1:
            ends = [min(max(end, 0.0), 100.0) for end in student_interval(scores)]
        interval = ends[0] / 100, ends[1] / 100
        found.append(RecordedBin(low, high, fmean(scores) / 100, interval))
    return found


def _recorded_samples(
    settings: Settings, chapter: str, system: str, **options: Any
) -> list[dict[str, Any]]:
    """Samples of the first run of a system that has kept any; none without one."""
    name = f"{result_prefix(chapter, system)}_samples"
    options = {"preset": "full"} | options
    return next(iter(recorded_results(settings, chapter, name, **options)), [])


def recorded_samples(
    settings: Settings, chapter: str, system: str, **options: Any
) -> list[Sample]:
    """Read the translations that a system's first full run has recorded.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: its slug.
        system: its name, as ``report_system`` got it.
        **options: as for :func:`recorded_results`.

    Returns:
        Translations of test sentences, with their weights where the system has
        attention; nothing if none is recorded.
    """
    first = _recorded_samples(settings, chapter, system, **options)
    samples = []
    for one in first:
        weights = one.get("weights")
        source, target = map(tuple, one["tokens"])
        samples.append(
            Sample(
                source=one["source"],
                reference=one["reference"],
                output=one["output"],
                pair=Pair(source, target),
                weights=None if weights is None else torch.tensor(weights) / 100,
            )
        )
    return samples


def samples_table(
    samples: Mapping[str, Sequence[Sample]], *, caption: str, sources: Sequence[int]
) -> Table:
    """Show what several systems made of the same sentences.

    Args:
        samples: by the name of the system, as from :func:`recorded_samples`.
        caption: what the table holds.
        sources: which sentences to show, as positions in the first system's samples;
            a negative one counts from the end. Positions that there are not, and
            sentences that another system lacks, are left out.
    """
    by_source = {
        name: {one.source: one for one in many} for name, many in samples.items()
    }
    first = next(iter(samples.values()), [])
    rows: list[list[str]] = []
    for at in sources:
        if not -len(first) <= at < len(first):
            continue
        source = first[at].source
        if all(source in found for found in by_source.values()):
            rows.append(["source", source])
            rows.append(["reference", first[at].reference])
            rows += [[name, found[source].output] for name, found in by_source.items()]
    notes = [] if rows else [f"{caption}: no run of all these systems is recorded yet."]
    return Table(caption, ["", "sentence"], rows, notes=notes)


def answers_table(
    settings: Settings, chapter: str, system: str, **options: Any
) -> Table:
    """Show test questions that a recorded system answers right, and wrongly.

    Without such a record the command is shown that makes one.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: its slug.
        system: its name, as ``report_pair_system`` got it.
        **options: as for :func:`recorded_results`.
    """
    caption = f"Questions of the test set, and the sentence that {system} ranks first"
    first = _recorded_samples(settings, chapter, system, **options)
    rows = [
        [
            one["question"],
            one["first"],
            "the same" if one["place"] == 1 else one["right"],
            f"{one['place']} of {one['candidates']}",
        ]
        for one in first
    ]
    notes = []
    if not rows:
        command = f'attention-book sweep {chapter} -p "systems={system}" --seeds 4'
        notes = [f"{caption}: no run has kept any yet. To record them: `{command}`"]
    header = ["question", "ranked first", "best right answer", "its rank"]
    return Table(caption, header, rows, notes=notes)


def graded_table(
    settings: Settings, chapter: str, system: str, **options: Any
) -> Table:
    """Show test pairs with the grade that they have and the one a system gives them.

    Without such a record the command is shown that makes one.

    Args:
        settings: the chapter's, from ``choose_settings``.
        chapter: its slug.
        system: its name, as ``report_pair_system`` got it.
        **options: as for :func:`recorded_results`.
    """
    caption = f"Pairs of the test set: their grade, and the one that {system} predicts"
    first = _recorded_samples(settings, chapter, system, **options)
    rows = [
        [one["first"], one["second"], f"{one['score']:.1f}", f"{one['predicted']:.1f}"]
        for one in first
    ]
    notes = []
    if not rows:
        command = f'attention-book sweep {chapter} -p "systems={system}" --seeds 0-2'
        notes = [f"{caption}: no run has kept any yet. To record them: `{command}`"]
    header = ["first sentence", "second sentence", "grade", "predicted"]
    return Table(caption, header, rows, notes=notes)

"""Tables of the chapter on soft and hard attention, and names for its results."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from attention_book.chapters.recorded import (
    Selection,
    deviation,
    provenance,
    recorded_runs,
    values_of,
)
from attention_book.chapters.report import glue
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import SEEDS, Table
from attention_book.recipes.captions import CaptionScores
from attention_book.recipes.hard_attention import ARMS, COMPARISONS

CHAPTER = "soft_hard"
STUDY = "study"
MEASURES = {
    "exact": ("exact match", ".1%"),
    "pointing": ("pointing", ".1%"),
    "mass": ("mass", ".1%"),
    "loss": ("loss", ".3f"),
}
"""By field of :class:`CaptionScores`, its name and the form of its values."""

COMMAND = (
    f"attention-book sweep {CHAPTER} --preset quick --seeds {SEEDS['quick']} "
    f'-p "systems={STUDY}"'
)


def report_scores(scores: Mapping[str, CaptionScores]) -> None:
    """Hand the scores of captioners to ``glue``.

    Args:
        scores: by name of the captioner; a score that is not a number is left out.
    """
    for name, row in scores.items():
        for measure, value in row._asdict().items():
            if value == value:
                glue(**{f"{CHAPTER}_{measure}_{name}": value})


def scores_table(scores: Mapping[str, CaptionScores], *, caption: str) -> Table:
    """Show the scores of captioners side by side.

    Args:
        scores: by name, one of :data:`ARMS`, the scores.
        caption: what the table holds.

    Example:
        >>> scores_table({"soft": CaptionScores(1, 0.5, 0.25, 0.125)}, caption="").rows
        [['soft', '100.0%', '50.0%', '25.0%', '0.125']]
    """
    rows = [
        [ARMS[name].label]
        + [
            format(value, form) if value == value else "-"
            for value, (_, form) in zip(row, MEASURES.values(), strict=True)
        ]
        for name, row in scores.items()
    ]
    header = ["", *(label for label, _ in MEASURES.values())]
    return Table(caption, header, rows, numeric=True)


def study_table(settings: Settings, *, folder: Path | None = None) -> Table:
    """Show what is recorded of the longer comparison: mean and standard deviation.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.
    """
    selection = _study(settings, folder)
    caption = "The longer comparison: mean (standard deviation) over the recorded runs"
    rows = []
    for name, arm in ARMS.items():
        cells = [
            _mean(values_of(selection.runs, f"{CHAPTER}_{measure}_{name}"), form)
            for measure, (_, form) in MEASURES.items()
        ]
        rows.append([arm.label, *cells])
    header = ["", *(label for label, _ in MEASURES.values())]
    return _table(selection, caption, header, rows)


def paired_table(settings: Settings, *, folder: Path | None = None) -> Table:
    """Show what single changes do, in runs with the same seed.

    Args:
        settings: the chapter's.
        folder: where the records are; None: the book's.
    """
    selection = _study(settings, folder)
    caption = (
        "One change at a time: difference in the same run, mean (standard deviation)"
    )
    rows = []
    for label, (one, other) in COMPARISONS.items():
        cells, better = [], ""
        for measure, (_, form) in MEASURES.items():
            names = (f"{CHAPTER}_{measure}_{name}" for name in (one, other))
            values = values_of(selection.runs, "-".join(names))
            cells.append(_mean(values, f"+{form}"))
            if measure == "loss":
                better = f"{sum(value < 0 for value in values)} of {len(values)}"
        rows.append([label, *cells, better])
    header = ["", *(label for label, _ in MEASURES.values()), "runs with a lower loss"]
    return _table(selection, caption, header, rows)


def _study(settings: Settings, folder: Path | None) -> Selection:
    return recorded_runs(settings, CHAPTER, "quick", folder, systems=STUDY)


def _mean(values: list[float], form: str) -> str:
    if not values:
        return "-"
    spread = (
        f" ({deviation(values):{form.removeprefix('+')}})" if len(values) > 1 else ""
    )
    return f"{fmean(values):{form}}{spread}"


def _table(
    selection: Selection, caption: str, header: list[str], rows: list[list[str]]
) -> Table:
    if not selection.runs:
        note = f"{caption}: no run is recorded yet. To record them: `{COMMAND}`"
        return Table(caption, [], [], notes=[note])
    notes = [f"{provenance(selection)}."]
    if selection.outdated:
        notes.append(
            "Outdated: the chapter now has other settings than these runs had "
            f"({', '.join(selection.outdated)})."
        )
    return Table(caption, header, rows, notes=notes, numeric=True)

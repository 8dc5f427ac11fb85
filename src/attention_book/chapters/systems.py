"""Score a trained system, show its numbers on the page, and hand them on."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from attention_book.chapters.recorded import (
    having,
    provenance,
    recorded_runs,
    runs_with,
)
from attention_book.chapters.report import glue
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import Table, seeds_table
from attention_book.evaluation.intervals import student_interval
from attention_book.recipes.sentence_pairs.systems import PairSystemRun
from attention_book.recipes.systems import (
    SystemRun,
    SystemScores,
    bleu_by_length,
    result_prefix,
    score_system,
)
from attention_book.recipes.translation import TranslationTask
from attention_book.training.loop import History


def report_system(
    slug: str,
    name: str,
    task: TranslationTask,
    model: nn.Module,
    history: History,
    edges: Sequence[int] | None = None,
    **options: Any,
) -> SystemRun:
    """Score a system; print what it reached, with samples; store all of it by ``glue``.

    BLEU by length is stored as JSON, ``[low, high, count, bleu, bleu_low, bleu_high]``
    for each range.

    Args:
        slug: of the chapter.
        name: of the system, in words.
        task: has raw test lines.
        model: the trained system.
        history: of its training.
        edges: of the ranges of source lengths, as for
            :func:`attention_book.recipes.systems.bleu_by_length`; None: BLEU is not
            computed by length.
        **options: as for :func:`attention_book.recipes.systems.score_system`.
    """
    run = score_system(task, model, history, **options)
    print(f"{name}: {run}\n")
    prefix = result_prefix(slug, name)
    if edges is not None:
        rows = []
        for part in bleu_by_length(task, run.outputs, edges):
            ends = [round(100 * end, 2) for end in part.interval]
            row = [part.low, part.high, part.count, round(part.bleu.score, 2), *ends]
            rows.append(row)
            print("{} to {} words, {} sentences: BLEU {} ({} to {})".format(*row))
        print()
        glue(**{f"{prefix}_bleu_by_length": json.dumps(rows)})
    for sample in run.samples:
        print(f"{sample}\n")
    glue(**run.values(prefix))
    return run


def report_pair_system(slug: str, run: PairSystemRun) -> None:
    """Print what a system of sentence pairs reached; store all of it by ``glue``.

    Args:
        slug: of the chapter.
        run: its numbers.
    """
    print(run)
    glue(**run.values(slug))


def report_scores(slug: str, scores: SystemScores) -> None:
    """Print what a system reached item by item; store all of it by ``glue``.

    Args:
        slug: of the chapter.
        scores: its numbers.
    """
    print(scores)
    glue(**scores.values(slug))


def scores_table(
    settings: Settings,
    slug: str,
    systems: Iterable[str],
    *,
    items: str,
    block: int = 1,
    folder: Path | None = None,
) -> Table:
    """Show what full-length runs have recorded of systems, and their differences.

    The intervals are Student's, over the items and not over the seeds: for each item
    the mean over seeds comes first. Differences are taken item by item, between the
    first system and each of the others, over the seeds that both have.

    Args:
        settings: the chapter's, from ``choose_settings``.
        slug: of the chapter.
        systems: their names, as :func:`report_scores` got them; the first one is
            compared with all others.
        items: what the items are, in the plural.
        block: so many items, one after the other, count as one in the interval, because
            neighbours are not independent.
        folder: where the records are; None: the book's.
    """
    names = list(systems)
    caption = f"Right answers in per cent, with 95 % intervals over {items}"
    items_of = {name: f"{result_prefix(slug, name)}_items" for name in names}
    every = recorded_runs(settings, slug, "full", folder)
    selection = having(every, [[value] for value in items_of.values()])
    scores = {
        name: {
            run.parameters["seed"]: np.array(json.loads(run.values[value]))
            for run in runs_with(selection.runs, [value])
        }
        for name, value in items_of.items()
    }
    rows = []
    for name, by_seed in scores.items():
        if by_seed:
            rows.append(_row(name, list(by_seed.values()), block, ".1f"))
    first = names[0]
    for name in names[1:]:
        both = [seed for seed in scores[first] if seed in scores[name]]
        if both:
            gains = [scores[first][seed] - scores[name][seed] for seed in both]
            rows.append(_row(f"{first} minus {name}", gains, block, "+.1f"))
    if not rows:
        command = (
            f'attention-book sweep {slug} --seeds 0-2 -p "systems={"|".join(names)}"'
        )
        note = f"{caption}: no run is recorded yet. To record them: `{command}`"
        return Table(caption, [], [], notes=[note])
    notes = [f"{provenance(selection)}."]
    if selection.outdated:
        notes.append(
            "Outdated: the chapter now has other settings than these runs had "
            f"({', '.join(selection.outdated)})."
        )
    header = ["system", "seeds", "mean", "from", "to"]
    return Table(caption, header, rows, notes=notes, numeric=True)


def _row(label: str, values: Sequence[np.ndarray], block: int, form: str) -> list[str]:
    """A row of :func:`scores_table`: over seeds first, then over blocks of items."""
    means = 100 * np.mean(values, axis=0)
    starts = range(0, len(means), block)
    # A block's share in the mean is the larger the more items it has.
    sums = [means[at : at + block].sum() * len(starts) / len(means) for at in starts]
    ends = (means.mean(), *student_interval(sums))
    return [label, str(len(values)), *(format(float(end), form) for end in ends)]


def systems_table(settings: Settings, slug: str, systems: Iterable[str]) -> Table:
    """Show what full-length runs have recorded of a chapter's translation systems.

    Args:
        settings: the chapter's, from ``choose_settings``.
        slug: of the chapter.
        systems: their names, as :func:`report_system` got them.
    """
    measures = {
        "BLEU": "bleu",
        "BLEU of words": "word_bleu",
        "test perplexity": "test_perplexity",
    }
    quantities = {
        f"{name}: {label}": f"{result_prefix(slug, name)}_{measure}"
        for name in systems
        for label, measure in measures.items()
    }
    caption = "The systems on the test set, over the recorded runs of the full preset"
    table = seeds_table(
        settings, slug, quantities, form=".1f", preset="full", caption=caption
    )
    if not table.rows:  # one run for each system: the whole chapter takes longer
        command = f'attention-book sweep {slug} -p "systems={"|".join(systems)}"'
        note = f"{caption}: none is recorded yet. To record them: `{command}`"
        return Table(caption, [], [], notes=[note])
    return table

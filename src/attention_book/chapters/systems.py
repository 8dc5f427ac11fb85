"""Score a trained system, show its numbers on the page, and hand them on."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from attention_book.chapters.report import glue
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import Table, seeds_table
from attention_book.recipes.sentence_pairs.systems import PairSystemRun
from attention_book.recipes.systems import (
    SystemRun,
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

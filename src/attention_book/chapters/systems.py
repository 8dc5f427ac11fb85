"""Score a trained system, show its numbers on the page, and hand them on."""

from typing import Any

from torch import nn

from attention_book.chapters.report import glue
from attention_book.recipes.sentence_pairs.systems import PairSystemRun
from attention_book.recipes.systems import SystemRun, result_prefix, score_system
from attention_book.recipes.translation import TranslationTask
from attention_book.training.loop import History


def report_system(
    slug: str,
    name: str,
    task: TranslationTask,
    model: nn.Module,
    history: History,
    **options: Any,
) -> SystemRun:
    """Score a system; print what it reached, with samples; store all of it by ``glue``.

    Args:
        slug: of the chapter.
        name: of the system, in words.
        task: has raw test lines.
        model: the trained system.
        history: of its training.
        **options: as for :func:`attention_book.recipes.systems.score_system`.
    """
    run = score_system(task, model, history, **options)
    print(f"{name}: {run}\n")
    for sample in run.samples:
        print(f"{sample}\n")
    glue(**run.values(result_prefix(slug, name)))
    return run


def report_pair_system(slug: str, run: PairSystemRun) -> None:
    """Print what a system of sentence pairs reached; store all of it by ``glue``.

    Args:
        slug: of the chapter.
        run: its numbers.
    """
    print(run)
    glue(**run.values(slug))

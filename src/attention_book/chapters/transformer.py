"""Tables of the chapter on the Transformer, and names for its results."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from attention_book.chapters.report import glue
from attention_book.chapters.settings import Settings
from attention_book.chapters.tables import Table, seeds_table
from attention_book.recipes.race import EqualTime, RaceRun
from attention_book.recipes.removals import RATES, REMOVALS, ArmScores, run_study
from attention_book.recipes.transformer import (
    LADDER,
    NormLeaks,
    Saturation,
    StartSignal,
    TransformerPreset,
)
from attention_book.recipes.translation import TranslationTask, bleu_text

CHAPTER = "transformer"


def start_table(starts: Mapping[tuple[int, str], StartSignal]) -> Table:
    """Show what untrained models do to a signal.

    Args:
        starts: by number of layers and kind of model.
    """
    rows = [
        [
            kind,
            str(depth),
            f"{start.cosine:.2f}",
            f"{start.size:.3g}",
            f"{start.shift:.1%}",
            f"{start.first:.1e}",
            f"{start.last:.1e}",
        ]
        for (depth, kind), start in starts.items()
    ]
    header = ["", "layers", "cosine", "size", "shift", "first gradient", "last"]
    return Table("Before any training", header, rows, numeric=True)


def start_values(
    starts: Mapping[tuple[int, str], StartSignal], names: Mapping[str, str]
) -> dict[str, float | str]:
    """The results of :func:`start_table` for ``glue``.

    Args:
        starts: as for :func:`start_table`.
        names: by kind of model, the word for it in the names of results.
    """
    return {
        f"{CHAPTER}_{field}_{names[kind]}_{depth}": (
            f"{value:.1e}" if field in ("first", "last") else value
        )
        for (depth, kind), start in starts.items()
        for field, value in start._asdict().items()
    }


def leak_table(leaks: Mapping[str, NormLeaks]) -> Table:
    """Show what norms let through.

    Args:
        leaks: by name of the norm.
    """
    rows = [
        [f"{name} norm", f"{leak.neighbour:.2g}", f"{leak.future:.2g}"]
        for name, leak in leaks.items()
    ]
    return Table(
        "By how much log-probabilities change: the largest change, and their sum",
        ["", "another neighbour in the batch", "another last word"],
        rows,
        numeric=True,
    )


def alignment_table(on_dev: Mapping[str, float], on_test: Mapping[str, float]) -> Table:
    """Show the alignment error rate of each head on two sets.

    Args:
        on_dev: by head, on the development set.
        on_test: by head, on the test set.
    """
    rows = [[name, f"{on_dev[name]:.1%}", f"{x:.1%}"] for name, x in on_test.items()]
    caption = "Alignment error rate of the cross-attention"
    return Table(caption, ["", "development", "test"], rows, numeric=True)


def ladder_table(
    fair: EqualTime, means: Mapping[str, Mapping[str, float]], measure: str
) -> Table:
    """Show how far the models of the ladder are after equal time and equal data.

    Args:
        fair: what each can do in equal time.
        means: as from :func:`attention_book.recipes.race.race_means`.
        measure: what is right, in words.
    """
    rows = []
    for name, own in means.items():
        error = own["error_time"]
        rows.append(
            [
                name,
                f"{fair.parameters[name]:,}",
                str(fair.steps[name]),
                f"{own['right_time']:.1%}",
                f"{own['right_data']:.1%}",
                "" if math.isnan(error) else f"{error:.1%}",
            ]
        )
    header = ["", "parameters", "steps in equal time", f"{measure}, equal time"]
    header += ["equal data", "alignment error rate, equal time"]
    return Table("The ladder", header, rows, numeric=True)


def removal_table(scores: ArmScores, measure: str) -> Table:
    """Show how well models with a part removed do.

    Args:
        scores: of the models.
        measure: what ``scores.free`` counts, in words.
    """
    rows = [
        [label, f"{scores.forced[name]:.1%}", f"{scores.free[name]:.1%}"]
        for name, label in scores.labels.items()
    ]
    for row, (low, high) in zip(rows, scores.intervals(), strict=True):
        row.append(f"{low:.1%} to {high:.1%}")
    header = ["", "words right, teacher forcing", measure, "interval"]
    return Table("One part removed, one seed", header, rows, numeric=True)


def rate_table(scores: ArmScores, measure: str) -> Table:
    """Show the models of :data:`attention_book.recipes.removals.RATES`.

    Args:
        scores: of the models.
        measure: what ``scores.free`` counts, in words.
    """
    rows = [
        [
            "as chosen" if rate == "plain" else "twice",
            "yes" if warm == "warm" else "no",
            *(
                f"{scores.free[f'{rate}_{warm}_{norm}']:.1%}"
                for norm in ("post", "pre")
            ),
        ]
        for rate in ("plain", "fast")
        for warm in ("warm", "cold")
    ]
    header = ["learning rate", "warm-up", "post-norm", "pre-norm"]
    return Table(f"{measure}, one seed", header, rows, numeric=True)


def study_table(settings: Settings, name: str, *, folder: Path | None = None) -> Table:
    """Show what is recorded of one of the longer comparisons.

    Args:
        settings: the chapter's.
        name: one of :data:`attention_book.recipes.removals.STUDIES`.
        folder: where the records are; None: the book's.
    """
    quick = settings.presets["quick"]
    if name == "ladder":
        steps = quick["study_steps"]
        rates = {"low": quick["learning_rate"], "high": quick["recurrent_rate"]}
        caption = f"Sentences right after {steps} steps, without label smoothing"
        prefix = f"{CHAPTER}_ladder"
        quantities = {
            f"{model}, rate {rate:g}": f"{prefix}_{size}_{steps}_{model.lower()}"
            for model in LADDER
            for size, rate in rates.items()
        }
    else:
        arms = RATES if name == "rates" else REMOVALS
        what = "learning rate, warm-up and norm" if name == "rates" else "parts removed"
        caption = f"Sentences right: {what}, by number of layers on each side"
        quantities = {
            f"{depth} layers, {removal.label}": f"{CHAPTER}_{name}_{depth}_{arm}"
            for depth in quick["study_depths"]
            for arm, removal in arms.items()
        }
    return seeds_table(
        settings,
        CHAPTER,
        quantities,
        caption=caption,
        form=".1%",
        preset="quick",
        median=True,
        systems=name,
        folder=folder,
    )


def alignment_values(
    on_test: Mapping[str, float], chosen: str, num_layers: int
) -> dict[str, float | int | str]:
    """The results of :func:`alignment_table` for ``glue``.

    Args:
        on_test: by head, on the test set.
        chosen: the head, or mean, that was chosen on the development set.
        num_layers: of the decoder.
    """
    single = {name: rate for name, rate in on_test.items() if "head" in name}
    best = min(single, key=lambda name: single[name])
    values: dict[str, float | int | str] = {
        "candidates": len(on_test),
        "aer_chosen": chosen,
        "aer": on_test[chosen],
        "aer_head": best,
        "aer_single": single[best],
        "aer_worst": max(single.values()),
        "aer_first": on_test["layer 1, mean"],
        "aer_last": on_test[f"layer {num_layers}, mean"],
    }
    return {f"{CHAPTER}_{name}": value for name, value in values.items()}


def ladder_values(
    fair: EqualTime, means: Mapping[str, Mapping[str, float]], num_tokens: int
) -> dict[str, float]:
    """The results of :func:`ladder_table` for ``glue``.

    Args:
        fair: as for :func:`ladder_table`.
        means: as for :func:`ladder_table`.
        num_tokens: target tokens of the batch that was timed.
    """
    values = {}
    for name, own in means.items():
        prefix = f"{CHAPTER}_{name.lower()}"
        values[f"{prefix}_time"] = own["right_time"]
        values[f"{prefix}_data"] = own["right_data"]
        values[f"{prefix}_decoding"] = own["decoding"]
        values[f"{prefix}_speed"] = num_tokens / fair.step_seconds[name]
        if not math.isnan(own["error_time"]):
            values[f"{prefix}_aer"] = own["error_time"]
    return values


def report_bleu(
    task: TranslationTask,
    outputs: Mapping[str, Sequence[Sequence[str]]],
    ladder_task: TranslationTask,
    runs: Mapping[str, Sequence[RaceRun]],
) -> None:
    """Print BLEU of the chapter's model and of the ladder; ``glue`` the former.

    Args:
        task: has raw test lines.
        outputs: of the chapter's model, by how they were searched for.
        ladder_task: has raw test lines.
        runs: of the ladder.
    """
    for name, own in outputs.items():
        bleu = task.bleu(own, bootstrap=1000)
        print(f"{name:21} {bleu_text(bleu)}")
        short = "mean" if "mean" in name else name.split()[0]
        glue(**{f"{CHAPTER}_bleu_{short}": bleu.score})
    for name, races in runs.items():
        for run in races:
            print(f"ladder, {name}: {bleu_text(ladder_task.bleu(run.outputs))}")


def record_studies(
    settings: Settings, task: TranslationTask, preset: TransformerPreset
) -> None:
    """Run the longer comparisons that ``settings.systems`` names; ``glue`` the results.

    Args:
        settings: the chapter's.
        task: numbers in words.
        preset: of the quick runs.
    """
    for name in settings.systems or ():
        found = run_study(
            name,
            task,
            preset,
            seed=settings.seed,
            examined=task.test[: settings.examined],
            checkpoints=settings.checkpoint,
        )
        glue(**{f"{CHAPTER}_{key}": value for key, value in found})


def saturation_table(found: Mapping[tuple[bool, int], Saturation]) -> Table:
    """Show what scaling does to a softmax.

    Args:
        found: by whether the scores are divided, and by the size of a query.
    """
    rows = [
        ["divided by the root" if scaled else "not divided", str(size)]
        + [f"{value:.3g}" for value in one]
        for (scaled, size), one in found.items()
    ]
    header = ["scores", "size of a query", "variance", "largest weight", "derivative"]
    caption = "Random queries over 16 random keys"
    return Table(caption, header, rows, numeric=True)


def stage_table(by_stage: Mapping[str, float]) -> Table:
    """Show the share of words right if the decoder ended after each stage."""
    rows = [[name.strip(), f"{share:.1%}"] for name, share in by_stage.items()]
    caption = "If the decoder ended here"
    return Table(caption, ["after", "words right"], rows, numeric=True)


def speed_table(speeds: Mapping[str, Mapping[int, float]]) -> Table:
    """Show words per second in training, by model and length of the sentences."""
    rows = [
        [name, *(f"{x:,.0f}" for x in own.values())] for name, own in speeds.items()
    ]
    lengths = next(iter(speeds.values()))
    header = ["words per second", *(f"sentences of {length}" for length in lengths)]
    caption = "Speed of training, with equally many parameters"
    return Table(caption, header, rows, numeric=True)


def speed_values(speeds: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """The results of :func:`speed_table` for ``glue``."""
    return {
        f"{CHAPTER}_{name.lower()}_speed_{length}": speed
        for name, own in speeds.items()
        for length, speed in own.items()
    }


def stage_values(by_stage: Mapping[str, float], num_layers: int) -> dict[str, float]:
    """Some results of :func:`stage_table` for ``glue``.

    Args:
        by_stage: share of words right, by stage.
        num_layers: of the decoder.
    """
    stages = {
        "start": "+ positions ",
        "first": "decoder 1, feed-forward",
        "cross": f"decoder {num_layers}, cross-attention",
        "end": f"decoder {num_layers}, feed-forward",
    }
    return {f"{CHAPTER}_stage_{k}": by_stage[stage] for k, stage in stages.items()}

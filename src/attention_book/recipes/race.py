"""Translators side by side: equal numbers of parameters, equal time, equal data."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.evaluation.alignment import Link
from attention_book.evaluation.cost import fair_clock, seconds_in_turns
from attention_book.recipes.translation import Measured, TrainingPlan, TranslationTask
from attention_book.training.checkpoint import (
    CheckpointFiles,
    no_checkpoints,
    remember,
)
from attention_book.training.optimizers import make_optimizer
from attention_book.training.watch import Watch


def count_parameters(model: nn.Module) -> int:
    """Number of trained numbers in a model, shared ones counted once.

    Example:
        >>> count_parameters(nn.Linear(3, 5))
        20
    """
    return sum(parameter.numel() for parameter in model.parameters())


def size_for_parameters(
    build: Callable[[int], nn.Module], wanted: int, *, largest: int = 1024
) -> int:
    """Find the size with which a model has about a wanted number of parameters.

    Args:
        build: makes the model of a size; its number of parameters grows with the size.
        wanted: number of parameters.
        largest: the largest size, the smallest being 1.

    Returns:
        The size whose number of parameters is nearest to the wanted one.

    Example:
        >>> size_for_parameters(lambda size: nn.Linear(size, 10), 200)
        19
    """
    low, high = 2, largest
    while low < high:
        middle = (low + high) // 2
        if count_parameters(build(middle)) < wanted:
            low = middle + 1
        else:
            high = middle
    candidates = (low - 1, low)
    return min(candidates, key=lambda n: abs(count_parameters(build(n)) - wanted))


def training_seconds(
    models: Mapping[str, nn.Module],
    batch: PairBatch,
    *,
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
) -> dict[str, list[float]]:
    """Time training steps of several models on one batch, in turns.

    A step is the loss, its gradients and a step of Adam. The times are different in
    each run, and decide how many steps a model is trained for: that a run which was
    stopped can go on, they are kept with its checkpoints.

    Args:
        models: by name; they are moved to the batch's device, and trained.
        batch: what each step learns from.
        rounds: how often each model is timed.
        warm_up: rounds before these that do not count.
        clock: as for :func:`attention_book.evaluation.cost.seconds_in_turns`.
        checkpoint: file that holds the times; None: they are not kept.

    Returns:
        Seconds of each round, by name.
    """
    steps = {name: _training_step(model, batch) for name, model in models.items()}

    def measure() -> dict[str, list[float]]:
        return seconds_in_turns(steps, rounds=rounds, warm_up=warm_up, clock=clock)

    return remember(checkpoint, measure)


def _training_step(model: nn.Module, batch: PairBatch) -> Callable[[], None]:
    model.to(batch.source.device)
    optimizer = make_optimizer("adam", model.parameters(), 1e-3)
    loss: Any = model.loss

    def step() -> None:
        optimizer.zero_grad()
        loss(batch).backward()
        optimizer.step()

    return step


def equal_time_steps(
    seconds: Mapping[str, float], reference: str, num_steps: int
) -> dict[str, int]:
    """Steps that each model can take in the time of one of them.

    Args:
        seconds: of one training step, by name.
        reference: name of the model that takes ``num_steps``.
        num_steps: its number of steps.

    Returns:
        Numbers of steps by name, at least 1.

    Example:
        >>> equal_time_steps({"slow": 0.5, "fast": 0.2}, "slow", 100)
        {'slow': 100, 'fast': 250}
    """
    budget = num_steps * seconds[reference]
    return {name: max(1, round(budget / own)) for name, own in seconds.items()}


@dataclass(frozen=True)
class EqualTime:
    """What several models can do in the time that one of them needs.

    Attributes:
        parameters: number of parameters by name.
        step_seconds: median time of a training step by name.
        steps: steps that fit into the time by name.
        seconds: the time of all.
    """

    parameters: dict[str, int]
    step_seconds: dict[str, float]
    steps: dict[str, int]
    seconds: float

    def __str__(self) -> str:
        """A line for each model."""
        return "\n".join(
            f"{name:12} {self.parameters[name]:9,} parameters   {1000 * own:6.1f} ms"
            f" a step   {self.steps[name]:5} steps in {self.seconds:.1f} s"
            for name, own in self.step_seconds.items()
        )


def equal_time(
    builders: Mapping[str, Callable[[int], nn.Module]],
    batch: PairBatch,
    reference: str,
    num_steps: int,
    *,
    rounds: int = 7,
    clock: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
) -> EqualTime:
    """Time a training step of each model, and share out the time of one of them.

    Args:
        builders: by name, a function from a seed to a fresh model.
        batch: what each step learns from.
        reference: name of the model that takes ``num_steps``.
        num_steps: its number of steps.
        rounds: how often each step is timed, in turns, after one that does not count.
        clock: as for :func:`attention_book.evaluation.cost.seconds_in_turns`.
        checkpoint: as for :func:`training_seconds`.
    """
    models = {name: build(0) for name, build in builders.items()}
    times = training_seconds(
        models, batch, rounds=rounds, clock=clock, checkpoint=checkpoint
    )
    seconds = {name: float(np.median(own)) for name, own in times.items()}
    return EqualTime(
        {name: count_parameters(model) for name, model in models.items()},
        seconds,
        equal_time_steps(seconds, reference, num_steps),
        num_steps * seconds[reference],
    )


def pairs_for_steps(
    task: TranslationTask, plan: TrainingPlan, pairs: Sequence[Pair], num_steps: int
) -> tuple[Sequence[Pair], int]:
    """Choose how many pairs, and epochs, make about a number of steps.

    Args:
        task: the task that has the pairs.
        plan: tells the size of a batch.
        pairs: those that may be used, the first ones first.
        num_steps: optimizer steps, as in whole epochs of equal length.

    Returns:
        The pairs and the number of epochs.
    """
    per_step = len(pairs) / task.num_steps(plan, pairs)
    epochs = max(1, math.ceil(num_steps * per_step / len(pairs)))
    return pairs[: max(1, round(num_steps * per_step / epochs))], epochs


def train_variants(
    task: TranslationTask,
    plan: TrainingPlan,
    builders: Mapping[str, Callable[[int], nn.Module]],
    num_steps: Mapping[str, int],
    seeds: Sequence[int],
    kinds: Mapping[str, Callable[[Pair], Collection[Link]]],
    *,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[str, list[Measured]]:
    """Train variants of a translator, each for its own number of steps, and measure.

    All steps are one epoch, with one schedule: the training pairs are repeated, or cut,
    to as many as are needed.

    Args:
        task: what is learned; with dev pairs, they choose the best weights.
        plan: how.
        builders: by name, a function from a seed to a fresh model.
        num_steps: optimizer steps, by name; with batches of so many tokens, about.
        seeds: one run for each; it also orders the pairs.
        kinds: of links, as for :meth:`TranslationTask.measure`.
        checkpoints: give each run its file.

    Returns:
        By name, what came out for each seed.
    """
    results: dict[str, list[Measured]] = {name: [] for name in builders}
    for name, build in builders.items():
        per_step = plan.batch.get("batch_size", len(task.train) / task.num_steps(plan))
        needed = round(num_steps[name] * per_step)
        pairs = (task.train * math.ceil(needed / len(task.train)))[:needed]
        for seed in seeds:
            model = build(seed)
            task.fit(
                model,
                plan,
                epochs=1,
                seed=seed,
                pairs=pairs,
                choose=bool(task.dev),
                checkpoint=checkpoints(f"{name}, seed {seed}"),
                description=f"{name}, seed {seed}",
            )
            results[name].append(task.measure(model, kinds))
    return results


@dataclass(frozen=True)
class RaceRun:
    """One model's way through a race.

    Attributes:
        right: share of what is right, from 0 to 1, by the number of steps taken.
        right_time: after as many steps as the time allows.
        right_data: after as many steps as every other model.
        error_time: alignment error rate after equal time; NaN if there is none.
        error_data: alignment error rate after equal data.
        outputs: tokens that the trained model writes for each test source.
        decoding: tokens that it writes in a second, ``<eos>`` included.
    """

    right: dict[int, float]
    right_time: float
    right_data: float
    error_time: float
    error_data: float
    outputs: list[list[str]]
    decoding: float


def run_race(
    task: TranslationTask,
    plan: TrainingPlan,
    model: nn.Module,
    *,
    time_steps: int,
    data_steps: int,
    num_points: int,
    measure: Callable[[nn.Module], float],
    error: Callable[[nn.Module], float],
    seed: int,
    clock: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
    description: str = "",
) -> RaceRun:
    """Train a model, and measure it on its way.

    It is trained for the larger of two numbers of steps, on one schedule. Batches may
    come out a few steps short: then the end stands for the steps that are missing.

    Args:
        task: what is learned.
        plan: how.
        model: a fresh model.
        time_steps: steps that fit into the time that all models have.
        data_steps: steps that all models take.
        num_points: how often it is measured up to ``time_steps``.
        measure: the share of what a model gets right.
        error: a model's alignment error rate; NaN if it has none.
        seed: of the order of the pairs.
        clock: as for :func:`attention_book.evaluation.cost.seconds_in_turns`; it
            measures the speed of decoding.
        checkpoint: file that holds the run; None: it is not saved.
        description: words in front of the progress bar.
    """
    pairs, epochs = pairs_for_steps(task, plan, task.train, max(time_steps, data_steps))
    points = {
        max(1, round(k / num_points * time_steps)) for k in range(1, num_points + 1)
    } | {data_steps}

    def look(step: int) -> tuple[float, float | None]:
        asked = step in (time_steps, data_steps)
        return measure(model), error(model) if asked else None

    watch = Watch(look, at=points.__contains__)
    history = task.fit(
        model,
        plan,
        epochs=epochs,
        seed=seed,
        pairs=pairs,
        checkpoint=checkpoint,
        on_step=watch,
        description=description,
    )
    watch.take(len(history.step_loss))
    looks = list(zip(watch.steps, watch.values, strict=True))
    right = {step: share for step, (share, _) in looks}
    errors = {step: rate for step, (_, rate) in looks if rate is not None}

    def at(values: dict[int, float], step: int) -> float:
        if step in values:
            return values[step]
        return right[max(right)] if values is right else error(model)

    found = {
        "right_time": at(right, time_steps),
        "error_time": at(errors, time_steps),
        "right_data": at(right, data_steps),
        "error_data": at(errors, data_steps),
    }
    clock = clock or fair_clock()
    start = clock()
    outputs = task.translate(model)
    seconds = clock() - start
    decoding = sum(len(tokens) + 1 for tokens in outputs) / seconds
    return RaceRun(right=right, **found, outputs=outputs, decoding=decoding)


def race_means(runs: Mapping[str, Sequence[RaceRun]]) -> dict[str, dict[str, float]]:
    """Mean over the runs of each model, for what is measured after equal time and data.

    Args:
        runs: one or more for each model.

    Returns:
        By name of the model, then by field of :class:`RaceRun`; for ``decoding`` the
        median, because a clock has outliers.
    """
    fields = "right_time", "right_data", "error_time", "error_data"
    return {
        name: {
            **{
                field: float(np.mean([getattr(run, field) for run in own]))
                for field in fields
            },
            "decoding": float(np.median([run.decoding for run in own])),
        }
        for name, own in runs.items()
    }


def race_table(
    means: Mapping[str, Mapping[str, float]],
    parameters: Mapping[str, int],
    speed: Mapping[str, float],
) -> str:
    """The means of a race as a table of text, a line for each model.

    Args:
        means: as from :func:`race_means`.
        parameters: number of parameters of each model.
        speed: target tokens per second in training.
    """
    lines = [
        "               parameters      equal time          equal data"
        "      training   decoding"
    ]
    for name, own in means.items():
        cells = [
            "      -" if math.isnan(own[field]) else f"{own[field]:7.1%}"
            for field in ("right_time", "error_time", "right_data", "error_data")
        ]
        lines.append(
            f"{name:12} {parameters[name]:11,}   {cells[0]} {cells[1]}   {cells[2]} "
            f"{cells[3]}   {speed[name]:9,.0f}  {own['decoding']:9,.0f}"
        )
    return "\n".join(lines)


def race_lines(
    runs: Mapping[str, Sequence[RaceRun]], unit: Mapping[str, float]
) -> dict[str, list[list[tuple[float, float]]]]:
    """The way of each run, from nothing right at the start.

    Args:
        runs: one or more for each model.
        unit: what one step of each model counts, for instance its seconds.

    Returns:
        For each model and run, points of units and shares right.
    """
    return {
        name: [
            [
                (0.0, 0.0),
                *((step * unit[name], x) for step, x in sorted(run.right.items())),
            ]
            for run in own
        ]
        for name, own in runs.items()
    }

"""Luong's scores side by side: what each has learned after so many seconds."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from attention_book.data.translation.pairs import Pair
from attention_book.evaluation.alignment import Link
from attention_book.evaluation.cost import fair_clock
from attention_book.recipes.systems import result_prefix
from attention_book.recipes.translation import Measured, TrainingPlan, TranslationTask
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.watch import Watch


@dataclass(frozen=True)
class LearningCurve:
    """What a model had learned after so much time.

    Attributes:
        seconds: of training at each look; the looks themselves do not count.
        values: what was measured there, the lower the better.
        num_steps: optimizer steps in all.
    """

    seconds: list[float]
    values: list[float]
    num_steps: int

    def seconds_to(self, value: float) -> float:
        """Seconds until the values had first fallen to ``value``; NaN if never.

        Between two looks the values are taken to fall on a straight line.

        Example:
            >>> curve = LearningCurve([0.0, 1.0, 3.0], [4.0, 2.0, 1.0], num_steps=6)
            >>> curve.seconds_to(1.5), curve.seconds_to(0.5)
            (2.0, nan)
        """
        for look, (now, found) in enumerate(
            zip(self.seconds, self.values, strict=True)
        ):
            if found > value:
                continue
            if look == 0:
                return now
            before, higher = self.seconds[look - 1], self.values[look - 1]
            return before + (now - before) * (higher - value) / (higher - found)
        return math.nan


class _Looks(Watch):
    """Looks at a model, with the seconds of training up to each; looks do not count.

    The seconds are saved with the run, so that a run which was stopped goes on with
    those that it had, the time since its last look among them.

    Args:
        measure: what is measured of the model.
        at: tells for a number of steps whether it is time to look.
        clock: returns seconds.
    """

    def __init__(
        self,
        measure: Callable[[], float],
        *,
        at: Callable[[int], bool],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(self._look, at=at)
        self.value, self.clock = measure, clock
        self.begin: float | None = None

    def _look(self, _step: int) -> tuple[float, float]:
        now = self.clock()
        spent = now - (now if self.begin is None else self.begin)
        value = self.value()
        self.begin = self.clock() - spent
        return spent, value

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured, and the seconds of training so far."""
        begin = self.begin
        seconds = 0.0 if begin is None else self.clock() - begin
        return super().state_dict() | {"seconds": seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what was measured, and let the clock go on."""
        super().load_state_dict(state)
        self.begin = self.clock() - state["seconds"]


def learning_curve(
    task: TranslationTask,
    plan: TrainingPlan,
    model: nn.Module,
    *,
    epochs: int,
    seed: int,
    measure: Callable[[nn.Module], float],
    num_looks: int,
    clock: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
    description: str = "",
) -> LearningCurve:
    """Train a model, and measure it on its way against the seconds of training.

    Args:
        task: what is learned.
        plan: how.
        model: a fresh model; it is left in eval mode.
        epochs: runs through the pairs.
        seed: of their order.
        measure: what is measured of the model, the lower the better.
        num_looks: how often, besides once before the first step.
        clock: returns seconds; None:
            :func:`attention_book.evaluation.cost.fair_clock`, the CPU time of this
            process where one thread computes.
        checkpoint: file that holds the run; None: it is not saved.
        description: words in front of the progress bar.
    """
    clock = clock or fair_clock()
    num_steps = epochs * task.num_steps(plan)
    points = {round(k * num_steps / num_looks) for k in range(num_looks + 1)}
    watch = _Looks(lambda: measure(model), at=points.__contains__, clock=clock)
    task.fit(
        model,
        plan,
        epochs=epochs,
        seed=seed,
        choose=bool(task.dev),
        keep="last",
        checkpoint=checkpoint,
        on_step=watch,
        description=description,
    )
    if num_steps not in watch.steps:
        watch.take(num_steps)
    seconds, values = zip(*watch.values, strict=True)
    return LearningCurve([*seconds], [*values], num_steps)


@dataclass(frozen=True, eq=False)
class ScoreRun:
    """A translator with one score, trained to the end.

    Attributes:
        curve: its loss on the test set, in nats per token, against seconds.
        measured: what it reached.
    """

    curve: LearningCurve
    measured: Measured

    @property
    def step_seconds(self) -> float:
        """Mean time of a training step."""
        return self.curve.seconds[-1] / self.curve.num_steps

    def values(self, prefix: str, loss: float) -> dict[str, float]:
        """Numbers of the run by name, for a record; those that are NaN are left out.

        Args:
            prefix: start of each name.
            loss: the time until the test loss had fallen to it is one of them.
        """
        found = {
            "loss": self.measured.loss,
            "exact": float(self.measured.exact.mean()),
            "seconds": self.curve.seconds[-1],
            "seconds_to": self.curve.seconds_to(loss),
            "step_ms": 1000 * self.step_seconds,
        }
        found |= {f"aer_{k}": rate for k, rate in self.measured.rates.items()}
        return {
            result_prefix(prefix, name): float(value)
            for name, value in found.items()
            if not math.isnan(value)
        }


def race_scores(
    task: TranslationTask,
    plan: TrainingPlan,
    builders: Mapping[str, Callable[[int], nn.Module]],
    *,
    epochs: int,
    seed: int,
    kinds: Mapping[str, Callable[[Pair], Collection[Link]]],
    num_looks: int = 12,
    clock: Callable[[], float] | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[str, ScoreRun]:
    """Train translators with different scores alike, against the seconds they take.

    All see the same batches in the same order; only the score differs, and with it the
    time of a step.

    Args:
        task: what is learned.
        plan: how.
        builders: by name, a function from a seed to a fresh model.
        epochs: runs through the pairs.
        seed: of the weights and of the order of the pairs.
        kinds: of links, as for :meth:`TranslationTask.measure`.
        num_looks: how often the loss on the test set is measured.
        clock: as for :func:`learning_curve`.
        checkpoints: give each run its file.
    """
    batch = task.batch(task.test)

    @torch.no_grad()
    def test_loss(model: nn.Module) -> float:
        translator: Any = model.eval()
        return translator.loss(batch).item()

    runs = {}
    for name, build in builders.items():
        model = build(seed)
        curve = learning_curve(
            task,
            plan,
            model,
            epochs=epochs,
            seed=seed,
            measure=test_loss,
            num_looks=num_looks,
            clock=clock,
            checkpoint=checkpoints(f"score {name}"),
            description=f"score {name}",
        )
        runs[name] = ScoreRun(curve, task.measure(model, kinds))
    return runs

"""Measure a model on its way through training."""

from collections.abc import Callable
from typing import Any


class Watch:
    """Measure a model at some steps of its training, and keep what was measured.

    Pass it to :func:`attention_book.training.loop.fit` as ``on_step``. What it has
    measured is part of the run's checkpoint, so that a run which was stopped has it
    again when it goes on. The measurements of a plain function would be lost.

    ``fit`` calls it before each step; :meth:`take` measures after the last one.

    Args:
        measure: called with the number of steps taken. It returns plain values and
            tensors, in lists, tuples and dictionaries.
        at: tells for a number of steps whether it is time to measure.

    Attributes:
        steps: numbers of steps at which it was measured.
        values: what ``measure`` returned at each of them.

    Example:
        >>> watch = Watch(lambda step: step**2, at=lambda step: step % 3 == 0)
        >>> for step in range(8):
        ...     watch(step)
        >>> watch.steps, watch.values
        ([0, 3, 6], [0, 9, 36])
    """

    def __init__(
        self, measure: Callable[[int], Any], *, at: Callable[[int], bool]
    ) -> None:
        self.measure, self.at = measure, at
        self.steps: list[int] = []
        self.values: list[Any] = []

    def __call__(self, step: int) -> None:
        """Measure if it is time to, after ``step`` optimizer steps."""
        if self.at(step):
            self.take(step)

    def take(self, step: int) -> None:
        """Measure now, after ``step`` optimizer steps."""
        self.values.append(self.measure(step))
        self.steps.append(step)

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured, for a checkpoint."""
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what was measured in place of what there is."""
        self.steps, self.values = list(state["steps"]), list(state["values"])

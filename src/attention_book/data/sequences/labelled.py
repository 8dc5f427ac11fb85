"""Batches of inputs with one label each."""

import operator
from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class LabelledBatch:
    """Inputs, and the class of each as a number from 0."""

    inputs: Shaped[Tensor, "batch ..."]
    labels: Int[Tensor, " batch"]

    @property
    def num_tokens(self) -> int:
        """Number of predictions, one per label."""
        return len(self.labels)

    def to(self, device: torch.device | str) -> "LabelledBatch":
        """Return the same batch on ``device``."""
        return LabelledBatch(self.inputs.to(device), self.labels.to(device))


def labelled_batches(
    inputs: Shaped[Tensor, "examples ..."],
    labels: Int[Tensor, " examples"],
    *,
    batch_size: int,
    steps: int,
    seed: int,
) -> list[LabelledBatch]:
    """Make a given number of batches, whatever the number of examples.

    The examples are repeated as often as necessary, each time in a new order, so that
    runs on few and on many examples take the same number of steps.

    Args:
        inputs: one row per example.
        labels: one number per example.
        batch_size: number of examples in each batch, with repetitions if there are
            fewer examples.
        steps: number of batches.
        seed: seed of the order.

    Raises:
        ValueError: if there are no examples, not as many labels as inputs, or
            ``batch_size`` or ``steps`` is less than 1.

    Example:
        >>> x = torch.arange(3)
        >>> batches = labelled_batches(x, x, batch_size=2, steps=3, seed=0)
        >>> torch.cat([batch.labels for batch in batches]).sort().values
        tensor([0, 0, 1, 1, 2, 2])
    """
    if not len(inputs) or len(inputs) != len(labels):
        raise ValueError(
            f"inputs and labels must be equally many and at least one, got "
            f"{len(inputs)} and {len(labels)}"
        )
    if batch_size < 1 or steps < 1:
        raise ValueError(
            f"batch_size and steps must be at least 1, got {batch_size} and {steps}"
        )
    generator = torch.Generator().manual_seed(operator.index(seed))
    rounds = -(-batch_size * steps // len(inputs))  # rounded up
    orders = [torch.randperm(len(inputs), generator=generator) for _ in range(rounds)]
    rows = torch.cat(orders)[: batch_size * steps]
    return [
        LabelledBatch(inputs[part], labels[part]) for part in rows.split(batch_size)
    ]

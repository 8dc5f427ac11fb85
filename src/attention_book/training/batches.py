"""What the training loop and the measures need of a batch, and of batches."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch


@runtime_checkable
class Batch(Protocol):
    """A batch of examples; every batch class of :mod:`attention_book.data` is one."""

    @property
    def num_tokens(self) -> int:
        """Number of predictions, over which the loss is a mean.

        A plain number, so that reading it does not wait for a GPU.
        """
        ...

    def to(self, device: torch.device) -> "Batch":
        """Return the same batch on ``device``."""
        ...


@runtime_checkable
class Batches(Protocol):
    """Batches that can be counted and run through again: a loader or a list.

    A loader's ``generator``, if it has one, is what a checkpoint saves of its order.
    """

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        ...

    def __len__(self) -> int:
        """Return the number of batches."""
        ...


def require_batches(name: str, batches: Batches) -> None:
    """Refuse an empty loader.

    Args:
        name: name of the argument, for the message.
        batches: its value.

    Raises:
        ValueError: if there are no batches.
    """
    if not len(batches):
        raise ValueError(f"{name} must have at least one batch, got none")

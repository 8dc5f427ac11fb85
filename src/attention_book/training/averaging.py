"""Average the weights that a model had at the last moments of its training."""

from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
"""What ``model.state_dict()`` returns: every parameter and buffer by name."""


def average_weights(weights: Iterable[Weights]) -> Weights:
    r"""Return the mean of several weights of one model, number by number.

    .. math:: \bar\theta = \frac{1}{k} \sum_{i=1}^{k} \theta_i

    Integers, such as a count of batches, cannot be averaged: the last ones are taken.

    Args:
        weights: :math:`\theta_1 \ldots \theta_k`, in the order of training.

    Returns:
        What ``model.load_state_dict`` takes, of the types of the first.

    Raises:
        ValueError: if there are none, or names or shapes differ.

    Source: arXiv:1706.03762, 6.1: the last 5 checkpoints (base) or 20 (big).

    Example:
        >>> parts = [{"w": torch.tensor([1.0])}, {"w": torch.tensor([4.0])}]
        >>> average_weights(parts)
        {'w': tensor([2.5000])}
    """
    weights = list(weights)
    if not weights:
        raise ValueError("weights must hold at least one model's weights, got none")
    shapes = [{name: part.shape for name, part in one.items()} for one in weights]
    for number, own in enumerate(shapes):
        if own != shapes[0]:
            different = sorted(
                name
                for name in own.keys() | shapes[0].keys()
                if own.get(name) != shapes[0].get(name)
            )
            raise ValueError(
                f"weights {number} (from 0) are of another model than weights 0: "
                f"they differ in {', '.join(different)}"
            )
    return {name: _mean([one[name] for one in weights]) for name in weights[0]}


class RecentWeights:
    """Keep a model's weights at its last few moments of training.

    It is handed to :func:`attention_book.training.loop.fit` as ``watch``. The copies
    are in memory, on the model's device: they do not survive a run that is killed and
    goes on from its checkpoint.

    Args:
        model: whose weights are kept.
        keep: how many of them, the last ones.
        every: optimizer steps from one copy to the next.

    Raises:
        ValueError: if ``keep`` or ``every`` is less than 1; from :meth:`average`, if
            nothing was kept.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> recent = RecentWeights(model, keep=2, every=10)
        >>> for step in range(31):
        ...     _ = nn.init.constant_(model.weight, step)
        ...     recent(step)
        >>> recent.average()
        {'weight': tensor([[25.]])}
    """

    def __init__(self, model: nn.Module, *, keep: int, every: int) -> None:
        if keep < 1 or every < 1:
            raise ValueError(
                f"keep and every must be at least 1, got {keep} and {every}"
            )
        self.model, self.every = model, every
        self.kept: deque[Weights] = deque(maxlen=keep)

    def __call__(self, step: int) -> None:
        """Keep the weights if it is time to; ``step`` is the number of steps taken."""
        if step and step % self.every == 0:
            self.take()

    def take(self) -> None:
        """Keep the weights as they are now, as after the last step."""
        state = self.model.state_dict()
        self.kept.append({name: part.detach().clone() for name, part in state.items()})

    def average(self) -> Weights:
        """Return the mean of what is kept, for ``model.load_state_dict``."""
        return average_weights(self.kept)


def _mean(parts: list[Tensor]) -> Tensor:
    if not parts[0].is_floating_point():
        return parts[-1].clone()
    # Sums of bfloat16 would be too coarse.
    return torch.stack(parts).mean(dim=0, dtype=torch.float64).to(parts[0].dtype)

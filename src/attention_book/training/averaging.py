"""Average the weights that a model had towards the end of its training."""

from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
"""What ``model.state_dict()`` returns: every parameter and buffer by name."""


def average_weights(weights: Iterable[Weights]) -> Weights:
    r"""Return the elementwise mean of several weights of one model.

    .. math:: \bar\theta = \frac{1}{k} \sum_{i=1}^{k} \theta_i

    Integers, such as a count of batches, are not averaged: the last ones are taken.

    Args:
        weights: :math:`\theta_1 \ldots \theta_k`, in the order of training.

    Returns:
        Weights for ``model.load_state_dict``, of the dtypes of the first ones.

    Raises:
        ValueError: if there are no weights, or their names or shapes differ.

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
    """Keep copies of a model's weights from the end of its training.

    Pass it to :func:`attention_book.training.loop.fit` as ``on_step``. The copies are
    in memory, on the model's device, and part of the run's checkpoint.

    ``fit`` calls it before each step, so the weights after the last step are added by
    :meth:`take`. With a dev set, call ``fit`` with ``keep="last"``: otherwise the model
    has the weights of its best epoch by then.

    Args:
        model: the model whose weights are kept.
        keep: number of copies; older ones are dropped.
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
        """Copy the weights if they are due after ``step`` optimizer steps."""
        if step and step % self.every == 0:
            self.take()

    def take(self) -> None:
        """Copy the weights now, for instance after the last step."""
        state = self.model.state_dict()
        self.kept.append({name: part.detach().clone() for name, part in state.items()})

    def average(self) -> Weights:
        """Return the mean of the copies, for ``model.load_state_dict``."""
        return average_weights(self.kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the copies, for a checkpoint."""
        return {"kept": list(self.kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back the copies of a checkpoint, on the model's device."""
        own = self.model.state_dict()
        self.kept.clear()
        for weights in state["kept"]:
            self.kept.append({k: x.to(own[k].device) for k, x in weights.items()})


def _mean(parts: list[Tensor]) -> Tensor:
    if not parts[0].is_floating_point():
        return parts[-1].clone()
    # Sums of bfloat16 would be too coarse; not every device has float64.
    return torch.stack(parts).cpu().mean(dim=0, dtype=torch.float64).to(parts[0])

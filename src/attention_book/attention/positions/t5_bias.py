"""Numbers added to the scores by buckets of distances: T5 (Raffel et al., 2020)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def distance_bucket(
    distance: Int[Tensor, "*axes"],
    *,
    num_buckets: int = 32,
    max_distance: int = 128,
    bidirectional: bool = True,
) -> Int[Tensor, "*axes"]:
    r"""Sort distances into buckets: one each when near, ever wider ones further away.

    With :math:`n` buckets for a direction, distances :math:`\delta` below :math:`n / 2`
    have a bucket each, and the others share the rest on a logarithmic scale that ends
    at ``max_distance`` :math:`D`, all beyond it being in the last bucket:

    .. math::
        \min\left(n - 1, \; \frac n 2 + \left\lfloor \frac n 2 \cdot
            \frac{\log(2 \delta / n)}{\log(2 D / n)} \right\rfloor\right)

    Args:
        distance: position of a key less that of the query: negative before it.
        num_buckets: of both directions together, so that :math:`n` is half of it; all
            are for keys before the query if not ``bidirectional``.
        max_distance: :math:`D`, in tokens.
        bidirectional: whether keys behind the query have buckets of their own; if not,
            they are treated as being at distance 0, and to be blocked by a mask.

    Raises:
        ValueError: if :math:`n` is odd or less than 2, or :math:`D` is not greater than
            :math:`n / 2`.

    Source: Raffel et al., arXiv:1910.10683, 2.1, gives the sizes, 32 and 128; the rule
        is that of the authors' program.

    Example:
        >>> distance_bucket(torch.tensor([0, -1, -7, -8, -127, -999, 1, 999])).tolist()
        [0, 1, 7, 8, 15, 15, 17, 31]
    """
    size = num_buckets // 2 if bidirectional else num_buckets
    near = size // 2
    if num_buckets < 2 or size < 2 or size % 2 or (bidirectional and num_buckets % 2):
        raise ValueError(
            "num_buckets must be even, and a multiple of 4 for two directions, got "
            f"{num_buckets}"
        )
    if max_distance <= near:
        raise ValueError(
            f"max_distance must be greater than {near}, the number of distances with "
            f"a bucket of their own, got {max_distance}"
        )
    length = distance.abs() if bidirectional else (-distance).clamp(min=0)
    share = (length.clamp(min=near) / near).log() / math.log(max_distance / near)
    far = (near + (share * (size - near)).long()).clamp(max=size - 1)
    bucket = torch.where(length < near, length, far)
    return bucket + size * (distance > 0) if bidirectional else bucket


class T5RelativeBias(nn.Module):
    """Learn a number for each head and bucket of distances, as in T5.

    It is the rule of a :class:`attention_book.attention.positions.alibi.DistanceBias`.

    Args:
        num_heads: of the attention.
        num_buckets: as for :func:`distance_bucket`.
        max_distance: as for :func:`distance_bucket`.
        bidirectional: False for causal attention.

    Raises:
        ValueError: as :func:`distance_bucket`, from a call.

    Source: Raffel et al., arXiv:1910.10683, 2.1. T5 does not divide scores by a root,
        and uses one table for all layers: for that, hand one object to all of them.
        Initial values are 0.

    Example:
        >>> T5RelativeBias(3)(torch.tensor([[0, 1], [-1, 0]])).shape
        torch.Size([3, 2, 2])
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.table = nn.Parameter(torch.zeros(num_heads, num_buckets))

    def forward(
        self, distance: Int[Tensor, "queries keys"]
    ) -> Float[Tensor, "heads queries keys"]:
        """Return the number of each head for each distance."""
        bucket = distance_bucket(
            distance,
            num_buckets=self.table.shape[1],
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )
        return self.table[:, bucket]

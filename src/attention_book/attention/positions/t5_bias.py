"""Biases for buckets of distances: T5 (Raffel et al., 2020)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.functional import check_counts


def distance_bucket(
    distance: Int[Tensor, "*axes"],
    *,
    num_buckets: int = 32,
    max_distance: int = 128,
    bidirectional: bool = True,
) -> Int[Tensor, "*axes"]:
    r"""Sort distances into buckets that grow wider with the distance.

    With :math:`n` buckets for each direction, every distance :math:`\delta` below
    :math:`n / 2` has its own bucket. Greater distances share the other buckets on a
    logarithmic scale that ends at ``max_distance`` :math:`D`; everything beyond is in
    the last bucket:

    .. math::
        \min\left(n - 1, \; \frac n 2 + \left\lfloor \frac n 2 \cdot
            \frac{\log(2 \delta / n)}{\log(2 D / n)} \right\rfloor\right)

    Args:
        distance: position of the key minus that of the query, negative for a key
            before the query.
        num_buckets: number for both directions together, so that :math:`n` is half of
            it. If not ``bidirectional``, all are for keys before the query.
        max_distance: :math:`D`, in tokens.
        bidirectional: whether keys after the query have their own buckets. If not, they
            count as distance 0 and should be blocked by a mask.

    Raises:
        ValueError: if :math:`n` is odd or less than 2, or :math:`D` is not greater than
            :math:`n / 2`.

    Source: Raffel et al., arXiv:1910.10683, 2.1, gives the sizes, 32 and 128; the rule
        is that of the authors' code.

    Example:
        >>> distance_bucket(torch.tensor([0, -1, -7, -8, -127, -999, 1, 999])).tolist()
        [0, 1, 7, 8, 15, 15, 17, 31]
    """
    size = _buckets_per_direction(num_buckets, max_distance, bidirectional)
    near = size // 2
    length = distance.abs() if bidirectional else (-distance).clamp(min=0)
    share = (length.clamp(min=near) / near).log() / math.log(max_distance / near)
    far = (near + (share * (size - near)).long()).clamp(max=size - 1)
    bucket = torch.where(length < near, length, far)
    return bucket + size * (distance > 0) if bidirectional else bucket


class T5RelativeBias(nn.Module):
    """Learn one bias for each head and each bucket of distances, as in T5.

    Use it as the rule of a
    :class:`attention_book.attention.positions.alibi.DistanceBias`.

    Args:
        num_heads: heads of the attention.
        num_buckets: as for :func:`distance_bucket`.
        max_distance: as for :func:`distance_bucket`.
        bidirectional: False for causal attention.

    Raises:
        ValueError: if ``num_heads`` is less than 1, or from :func:`distance_bucket`.

    Source: Raffel et al., arXiv:1910.10683, 2.1. T5 does not scale its scores, and
        shares one table between all layers: pass one object to all of them. Initial
        values are 0.

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
        check_counts(num_heads=num_heads)
        _buckets_per_direction(num_buckets, max_distance, bidirectional)
        self.num_heads = num_heads
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.table = nn.Parameter(torch.zeros(num_heads, num_buckets))

    def forward(
        self, distance: Int[Tensor, "queries keys"]
    ) -> Float[Tensor, "heads queries keys"]:
        """Return the bias of each head for each distance."""
        bucket = distance_bucket(
            distance,
            num_buckets=self.table.shape[1],
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )
        return self.table[:, bucket]


def _buckets_per_direction(
    num_buckets: int, max_distance: int, bidirectional: bool
) -> int:
    size = num_buckets // 2 if bidirectional else num_buckets
    if size < 2 or size % 2 or (bidirectional and num_buckets % 2):
        raise ValueError(
            "num_buckets must be even, and a multiple of 4 for two directions, got "
            f"{num_buckets}"
        )
    if max_distance <= size // 2:
        raise ValueError(
            f"max_distance must be greater than {size // 2}, the number of distances "
            f"with their own bucket, got {max_distance}"
        )
    return size

"""How MPCNN compares two sentences: like with like, in three measures."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def com_u2(
    x: Float[Tensor, "*axes dim"], y: Float[Tensor, "*axes dim"]
) -> Float[Tensor, "*axes 2"]:
    r"""Compare two vectors by angle and by distance.

    .. math:: \mathrm{comU}_2(x, y) = \{\cos(x, y), \lVert x - y \rVert_2\}

    The distance is exact at 0 too, and its gradient there is 0: PyTorch's norm takes
    care of the point where a square root has none. A zero vector has cosine 0.

    Args:
        x: vectors along the last axis.
        y: what they are compared with.

    Example:
        >>> com_u2(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
        tensor([0., 5.])
    """
    distance = torch.linalg.vector_norm(x - y, dim=-1)
    # The length in the divisor is at least 1e-6, so that the gradient at a vector of
    # zeros is bounded by that.
    cosine = F.cosine_similarity(x, y, dim=-1, eps=1e-6)
    return torch.stack([cosine, distance], dim=-1)


def com_u1(
    x: Float[Tensor, "*axes dim"], y: Float[Tensor, "*axes dim"]
) -> Float[Tensor, "*axes features"]:
    r"""Compare two vectors by angle, by distance, and number by number.

    .. math::
        \mathrm{comU}_1(x, y) = \{\cos(x, y), \lVert x - y \rVert_2, |x - y|\}

    Args:
        x: vectors along the last axis.
        y: what they are compared with.

    Returns:
        2 + dim numbers a pair.

    Example:
        >>> com_u1(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
        tensor([0., 5., 3., 4.])
    """
    return torch.cat([com_u2(x, y), (x - y).abs()], dim=-1)


def horizontal(
    first: Float[Tensor, "batch poolings widths filters"],
    second: Float[Tensor, "batch poolings widths filters"],
) -> Float[Tensor, "batch features"]:
    """Algorithm 1: compare what each filter number found at all widths.

    For each pooling and each filter, :func:`com_u2` of two vectors with one number a
    width. "Horizontal", since these are the rows of a matrix of filters by widths.

    Args:
        first: pooled outputs of block A for the first sentence.
        second: the same for the second.
    """
    return com_u2(first.transpose(2, 3), second.transpose(2, 3)).flatten(1)


def vertical(
    first: Float[Tensor, "batch poolings widths filters"],
    second: Float[Tensor, "batch poolings widths filters"],
) -> Float[Tensor, "batch features"]:
    """Algorithm 2 for block A: compare what all filters found at two widths.

    For each pooling and each pair of a width for the first and one for the second
    sentence, :func:`com_u1` of two vectors with one number a filter.

    Args:
        first: pooled outputs of block A for the first sentence.
        second: the same for the second.
    """
    widths = first.shape[2]
    ours = first[:, :, :, None].expand(-1, -1, -1, widths, -1)
    theirs = second[:, :, None].expand(-1, -1, widths, -1, -1)
    return com_u1(ours, theirs).flatten(1)

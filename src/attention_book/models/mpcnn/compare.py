"""How MPCNN compares two sentences: corresponding outputs, by up to three measures."""

import torch
from jaxtyping import Float
from torch import Tensor


def com_u2(
    x: Float[Tensor, "*axes dim"], y: Float[Tensor, "*axes dim"]
) -> Float[Tensor, "*axes 2"]:
    r"""Compare two vectors by angle and by distance.

    .. math:: \mathrm{comU}_2(x, y) = \{\cos(x, y), \lVert x - y \rVert_2\}

    The distance is exact at 0 as well, and its gradient there is 0: PyTorch's norm
    handles the point where a square root has no derivative. A zero vector has cosine 0.

    Args:
        x: vectors along the last axis.
        y: the vectors that they are compared with.

    Example:
        >>> com_u2(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
        tensor([0., 5.])
    """
    distance = torch.linalg.vector_norm(x - y, dim=-1)
    # A norm in the divisor is at least 1e-6, which bounds the gradient at a vector of
    # zeros. PyTorch's cosine_similarity divides each vector by its norm, which takes
    # longer.
    norms = [torch.linalg.vector_norm(v, dim=-1).clamp_min(1e-6) for v in (x, y)]
    cosine = (x * y).sum(dim=-1) / (norms[0] * norms[1])
    return torch.stack([cosine, distance], dim=-1)


def com_u1(
    x: Float[Tensor, "*axes dim"], y: Float[Tensor, "*axes dim"]
) -> Float[Tensor, "*axes features"]:
    r"""Compare two vectors by angle, by distance, and component by component.

    .. math::
        \mathrm{comU}_1(x, y) = \{\cos(x, y), \lVert x - y \rVert_2, |x - y|\}

    Args:
        x: vectors along the last axis.
        y: the vectors that they are compared with.

    Returns:
        2 + dim features for each pair.

    Example:
        >>> com_u1(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
        tensor([0., 5., 3., 4.])
    """
    return torch.cat([com_u2(x, y), (x - y).abs()], dim=-1)


def horizontal(
    first: Float[Tensor, "batch poolings widths filters"],
    second: Float[Tensor, "batch poolings widths filters"],
) -> Float[Tensor, "batch features"]:
    """Algorithm 1: compare the outputs of one filter over all widths.

    For each pooling and each filter number, :func:`com_u2` of two vectors with one
    component per width. "Horizontal" because these are the rows of a matrix of filters
    by widths.

    Args:
        first: pooled outputs of block A for the first sentence.
        second: the same for the second.
    """
    return com_u2(first.transpose(2, 3), second.transpose(2, 3)).flatten(1)


def vertical(
    first: Float[Tensor, "batch poolings widths filters"],
    second: Float[Tensor, "batch poolings widths filters"],
    *,
    all_widths: bool = True,
) -> Float[Tensor, "batch features"]:
    """Algorithm 2 for block A: compare the outputs of all filters at two widths.

    For each pooling, and each pair of one width for the first and one for the second
    sentence, :func:`com_u1` of two vectors with one component per filter.

    Args:
        first: pooled outputs of block A for the first sentence.
        second: the same for the second.
        all_widths: whether each width is compared with each, as in the paper; otherwise
            each with itself only.
    """
    if not all_widths:
        return com_u1(first, second).flatten(1)
    widths = first.shape[2]
    ours = first[:, :, :, None].expand(-1, -1, -1, widths, -1)
    theirs = second[:, :, None].expand(-1, -1, widths, -1, -1)
    return com_u1(ours, theirs).flatten(1)

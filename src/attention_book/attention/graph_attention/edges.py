"""Attention along the edges of a graph: as a mask, and edge by edge."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def edge_mask(
    edges: Int[Tensor, "2 edges"], num_nodes: int
) -> Bool[Tensor, "1 nodes nodes"]:
    """Let each node attend to the nodes from which an edge leads to it.

    Args:
        edges: in each column a source and a target; the target attends to the source.
            A node attends to itself only if it has an edge to itself.
        num_nodes: nodes are counted from 0.

    Returns:
        The mask of any attention between the nodes of one graph; the first axis stands
        for the batch.

    Raises:
        ValueError: if ``num_nodes`` is negative.

    Memory: ``num_nodes`` squared.

    Example:
        >>> edge_mask(torch.tensor([[0, 1], [1, 1]]), 2)
        tensor([[[False, False],
                 [ True,  True]]])
    """
    if num_nodes < 0:
        raise ValueError(f"num_nodes must not be negative, got {num_nodes}")
    source, target = edges
    mask = torch.zeros(num_nodes, num_nodes, dtype=torch.bool, device=edges.device)
    mask[target, source] = True
    return mask[None]


def edge_attention(
    query: Float[Tensor, "nodes *heads dim"],
    key: Float[Tensor, "nodes *heads dim"],
    value: Float[Tensor, "nodes *heads value_dim"],
    edges: Int[Tensor, "2 edges"],
) -> tuple[Float[Tensor, "nodes *heads value_dim"], Float[Tensor, "edges ..."]]:
    r"""Attend along edges, and compute nothing for pairs of nodes without one.

    .. math::
        e_{ij} = \frac{q_i^\top k_j}{\sqrt d}, \qquad
        \alpha_{ij} = \frac{\exp e_{ij}}{\sum_{k \in N(i)} \exp e_{ik}}, \qquad
        c_i = \sum_{j \in N(i)} \alpha_{ij} v_j

    where :math:`N(i)` holds the nodes from which an edge leads to :math:`i`. It equals
    dot-product attention under :func:`edge_mask`. Graph attention networks have this
    form, with another score.

    Args:
        query: :math:`q`, one a node.
        key: :math:`k`.
        value: :math:`v`.
        edges: in each column a source :math:`j` and a target :math:`i`, no edge twice.

    Returns:
        ``(context, weights)``, the weights one an edge. A node without edges to it gets
        zeros.

    Raises:
        ValueError: if query, key and value are not of the same nodes and heads.

    Memory: linear in nodes and edges.

    Example:
        >>> x = torch.tensor([[1.0], [3.0]])
        >>> edge_attention(x * 0, x, x, torch.tensor([[0, 1], [1, 1]]))
        (tensor([[0.],
                [2.]]), tensor([0.5000, 0.5000]))
    """
    if query.shape != key.shape or value.shape[:-1] != key.shape[:-1]:
        raise ValueError(
            "query and key must have one shape, and value the same nodes and heads, "
            f"got {tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )
    source, target = edges
    scores = (query[target] * key[source]).sum(-1) / math.sqrt(query.shape[-1])
    # The largest score of each target is taken off, as in any softmax: no overflow.
    largest = scores.new_full(query.shape[:-1], -torch.inf)
    index = target.view(-1, *[1] * (scores.ndim - 1)).expand_as(scores)
    largest = largest.scatter_reduce(0, index, scores.detach(), "amax")
    exponentials = (scores - largest[target]).exp()
    sums = torch.zeros_like(largest).index_add(0, target, exponentials)
    weights = exponentials / sums[target]
    context = value.new_zeros(value.shape)
    context = context.index_add(0, target, weights[..., None] * value[source])
    return context, weights

"""Attention along the edges of a graph: as a mask, and edge by edge."""

import math
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attention_book.attention.graph_attention.pattern import (
    SparsePattern,
    pattern_of,
    sparse_product,
)
from attention_book.functional import apply_dropout, segment_softmax


def edge_mask(
    edges: Int[Tensor, "2 edges"], num_nodes: int
) -> Bool[Tensor, "1 nodes nodes"]:
    """Let each node attend to the nodes from which an edge leads to it.

    Args:
        edges: in each column a source and a target; the target attends to the source.
            A node attends to itself only if it has an edge to itself.
        num_nodes: number of nodes, which are counted from 0.

    Returns:
        A mask for any attention between the nodes of one graph; the first axis stands
        for the batch.

    Raises:
        ValueError: if ``num_nodes`` is negative, ``edges`` does not have two rows or,
            on a CPU, an edge names a node that does not exist.

    Memory: ``num_nodes`` squared.

    Example:
        >>> edge_mask(torch.tensor([[0, 1], [1, 1]]), 2)
        tensor([[[False, False],
                 [ True,  True]]])
    """
    if num_nodes < 0:
        raise ValueError(f"num_nodes must not be negative, got {num_nodes}")
    source, target = edge_ends(edges, num_nodes)
    mask = torch.zeros(num_nodes, num_nodes, dtype=torch.bool, device=edges.device)
    mask[target, source] = True
    return mask[None]


def edge_attention(
    query: Float[Tensor, "nodes *heads dim"],
    key: Float[Tensor, "nodes *heads dim"],
    value: Float[Tensor, "nodes *heads value_dim"],
    edges: Int[Tensor, "2 edges"],
) -> tuple[Float[Tensor, "nodes *heads value_dim"], Float[Tensor, "edges ..."]]:
    r"""Attend along edges; pairs of nodes without an edge cost nothing.

    .. math::
        e_{ij} = \frac{q_i^\top k_j}{\sqrt d}, \qquad
        \alpha_{ij} = \frac{\exp e_{ij}}{\sum_{k \in N(i)} \exp e_{ik}}, \qquad
        c_i = \sum_{j \in N(i)} \alpha_{ij} v_j

    where :math:`N(i)` holds the nodes from which an edge leads to :math:`i`. The result
    equals dot-product attention under :func:`edge_mask`. Graph attention networks
    (Veličković et al., arXiv:1710.10903) have this form with an additive score.

    Args:
        query: :math:`q`, one vector per node, or one per node and head.
        key: :math:`k`.
        value: :math:`v`.
        edges: in each column a source :math:`j` and a target :math:`i`; no edge twice.

    Returns:
        ``(context, weights)``, with one weight per edge and head. A node to which no
        edge leads gets zeros.

    Raises:
        ValueError: if query, key and value do not agree in nodes and heads, ``edges``
            does not have two rows or, on a CPU, an edge names a node that does not
            exist.

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
    source, target = edge_ends(edges, len(query))
    scores = (query[target] * key[source]).sum(-1) / math.sqrt(query.shape[-1])
    return edge_average(scores, value, edges)


def edge_average(
    scores: Float[Tensor, " edges *heads"],
    value: Float[Tensor, "nodes *heads value_dim"],
    edges: Int[Tensor, "2 edges"],
    *,
    dropout: float = 0.0,
) -> tuple[Float[Tensor, "nodes *heads value_dim"], Float[Tensor, " edges *heads"]]:
    r"""Turn the scores of edges into weights and average the values of the sources.

    .. math::
        \alpha_{ij} = \frac{\exp e_{ij}}{\sum_{k \in N(i)} \exp e_{ik}}, \qquad
        c_i = \sum_{j \in N(i)} \alpha_{ij} v_j

    Args:
        scores: :math:`e`, one per edge, and per head where there are heads.
        value: :math:`v`.
        edges: in each column a source :math:`j` and a target :math:`i`; no edge twice.
        dropout: probability that a weight is set to 0 before the values are averaged;
            the others grow, so that the expected sum stays 1.

    Returns:
        ``(context, weights)``; the weights are those before dropout. A node to which no
        edge leads gets zeros.

    Raises:
        ValueError: from :func:`edge_ends`, or if there is not one score per edge.

    Memory: linear in nodes and edges.

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 1]])
        >>> edge_average(torch.zeros(2), torch.tensor([[1.0], [3.0]]), edges)
        (tensor([[0.],
                [2.]]), tensor([0.5000, 0.5000]))
    """
    weights = edge_softmax(scores, edges, len(value))
    # The weights are a sparse matrix: a row for each target, a column for each source.
    context = edge_product(apply_dropout(weights, dropout), value, edges)
    return context.to(value.dtype), weights


def edge_product(
    weights: Float[Tensor, " edges *heads"],
    value: Float[Tensor, "nodes *heads value_dim"],
    edges: Int[Tensor, "2 edges"],
) -> Float[Tensor, "nodes *heads value_dim"]:
    """For each node, add up the values of the nodes that it attends to.

    Args:
        weights: with which they are multiplied; one per edge, and per head where there
            are heads.
        value: one vector per node, or one per node and head.
        edges: in each column a source and a target.

    Returns:
        The sums in float32 or wider.

    Raises:
        ValueError: from :func:`edge_ends`.

    Memory: linear in nodes and edges.

    Example:
        >>> weights, value = torch.tensor([0.5, 0.5]), torch.tensor([[1.0], [3.0]])
        >>> edge_product(weights, value, torch.tensor([[0, 1], [1, 1]]))
        tensor([[0.],
                [2.]])
    """
    places = partial(_targets_and_sources, edges, len(value))
    return sparse_product(places, weights, value, len(value), owner=edges)


def edge_softmax(
    scores: Float[Tensor, " edges *heads"],
    edges: Int[Tensor, "2 edges"],
    num_nodes: int,
) -> Float[Tensor, " edges *heads"]:
    """Normalise the scores of the edges that lead to each node.

    Args:
        scores: one per edge, and per head where there are heads.
        edges: in each column a source and a target.
        num_nodes: number of nodes, which are counted from 0.

    Raises:
        ValueError: from :func:`edge_ends`, or if there is not one score per edge.

    Example:
        >>> edge_softmax(torch.zeros(3), torch.tensor([[0, 1, 0], [0, 0, 1]]), 2)
        tensor([0.5000, 0.5000, 1.0000])
    """
    if torch.compiler.is_compiling():
        return segment_softmax(scores, edge_ends(edges, num_nodes)[1], num_nodes)
    return edge_pattern(edges, num_nodes).softmax(scores)


def edge_sums(
    of_query: Float[Tensor, "nodes heads"],
    of_key: Float[Tensor, "nodes heads"],
    edges: Int[Tensor, "2 edges"],
) -> Float[Tensor, "edges heads"]:
    """For each edge, the sum of two numbers: one of its target, one of its source.

    Args:
        of_query: the numbers of nodes as targets, which attend.
        of_key: their numbers as sources.
        edges: in each column a source and a target.

    Raises:
        ValueError: from :func:`edge_ends`.

    Memory: linear in nodes and edges.

    Example:
        >>> of_query, of_key = torch.tensor([[1.0], [2]]), torch.tensor([[10.0], [20]])
        >>> edge_sums(of_query, of_key, torch.tensor([[0, 1], [1, 1]]))
        tensor([[12.],
                [22.]])
    """
    if torch.compiler.is_compiling():
        source, target = edge_ends(edges, len(of_query))
        return of_query.index_select(0, target) + of_key.index_select(0, source)
    return edge_pattern(edges, len(of_query)).end_sums(of_query, of_key)


def edge_pattern(edges: Int[Tensor, "2 edges"], num_nodes: int) -> SparsePattern:
    """Edges as the places of a sparse matrix: a row for each target that attends.

    They are checked and sorted once, as long as they do not change.

    Args:
        edges: in each column a source and a target.
        num_nodes: number of nodes, which are counted from 0.

    Raises:
        ValueError: from :func:`edge_ends`.

    Example:
        >>> weights, value = torch.tensor([0.5, 0.5]), torch.tensor([[1.0], [3.0]])
        >>> edge_pattern(torch.tensor([[0, 1], [1, 1]]), 2).product(weights, value)
        tensor([[0.],
                [2.]])
    """
    places = partial(_targets_and_sources, edges, num_nodes)
    return pattern_of(edges, places, num_nodes, num_nodes)


def add_self_loops(
    edges: Int[Tensor, "2 edges"], num_nodes: int
) -> Int[Tensor, "2 more"]:
    """Add an edge from each node to itself, and sort all edges by their targets.

    Sorted edges are attended along a little faster.

    Args:
        edges: in each column a source and a target; none from a node to itself, or the
            loop of that node would count twice.
        num_nodes: number of nodes, which are counted from 0.

    Example:
        >>> add_self_loops(torch.tensor([[1], [0]]), 2)
        tensor([[1, 0, 1],
                [0, 0, 1]])
    """
    nodes = torch.arange(num_nodes, device=edges.device)
    looped = torch.cat([edges, nodes.expand(2, -1)], dim=1)
    return looped[:, looped[1].argsort(stable=True)]


def edge_ends(
    edges: Int[Tensor, "2 edges"], num_nodes: int
) -> tuple[Int[Tensor, " edges"], Int[Tensor, " edges"]]:
    """Check a list of edges and return its sources and its targets.

    Args:
        edges: in each column a source and a target.
        num_nodes: number of nodes, which are counted from 0.

    Raises:
        ValueError: if ``edges`` does not have two rows or, on a CPU, an edge names a
            node that does not exist. On a GPU, reading them would stall the device.

    Example:
        >>> edge_ends(torch.tensor([[0, 1], [1, 1]]), 2)
        (tensor([0, 1]), tensor([1, 1]))
    """
    if edges.ndim != 2 or len(edges) != 2:
        raise ValueError(
            "edges must have shape (2, edges), sources above targets, got "
            f"{tuple(edges.shape)}"
        )
    readable = edges.device.type == "cpu" and not torch.compiler.is_compiling()
    if readable and edges.numel():
        low, high = (int(end) for end in edges.aminmax())
        if low < 0 or high >= num_nodes:
            raise ValueError(
                f"edges must be between nodes 0 to {num_nodes - 1}, got nodes from "
                f"{low} to {high}"
            )
    return edges[0], edges[1]


def _targets_and_sources(edges: Tensor, num_nodes: int) -> Tensor:
    """Check a list of edges and turn it upside down: rows and columns of a matrix."""
    edge_ends(edges, num_nodes)
    return edges.flip(0)

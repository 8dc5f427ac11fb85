"""The scores of graph attention: static (GAT) and dynamic (GATv2)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.graph_attention.edges import (
    edge_average,
    edge_ends,
    edge_sums,
)
from attention_book.attention.graph_attention.pattern import head_products
from attention_book.functional import check_counts


class GATAttention(nn.Module):
    r"""Score each neighbour by the sum of two numbers, one for each end of the edge.

    .. math::
        e_{ij} = \mathrm{LeakyReLU}\bigl(a_1^\top q_i + b_1 + a_2^\top k_j + b_2\bigr)

    with ``query`` :math:`q_i = W h_i` and ``key`` :math:`k_j = W h_j`. Because
    LeakyReLU and softmax increase, the neighbour with the largest
    :math:`a_2^\top k_j` has the largest weight whatever the query: the attention is
    *static*.

    Args:
        num_heads: number of heads.
        head_dim: size of a query and of a key in each head.
        negative_slope: slope of LeakyReLU below 0.
        dropout: probability in training that a weight is set to 0.

    Raises:
        ValueError: if a size is less than 1 or ``dropout`` is no probability; from a
            call, from :func:`~attention_book.attention.graph_attention.edges.edge_ends`
            or if query and key do not have one shape, with the heads of the layer.

    Memory: linear in edges and nodes.
    Source: arXiv:1710.10903, equations (1) to (3). The biases are those of the authors'
        code; the paper's equation has none. Initial values are Glorot's, biases start
        at 0.

    Example:
        >>> h, edges = torch.randn(3, 2, 5), torch.tensor([[0, 1], [1, 1]])
        >>> context, weights = GATAttention(2, 5)(h, h, h, edges)
        >>> context.shape, weights.shape
        (torch.Size([3, 2, 5]), torch.Size([2, 2]))
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        *,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_sizes(num_heads, head_dim, dropout)
        self.query_score = nn.Parameter(torch.empty(num_heads, head_dim))  # a_1
        self.key_score = nn.Parameter(torch.empty(num_heads, head_dim))  # a_2
        self.query_bias = nn.Parameter(torch.zeros(num_heads))  # b_1
        self.key_bias = nn.Parameter(torch.zeros(num_heads))  # b_2
        self.negative_slope, self.dropout = negative_slope, dropout
        for vectors in self.query_score, self.key_score:
            glorot_(vectors, head_dim, 1)

    def forward(
        self,
        query: Float[Tensor, "nodes heads head_dim"],
        key: Float[Tensor, "nodes heads head_dim"],
        value: Float[Tensor, "nodes heads value_dim"],
        edges: Int[Tensor, "2 edges"],
    ) -> tuple[Float[Tensor, "nodes heads value_dim"], Float[Tensor, "edges heads"]]:
        """Return ``(context, weights)``; targets of edges attend to sources."""
        _check_vectors(query, key, self.query_score)
        if query is key:  # one product takes less than half the time of two
            parts = head_products(query, self.query_score, self.key_score)
        else:
            parts = (
                *head_products(query, self.query_score),
                *head_products(key, self.key_score),
            )
        of_query, of_key = parts[0] + self.query_bias, parts[1] + self.key_bias
        sums = edge_sums(of_query, of_key, edges)
        scores = F.leaky_relu(sums, self.negative_slope)
        dropout = self.dropout if self.training else 0.0
        return edge_average(scores, value, edges, dropout=dropout)


class GATv2Attention(nn.Module):
    r"""Score each neighbour with a network of one hidden layer that reads both ends.

    .. math::
        e_{ij} = a^\top \mathrm{LeakyReLU}\bigl(q_i + k_j + b\bigr)

    with ``query`` :math:`q_i = W_q h_i` and ``key`` :math:`k_j = W_k h_j`; the paper
    writes both as one product, :math:`W [h_i; h_j]`. The non-linearity stands before
    :math:`a` and no longer after it, which makes the attention *dynamic*. If one matrix
    serves as :math:`W_q` and :math:`W_k`, as in most of the paper's experiments, the
    score is symmetric: :math:`e_{ij} = e_{ji}`.

    Args:
        num_heads: number of heads.
        head_dim: size of a query and of a key in each head.
        negative_slope: slope of LeakyReLU below 0.
        dropout: probability in training that a weight is set to 0.

    Raises:
        ValueError: as :class:`GATAttention`.

    Memory: the hidden layer holds edges x heads x head_dim numbers.
    Source: arXiv:2105.14491, equation (7) and its footnote on the bias. Initial values
        are Glorot's, the bias starts at 0.

    Example:
        >>> h, edges = torch.randn(3, 2, 5), torch.tensor([[0, 1], [1, 1]])
        >>> context, weights = GATv2Attention(2, 5)(h, h, h, edges)
        >>> context.shape, weights.shape
        (torch.Size([3, 2, 5]), torch.Size([2, 2]))
    """

    def __init__(
        self,
        num_heads: int,
        head_dim: int,
        *,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_sizes(num_heads, head_dim, dropout)
        self.score = nn.Parameter(torch.empty(num_heads, head_dim))  # a
        self.bias = nn.Parameter(torch.zeros(num_heads, head_dim))  # b
        self.negative_slope, self.dropout = negative_slope, dropout
        glorot_(self.score, head_dim, 1)

    def forward(
        self,
        query: Float[Tensor, "nodes heads head_dim"],
        key: Float[Tensor, "nodes heads head_dim"],
        value: Float[Tensor, "nodes heads value_dim"],
        edges: Int[Tensor, "2 edges"],
    ) -> tuple[Float[Tensor, "nodes heads value_dim"], Float[Tensor, "edges heads"]]:
        """Return ``(context, weights)``; targets of edges attend to sources."""
        _check_vectors(query, key, self.score)
        source, target = edge_ends(edges, len(query))
        query = query + self.bias
        sums = query.index_select(0, target) + key.index_select(0, source)
        (scores,) = head_products(F.leaky_relu(sums, self.negative_slope), self.score)
        dropout = self.dropout if self.training else 0.0
        return edge_average(scores, value, edges, dropout=dropout)


def glorot_(weight: Tensor, fan_in: int, fan_out: int) -> None:
    """Fill a tensor in place by Glorot's uniform distribution.

    Args:
        weight: one or several matrices, in any arrangement.
        fan_in: number of inputs of one matrix.
        fan_out: number of its outputs.

    Example:
        >>> weight = torch.empty(4, 3)
        >>> glorot_(weight, 3, 3)
        >>> bool((weight.abs() <= 1).all())
        True
    """
    bound = (6 / (fan_in + fan_out)) ** 0.5
    nn.init.uniform_(weight, -bound, bound)


def _check_vectors(query: Tensor, key: Tensor, vectors: Tensor) -> None:
    """Refuse other heads than these: the vectors of one would serve for any number."""
    if query.shape != key.shape or query.shape[1:] != vectors.shape:
        heads, head_dim = vectors.shape
        raise ValueError(
            f"query and key must have one shape, (nodes, {heads}, {head_dim}), got "
            f"{tuple(query.shape)} and {tuple(key.shape)}"
        )


def _check_sizes(num_heads: int, head_dim: int, dropout: float) -> None:
    check_counts(num_heads=num_heads, head_dim=head_dim)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")

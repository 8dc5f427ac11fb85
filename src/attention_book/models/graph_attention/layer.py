"""A graph attention layer: projections, attention along edges, heads joined."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.graph_attention.pattern import sparse_product
from attention_book.attention.graph_attention.scores import (
    GATAttention,
    GATv2Attention,
    glorot_,
)
from attention_book.functional import apply_dropout, check_counts

SCORES: dict[str, type[GATAttention] | type[GATv2Attention]] = {
    "gat": GATAttention,
    "gatv2": GATv2Attention,
}
"""The attention of a layer, by the name that configs use."""


def check_score(score: str) -> None:
    """Refuse the name of a score that there is not.

    Args:
        score: one of ``SCORES``.

    Raises:
        ValueError: if it is another.
    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}")


class GraphAttention(nn.Module):
    r"""Let each node attend to the nodes from which an edge leads to it.

    .. math::
        h_i' = \Big\Vert_{k=1}^{K} \Bigl( \sum_{j \in N(i)}
            \alpha^k_{ij} W^k h_j + b^k \Bigr)
        \qquad \text{or} \qquad
        h_i' = \frac{1}{K} \sum_{k=1}^{K} \Bigl( \sum_{j \in N(i)}
            \alpha^k_{ij} W^k h_j + b^k \Bigr)

    The non-linearity that follows is left to the model. In training there are three
    dropouts, as in the authors' code: of the inputs, drawn anew for each head; of the
    values :math:`W^k h_j`, after the scores were computed from them; and of the
    weights, which is an option of ``attention``.

    Args:
        in_dim: size of a node's vector.
        attention: scores and averages within the heads, such as
            :class:`~attention_book.attention.graph_attention.scores.GATAttention`; it
            has as many heads, of the size ``head_dim``.
        num_heads: :math:`K`.
        head_dim: size of a query, key and value in each head.
        shared: whether queries and keys are projected by one matrix, as in GAT;
            otherwise queries have their own, as in GATv2's equation. Keys and values
            always share theirs.
        concat: whether the heads are concatenated, as in hidden layers, or averaged, as
            in the last one.
        dropout: probability in training that an input feature, or a component of a
            value, is set to 0.
        one_mask: whether all heads drop the same input features.

    Memory: linear in edges and nodes.
    Source: arXiv:1710.10903, equations (4) to (6); arXiv:2105.14491, equation (7).

    Example:
        >>> layer = GraphAttention(7, GATAttention(2, 5), num_heads=2, head_dim=5)
        >>> context, weights = layer(torch.randn(3, 7), torch.tensor([[0, 1], [1, 1]]))
        >>> context.shape, weights.shape
        (torch.Size([3, 10]), torch.Size([2, 2]))
    """

    def __init__(
        self,
        in_dim: int,
        attention: GATAttention | GATv2Attention,
        *,
        num_heads: int,
        head_dim: int,
        shared: bool = True,
        concat: bool = True,
        dropout: float = 0.0,
        one_mask: bool = False,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.num_heads, self.head_dim = num_heads, head_dim
        self.shared, self.concat = shared, concat
        out_dim = head_dim if shared else 2 * head_dim
        self.projection = HeadProjection(
            in_dim, num_heads, out_dim, dropout=dropout, one_mask=one_mask
        )
        glorot_(self.projection.weight, in_dim, head_dim)
        self.dropout = dropout
        self.bias = nn.Parameter(torch.zeros(num_heads, head_dim))

    def forward(
        self, nodes: Float[Tensor, "nodes in_dim"], edges: Int[Tensor, "2 edges"]
    ) -> tuple[Float[Tensor, "nodes out_dim"], Float[Tensor, "edges heads"]]:
        """Return ``(context, weights)``; ``nodes`` may be a sparse COO tensor."""
        key = self.projection(nodes)
        query, key = (key, key) if self.shared else key.chunk(2, dim=-1)
        value = apply_dropout(key, self.dropout) if self.training else key
        context, weights = self.attention(query, key, value, edges)
        context = context + self.bias
        return context.flatten(1) if self.concat else context.mean(dim=1), weights


class HeadProjection(nn.Module):
    """Project the vectors of nodes once for each head, dropping other inputs in each.

    A sparse input is never made dense, and gets no gradient.

    Args:
        in_dim: size of a node's vector.
        num_heads: number of heads.
        out_dim: size of a projected vector.
        dropout: probability in training that an input feature is set to 0, drawn for
            each head by itself.
        one_mask: whether the features that one head drops are dropped by all, as in
            PyG, which is faster.

    Source: the authors' code of arXiv:1710.10903, where each head has a dropout of its
        own. Initial values are Glorot's.

    Example:
        >>> projection = HeadProjection(7, 2, 5)
        >>> projection(torch.randn(3, 7).to_sparse()).shape
        torch.Size([3, 2, 5])
    """

    def __init__(
        self,
        in_dim: int,
        num_heads: int,
        out_dim: int,
        *,
        dropout: float = 0.0,
        one_mask: bool = False,
    ) -> None:
        super().__init__()
        check_counts(in_dim=in_dim, num_heads=num_heads, out_dim=out_dim)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.weight = nn.Parameter(torch.empty(num_heads, in_dim, out_dim))
        self.dropout, self.one_mask = dropout, one_mask
        glorot_(self.weight, in_dim, out_dim)

    def forward(
        self, nodes: Float[Tensor, "nodes in_dim"]
    ) -> Float[Tensor, "nodes heads out_dim"]:
        """Return one vector per node and head."""
        heads = len(self.weight)
        dropout = self.dropout if self.training else 0.0
        per_head = dropout > 0 and not self.one_mask
        if nodes.is_sparse:
            nodes = nodes.coalesce()
            entries = nodes.values()
            if per_head:
                entries = apply_dropout(entries.expand(heads, -1), dropout).t()
                weight = self.weight.transpose(0, 1)
            else:  # one product for all heads
                entries = apply_dropout(entries, dropout)[:, None]
                weight = self.weight.transpose(0, 1).flatten(1)[:, None]
            product = sparse_product(
                nodes.indices, entries, weight, len(nodes), owner=nodes
            )
            return product.to(weight.dtype).reshape(len(nodes), heads, -1)
        if per_head:
            dropped = apply_dropout(nodes.expand(heads, *nodes.shape), dropout)
            return (dropped @ self.weight).transpose(0, 1)
        # In this order in memory, products with few columns take a third of the time.
        rows = self.weight.transpose(1, 2).flatten(0, 1).contiguous()
        return F.linear(apply_dropout(nodes, dropout), rows).unflatten(1, (heads, -1))

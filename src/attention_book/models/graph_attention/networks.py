"""Graph attention networks, and GCN beside them."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.graph_attention.edges import edge_ends
from attention_book.data.graphs.graph import Graph
from attention_book.functional import segment_sum
from attention_book.models.checks import check_sizes
from attention_book.models.graph_attention.layer import (
    SCORES,
    GraphAttention,
    HeadProjection,
    check_score,
)


@dataclass(frozen=True, kw_only=True)
class GATConfig:
    """Settings of a graph attention network; the defaults are the paper's for Cora.

    Attributes:
        in_dim: size of a node's vector.
        num_classes: number of classes.
        score: "gat" (static) or "gatv2" (dynamic).
        shared: whether one matrix projects queries and keys, as in GAT.
        num_heads: heads of the first layer, which are concatenated.
        head_dim: size of each of them.
        num_output_heads: heads of the second layer, which are averaged.
        dropout: probability of all dropouts.
        one_mask: whether all heads drop the same input features, as in PyG; in the
            authors' code each head draws its own.

    Raises:
        ValueError: if ``score`` is none of ``SCORES`` or a size is out of its range.
    """

    in_dim: int
    num_classes: int
    score: str = "gat"
    shared: bool = True
    num_heads: int = 8
    head_dim: int = 8
    num_output_heads: int = 1
    dropout: float = 0.6
    one_mask: bool = False

    def __post_init__(self) -> None:
        check_score(self.score)
        check_sizes(self)


class GAT(nn.Module):
    """Two graph attention layers that classify the nodes of a graph.

    A node attends to itself only if ``edges`` has its loop
    (:func:`~attention_book.attention.graph_attention.edges.add_self_loops`); the paper
    always has it.

    Args:
        config: sizes and kind of score; kept as ``self.config``.

    Source: arXiv:1710.10903, section 3.3; with ``score="gatv2"`` arXiv:2105.14491.

    Example:
        >>> model = GAT(GATConfig(in_dim=7, num_classes=3))
        >>> model(torch.randn(5, 7), torch.tensor([[0, 1], [1, 1]])).shape
        torch.Size([5, 3])
    """

    def __init__(self, config: GATConfig) -> None:
        super().__init__()
        self.config = config
        hidden_dim = config.num_heads * config.head_dim
        self.hidden = self._layer(
            config.in_dim, config.num_heads, config.head_dim, concat=True
        )
        self.output = self._layer(
            hidden_dim, config.num_output_heads, config.num_classes, concat=False
        )

    def _layer(
        self, in_dim: int, num_heads: int, head_dim: int, *, concat: bool
    ) -> GraphAttention:
        config, dropout = self.config, self.config.dropout
        return GraphAttention(
            in_dim,
            SCORES[config.score](num_heads, head_dim, dropout=dropout),
            num_heads=num_heads,
            head_dim=head_dim,
            shared=config.shared,
            concat=concat,
            dropout=dropout,
            one_mask=config.one_mask,
        )

    def forward(
        self,
        features: Float[Tensor, "nodes in_dim"],
        edges: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "nodes classes"]:
        """Return the logits of all nodes; ``features`` may be sparse."""
        hidden, _ = self.hidden(features, edges)
        logits, _ = self.output(F.elu(hidden), edges)
        return logits

    def loss(self, batch: Graph) -> Float[Tensor, ""]:
        """Mean cross-entropy of the training nodes, in nats per node."""
        return node_loss(self(batch.features, batch.edges), batch)


@dataclass(frozen=True, kw_only=True)
class GCNConfig:
    """Settings of a graph convolutional network; the defaults are the paper's.

    Attributes:
        in_dim: size of a node's vector.
        num_classes: number of classes.
        hidden_dim: size of the hidden layer.
        dropout: probability in training that an input of a layer is set to 0.

    Raises:
        ValueError: if a size is out of its range.
    """

    in_dim: int
    num_classes: int
    hidden_dim: int = 16
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_sizes(self)


class GCN(nn.Module):
    r"""Two layers that average neighbours by weights that depend on degrees alone.

    .. math::
        H' = \sigma\bigl(D^{-1/2} A D^{-1/2} H W\bigr)

    with :math:`A` from ``edges``, which should have the loops, and :math:`D` the number
    of edges that lead to each node. With the loops *alone* each node sees itself and
    nothing else: the model is a multi-layer perceptron.

    Args:
        config: sizes; kept as ``self.config``.

    Source: Kipf and Welling, arXiv:1609.02907, equations (2) and (9), without biases as
        in the authors' code.

    Example:
        >>> model = GCN(GCNConfig(in_dim=7, num_classes=3))
        >>> model(torch.randn(5, 7), torch.tensor([[0, 1], [1, 1]])).shape
        torch.Size([5, 3])
    """

    def __init__(self, config: GCNConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.in_dim, config.hidden_dim, config.num_classes
        self.hidden, self.output = (
            HeadProjection(in_dim, 1, out_dim, dropout=config.dropout)
            for in_dim, out_dim in pairwise(sizes)
        )

    def forward(
        self,
        features: Float[Tensor, "nodes in_dim"],
        edges: Int[Tensor, "2 edges"],
    ) -> Float[Tensor, "nodes classes"]:
        """Return the logits of all nodes; ``features`` may be sparse."""
        source, target = edge_ends(edges, len(features))
        ones = torch.ones_like(target, dtype=features.dtype)
        degree = segment_sum(ones, target, len(features))
        scale = degree.clamp(min=1).rsqrt()
        weights = (scale[source] * scale[target])[:, None]
        hidden = self.hidden(features)[:, 0]
        hidden = _propagate(hidden, weights, source, target).relu()
        return _propagate(self.output(hidden)[:, 0], weights, source, target)

    def loss(self, batch: Graph) -> Float[Tensor, ""]:
        """Mean cross-entropy of the training nodes, in nats per node."""
        return node_loss(self(batch.features, batch.edges), batch)


def _propagate(
    hidden: Tensor, weights: Tensor, source: Tensor, target: Tensor
) -> Tensor:
    weights = weights.to(hidden.dtype)
    sums = segment_sum(weights * hidden[source], target, len(hidden))
    return sums.to(hidden.dtype)


def node_loss(
    logits: Float[Tensor, "nodes classes"], graph: Graph
) -> Float[Tensor, ""]:
    """Mean cross-entropy of a graph's training nodes, in nats per node.

    Args:
        logits: of all nodes.
        graph: with labels and the training nodes.
    """
    return F.cross_entropy(logits[graph.train], graph.labels[graph.train])

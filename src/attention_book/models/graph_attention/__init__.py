"""Graph attention: the layer, networks that classify nodes, and a look-up."""

from attention_book.models.graph_attention.layer import (
    SCORES,
    GraphAttention,
    HeadProjection,
    check_score,
)
from attention_book.models.graph_attention.lookup import (
    LookupConfig,
    LookupModel,
)
from attention_book.models.graph_attention.networks import (
    GAT,
    GCN,
    GATConfig,
    GCNConfig,
    node_loss,
)

__all__ = [
    "GAT",
    "GCN",
    "SCORES",
    "GATConfig",
    "GCNConfig",
    "GraphAttention",
    "HeadProjection",
    "LookupConfig",
    "LookupModel",
    "check_score",
    "node_loss",
]

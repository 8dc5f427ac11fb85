"""Attention along the edges of a graph."""

from attention_book.attention.graph_attention.edges import (
    add_self_loops,
    edge_attention,
    edge_average,
    edge_ends,
    edge_mask,
    edge_pattern,
    edge_product,
    edge_softmax,
    edge_sums,
)
from attention_book.attention.graph_attention.pattern import (
    SparsePattern,
    head_products,
    pattern_of,
    sparse_product,
)
from attention_book.attention.graph_attention.scores import (
    GATAttention,
    GATv2Attention,
    glorot_,
)

__all__ = [
    "GATAttention",
    "GATv2Attention",
    "SparsePattern",
    "add_self_loops",
    "edge_attention",
    "edge_average",
    "edge_ends",
    "edge_mask",
    "edge_pattern",
    "edge_product",
    "edge_softmax",
    "edge_sums",
    "glorot_",
    "head_products",
    "pattern_of",
    "sparse_product",
]

"""Attention along the edges of a graph."""

from attention_book.attention.graph_attention.edges import edge_attention, edge_mask

__all__ = ["edge_attention", "edge_mask"]

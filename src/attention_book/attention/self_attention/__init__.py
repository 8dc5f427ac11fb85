"""Self-attention: query, key and value from one sequence."""

from attention_book.attention.self_attention.convolution import (
    QuadraticAttention,
    attention_from_convolution,
    kernel_shifts,
    quadratic_scores,
)
from attention_book.attention.self_attention.layer import (
    NORMALISERS,
    SelfAttention,
    query_key_value,
    relu_over_length,
)

__all__ = [
    "NORMALISERS",
    "QuadraticAttention",
    "SelfAttention",
    "attention_from_convolution",
    "kernel_shifts",
    "quadratic_scores",
    "query_key_value",
    "relu_over_length",
]

"""Multi-head attention (Vaswani et al., 2017)."""

from attention_book.attention.multi_head.head_gates import mask_heads
from attention_book.attention.multi_head.layer import MultiHeadAttention

__all__ = ["MultiHeadAttention", "mask_heads"]

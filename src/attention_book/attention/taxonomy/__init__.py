"""Mechanisms that only the survey's taxonomy needs."""

from attention_book.attention.taxonomy.meta_embedding import DynamicMetaEmbedding
from attention_book.attention.taxonomy.multi_dimensional import (
    SourceToToken,
    TokenToToken,
    earlier_mask,
)

__all__ = ["DynamicMetaEmbedding", "SourceToToken", "TokenToToken", "earlier_mask"]

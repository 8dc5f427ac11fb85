"""ABCNN (Yin et al., 2016)."""

from attention_book.models.abcnn.block import ABCNNBlock, Both, all_ap, wide_mask
from attention_book.models.abcnn.config import VARIANTS, ABCNNConfig
from attention_book.models.abcnn.model import ABCNN

__all__ = [
    "ABCNN",
    "VARIANTS",
    "ABCNNBlock",
    "ABCNNConfig",
    "Both",
    "all_ap",
    "wide_mask",
]

"""Encoders, whose annotations and mask any attention decoder can read."""

from attention_book.models.encoders.encoded import Encoded, LSTMState
from attention_book.models.encoders.image import (
    CellEncoder,
    GridEncoder,
    ImageClassifier,
)
from attention_book.models.encoders.text import BidirectionalGRU, StackedLSTM

__all__ = [
    "BidirectionalGRU",
    "CellEncoder",
    "Encoded",
    "GridEncoder",
    "ImageClassifier",
    "LSTMState",
    "StackedLSTM",
]

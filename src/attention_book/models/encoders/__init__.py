"""Encoders, whose annotations and mask any attention decoder can read."""

from attention_book.models.encoders.encoded import (
    Encoded,
    LSTMState,
    PrecomputedEncoder,
)
from attention_book.models.encoders.image import (
    CellEncoder,
    GridEncoder,
    ImageClassifier,
)
from attention_book.models.encoders.speech import (
    PyramidSpeechEncoder,
    StridedSpeechEncoder,
)
from attention_book.models.encoders.text import (
    BidirectionalGRU,
    StackedLSTM,
    WordEncoder,
)
from attention_book.models.encoders.video import FrameEncoder, VideoEncoder

__all__ = [
    "BidirectionalGRU",
    "CellEncoder",
    "Encoded",
    "FrameEncoder",
    "GridEncoder",
    "ImageClassifier",
    "LSTMState",
    "PrecomputedEncoder",
    "PyramidSpeechEncoder",
    "StackedLSTM",
    "StridedSpeechEncoder",
    "VideoEncoder",
    "WordEncoder",
]

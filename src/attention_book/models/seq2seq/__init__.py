"""Sequence to sequence with one vector in between."""

from attention_book.models.seq2seq.gru import (
    DecoderState,
    GatedRecurrentUnit,
    RNNEncoderDecoder,
    RNNEncoderDecoderConfig,
)
from attention_book.models.seq2seq.lstm import (
    Seq2Seq,
    Seq2SeqConfig,
    reverse_words,
)

__all__ = [
    "DecoderState",
    "GatedRecurrentUnit",
    "RNNEncoderDecoder",
    "RNNEncoderDecoderConfig",
    "Seq2Seq",
    "Seq2SeqConfig",
    "reverse_words",
]

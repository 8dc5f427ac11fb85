"""Sequence to sequence with one vector in between."""

from attention_book.models.seq2seq.gru import (
    DecoderState,
    GatedRecurrentUnit,
    RNNEncoderDecoder,
    RNNEncoderDecoderConfig,
)
from attention_book.models.seq2seq.lstm import (
    LSTMState,
    Seq2Seq,
    Seq2SeqConfig,
    check_sizes,
    check_source,
    free_running_loss,
    reverse_words,
    teacher_forced_loss,
)

__all__ = [
    "DecoderState",
    "GatedRecurrentUnit",
    "LSTMState",
    "RNNEncoderDecoder",
    "RNNEncoderDecoderConfig",
    "Seq2Seq",
    "Seq2SeqConfig",
    "check_sizes",
    "check_source",
    "free_running_loss",
    "reverse_words",
    "teacher_forced_loss",
]

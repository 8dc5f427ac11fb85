"""Sequences and images with labels."""

from attention_book.data.sequences.adding_problem import adding_problem
from attention_book.data.sequences.digit_pixels import Digits, DigitSplits
from attention_book.data.sequences.labelled import LabelledBatch, labelled_batches
from attention_book.data.sequences.sequence_tasks import (
    SequenceBatch,
    answer,
    digit_sequences,
    sequence_batch,
    sequence_loader,
)

__all__ = [
    "DigitSplits",
    "Digits",
    "LabelledBatch",
    "SequenceBatch",
    "adding_problem",
    "answer",
    "digit_sequences",
    "labelled_batches",
    "sequence_batch",
    "sequence_loader",
]

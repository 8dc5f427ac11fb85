"""Sequences and images with labels."""

from attention_book.data.sequences.adding_problem import adding_problem
from attention_book.data.sequences.digit_pixels import Digits, DigitSplits
from attention_book.data.sequences.glyphs import GlyphPairs, glyph_pairs
from attention_book.data.sequences.labelled import LabelledBatch, labelled_batches
from attention_book.data.sequences.memory_tasks import (
    CopyBatch,
    CopyBatches,
    copy_batch,
    delayed_copy,
    mutual_words,
    nearest_marker,
)
from attention_book.data.sequences.sequence_tasks import (
    SequenceBatch,
    answer,
    digit_sequences,
    sequence_batch,
    sequence_loader,
)

__all__ = [
    "CopyBatch",
    "CopyBatches",
    "DigitSplits",
    "Digits",
    "GlyphPairs",
    "LabelledBatch",
    "SequenceBatch",
    "adding_problem",
    "answer",
    "copy_batch",
    "delayed_copy",
    "digit_sequences",
    "glyph_pairs",
    "labelled_batches",
    "mutual_words",
    "nearest_marker",
    "sequence_batch",
    "sequence_loader",
]

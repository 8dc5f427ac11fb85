"""Pairs of sentences: similarity, paraphrase, answer selection."""

from attention_book.data.sentence_pairs.msrp import read_msrp
from attention_book.data.sentence_pairs.overlap_features import (
    OverlapFeatures,
    content_words,
)
from attention_book.data.sentence_pairs.pair_files import (
    label_at,
    read_fields,
    split_words,
    words_at,
)
from attention_book.data.sentence_pairs.pairs import (
    SentencePair,
    SentencePairBatch,
    lowercase,
    pair_words,
    sentence_pair_batch,
    sentence_pair_loader,
)
from attention_book.data.sentence_pairs.sick import read_graded
from attention_book.data.sentence_pairs.trecqa import read_trecqa
from attention_book.data.sentence_pairs.wikiqa import read_wikiqa

__all__ = [
    "OverlapFeatures",
    "SentencePair",
    "SentencePairBatch",
    "content_words",
    "label_at",
    "lowercase",
    "pair_words",
    "read_fields",
    "read_graded",
    "read_msrp",
    "read_trecqa",
    "read_wikiqa",
    "sentence_pair_batch",
    "sentence_pair_loader",
    "split_words",
    "words_at",
]

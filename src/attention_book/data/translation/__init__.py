"""Sentence pairs for translation."""

from attention_book.data.translation.iwslt15 import has_training_files, iwslt15_lines
from attention_book.data.translation.multi30k import multi30k_lines
from attention_book.data.translation.number_lexicon import (
    Lexicon,
    cut_words,
    known_cuts,
    lexicon,
    number_text,
    split_words,
    word_cuts,
)
from attention_book.data.translation.number_value import Value, evaluate
from attention_book.data.translation.numbers import (
    NumberSplits,
    number_pair,
    number_pairs,
)
from attention_book.data.translation.numerals import Numeral, numeral
from attention_book.data.translation.pairs import (
    EncodedPair,
    Pair,
    PairBatch,
    pair_batch,
    pair_loader,
    read_pairs,
    read_parallel,
)
from attention_book.data.translation.subwords import Subwords

__all__ = [
    "EncodedPair",
    "Lexicon",
    "NumberSplits",
    "Numeral",
    "Pair",
    "PairBatch",
    "Subwords",
    "Value",
    "cut_words",
    "evaluate",
    "has_training_files",
    "iwslt15_lines",
    "known_cuts",
    "lexicon",
    "multi30k_lines",
    "number_pair",
    "number_pairs",
    "number_text",
    "numeral",
    "pair_batch",
    "pair_loader",
    "read_pairs",
    "read_parallel",
    "split_words",
    "word_cuts",
]

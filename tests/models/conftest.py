"""Three sentence pairs of different lengths, for the models of translation."""

import pytest

from attention_book.data.translation import Pair, pair_batch
from attention_book.data.vocab import Vocab


@pytest.fixture
def pairs():
    return [
        Pair(source=("two",), target=("zwei",)),
        Pair(source=("twenty", "one"), target=("ein", "und", "zwanzig")),
        Pair(
            source=("two", "hundred", "six"),
            target=("zwei", "hundert", "sechs", "zwei"),
        ),
    ]


@pytest.fixture
def vocabs(pairs):
    return tuple(
        Vocab(word for pair in pairs for word in getattr(pair, side))
        for side in ("source", "target")
    )


@pytest.fixture
def batch(pairs, vocabs):
    return pair_batch(pairs, vocabs)


@pytest.fixture
def vocab_sizes(vocabs):
    return {"source_vocab": len(vocabs[0]), "target_vocab": len(vocabs[1])}

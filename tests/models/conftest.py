"""Three pairs for the models of translation; what models of two sentences share."""

import copy
import dataclasses
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.sentence_pairs.pairs import (
    SentencePair,
    pair_words,
    sentence_pair_batch,
)
from attention_book.data.translation.pairs import Pair, pair_batch
from attention_book.data.vocab import UNK, Vocab


@pytest.fixture
def pairs():
    """Pairs for translation; the models of two sentences put their own in place."""
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


@pytest.fixture
def check_forward(no_shape_checks):
    """A function that checks what hooks, compilers and copies need of a model."""

    def check(model, batch, *inputs):
        calls = []
        hook = model.register_forward_hook(lambda *_: calls.append("forward"))
        model.loss(batch)
        hook.remove()
        assert calls == ["forward"]
        output = model(*inputs)
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        assert_close(compiled(*inputs), output)
        exported = torch.export.export(model, inputs).module()
        assert_close(exported(*inputs), output)
        for twin in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
            assert_close(twin(*inputs), output)

    return check


# For the models of two sentences, whose tests have `pairs` and `batch` of their own.


@pytest.fixture
def vocab(pairs):
    return Vocab(pair_words(pairs))


@pytest.fixture
def vectors(vocab):
    vectors = torch.randn(len(vocab), 5, dtype=torch.float64)
    vectors[UNK] = 0
    return vectors


@pytest.fixture(params=[(0, 3), (2, 0), (5, 1)], ids=str)
def padded(batch, request):
    """The batch with more padding behind its first sentences and its second."""
    first, second = request.param
    return dataclasses.replace(
        batch,
        first=F.pad(batch.first, (0, first)),
        first_mask=F.pad(batch.first_mask, (0, first)),
        second=F.pad(batch.second, (0, second)),
        second_mask=F.pad(batch.second_mask, (0, second)),
    )


@pytest.fixture(
    params=[
        ((("loudly", "sings", "here"),) * 2),
        (("sings",), ("dogs",)),
        (("sings",), ("sings",)),
        (("huh", "hm"), ("what",)),
        (("huh",), ("huh",)),
    ],
    ids=["identical", "one word", "one same word", "unknown", "one unknown"],
)
def odd_batch(vocab, request):
    """A pair for which some length, distance or divisor is 0, or close to it."""
    return sentence_pair_batch(
        [SentencePair(*request.param, label=1, score=4.5)], vocab
    )

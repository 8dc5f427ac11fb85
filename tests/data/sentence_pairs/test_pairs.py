"""Batches of sentence pairs: ids, masks, what a pair has beside its words."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sentence_pairs.pairs import (
    SentencePair,
    lowercase,
    pair_words,
    sentence_pair_batch,
    sentence_pair_loader,
)
from attention_book.data.vocab import PAD, UNK, Vocab


@pytest.fixture
def pairs():
    return [
        SentencePair(("A", "cat"), ("a", "dog", "barks"), label=0, score=1.5),
        SentencePair(("dogs",), ("cats",), label=1, score=4.0),
        SentencePair(("a", "b", "c", "d", "e"), ("a",), label=2, score=3.25),
    ]


@pytest.fixture
def vocab(pairs):
    return Vocab(pair_words(pairs[:2]))


def test_batch(pairs, vocab):
    batch = sentence_pair_batch(pairs, vocab)
    assert len(batch) == batch.num_tokens == 3
    for pair, first, second, mask, other in zip(
        pairs,
        batch.first,
        batch.second,
        batch.first_mask,
        batch.second_mask,
        strict=True,
    ):
        assert first[mask].tolist() == vocab.encode(pair.first)
        assert second[other].tolist() == vocab.encode(pair.second)
        assert (first[~mask] == PAD).all()
        assert mask.sum() == len(pair.first)
    assert batch.first[2].tolist() == [*vocab.encode(["a"]), UNK, UNK, UNK, UNK]
    assert_close(batch.label, torch.tensor([0, 1, 2]))
    assert_close(batch.score, torch.tensor([1.5, 4.0, 3.25]))
    assert batch.features is None


def test_features_without_label_and_score(vocab):
    pairs = [SentencePair(("a",), ("cat",), features=(n, 0.5)) for n in (2.0, 3.0)]
    batch = sentence_pair_batch(pairs, vocab)
    assert_close(batch.features, torch.tensor([[2.0, 0.5], [3.0, 0.5]]))
    assert batch.label is None
    assert batch.score is None


def test_the_start_of_a_long_sentence_is_kept(pairs, vocab):
    batch = sentence_pair_batch(pairs, vocab, max_tokens=2)
    assert batch.first.shape == batch.second.shape == (3, 2)
    assert batch.second[0].tolist() == vocab.encode(["a", "dog"])


def test_to_another_device(pairs, vocab):
    batch = sentence_pair_batch(pairs, vocab).to("meta")
    assert {x.device.type for x in vars(batch).values() if x is not None} == {"meta"}
    assert batch.num_tokens == 3


def test_loader_depends_on_its_seed_alone(pairs, vocab):
    def labels(seed):
        loader = sentence_pair_loader(pairs * 5, vocab, batch_size=4, seed=seed)
        assert len(loader) == 4
        torch.rand(3)  # the global generator plays no part
        return [batch.label.tolist() for batch in loader]

    assert labels(1) == labels(1) != labels(2)
    assert [y for batch in labels(None) for y in batch] == [0, 1, 2] * 5
    state = torch.get_rng_state()
    list(sentence_pair_loader(pairs, vocab, batch_size=2, seed=1))
    assert_close(torch.get_rng_state(), state)


def test_lowercase(pairs):
    (pair, *_) = lowercase(pairs)
    assert pair == SentencePair(("a", "cat"), ("a", "dog", "barks"), 0, 1.5)


def test_errors(pairs, vocab):
    with pytest.raises(ValueError, match="pairs must hold at least one pair, got none"):
        sentence_pair_batch([], vocab)
    with pytest.raises(ValueError, match="max_tokens must be at least 1 or None, got"):
        sentence_pair_batch(pairs, vocab, max_tokens=0)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        sentence_pair_loader(pairs, vocab, batch_size=0)
    with pytest.raises(ValueError, match="the second sentence of pair 1 has no words"):
        sentence_pair_batch([pairs[0], SentencePair(("a",), ())], vocab)
    message = "pair 0 has label and score and 0 features, pair 1 has label and 1 feat"
    other = SentencePair(("a",), ("b",), label=0, features=(1.0,))
    with pytest.raises(ValueError, match=message):
        sentence_pair_batch([pairs[0], other], vocab)

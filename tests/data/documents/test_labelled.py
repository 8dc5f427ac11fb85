"""Documents in batches: padding at two levels, and clear errors for empty ones."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.documents.labelled import (
    LabelledDocument,
    check_document,
    document_batch,
    document_loader,
    document_words,
    shorten,
)
from attention_book.data.vocab import PAD, Vocab

LONG = LabelledDocument((("a", "b", "c"), ("d",)), label=1, telling=(1, 0))
SHORT = LabelledDocument((("b", "e"),), label=0, telling=(0, 1))
DOCUMENTS = [LONG, SHORT]


@pytest.fixture
def vocab():
    return Vocab(list("abcde"))


def test_padded_at_both_levels(vocab):
    batch = document_batch(DOCUMENTS, vocab)
    assert batch.words.shape == (2, 2, 3)
    for row, document in enumerate(DOCUMENTS):
        for number, sentence in enumerate(document.sentences):
            ids = batch.words[row, number].tolist()
            assert ids == vocab.encode(sentence) + [PAD] * (3 - len(sentence))
    assert batch.word_mask.sum() == 6
    assert (batch.words[~batch.word_mask] == PAD).all()
    assert batch.labels.tolist() == [1, 0]
    assert batch.sentence_weights is None
    assert batch.num_tokens == 2


def test_imposed_weights_are_padded_too(vocab):
    weights = [torch.tensor([0.25, 0.75]), torch.tensor([1.0])]
    batch = document_batch(DOCUMENTS, vocab, weights)
    want = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    assert_close(batch.sentence_weights, want)
    moved = batch.to("meta")
    assert moved.sentence_weights.is_meta
    assert moved.words.is_meta
    assert document_batch(DOCUMENTS, vocab).to("meta").sentence_weights is None


def test_loader_keeps_weights_with_their_documents(vocab):
    weights = [torch.tensor([0.25, 0.75]), torch.tensor([1.0])]
    loader = document_loader(
        DOCUMENTS * 3, vocab, batch_size=4, seed=5, sentence_weights=weights * 3
    )
    labels = []
    for batch in loader:
        labels += batch.labels.tolist()
        for label, row in zip(batch.labels, batch.sentence_weights, strict=True):
            assert row.tolist() == ([0.25, 0.75] if label else [1.0, 0.0][: len(row)])
    assert sorted(labels) == [0, 0, 0, 1, 1, 1]


def test_documents_of_like_length_share_a_batch(vocab):
    loader = document_loader(DOCUMENTS * 4, vocab, max_tokens=4, seed=0)
    shapes = sorted(tuple(batch.words.shape[:2]) for batch in loader)
    assert shapes == [(2, 2), (2, 2), (4, 1)]


def test_order_depends_on_the_seed_alone(vocab):
    many = [LabelledDocument((("a",),), label) for label in range(20)]

    def order(seed):
        torch.manual_seed(torch.seed() % 100)
        loader = document_loader(many, vocab, batch_size=7, seed=seed)
        return torch.cat([batch.labels for batch in loader]).tolist()

    assert order(1) == order(1) != order(2)
    assert order(None) == list(range(20))


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ((), "document 1 must have at least one sentence, got none"),
        ((("a",), ()), r"document 1 .*, but sentence 1 \(from 0\) is empty"),
    ],
)
def test_empty_documents_and_sentences_are_named(vocab, sentences, message):
    documents = [SHORT, LabelledDocument(sentences, label=0)]
    with pytest.raises(ValueError, match=message):
        document_batch(documents, vocab)
    with pytest.raises(ValueError, match=message):
        document_loader(documents, vocab, batch_size=1)
    with pytest.raises(ValueError, match=message.replace("document 1", "page 7")):
        check_document(documents[1], "page 7")


def test_no_documents(vocab):
    with pytest.raises(ValueError, match="at least one document, got none"):
        document_batch([], vocab)


def test_shorten():
    assert shorten(LONG, max_sentences=9, max_words=9) == LONG
    cut = shorten(LONG, max_sentences=2, max_words=2)
    assert cut.sentences == (("a", "b"), ("d",))
    assert (cut.label, cut.telling) == (1, (1, 0))
    assert shorten(LONG, max_sentences=1, max_words=3).telling is None
    assert shorten(SHORT, max_sentences=1, max_words=1).telling is None
    for limits in (
        {"max_sentences": 0, "max_words": 1},
        {
            "max_sentences": 1,
            "max_words": 0,
        },
    ):
        with pytest.raises(ValueError, match="must be at least 1, got"):
            shorten(LONG, **limits)


def test_words_in_order():
    assert list(document_words(DOCUMENTS)) == ["a", "b", "c", "d", "b", "e"]


@pytest.mark.parametrize("sizes", [(1, 1), (2, 2), (3, 1), (2,)])
def test_sentence_weights_that_do_not_fit(vocab, sizes):
    weights = [torch.ones(size) for size in sizes]
    with pytest.raises(ValueError, match=r"one weight for each.*\[2, 1\], got"):
        document_batch(DOCUMENTS, vocab, weights)

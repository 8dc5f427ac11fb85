"""Batches of frames: padding, masks, a seeded order; frames that words are about."""

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.testing import assert_close

from attention_book.data.captions.frames import (
    frame_batch,
    frame_loader,
    marked_spans,
)
from attention_book.data.vocab import BOS, EOS, PAD, UNK, Vocab

CAPTIONS = [("one", "two"), ("two",), ("one", "two", "nine")]


@pytest.fixture
def vocab():
    return Vocab(["one", "one", "two"])


@pytest.fixture
def frames():
    return [torch.randn(length, 3, 5) for length in (2, 7, 4)]


def test_batch_is_padded_and_masked(frames, vocab):
    batch = frame_batch(frames, CAPTIONS, vocab)
    one, two = vocab.encode(["one", "two"])
    assert batch.source.shape == (3, 7, 3, 5)
    assert batch.source_mask.sum(dim=1).tolist() == [2, 7, 4]
    for row, own in enumerate(frames):
        assert_close(batch.source[row, : len(own)], own)
        assert batch.source_mask[row, : len(own)].all()
        assert (batch.source[row, len(own) :] == 0).all()
    assert batch.target.tolist() == [
        [BOS, one, two, EOS, PAD],
        [BOS, two, EOS, PAD, PAD],
        [BOS, one, two, UNK, EOS],
    ]
    assert_close(batch.target_mask, batch.target != PAD)
    assert batch.num_tokens == 3 + 2 + 4
    assert len(batch) == 3
    twice = batch.repeated(2)
    assert_close(twice.source, torch.cat([batch.source, batch.source]))
    assert twice.source_mask.sum(dim=1).tolist() == [2, 7, 4, 2, 7, 4]
    assert twice.target[3:].tolist() == batch.target.tolist()
    assert (len(twice), twice.num_tokens) == (6, 18)
    assert twice.target_mask.sum() == 2 * batch.target_mask.sum()
    assert batch.repeated(1) is batch
    moved = batch.to("meta")
    assert moved.source_mask.device.type == moved.target.device.type == "meta"
    assert moved.num_tokens == batch.num_tokens


def test_loader_keeps_the_order_or_draws_one(frames, vocab):
    lengths = [
        batch.source_mask.sum(dim=1).tolist()
        for batch in frame_loader(frames, CAPTIONS, vocab, batch_size=2)
    ]
    assert lengths == [[2, 7], [4]]
    orders = {
        tuple(
            int(batch.source_mask.sum())
            for batch in frame_loader(frames, CAPTIONS, vocab, batch_size=1, seed=seed)
        )
        for seed in range(20)
    }
    assert len(orders) == 6


def test_marked_spans():
    spans = [[(0, 2), (2, 3), (6, 7)], [(3, 4)]]
    for reduction in (1, 2, 3):
        marked = marked_spans(spans, [7, 5], reduction)
        assert marked.shape == (2, 3, -(-7 // reduction))
        for row, own in enumerate(spans):
            for word in range(3):
                start, stop = own[word] if word < len(own) else (0, 0)
                want = {t // reduction for t in range(start, stop)}
                assert set(marked[row, word].nonzero().flatten().tolist()) == want


def test_errors(frames, vocab, no_shape_checks):
    with pytest.raises(ValueError, match="there must be some: got 3 and 2"):
        frame_batch(frames, CAPTIONS[:2], vocab)
    with pytest.raises(ValueError, match="there must be some: got 0 and 0"):
        frame_loader([], [], vocab, batch_size=2)
    with pytest.raises(ValueError, match=r"row 1 needs .* got 7 and 0"):
        frame_batch(frames, [CAPTIONS[0], (), CAPTIONS[2]], vocab)
    with pytest.raises(ValueError, match="row 0 needs at least one frame"):
        frame_batch([frames[0][:0], *frames[1:]], CAPTIONS, vocab)
    with pytest.raises(ValueError, match="batch_size must be"):
        frame_loader(frames, CAPTIONS, vocab, batch_size=0)
    with pytest.raises(ValueError, match="reduction must be at least 1, got 0"):
        marked_spans([[(0, 1)]], [1], 0)
    with pytest.raises(ValueError, match="got 2 for 1 rows"):
        marked_spans([[(0, 1)]], [1, 2])


def test_a_loader_does_not_pad_the_whole_data_set(vocab, monkeypatch):
    """One long clip among many short ones would need as much memory for each."""
    frames = [torch.zeros(length, 3) for length in (2, 2, 2, 700)]
    padded = []
    monkeypatch.setattr(
        "attention_book.data.captions.frames.pad_sequence",
        lambda parts, **options: (
            padded.append(len(parts)) or pad_sequence(parts, **options)
        ),
    )
    batches = list(frame_loader(frames, [("one",)] * 4, vocab, batch_size=2))
    assert [batch.source.shape[1] for batch in batches] == [2, 700]
    assert set(padded) == {2}

"""Caption batches: padded ids, images with several captions, a seeded order."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.captions.captions import caption_batch, caption_loader
from attention_book.data.vocab import BOS, EOS, PAD, UNK, Vocab

CAPTIONS = [
    [("a", "seven")],
    [("a", "two", "and", "a", "one"), ("one",)],
    [("an", "eight")],
]


@pytest.fixture
def vocab():
    return Vocab(["a", "a", "seven", "two", "and", "one"])


@pytest.fixture
def sources():
    return torch.arange(3.0)[:, None, None].expand(3, 2, 5)


def test_batch_is_padded_and_masked(sources, vocab):
    batch = caption_batch(sources, CAPTIONS, vocab)
    a, and_, one, seven, two = vocab.encode(["a", "and", "one", "seven", "two"])
    right = [
        [BOS, a, seven, EOS, PAD, PAD, PAD],
        [BOS, a, two, and_, a, one, EOS],
        [BOS, one, EOS, PAD, PAD, PAD, PAD],
        [BOS, UNK, UNK, EOS, PAD, PAD, PAD],
    ]
    assert batch.target.tolist() == right
    assert_close(batch.target_mask, batch.target != PAD)
    assert batch.num_tokens == 3 + 6 + 2 + 3
    assert batch.source[:, 0, 0].tolist() == [0, 1, 1, 2]  # two captions, one image
    assert batch.source_mask is None
    assert len(batch) == 4
    assert batch.to("meta").target.device.type == "meta"
    assert batch.to("meta").num_tokens == batch.num_tokens


def test_a_batch_repeated_is_several_in_a_row(sources, vocab):
    batch = caption_batch(sources, CAPTIONS, vocab)
    assert batch.repeated(1) is batch
    twice = batch.repeated(2)
    assert twice.target.tolist() == batch.target.tolist() * 2
    assert twice.source[:, 0, 0].tolist() == [0, 1, 1, 2] * 2
    assert twice.target_mask.sum() == 2 * batch.target_mask.sum()
    assert (len(twice), twice.num_tokens) == (8, 2 * batch.num_tokens)


def test_loader_goes_through_all_captions_once(sources, vocab):
    loader = caption_loader(sources, CAPTIONS, vocab, batch_size=3, seed=1)
    assert (len(loader), len(loader.dataset)) == (2, 4)

    def epoch():
        return [
            (int(source[0, 0]), *ids[ids != PAD].tolist())
            for batch in loader
            for source, ids in zip(batch.source, batch.target, strict=True)
        ]

    first, second = epoch(), epoch()
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 4


def test_the_seed_decides_the_order(sources, vocab):
    def order(seed):
        loader = caption_loader(sources, CAPTIONS, vocab, batch_size=1, seed=seed)
        return [batch.target.tolist() for batch in loader]

    assert order(1) == order(1)
    assert any(order(1) != order(seed) for seed in range(2, 6))


def test_a_batch_is_as_wide_as_its_longest_caption(sources, vocab):
    loader = caption_loader(sources, CAPTIONS, vocab, batch_size=1)
    assert [batch.target.shape[1] for batch in loader] == [4, 7, 3, 4]
    before = torch.get_rng_state()
    list(loader)  # evaluation leaves the global generator alone
    assert_close(torch.get_rng_state(), before)


def test_errors(sources, vocab):
    with pytest.raises(ValueError, match="got 3 images and 2 groups"):
        caption_batch(sources, CAPTIONS[:2], vocab)
    with pytest.raises(ValueError, match="got 0 images and 0 groups"):
        caption_batch(sources[:0], [], vocab)
    with pytest.raises(ValueError, match=r"image 1 needs captions.*got \[\]"):
        caption_batch(sources[:2], [CAPTIONS[0], []], vocab)
    with pytest.raises(ValueError, match=r"image 0 needs captions.*\(\)"):
        caption_batch(sources[:1], [[()]], vocab)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        caption_loader(sources, CAPTIONS, vocab, batch_size=0)

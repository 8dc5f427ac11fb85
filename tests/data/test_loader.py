"""Loaders: every example once, an order by the seed alone, no batch too large."""

import numpy as np
import pytest
import torch

from attention_book.data.captions import caption_loader
from attention_book.data.loader import TokenBudgetSampler, make_loader, pad_ids
from attention_book.data.sentence_pairs import SentencePair, sentence_pair_loader
from attention_book.data.sequences import digit_sequences, sequence_loader
from attention_book.data.sequences.labelled import labelled_batches
from attention_book.data.translation import Pair, pair_loader
from attention_book.data.vocab import PAD, Vocab
from attention_book.training.batches import Batch, Batches


def cost(batch, lengths):
    return len(batch) * max(lengths[i].item() for i in batch)


@pytest.mark.parametrize("shuffled", [True, False])
def test_each_item_once_within_the_budget_and_as_many_batches_as_said(shuffled):
    lengths = torch.randint(1, 30, (257,))
    generator = torch.Generator().manual_seed(3) if shuffled else None
    sampler = TokenBudgetSampler(lengths, 100, generator)
    for _ in range(3):
        batches = list(sampler)
        assert len(batches) == len(sampler)
        assert sorted(i for batch in batches for i in batch) == list(range(257))
        assert max(cost(batch, lengths) for batch in batches) <= 100
        assert all(batches)


def test_without_a_generator_items_keep_their_order():
    sampler = TokenBudgetSampler(torch.tensor([5, 1, 1, 1, 3, 2]), 6, None)
    assert list(sampler) == [[0], [1, 2, 3], [4, 5]]


def test_shuffled_batches_hold_similar_lengths_in_random_order():
    lengths = torch.randint(1, 30, (500,))
    sampler = TokenBudgetSampler(lengths, 100, torch.Generator().manual_seed(0))
    batches = list(sampler)
    padded = sum(cost(batch, lengths) for batch in batches)
    assert padded < 1.1 * lengths.sum()
    first_lengths = [lengths[batch[0]].item() for batch in batches]
    assert first_lengths != sorted(first_lengths)
    assert list(sampler) != batches


def test_order_depends_on_the_generator_alone():
    lengths = torch.randint(1, 9, (50,))
    sampler = TokenBudgetSampler(lengths, 20, torch.Generator().manual_seed(5))
    state = sampler.generator.get_state()
    first = list(sampler)
    sampler.generator.set_state(state)
    torch.rand(1)  # the global generator has no part in it
    assert list(sampler) == first


def test_an_item_longer_than_the_budget_is_an_error():
    with pytest.raises(ValueError, match=r"max_tokens \(6\).*the 7 tokens.* of item 1"):
        TokenBudgetSampler(torch.tensor([2, 7, 3]), 6, None)


def test_no_items_is_an_error():
    with pytest.raises(ValueError, match="at least one item"):
        TokenBudgetSampler(torch.tensor([], dtype=torch.long), 6, None)


WORDS = ["a", "bb", "ccc"]
VOCAB = Vocab(WORDS)


def test_padding_is_on_the_right_and_masked():
    sentences = [[5, 6, 7], [8], [9, 4]]
    ids, mask = pad_ids([torch.tensor(ids) for ids in sentences])
    assert ids.tolist() == [[5, 6, 7], [8, PAD, PAD], [9, 4, PAD]]
    assert mask.tolist() == [[True] * 3, [True, False, False], [True, True, False]]


@pytest.mark.parametrize(
    "batches",
    [
        pair_loader([Pair(("a",), ("bb", "a"))] * 5, (VOCAB, VOCAB), batch_size=2),
        sentence_pair_loader([SentencePair(("a",), ("bb",))] * 5, VOCAB, batch_size=2),
        caption_loader(torch.zeros(5, 4, 4), [[("a",)]] * 5, VOCAB, batch_size=2),
        sequence_loader(["37"] * 5, "copy", batch_size=2),
        labelled_batches(
            torch.arange(5), torch.arange(5), batch_size=2, steps=3, seed=0
        ),
    ],
)
def test_what_the_training_loop_needs(batches):
    assert isinstance(batches, Batches)
    assert len(batches) == 3
    for batch in batches:
        assert isinstance(batch, Batch)
        assert type(batch.num_tokens) is int
        assert type(batch.to("cpu")) is type(batch)


@pytest.mark.parametrize("option", [{"batch_size": 3}, {"max_tokens": 12}])
def test_order_by_seed(option):
    examples = list(range(2, 13))
    if "max_tokens" in option:
        option = option | {"lengths": torch.tensor(examples)}

    def order(**changed):
        return [
            x
            for batch in make_loader(examples, list, **option, **changed)
            for x in batch
        ]

    assert order() == examples
    state = torch.get_rng_state()
    first = order(seed=1)
    assert sorted(first) == examples
    assert first != examples
    assert first == order(seed=1) != order(seed=2)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_saved_generator_gives_the_same_epochs_again():
    loader = make_loader(range(20), list, batch_size=3, seed=5)
    list(loader)
    state = loader.generator.get_state()
    second, third = list(loader), list(loader)
    assert second != third
    loader.generator.set_state(state)
    assert [list(loader), list(loader)] == [second, third]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({}, "either batch_size or max_tokens, got None and None"),
        ({"batch_size": 3, "max_tokens": 5}, "max_tokens, got 3 and 5"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"max_tokens": 5}, "max_tokens and lengths must be given together"),
        ({"batch_size": 1, "lengths": torch.ones(4).int()}, "must be given together"),
        (
            {"max_tokens": 5, "lengths": torch.ones(3).int()},
            "lengths must be one per example, got 3 for 4",
        ),
        (
            {"max_tokens": 5, "lengths": torch.tensor([1, 6, 2, 3])},
            r"max_tokens \(5\) is less than the 6 tokens.* of item 1",
        ),
    ],
)
def test_options_of_a_loader(option, message, no_shape_checks):
    with pytest.raises(ValueError, match=message):
        make_loader(range(4), list, **option)


def test_seeds_may_be_integers_of_numpy(no_shape_checks):
    for seed in np.int64(3), np.uint8(3):
        ours, wanted = (
            list(make_loader(range(9), list, batch_size=2, seed=s)) for s in (seed, 3)
        )
        assert ours == wanted
        examples = {"lengths": [2, 3], "sizes": [3]}
        assert digit_sequences(**examples, seed=seed) == digit_sequences(
            **examples, seed=3
        )
    with pytest.raises(
        TypeError, match="'float' object cannot be interpreted as an in"
    ):
        make_loader(range(9), list, batch_size=2, seed=3.0)

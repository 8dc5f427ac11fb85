"""TokenBudgetSampler: every item once, no batch too large, similar lengths together."""

import pytest
import torch

from attention_book.data.translation.token_budget import TokenBudgetSampler


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

"""The protocols: what is a batch, and what are batches."""

import pytest
import torch
from torch.utils.data import DataLoader

from attention_book.training.batches import Batch, Batches, require_batches


def test_what_is_a_batch(data):
    batch = next(iter(data(1)))
    assert isinstance(batch, Batch)
    assert not isinstance(torch.zeros(2), Batch)  # it cannot tell its tokens


def test_what_are_batches(data):
    for batches in data(1), list(data(1)), DataLoader([1, 2]):
        assert isinstance(batches, Batches)
    assert not isinstance((batch for batch in data(1)), Batches)  # it has no length


def test_at_least_one_batch(data):
    require_batches("loader", data(1))
    with pytest.raises(ValueError, match="dev_loader must have at least one batch"):
        require_batches("dev_loader", [])

"""Dictionary lookup: splits by pairs, graphs side by side."""

import math

import pytest
import torch

from attention_book.data.graphs import lookup_batch, lookup_splits
from attention_book.training.batches import Batch


@pytest.mark.parametrize("num_keys", [2, 4, 5])
def test_all_permutations_are_divided_by_their_pairs(num_keys):
    train, test = lookup_splits(num_keys, seed=3)
    rows = [tuple(row) for row in torch.cat([train, test]).tolist()]
    assert len(rows) == len(set(rows)) == math.factorial(num_keys)
    seen = {pair for row in train.tolist() for pair in enumerate(row)}
    assert len(seen) <= math.floor(0.8 ** (1 / num_keys) * num_keys**2)
    for row in test.tolist():
        assert set(enumerate(row)) - seen


def test_many_keys_are_drawn_by_the_seed():
    train, test = lookup_splits(8, seed=0)
    assert len(train) + len(test) == 32_000
    assert 0.7 < len(train) / 32_000 < 0.82
    assert lookup_splits(8, seed=0).train.equal(train)
    assert not lookup_splits(8, seed=1).train.equal(train)


def test_a_graph_has_queries_with_unknown_values_and_keys_with_values():
    values = torch.tensor([[2, 0, 1], [1, 2, 0]])
    batch = lookup_batch(values)
    assert batch.query.tolist() == [0, 1, 2, 6, 7, 8]
    assert batch.answer.tolist() == [2, 0, 1, 1, 2, 0]
    assert (batch.value[batch.query] == 3).all()
    pairs = batch.edges.T.tolist()
    assert len(pairs) == 2 * 9
    for source, target in pairs:
        assert source // 6 == target // 6, "within a graph"
        assert source % 6 >= 3 > target % 6, "from a key to a query"
    for query, answer in zip(batch.query.tolist(), batch.answer.tolist(), strict=True):
        (key,) = (
            source
            for source, target in pairs
            if target == query and batch.attribute[source] == batch.attribute[query]
        )
        assert batch.value[key] == answer


def test_it_is_a_batch():
    batch = lookup_batch(torch.tensor([[1, 0]]))
    assert isinstance(batch, Batch)
    assert batch.num_tokens == 2
    assert batch.to(torch.device("meta")).edges.device.type == "meta"


def test_too_few_keys_are_an_error():
    with pytest.raises(ValueError, match="num_keys must be at least 2, got 1"):
        lookup_splits(1, seed=0)

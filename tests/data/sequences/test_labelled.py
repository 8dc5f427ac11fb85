"""Batches of labelled examples: their order, their number, their errors."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.labelled import labelled_batches


def test_inputs_stay_with_their_labels():
    inputs = torch.randn(5, 2, 3)
    labels = torch.tensor([4, 0, 3, 1, 2])
    batches = labelled_batches(inputs, labels, batch_size=3, steps=4, seed=0)
    assert len(batches) == 4
    for batch in batches:
        assert batch.num_tokens == 3
        rows = [labels.tolist().index(label) for label in batch.labels.tolist()]
        assert_close(batch.inputs, inputs[rows])


def test_every_example_comes_as_often_as_any_other():
    labels = torch.arange(6)
    batches = labelled_batches(labels, labels, batch_size=4, steps=3, seed=1)
    drawn = torch.cat([batch.labels for batch in batches])
    assert sorted(drawn.tolist()) == sorted(2 * list(range(6)))
    assert sorted(drawn[:6].tolist()) == list(range(6))  # all once before any twice


def test_many_examples_and_few_steps():
    labels = torch.arange(50)
    (batch,) = labelled_batches(labels, labels, batch_size=7, steps=1, seed=0)
    assert len(set(batch.labels.tolist())) == 7


def test_the_seed_decides_the_order():
    labels = torch.arange(20)

    def drawn(seed):
        batches = labelled_batches(labels, labels, batch_size=5, steps=4, seed=seed)
        return [batch.labels.tolist() for batch in batches]

    assert drawn(0) == drawn(0) != drawn(1)


def test_to_another_device():
    labels = torch.arange(2)
    (batch,) = labelled_batches(labels, labels, batch_size=2, steps=1, seed=0)
    moved = batch.to(torch.device("meta"))
    assert moved.inputs.device.type == moved.labels.device.type == "meta"


def test_errors(no_shape_checks):
    x = torch.arange(3)
    with pytest.raises(ValueError, match="equally many and at least one, got 0 and 0"):
        labelled_batches(x[:0], x[:0], batch_size=1, steps=1, seed=0)
    with pytest.raises(ValueError, match="equally many and at least one, got 3 and 2"):
        labelled_batches(x, x[:2], batch_size=1, steps=1, seed=0)
    with pytest.raises(ValueError, match="must be at least 1, got 0 and 2"):
        labelled_batches(x, x, batch_size=0, steps=2, seed=0)
    with pytest.raises(ValueError, match="must be at least 1, got 2 and 0"):
        labelled_batches(x, x, batch_size=2, steps=0, seed=0)

"""Averages of weights, and the copies that they are made of."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.training.averaging import RecentWeights, average_weights
from attention_book.training.loop import fit


def test_each_number_is_the_mean_of_its_own():
    parts = [{"a": torch.randn(2, 3), "b": torch.randn(5)} for _ in range(4)]
    mean = average_weights(iter(parts))
    assert list(mean) == ["a", "b"]
    for name, one in mean.items():
        assert_close(one, sum(part[name] for part in parts) / 4)
        assert one.dtype == torch.float32


def test_of_one_it_is_that_one_and_a_copy():
    (weights,) = ({"a": torch.randn(2, 3)},)
    mean = average_weights([weights])
    assert_close(mean, weights)
    assert mean["a"].data_ptr() != weights["a"].data_ptr()


def test_sums_are_taken_in_double_precision():
    parts = [{"a": torch.tensor([x], dtype=torch.bfloat16)} for x in [1.0] * 99 + [2.0]]
    assert_close(average_weights(parts)["a"].float().item(), 1.0078125)


def test_of_integers_the_last_ones_are_taken():
    parts = [{"num_batches_tracked": torch.tensor(n)} for n in (3, 8)]
    assert average_weights(parts)["num_batches_tracked"] == 8


def test_weights_that_cannot_be_averaged():
    a, b = {"w": torch.zeros(2), "v": torch.zeros(3)}, {"w": torch.zeros(2, 1)}
    with pytest.raises(ValueError, match="at least one model's weights, got none"):
        average_weights([])
    with pytest.raises(ValueError, match=r"weights 1 .* than weights 0: .* in v, w"):
        average_weights([a, b])


class Straight(nn.Linear):
    """A loss whose gradient is -1: with SGD each step adds the learning rate."""

    def loss(self, batch):
        return -self.weight.sum()


class Batch:
    num_tokens = 1

    def to(self, device):
        return self


@pytest.mark.parametrize(
    ("keep", "every", "last", "mean"),
    [
        (2, 3, False, (6 + 9) / 2),  # of 3, 6, 9
        (5, 3, False, (3 + 6 + 9) / 3),  # fewer than asked for
        (2, 4, True, (8 + 12) / 2),  # the very last by hand
        (1, 12, True, 12),
    ],
)
def test_the_last_few_of_a_run(keep, every, last, mean):
    model = Straight(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    recent = RecentWeights(model, keep=keep, every=every)
    options = {"optimizer": "sgd", "learning_rate": 1.0, "device": "cpu"}
    fit(model, [Batch()] * 4, epochs=3, on_step=recent, **options)
    if last:
        recent.take()
    assert_close(recent.average()["weight"].item(), float(mean))
    assert_close(model.weight.item(), 12.0)  # training itself goes on undisturbed


def test_a_shared_weight_stays_shared():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    recent = RecentWeights(model, keep=2, every=1)
    recent.take()
    model[0].weight.data += 2
    recent.take()
    wanted = model[0].weight.detach() - 1
    model.load_state_dict(recent.average())
    assert model[1].weight is model[0].weight
    assert_close(model[0].weight.detach(), wanted)


def test_wrong_numbers():
    for keep, every in (0, 1), (1, 0):
        with pytest.raises(ValueError, match=f"at least 1, got {keep} and {every}"):
            RecentWeights(nn.Linear(1, 1), keep=keep, every=every)
    with pytest.raises(ValueError, match="at least one model's weights, got none"):
        RecentWeights(nn.Linear(1, 1), keep=1, every=1).average()

"""The loss over a data set."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.training import loss as module
from attention_book.training.loss import batch_loss, evaluate

CPU = torch.device("cpu")


class Batch(SimpleNamespace):
    def to(self, device):
        return Batch(x=self.x.to(device), num_tokens=self.num_tokens)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def loss(self, batch):
        return self.dropout(self.scale * batch.x).mean()


def test_the_mean_is_over_tokens_without_dropout_and_gradients():
    batches = [Batch(x=torch.randn(n, 3), num_tokens=3 * n) for n in (2, 5, 7)]
    model = Model().train()
    want = 2 * torch.cat([batch.x for batch in batches]).mean()
    assert_close(evaluate(model, batches, device="cpu"), want.item())
    assert evaluate(model, batches, device=CPU) == evaluate(model, batches)
    assert not model.training
    assert model.scale.grad is None


def test_a_batch_alone():
    batch = Batch(x=torch.randn(3, 5), num_tokens=1)
    loss = batch_loss(Model().eval(), batch, CPU)
    assert_close(loss, 2 * batch.x.mean())
    loss.backward()


@pytest.mark.parametrize("pays", [True, False])
def test_autocast_to_bfloat16_where_it_pays(monkeypatch, pays):
    class Product(nn.Module):
        def loss(self, batch):
            seen.append((batch.x @ batch.x.T).dtype)
            return batch.x.mean()

    seen = []
    monkeypatch.setattr(module, "_has_bfloat16", lambda device: pays)
    batch_loss(Product(), Batch(x=torch.randn(3, 5), num_tokens=1), CPU)
    assert seen == [torch.bfloat16 if pays else torch.float32]


def test_no_batch():
    with pytest.raises(ValueError, match="at least one batch, got none"):
        evaluate(Model(), [], device="cpu")


def test_a_loss_that_is_not_finite():
    batches = [Batch(x=torch.tensor([1.0, torch.inf]), num_tokens=2)]
    with pytest.raises(FloatingPointError, match="loss over 2 tokens is inf"):
        evaluate(Model(), batches, device="cpu")

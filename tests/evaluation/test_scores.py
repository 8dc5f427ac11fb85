"""score_all: every pair once, in order, without gradients, in eval mode."""

import pytest
import torch
from torch import nn

from attention_book.evaluation.scores import score_all


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.5)

    def score(self, batch):
        assert not torch.is_grad_enabled()
        return self.dropout(self.layer(batch)).squeeze(-1)


def test_every_pair_in_order():
    model, inputs = Model().train(), torch.randn(7, 3)
    found = score_all(model, inputs.split(2), device="cpu")
    assert not model.training
    wanted = model.layer(inputs).squeeze(-1).tolist()
    assert found.tolist() == pytest.approx(wanted)
    assert found.dtype == "float64"


def test_empty_loader():
    with pytest.raises(ValueError, match="at least one batch, got none"):
        score_all(Model(), [])


def test_one_score_that_is_not_finite_is_named():
    inputs = torch.randn(5, 3)
    inputs[3, 1] = torch.inf
    with pytest.raises(FloatingPointError, match=r"score of pair 3 .from 0. is -?inf"):
        score_all(Model(), inputs.split(2), device="cpu")

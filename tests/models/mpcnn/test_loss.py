"""The losses for graded scores and for classes: as in the paper, and PyTorch's."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from attention_book.models.mpcnn.loss import (
    graded_loss,
    hinge_loss,
    sparse_target,
    squared_norm,
)

SCORES = [1.0, 1.25, 2.0, 3.5, 4.999, 5.0]


def paper_target(y, low, high):
    f = [0.0] * (high - low + 1)
    for i in range(low, high + 1):
        if i == math.floor(y) + 1:
            f[i - low] = y - math.floor(y)
        elif i == math.floor(y):
            f[i - low] = math.floor(y) - y + 1
    return torch.tensor(f, dtype=torch.float64)


@pytest.mark.parametrize("low", [0, 1])
def test_sparse_target_one_score_at_a_time(low):
    found = sparse_target(torch.tensor(SCORES).double(), low, 5)
    for row, y in zip(found, torch.tensor(SCORES).double().tolist(), strict=True):
        assert_close(row, paper_target(y, low, 5))
    grades = torch.arange(low, 6).double()
    assert_close(found.sum(dim=1), torch.ones(len(SCORES)).double())
    assert_close(found @ grades, torch.tensor(SCORES).double())


def test_graded_loss_one_pair_at_a_time():
    logits = torch.randn(len(SCORES), 5, dtype=torch.float64, requires_grad=True)
    found = graded_loss(logits, torch.tensor(SCORES).double(), 1, 5)
    total = 0.0
    for row, y in zip(logits, SCORES, strict=True):
        f, prediction = paper_target(y, 1, 5), row.exp() / row.exp().sum()
        total += sum(f[i] * (f[i] / prediction[i]).log() for i in range(5) if f[i] > 0)
    assert_close(found, total / len(SCORES), rtol=1e-6, atol=1e-6)
    found.backward()
    assert logits.grad.isfinite().all()


def test_hinge_loss_one_pair_at_a_time_and_parity():
    logits, label = torch.randn(7, 3).double(), torch.tensor([0, 1, 2, 2, 0, 1, 0])
    total = sum(
        max(0.0, 1 + row[other] - row[y])
        for row, y in zip(logits.tolist(), label.tolist(), strict=True)
        for other in range(3)
        if other != y
    )
    found = hinge_loss(logits, label)
    assert found.item() == pytest.approx(total / 7)
    assert_close(found, 3 * F.multi_margin_loss(logits, label))
    assert_close(found, hinge_loss(logits.log_softmax(dim=-1), label))


def test_squared_norm_counts_what_is_trained():
    layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    assert_close(squared_norm(layer), layer.weight.square().sum())

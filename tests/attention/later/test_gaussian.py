"""GaussianAttention: its prior, and how it is Luong's local-p, normalised again."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.later.gaussian import GaussianAttention
from attention_book.attention.positions.alibi import ALiBi

B, HEADS, N, DIM, V_DIM = 2, 3, 5, 4, 7


def draw():
    shapes = (DIM,), (DIM,), (V_DIM,)
    return [torch.randn(B, HEADS, N, *shape, dtype=torch.float64) for shape in shapes]


def test_equation_one_pair_at_a_time():
    layer = GaussianAttention(0.2, 0.7).double()
    query, key, value = draw()
    context, weights = layer(query, key, value, need_weights=True)
    w, b = 0.2, -0.7
    for row in range(B):
        for h in range(HEADS):
            for i in range(N):
                scores = [
                    query[row, h, i] @ key[row, h, j] / math.sqrt(DIM)
                    - abs(w * math.pi * abs(i - j) ** 2 + b)
                    for j in range(N)
                ]
                alpha = torch.stack(scores).softmax(dim=0)
                assert_close(weights[row, h, i], alpha, rtol=1e-6, atol=1e-7)
                want = alpha @ value[row, h]
                assert_close(context[row, h, i], want, rtol=1e-6, atol=1e-6)


def test_what_the_penalty_does():
    """Equal scores: the weights at distances 0, 1 and 2 in the middle of a sequence."""
    same = torch.zeros(1, 1, 21, 2, dtype=torch.float64)

    def middle(penalty):
        layer = GaussianAttention(0.5 / math.pi, penalty).double()
        weights = layer(same, same, same, need_weights=True)[1][0, 0, 10]
        return [round(weight, 3) for weight in weights[10:13].tolist()]

    assert middle(1.0) == [0.155, 0.255, 0.155]
    assert middle(1e-6) == [0.399, 0.242, 0.054]


def test_it_is_luongs_gaussian_normalised_again():
    query, key, value = draw()
    sigma = 1.5
    layer = GaussianAttention(1 / (2 * sigma**2) / math.pi, 1e-9).double()
    _, weights = layer(query, key, value, need_weights=True)
    at = torch.arange(N, dtype=torch.float64)
    plain = (query @ key.mT / math.sqrt(DIM)).softmax(dim=-1)
    local_p = plain * torch.exp(-((at - at[:, None]) ** 2) / (2 * sigma**2))
    assert (local_p.sum(-1) < 1).all()
    again = local_p / local_p.sum(dim=-1, keepdim=True)
    assert_close(weights, again, rtol=1e-6, atol=1e-7)


def test_far_keys_are_penalised_more_than_by_alibi():
    prior = GaussianAttention(0.1, 1e-9).prior(1, 40)[0, 0, 0].flip(0)
    line = ALiBi(1)(-torch.arange(40)[None])[0, 0]
    assert prior[39] < line[39]
    assert_close(prior[10] / prior[5], torch.tensor(4.0), rtol=1e-4, atol=0)


def test_the_sign_of_both_numbers_is_kept():
    layer = GaussianAttention(0.05, 0.1)
    assert_close(layer.width.item(), 0.05, rtol=1e-5, atol=0)
    with torch.no_grad():
        layer.raw_width -= 100.0
        layer.raw_penalty -= 100.0
    assert layer.width >= 0
    assert layer.penalty >= 0
    with pytest.raises(ValueError, match=r"must be positive, got 0\.0 and 1\.0"):
        GaussianAttention(0.0, 1.0)


def test_more_queries_than_keys_are_an_error(no_shape_checks):
    query, key, value = draw()
    with pytest.raises(ValueError, match="got 5 queries and 4 keys"):
        GaussianAttention()(query, key[:, :, 1:], value[:, :, 1:])

"""One-sided heads: the masks of both directions, with and without a rule."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.positions.alibi import ALiBi, DistanceBias
from attention_book.attention.positions.one_sided import OneSided

B, H, N, HEAD = 2, 3, 5, 4  # all sizes differ


@pytest.mark.parametrize("rule", [None, ALiBi(H)])
def test_equation_of_each_side_one_query_at_a_time(rule):
    layer = DistanceBias(OneSided(H, rule)).double()
    q, k, v = torch.randn(3, B, H, N, HEAD).double()
    context, weights = layer(q, k, v, need_weights=True)
    for h in range(H):
        for i in range(N):
            seen = range(i + 1) if h % 2 == 0 else range(i, N)
            e = (q[:, h, i, None] * k[:, h, seen]).sum(-1) / math.sqrt(HEAD)
            if rule is not None:
                e = e - rule.slopes[h] * torch.tensor([abs(j - i) for j in seen])
            alpha = e.softmax(-1)
            assert_close(weights[:, h, i, seen], alpha)
            assert_close(weights[:, h, i].sum(-1), alpha.sum(-1))
            assert_close(context[:, h, i], (alpha[..., None] * v[:, h, seen]).sum(1))


def test_by_hand():
    distance = torch.tensor([[0, 1, 2], [-1, 0, 1]])
    left, right = OneSided(2)(distance)
    no = -math.inf
    assert left.tolist() == [[0, no, no], [0, 0, no]]
    assert right.tolist() == [[0, 0, 0], [no, 0, 0]]
    assert_close(OneSided(1)(distance), left[None])
    sloped = OneSided(2, ALiBi(2))(distance)
    assert sloped[0].tolist() == [[0, no, no], [-1 / 16, 0, no]]


def test_errors():
    with pytest.raises(ValueError, match="num_heads must be at least 1, got 0"):
        OneSided(0)
    with pytest.raises(ValueError, match="the rule is for 2 heads, got 4 heads"):
        OneSided(4, ALiBi(2))

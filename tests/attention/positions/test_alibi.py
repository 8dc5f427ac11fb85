"""Biases by distance: the equation, and the slopes of ALiBi."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.alibi import (
    ALiBi,
    DistanceBias,
    linear_slopes,
)

B, H, Q, K, HEAD = 2, 3, 5, 7, 4  # all sizes differ


def test_equation_one_pair_at_a_time():
    layer = DistanceBias(ALiBi(H)).double()
    q = torch.randn(B, H, Q, HEAD).double()
    k, v = torch.randn(2, B, H, K, HEAD).double()
    more = torch.randn(B, H, Q, K).double()
    context, weights = layer(q, k, v, bias=more, need_weights=True)
    slopes = linear_slopes(H)
    for h in range(H):
        for i in range(Q):
            here = K - Q + i
            e = (q[:, h, i, None] * k[:, h]).sum(-1) / math.sqrt(HEAD)
            for j in range(K):
                e[:, j] += more[:, h, i, j] - slopes[h] * abs(here - j)
            alpha = e.softmax(-1)
            assert_close(weights[:, h, i], alpha)
            assert_close(context[:, h, i], (alpha[..., None] * v[:, h]).sum(1))


def test_any_function_of_the_distance_is_a_rule():
    """A Gaussian around the query's own position, the same for all heads."""
    layer = DistanceBias(lambda distance: -distance.square().expand(H, -1, -1) / 8)
    x = torch.randn(B, H, Q, HEAD)
    want = DistanceBias(lambda distance: torch.zeros(H, *distance.shape))(
        x,
        x,
        x,
        bias=-((torch.arange(Q) - torch.arange(Q)[:, None])[None, None] ** 2) / 8,
    )
    assert_close(layer(x, x, x), want)


def test_slopes_of_the_paper():
    assert linear_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert_close(linear_slopes(16)[:3], torch.tensor([2**-0.5, 2**-1.0, 2**-1.5]))
    assert linear_slopes(1).tolist() == [2.0**-8]
    assert linear_slopes(2).tolist() == [2.0**-4, 2.0**-8]
    # Between powers of two: those of the smaller one, then every other one of the
    # larger one's.
    assert linear_slopes(3).tolist() == [2.0**-4, 2.0**-8, 2.0**-2]
    twelve = [2.0**-i for i in range(1, 9)] + [2.0**-i for i in (0.5, 1.5, 2.5, 3.5)]
    assert_close(linear_slopes(12), torch.tensor(twelve))
    assert all(len(linear_slopes(heads)) == heads for heads in range(1, 70))


def test_linear_bias_by_hand():
    bias = ALiBi(2)(torch.tensor([[0, 1, 2], [-1, 0, 1]]))
    falls = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0]])
    assert_close(bias, -torch.stack([falls / 16, falls / 256]))
    assert not ALiBi(2).state_dict()  # it can be computed


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match="num_heads must be at least 1, got 0"):
        linear_slopes(0)
    with pytest.raises(TypeError, match=r"num_heads must be an integer, got 2\.0"):
        ALiBi(2.0)
    x = torch.zeros(B, H, Q, HEAD)
    with pytest.raises(ValueError, match=r"rule of the biases is for 4 heads, got 3"):
        DistanceBias(ALiBi(4))(x, x, x)
    for wrong in (1, 2, 8):  # one head's slope would be that of all
        with pytest.raises(ValueError, match=f"is for {wrong} heads, got 4 heads"):
            MultiHeadAttention(8, 4, attention_fn=DistanceBias(ALiBi(wrong)))
    unnamed = DistanceBias(lambda distance: distance[None].double())
    with pytest.raises(ValueError, match="is for 1 heads, got 4 heads"):
        MultiHeadAttention(8, 4, attention_fn=unnamed)(*[torch.zeros(1, 2, 8)] * 3)


def test_one_head():
    assert linear_slopes(1).tolist() == [2.0**-8]

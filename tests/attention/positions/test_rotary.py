"""Rotary positions: the equation, and scores that depend on distance only."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.rotary import RotaryAttention, rotate
from attention_book.functional import causal_mask, dot_scores

B, H, N, HEAD = 2, 3, 5, 6


def test_rotation_one_pair_at_a_time():
    x, positions = torch.randn(B, N, HEAD).double(), torch.tensor([4, 0, 7, -2, 900])
    turned = rotate(x, positions)
    for n, p in enumerate(positions.tolist()):
        for i in range(HEAD // 2):
            angle = p / 10000 ** (2 * i / HEAD)
            cosine, sine = math.cos(angle), math.sin(angle)
            a, b = x[:, n, 2 * i], x[:, n, 2 * i + 1]
            assert_close(turned[:, n, 2 * i], a * cosine - b * sine)
            assert_close(turned[:, n, 2 * i + 1], a * sine + b * cosine)
    assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert_close(turned[:, 1], x[:, 1])  # position 0
    assert rotate(x[:, :0], positions[:0]).shape == (B, 0, HEAD)
    assert rotate(x.bfloat16(), positions).dtype == torch.bfloat16


def test_scores_depend_on_the_difference_of_positions_only():
    query, key = torch.randn(2, B, 1, HEAD).double()
    at = torch.arange(-40, 41)
    queries, keys = (rotate(x.expand(B, len(at), HEAD), at) for x in (query, key))
    scores = dot_scores(queries, keys)
    for distance in range(-80, 81):
        same = scores.diagonal(distance, dim1=1, dim2=2)
        assert_close(same, same[:, :1].expand_as(same))
    near, far = scores[:, 40, 40], scores[:, 40, 80]
    assert (near - far).abs().min() > 1e-3  # and on it they do depend


@pytest.mark.parametrize("need_weights", [False, True])
def test_attention_one_query_at_a_time(need_weights):
    queries, keys, values = torch.randn(3, B, H, N, HEAD).double()
    context, weights = RotaryAttention()(
        queries, keys, values, causal_mask(N), need_weights=need_weights
    )
    at = torch.arange(N)
    for i in range(N):
        q, k = rotate(queries, at)[:, :, i, None], rotate(keys, at)[:, :, : i + 1]
        alpha = ((q * k).sum(-1) / math.sqrt(HEAD)).softmax(-1)
        want = (alpha[..., None] * values[:, :, : i + 1]).sum(2)
        assert_close(context[:, :, i], want)
        if need_weights:
            assert_close(weights[:, :, i, : i + 1], alpha)


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"must be even.*got 3"):
        rotate(torch.zeros(2, 3), torch.arange(2))
    with pytest.raises(ValueError, match=r"head_dim must be even.*got 3 in 5 heads"):
        MultiHeadAttention(15, 5, attention_fn=RotaryAttention())
    query, key = torch.zeros(2, 3, 5, 4), torch.zeros(2, 3, 5, 6)
    with pytest.raises(ValueError, match=r"key must have shape \(2, 3, 'keys', 4\)"):
        RotaryAttention()(query, key, key)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tables_have_the_dtype_and_the_device_of_the_vectors(dtype):
    vectors = torch.randn(2, 3, 5, 4, dtype=dtype)
    assert rotate(vectors, torch.arange(5)).dtype == dtype
    on_meta = rotate(vectors.to("meta"), torch.arange(5, device="meta"))
    assert on_meta.device.type == "meta"
    far = torch.tensor([100_000, 100_003])  # in float32 the angles would be off by 0.01
    x = torch.randn(2, 4, dtype=torch.float64).to(dtype).double()
    near = (rotate(x[:1], far[:1]) @ rotate(x[1:], far[1:]).mT).item()
    assert near == pytest.approx(
        (rotate(x[:1], far[:1] * 0) @ rotate(x[1:], far[:1] * 0 + 3).mT).item(),
        abs=1e-9,
    )

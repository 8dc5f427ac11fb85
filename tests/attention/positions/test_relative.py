"""Shaw's relative positions: the equations; the relative shift: a double loop."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.relative import (
    RelativePositions,
    relative_shift,
)

B, H, Q, K, HEAD = 2, 3, 5, 7, 4  # all sizes differ
DISTANCE = 2


@pytest.mark.parametrize("queries", [1, Q, K])
def test_equations_one_pair_at_a_time(queries):
    layer = RelativePositions(HEAD, DISTANCE).double()
    q = torch.randn(B, H, queries, HEAD).double()
    k, v = torch.randn(2, B, H, K, HEAD).double()
    context, weights = layer(q, k, v, need_weights=True)
    for b in range(B):
        for h in range(H):
            for i in range(queries):
                here = K - queries + i
                clipped = [max(-DISTANCE, min(DISTANCE, j - here)) for j in range(K)]
                a_K = [layer.key_table[c + DISTANCE] for c in clipped]
                a_V = [layer.value_table[c + DISTANCE] for c in clipped]
                e = [q[b, h, i] @ (k[b, h, j] + a_K[j]) for j in range(K)]
                alpha = (torch.stack(e) / math.sqrt(HEAD)).softmax(dim=0)
                assert_close(weights[b, h, i], alpha)
                z = sum(alpha[j] * (v[b, h, j] + a_V[j]) for j in range(K))
                assert_close(context[b, h, i], z)


def test_gradients_are_those_of_finite_differences():
    layer = RelativePositions(3, 1).double()
    q, k, v = torch.randn(3, 1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    names, tables = zip(*layer.named_parameters(), strict=True)

    def run(q, k, v, *tables):
        state = dict(zip(names, tables, strict=True))
        return torch.func.functional_call(layer, state, (q, k, v))[0]

    assert torch.autograd.gradcheck(run, (q, k, v, *tables), fast_mode=True)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (Q, K), (K, Q), (Q, Q), (1, K)])
def test_relative_shift_is_a_double_loop(queries, keys):
    x = torch.randn(B, H, queries, queries + keys - 1, requires_grad=True)
    shifted = relative_shift(x, keys)
    assert shifted.shape == (B, H, queries, keys)
    for i in range(queries):
        for j in range(keys):
            assert torch.equal(shifted[..., i, j], x[..., i, j - i + queries - 1])
    shifted.sum().backward()
    assert x.grad.sum() == B * H * queries * keys
    assert_close(relative_shift(x[0, 0], keys), shifted[0, 0])


def test_relative_shift_scores_the_vectors_of_all_distances():
    """The term x_i W_q W_kR R_(i-j) of Transformer-XL, whose table is not clipped."""
    q, table = torch.randn(B, H, Q, HEAD), torch.randn(2 * Q - 1, HEAD)
    scores = relative_shift(q @ table.mT, Q)
    for i in range(Q):
        for j in range(Q):
            assert_close(scores[..., i, j], q[..., i, :] @ table[j - i + Q - 1])


def test_errors(no_shape_checks):
    for sizes in ((0, 1), (4, 0)):
        with pytest.raises(ValueError, match="must be at least 1, got"):
            RelativePositions(*sizes)
    with pytest.raises(ValueError, match="for head_dim 4, got head_dim 2 in 4 heads"):
        MultiHeadAttention(8, 4, attention_fn=RelativePositions(4, 2))
    layer, right = RelativePositions(HEAD, DISTANCE), torch.zeros(B, H, K, HEAD)
    wrong = torch.zeros(B, H, K, HEAD + 1)
    with pytest.raises(ValueError, match="must be of size 4, got 5 and 4"):
        layer(wrong, right, right)
    with pytest.raises(ValueError, match="must be of size 4, got 4 and 5"):
        layer(right, right, wrong)
    for shape, keys in (((Q, 7), 2), ((Q, 4), 0), ((0, 3), 4)):
        with pytest.raises(ValueError, match=r"by_distance must have a row.*keys"):
            relative_shift(torch.zeros(shape), keys)


def test_the_smallest_sizes():
    layer, x = RelativePositions(1, 1), torch.randn(B, H, 1, 1)
    context, _ = layer(x, x, x)
    assert_close(context, x + layer.value_table[1])

"""InputAttention: the paper's equations with loops, then the laws."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.mpcnn import InputAttention, cosine_matrix
from attention_book.functional import token_mask

B, Q, K, DIM = 2, 3, 5, 7


@pytest.fixture
def inputs():
    return [torch.randn(B, n, DIM, dtype=torch.float64) for n in (Q, K)]


@pytest.fixture
def mask():
    query_mask, key_mask = (
        token_mask(torch.tensor(n), size) for n, size in (([Q, 2], Q), ([4, K], K))
    )
    return query_mask[:, :, None] & key_mask[:, None]


def cosine(x, y):
    return (x @ y) / (x.square().sum().sqrt() * y.square().sum().sqrt())


def test_equations_one_word_at_a_time(inputs):
    query, key = inputs
    matrix = cosine_matrix(query, key)
    context, weights = InputAttention()(query, key)
    back, back_weights = InputAttention()(key, query)
    for b in range(B):
        D = torch.tensor([[cosine(x, y) for y in key[b]] for x in query[b]]).double()
        assert_close(matrix[b], D)
        for found, A, E, t in (
            (context[b], weights[b, 0], D.sum(0), key[b]),
            (back[b], back_weights[b, 0], D.sum(1), query[b]),
        ):
            wanted = E.exp() / E.exp().sum()
            assert_close(A, wanted)
            for position, vector in enumerate(t):
                assert_close(
                    found[position], torch.cat([vector, wanted[position] * vector])
                )


def test_a_word_sees_the_sum_of_the_others_unit_vectors(inputs):
    query, key = inputs
    unit = [x / x.norm(dim=-1, keepdim=True) for x in inputs]
    scores = (unit[1] * unit[0].sum(dim=1, keepdim=True)).sum(dim=-1)
    assert_close(InputAttention()(query, key)[1][:, 0], scores.softmax(dim=-1))
    shuffled = query[:, [2, 0, 1]]
    assert_close(InputAttention()(shuffled, key), InputAttention()(query, key))


def test_padding_changes_nothing(inputs, mask):
    query, key = inputs
    context, weights = InputAttention()(query, key, mask)
    assert_close(weights.sum(-1), torch.ones(B, 1, dtype=torch.float64))
    assert (weights[0, :, 4:] == 0).all()
    alone, alone_weights = InputAttention()(query[:1], key[:1, :4])
    assert_close(context[:1, :4], alone)
    assert_close(weights[:1, :, :4], alone_weights)
    alone, alone_weights = InputAttention()(query[1:, :2], key[1:])
    assert_close((context[1:], weights[1:]), (alone, alone_weights))
    assert (cosine_matrix(query, key, mask)[~mask] == 0).all()


def test_nothing_to_compare_gives_zeros(inputs):
    query, key = (x.requires_grad_() for x in inputs)
    mask = torch.ones(B, Q, K, dtype=torch.bool)
    mask[1] = False
    with torch.autograd.set_detect_anomaly(True):
        context, weights = InputAttention()(query, key, mask)
        context.square().sum().backward()
    assert (weights[1] == 0).all()
    assert_close(context[1, :, DIM:], torch.zeros(K, DIM).double())
    assert query.grad.isfinite().all()
    assert key.grad.isfinite().all()


def test_zero_vectors_have_cosine_0_and_finite_gradients():
    query, key = torch.zeros(1, Q, DIM, requires_grad=True), torch.randn(1, K, DIM)
    _, weights = InputAttention()(query, key)
    assert_close(weights, torch.full((1, 1, K), 1 / K))
    weights.square().sum().backward()
    assert query.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_zero_vectors_have_cosine_0_in_every_precision(dtype):
    query, key = torch.zeros(1, Q, DIM, dtype=dtype), torch.ones(1, K, DIM, dtype=dtype)
    assert_close(cosine_matrix(query, key), torch.zeros(1, Q, K, dtype=dtype))


def test_a_batch_of_one_does_not_broadcast(inputs, no_shape_checks):
    query, key = inputs
    with pytest.raises(ValueError, match="query and key must have shapes"):
        InputAttention()(query[:1], key)

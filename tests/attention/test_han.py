"""Attention with a learned query: the paper's equation, and what the query is."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.han import LearnedQueryAttention
from attention_book.functional import token_mask

B, K, K_DIM, HIDDEN = 2, 5, 3, 7


@pytest.fixture
def layer():
    return LearnedQueryAttention(K_DIM, HIDDEN).double()


@pytest.fixture
def key():
    return torch.randn(B, K, K_DIM, dtype=torch.float64)


def test_equation_one_word_at_a_time(layer, key):
    W, b = layer.key_proj.weight, layer.key_proj.bias
    u_w = layer.query[0]
    context, weights = layer(key)
    for i in range(B):
        scores = []
        for t in range(K):
            u = torch.tanh(W @ key[i, t] + b)
            scores.append(torch.dot(u, u_w).exp())
        total = sum(scores)
        s = sum(score / total * key[i, t] for t, score in enumerate(scores))
        assert_close(weights[i, 0], torch.stack(scores) / total)
        assert_close(context[i, 0], s)


def test_a_query_of_zeros_is_the_plain_average(layer, key):
    torch.nn.init.zeros_(layer.query)
    mask = token_mask(torch.tensor([K, 3]), K)[:, None]
    context, weights = layer(key, mask)
    assert_close(weights[1, 0], torch.tensor([1 / 3] * 3 + [0, 0]).double())
    assert_close(context[1, 0], key[1, :3].mean(0))


def test_the_score_is_the_additive_one_with_a_constant_query(layer, key):
    additive = AdditiveAttention(4, K_DIM, HIDDEN).double()
    with torch.no_grad():
        additive.key_proj.weight.copy_(layer.key_proj.weight)
        additive.score_proj.weight.copy_(layer.query)
        # The projected query is b, whatever the query.
        query = torch.ones(B, 1, 4, dtype=torch.float64)
        additive.query_proj.weight.copy_(layer.key_proj.bias[:, None].expand(-1, 4) / 4)
    assert_close(layer(key), additive(query, key, key))


def test_the_query_is_learned(layer, key):
    layer(key)[0].square().sum().backward()
    assert (layer.query.grad != 0).all()

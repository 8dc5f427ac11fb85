"""SourceToToken and TokenToToken: DiSAN's equations, feature by feature; the laws."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.taxonomy.multi_dimensional import (
    SourceToToken,
    TokenToToken,
    earlier_mask,
)
from attention_book.functional import causal_mask

B, Q, K, DIM = 2, 3, 5, 7  # all sizes differ


@pytest.fixture
def whole():
    return SourceToToken(DIM).double()


@pytest.fixture
def pairs():
    return TokenToToken(DIM).double()


@pytest.fixture
def query():
    return torch.randn(B, Q, DIM).double().requires_grad_()


@pytest.fixture
def key():
    return torch.randn(B, K, DIM).double().requires_grad_()


def elu(number):
    return number if number > 0 else math.exp(number) - 1


def test_source2token_one_feature_at_a_time(whole, key):
    W1, b1 = whole.hidden_proj.weight, whole.hidden_proj.bias
    W, b = whole.score_proj.weight, whole.score_proj.bias
    context, weights = whole(key)
    for row in range(B):
        f = []
        for x in key[row]:
            hidden = [elu(number) for number in (W1 @ x + b1).tolist()]
            f.append(W @ torch.tensor(hidden).double() + b)
        for k in range(DIM):
            e = torch.stack([score[k].exp() for score in f])
            assert_close(weights[row, k, 0], e / e.sum())
            assert_close(context[row, 0, k], (e / e.sum()) @ key[row, :, k])


def test_token2token_one_feature_at_a_time(pairs, query, key):
    W1, W2, b = pairs.key_proj.weight, pairs.query_proj.weight, pairs.query_proj.bias
    value = torch.randn(B, K, DIM).double()
    context, weights = pairs(query, key, value)
    for row in range(B):
        for j in range(Q):
            f = [
                5 * torch.tanh((W1 @ h + W2 @ query[row, j] + b) / 5) for h in key[row]
            ]
            for k in range(DIM):
                e = torch.stack([score[k].exp() for score in f])
                assert_close(weights[row, k, j], e / e.sum())
                average = (e / e.sum()) @ value[row, :, k]
                assert_close(context[row, j, k], average)


def test_equal_scores_of_all_features_are_ordinary_attention(whole, key):
    """One weight a token is the special case in which all features agree."""
    with torch.no_grad():
        whole.score_proj.weight.copy_(whole.score_proj.weight[:1].expand(DIM, -1))
        whole.score_proj.bias.fill_(0.5)
    context, weights = whole(key)
    one = weights[:, 0]
    assert_close(weights, one[:, None].expand(-1, DIM, -1, -1))
    assert_close(context, one @ key)


def test_directions_leave_the_token_itself_out(pairs, key):
    mask = earlier_mask(K)
    assert_close(mask | torch.eye(K, dtype=torch.bool), causal_mask(K))
    for allowed, empty in ((mask, 0), (mask.mT, K - 1)):
        context, weights = pairs(key, key, key, allowed)
        assert (weights[~allowed[:, None].expand_as(weights)] == 0).all()
        assert (context[:, empty] == 0).all()
        others = [j for j in range(K) if j != empty]
        assert_close(weights[:, :, others].sum(-1), torch.ones(B, DIM, K - 1).double())
    # Forwards, what comes later cannot matter.
    (gradient,) = torch.autograd.grad(pairs(key, key, key, mask)[0][:, 2].sum(), key)
    assert (gradient[:, 3:] == 0).all()
    assert (gradient[:, :3] != 0).any()


def test_scores_stay_within_the_limit(pairs, query, key):
    _, weights = pairs(query, 1e6 * key, key)
    assert (weights.amax(-1) / weights.amin(-1)).max() <= math.exp(10) * (1 + 1e-9)


def test_gradients_are_those_of_finite_differences():
    x = torch.randn(1, 3, 2).double().requires_grad_()
    whole, pairs = SourceToToken(2).double(), TokenToToken(2).double()
    assert torch.autograd.gradcheck(lambda x: whole(x)[0], (x,))
    mask = earlier_mask(3)
    assert torch.autograd.gradcheck(lambda x: pairs(x, x, x, mask)[0], (x,))


def test_errors(whole, pairs, query, key, no_shape_checks):
    for layer in (SourceToToken, TokenToToken):
        with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
            layer(0)
    with pytest.raises(ValueError, match=r"shape \(batch, tokens, 7\).*\(2, 5, 4\)"):
        whole(key[..., :4])
    with pytest.raises(ValueError, match=r"one batch, got \(1, 3, 7\) and \(2, 5, 7\)"):
        pairs(query[:1], key, key)  # would broadcast
    with pytest.raises(ValueError, match=r"the key's shape \(2, 5, 7\), got \(2, 4, 7"):
        pairs(query, key, key[:, :4])
    with pytest.raises(ValueError, match=r"mask must have one axis.*got \(2, 5\)"):
        whole(key, torch.ones(B, K, dtype=torch.bool))
    with pytest.raises(TypeError, match="mask must be boolean"):
        pairs(query, key, key, torch.ones(1, Q, K))
    with pytest.raises(ValueError, match="num_tokens must not be negative, got -1"):
        earlier_mask(-1)


def test_one_feature():
    key = torch.randn(B, 1, 1)
    for layer, inputs in ((SourceToToken(1), [key]), (TokenToToken(1), [key] * 3)):
        assert_close(layer(*inputs)[0], key)

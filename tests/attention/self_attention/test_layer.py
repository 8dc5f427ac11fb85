"""Self-attention: the equation, the laws, and every earlier mechanism as a case."""

import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.bahdanau import (
    AdditiveAttention,
    MultiplicativeAttention,
)
from attention_book.attention.dot_product import dot_product_attention
from attention_book.attention.global_local.layers import GlobalAttention
from attention_book.attention.self_attention.layer import (
    NORMALISERS,
    SelfAttention,
    query_key_value,
    relu_over_length,
)
from attention_book.attention.soft_hard import HardAttention
from attention_book.functional import (
    additive_scores,
    causal_mask,
    dot_scores,
    masked_softmax,
    token_mask,
)
from attention_book.observe import record_weights

B, N, K, DIM, INNER, K_DIM, V_DIM = 2, 3, 5, 7, 11, 13, 17  # all sizes differ
CASES = [(score, name) for score in ("dot", "additive") for name in NORMALISERS]


@pytest.fixture(params=CASES, ids="-".join)
def layer(request):
    score, normaliser = request.param
    return SelfAttention(DIM, INNER, score=score, normaliser=normaliser).double()


@pytest.fixture
def x():
    return torch.randn(B, N, DIM, dtype=torch.float64, requires_grad=True)


def make_masks(queries, keys):
    some = torch.rand(B, queries, keys) < 0.5
    some[1, 0] = False
    return {
        "none": None,
        "padding": token_mask(torch.tensor([keys, 1]), keys)[:, None],
        "causal": causal_mask(keys)[:, keys - queries :],
        "a query without keys": some,
    }


@pytest.mark.parametrize("name", make_masks(1, 1))
def test_equation_one_pair_at_a_time(layer, x, name):
    mask = make_masks(N, N)[name]
    allowed = torch.ones(B, N, N) if mask is None else mask.expand(B, N, N)
    W_q, W_k, W_v = (
        part.weight for part in (layer.query_proj, layer.key_proj, layer.value_proj)
    )
    context, weights = layer(x, x, x, mask, need_weights=True)
    for b in range(B):
        for i in range(N):
            total = torch.zeros(INNER, dtype=torch.float64)
            keys = [j for j in range(N) if allowed[b, i, j]]
            e = {}
            for j in keys:
                q, k = W_q @ x[b, i], W_k @ x[b, j]
                if layer.score_proj is None:
                    e[j] = q @ k / math.sqrt(INNER)
                else:
                    e[j] = layer.score_proj.weight[0] @ torch.tanh(q + k)
            for j in keys:
                if layer.normaliser == "softmax":
                    alpha = e[j].exp() / sum(score.exp() for score in e.values())
                else:
                    alpha = max(e[j], 0.0) / len(keys)
                assert_close(weights[b, i, j], torch.as_tensor(alpha).double())
                total += alpha * (W_v @ x[b, j])
            assert_close(context[b, i], total)
    assert (weights[allowed == 0] == 0).all()


@pytest.mark.parametrize("name", make_masks(1, 1))
def test_the_same_without_weights(layer, x, name):
    mask = make_masks(N, N)[name]
    want, _ = layer(x, x, x, mask, need_weights=True)
    got, nothing = layer(x, x, x, mask)
    assert nothing is None
    assert_close(got, want)
    gradients = [torch.autograd.grad(c.square().sum(), x) for c in (got, want)]
    assert_close(*gradients)
    assert gradients[0][0].isfinite().all()


def test_order_of_tokens_comes_out_again(layer, x):
    order = torch.tensor([2, 0, 1])
    shuffled = x[:, order]
    context, weights = layer(x, x, x, need_weights=True)
    got = layer(shuffled, shuffled, shuffled, need_weights=True)
    assert_close(got, (context[:, order], weights[:, order][..., order]))


def test_another_sequence_and_recorded_weights(layer, x):
    other, value = torch.randn(2, B, K, DIM).double()
    context, weights = layer(x, other, value, need_weights=True)
    assert_close(context, weights @ layer.value_proj(value))
    with record_weights(layer) as recorded:
        context, weights = layer(x, other, other)
    assert context.shape == (B, N, INNER)
    assert weights.shape == (B, N, K)
    assert_close(recorded[""][0], layer(x, other, other, need_weights=True)[1])


@pytest.mark.parametrize("tokens", [0, 1])
def test_none_or_one(layer, tokens):
    x = torch.randn(B, tokens, DIM).double()
    for need_weights in (False, True):
        context, weights = layer(x, x, x, need_weights=need_weights)
        assert context.shape == (B, tokens, INNER)
        if layer.normaliser == "softmax":
            assert_close(context, layer.value_proj(x))
        assert weights is None or weights.shape == (B, tokens, tokens)
    query = torch.randn(B, N, DIM).double()
    if tokens == 0:
        assert (layer(query, x, x, need_weights=True)[0] == 0).all()


def test_gradients_are_those_of_finite_differences(layer):
    score = "dot" if layer.score_proj is None else "additive"
    small = SelfAttention(3, 2, score=score, normaliser=layer.normaliser).double()
    x = torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[[True, True], [True, False]]])
    assert torch.autograd.gradcheck(lambda x: small(x, x, x, mask)[0], (x,))


def test_derivatives_of_the_softmax():
    """As the chapter has them: they vanish where the weights are near 0 or 1."""
    scores = torch.randn(K, dtype=torch.float64)
    found = torch.autograd.functional.jacobian(masked_softmax, scores)
    a = masked_softmax(scores)
    for i in range(K):
        for j in range(K):
            assert_close(found[i, j], a[i] * (float(i == j) - a[j]))
    far_apart = torch.autograd.functional.jacobian(
        masked_softmax, 30 * scores.sort()[0]
    )
    assert far_apart.norm() < found.norm() / 10


def test_relu_over_length_divides_by_the_keys_that_remain():
    scores = torch.tensor([[2.0, -1.0, 6.0, torch.inf]])
    mask = torch.tensor([[True, True, True, False]])
    assert_close(relu_over_length(scores, mask), torch.tensor([[2.0, 0, 6, 0]]) / 3)
    scores = torch.randn(B, N, K)
    assert_close(relu_over_length(scores), scores.clamp(min=0) / K)
    # An axis of size 1 stands for all keys.
    column = torch.tensor([[[True], [False], [True]]])
    whole = relu_over_length(scores, column.expand(1, N, K))
    assert_close(relu_over_length(scores, column), whole)
    assert (whole[:, 1] == 0).all()


# Every earlier mechanism, as a call with query, key and value, beside its own layer.


def scores_of_bahdanau(layer):
    return lambda s, h: additive_scores(
        layer.query_proj(s), layer.key_proj(h), layer.score_proj.weight
    )


@pytest.mark.parametrize("name", make_masks(1, 1))
def test_earlier_mechanisms_are_cases(name):
    s, a = torch.randn(B, N, DIM).double(), torch.randn(B, K, K_DIM).double()
    v = torch.randn(B, K, V_DIM).double()
    mask = make_masks(N, K)[name]

    def same(layer, score, key=a):
        got = query_key_value(s, key, v, mask, score=score)
        with record_weights(layer) as recorded:
            context = layer(s, key, v, mask)[0]
        assert_close(got, (context, recorded[""][0]))

    bahdanau = AdditiveAttention(DIM, K_DIM, INNER).double()
    same(bahdanau, scores_of_bahdanau(bahdanau))
    product = MultiplicativeAttention(DIM, K_DIM, INNER).double()
    same(
        product,
        lambda s, h: dot_scores(product.query_proj(s), product.key_proj(h), 1.0),
    )
    general = GlobalAttention(DIM, K_DIM, "general").double()
    same(general, lambda s, h: dot_scores(general.score.query_proj(s), h, 1.0))
    concat = GlobalAttention(DIM, K_DIM, "concat").double()
    same(concat, scores_of_bahdanau(concat.score))
    location = GlobalAttention(DIM, K_DIM, "location", max_keys=K).double()
    same(location, lambda s, _: location.score.query_proj(s))
    h = torch.randn(B, K, DIM).double()
    dot = GlobalAttention(DIM, DIM, "dot").double()
    same(dot, partial(dot_scores, scale=1.0), h)
    assert_close(
        dot_product_attention(s, h, v, mask, scale=1.0)[0], dot(s, h, v, mask)[0]
    )
    # And asking oneself is a case, too.
    own = SelfAttention(DIM, INNER).double()
    got = query_key_value(
        own.query_proj(s), own.key_proj(h), own.value_proj(h), mask, score=dot_scores
    )
    assert_close(got, own(s, h, h, mask, need_weights=True))


def test_soft_attention_on_an_image_is_a_case():
    """Annotations of positions as keys and values; "expected" is the soft variant."""
    layer = HardAttention(DIM, K_DIM, INNER).double()
    state, positions = (
        torch.randn(B, 1, DIM).double(),
        torch.randn(B, K, K_DIM).double(),
    )
    soft = layer(state, positions, positions, expected=torch.ones(B, dtype=torch.bool))
    score = scores_of_bahdanau(layer.scorer)
    got = query_key_value(state, positions, positions, score=score)
    assert_close(got, soft[:2])

    def certain(scores, mask):  # the largest weight, alone: hard attention's "argmax"
        weights = masked_softmax(scores, mask)
        return (weights == weights.amax(-1, keepdim=True)).to(weights)

    hard = layer(state, positions, positions, mode="argmax")
    got = query_key_value(state, positions, positions, score=score, normaliser=certain)
    assert_close(got[0], hard[0])


def test_errors(x, no_shape_checks):
    with pytest.raises(ValueError, match="score must be dot or additive, got 'cosine'"):
        SelfAttention(DIM, INNER, score="cosine")
    with pytest.raises(ValueError, match=r"must be one of softmax, relu, got 'max'"):
        SelfAttention(DIM, INNER, normaliser="max")
    layer = SelfAttention(DIM, INNER, score="additive").double()
    with pytest.raises(ValueError, match=r"query must have shape.*tokens, 7\), got"):
        layer(x[..., :4], x, x)
    with pytest.raises(ValueError, match="must be of one batch"):
        layer(x[:1], x, x)  # would broadcast
    with pytest.raises(ValueError, match=r"mask must have one axis.*got \(2, 3\)"):
        layer(x, x, x, torch.ones(B, N, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"mask must be boolean"):
        relu_over_length(torch.zeros(N), torch.zeros(N))
    with pytest.raises(ValueError, match=r"value must have shape \(2, 3, 'value_dim'"):
        query_key_value(x, x, x[:, :2])

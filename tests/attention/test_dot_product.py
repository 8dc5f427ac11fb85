"""Dot-product attention: the equation, the fused path beside the plain one, errors."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.attention.dot_product import (
    check_bias,
    check_tokens,
    dot_product_attention,
)
from attention_book.functional import causal_mask, token_mask

B, H, Q, K, D, V = 2, 3, 4, 5, 7, 11  # all different: swapped axes fail


def make_inputs(queries=Q, keys=K, dtype=torch.float64):
    shapes = (B, H, queries, D), (B, H, keys, D), (B, H, keys, V)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def make_masks():
    """Every kind of mask; in the last ones some queries have no key."""
    some = torch.rand(B, Q, K) < 0.5
    some[..., 0] = True
    empty = some.clone()
    empty[1, 2] = False
    return {
        "none": None,
        "padding": token_mask(torch.tensor([K, 2]), K)[:, None],
        "one for all": causal_mask(K)[:, K - Q :],
        "keys' axis of size 1": torch.tensor([[[True], [True], [False], [True]]]),
        "any": some,
        "a query without keys": empty,
        "a sentence without keys": token_mask(torch.tensor([0, 3]), K)[:, None],
    }


MASKS = list(make_masks())


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_equation_one_pair_at_a_time(name, with_bias):
    query, key, value = make_inputs()
    mask, bias = make_masks()[name], None
    allowed = torch.ones(B, Q, K) if mask is None else mask.expand(B, Q, K)
    if with_bias:
        bias = torch.randn(1, H, Q, K, dtype=torch.float64)
    context, weights = dot_product_attention(
        query, key, value, mask, bias=bias, need_weights=True
    )
    for b in range(B):
        for h in range(H):
            for i in range(Q):
                e = torch.zeros(K, dtype=torch.float64)
                for j in range(K):
                    score = (query[b, h, i] @ key[b, h, j]) / math.sqrt(D)
                    score = score if bias is None else score + bias[0, h, i, j]
                    e[j] = score.exp() if allowed[b, i, j] else 0.0
                alpha = e / e.sum() if e.sum() > 0 else e
                assert_close(weights[b, h, i], alpha)
                assert_close(context[b, h, i], alpha @ value[b, h])


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("kind", ["no bias", "bias", "learned bias"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_path_equals_the_plain_one(name, kind, dtype):
    inputs = make_inputs(dtype=dtype)
    mask, bias = make_masks()[name], None
    if kind != "no bias":
        bias = torch.randn(B, 1, Q, K, dtype=dtype)
        bias.requires_grad_(kind == "learned bias")
    results = []
    for need_weights in (False, True):
        context, weights = dot_product_attention(
            *inputs, mask, bias=bias, need_weights=need_weights
        )
        assert (weights is not None) == need_weights
        learned = [*inputs, bias] if kind == "learned bias" else inputs
        gradients = torch.autograd.grad(context.square().sum(), learned)
        assert all(gradient.isfinite().all() for gradient in gradients)
        results.append((context, *gradients))
    assert_close(results[0], results[1])
    if "without" in name:
        no_key = ~mask.any(-1).expand(B, Q)
        assert (results[0][0].transpose(1, 2)[no_key] == 0).all()
        assert (weights.transpose(1, 2)[no_key] == 0).all()


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("queries", [0, 1, 2, K])
def test_causal_is_the_mask_of_the_last_queries(queries, with_bias, need_weights):
    inputs = make_inputs(queries)
    bias = torch.randn(B, H, queries, K).double() if with_bias else None
    got = dot_product_attention(
        *inputs, bias=bias, causal=True, need_weights=need_weights
    )
    mask = causal_mask(K)[:, K - queries :]
    want = dot_product_attention(*inputs, mask, bias=bias, need_weights=need_weights)
    assert_close(got[0], want[0])
    if need_weights:
        assert_close(got[1], want[1])
        assert (got[1].triu(K - queries + 1) == 0).all()


def test_whole_causal_sequences_make_no_mask(monkeypatch):
    calls = []
    fused = F.scaled_dot_product_attention

    def spy(*args, **kwargs):
        calls.append((args[3], kwargs["is_causal"]))
        return fused(*args, **kwargs)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    inputs = make_inputs(K, K)
    dot_product_attention(*inputs, causal=True)
    dot_product_attention(*inputs, causal=True, bias=torch.zeros(1, 1, 1, 1).double())
    dot_product_attention(*make_inputs(2, K), causal=True)
    assert calls[0] == (None, True)
    # The kernel gets a mask or its flag, never both: its versions disagree there.
    for mask, flag in calls[1:]:
        assert mask.shape[-1] == K
        assert not flag
    dot_product_attention(*inputs, need_weights=True)
    assert len(calls) == 3


@pytest.mark.parametrize("need_weights", [False, True])
def test_without_heads(need_weights):
    inputs = make_inputs()
    mask, bias = make_masks()["any"], torch.randn(B, H, Q, K).double()
    want = dot_product_attention(*inputs, mask, bias=bias, need_weights=need_weights)
    one = [tensor[:, 1] for tensor in inputs]
    got = dot_product_attention(*one, mask, bias=bias[:, 1], need_weights=need_weights)
    assert_close(got[0], want[0][:, 1])
    assert got[1] is None if not need_weights else torch.equal(got[1], want[1][:, 1])


def test_scale():
    query, key, value = make_inputs()
    for need_weights in (False, True):
        got = dot_product_attention(
            query, key, value, scale=0.3, need_weights=need_weights
        )[0]
        assert_close(got, (0.3 * query @ key.mT).softmax(-1) @ value)
        one = [tensor[:, 1] for tensor in (query, key, value)]
        assert_close(dot_product_attention(*one, scale=0.3)[0], got[:, 1])


@pytest.mark.parametrize("need_weights", [False, True])
def test_dropout_keeps_the_mean_and_leaves_the_weights(need_weights):
    query, key, _ = make_inputs()
    value = torch.eye(K, dtype=torch.float64).expand(B, H, K, K)
    clean = dot_product_attention(query, key, value, need_weights=True)[1]
    # With these values the context is the weights that were used.
    many = [tensor.repeat(500, 1, 1, 1) for tensor in (query, key, value)]
    used, weights = dot_product_attention(
        *many, dropout=0.25, need_weights=need_weights
    )
    dropped = used == 0
    assert abs(dropped.double().mean() - 0.25) < 0.02
    clean = clean.repeat(500, 1, 1, 1)
    assert_close(used[~dropped], (clean / 0.75)[~dropped])
    if need_weights:
        assert_close(weights, clean)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(("queries", "keys"), [(0, K), (Q, 0), (0, 0), (1, 1)])
def test_none_or_one(queries, keys, need_weights):
    query, key, value = make_inputs(queries, keys)
    context, weights = dot_product_attention(
        query, key, value, need_weights=need_weights
    )
    context.sum().backward()
    want = value if keys == 1 else torch.zeros(B, H, queries, V).double()
    assert_close(context, want)
    assert not need_weights or weights.shape == (B, H, queries, keys)
    mask = torch.ones(B, 1, keys, dtype=torch.bool)
    masked = dot_product_attention(query, key, value, mask, need_weights=need_weights)
    assert_close(masked[0], context)


def test_errors(no_shape_checks):
    query, key, value = make_inputs()
    with pytest.raises(
        ValueError, match=r"query must have shape \(batch, queries.*got \(4, 7\)"
    ):
        dot_product_attention(query[0, 0], key, value)
    for wrong in (key[:1], key[..., :6], key[:, :2], key[0]):
        with pytest.raises(
            ValueError, match=r"key must have shape \(2, 3, 'keys', 7\) to fit query"
        ):
            dot_product_attention(query, wrong, value)
    for wrong in (value[:, :, :4], value[:1], value[:, 0]):
        with pytest.raises(
            ValueError, match=r"value must have shape \(2, 3, 5, 'value_dim'\) to fit"
        ):
            dot_product_attention(query, key, wrong)
    for mask in (torch.ones(B, K), torch.ones(B, H, Q, K), torch.ones(B, K, Q)):
        with pytest.raises(ValueError, match=r"mask must have.*scores \(2, 4, 5\)"):
            dot_product_attention(query, key, value, mask.bool())
    with pytest.raises(TypeError, match=r"mask must be boolean.*float32"):
        dot_product_attention(query, key, value, torch.ones(B, Q, K))
    with pytest.raises(TypeError, match=r"bias must hold floats, got torch\.bool"):
        dot_product_attention(
            query, key, value, bias=torch.ones(B, H, Q, K, dtype=torch.bool)
        )
    with pytest.raises(
        ValueError, match=r"bias must have.*\(2, 3, 4, 5\), of full.*got \(2, 4, 5\)"
    ):
        dot_product_attention(query, key, value, bias=torch.ones(B, Q, K))
    mask = torch.ones(1, Q, K, dtype=torch.bool)
    with pytest.raises(ValueError, match="causal takes no mask besides"):
        dot_product_attention(query, key, value, mask, causal=True)
    with pytest.raises(ValueError, match=r"causal needs a key.*6 queries and 5 keys"):
        dot_product_attention(*make_inputs(6, K), causal=True)


def test_check_tokens(no_shape_checks):
    x, y = torch.zeros(B, Q, D), torch.zeros(B, K, D)
    check_tokens(x, y, y, D)
    for wrong in (torch.zeros(B, D), torch.zeros(B, K, D + 1)):
        with pytest.raises(
            ValueError, match=r"key must have shape \(batch, tokens, 7\), got \(2,"
        ):
            check_tokens(x, wrong, y, D)
    for query, value in ((x[:1], y), (x, y[:, :4])):
        with pytest.raises(
            ValueError, match=r"of one batch, and key and value of one length, got que"
        ):
            check_tokens(query, y, value, D)


def test_check_bias_takes_axes_of_size_1():
    for shape in ((B, H, Q, K), (1, H, 1, K), (1, 1, 1, 1)):
        check_bias(torch.zeros(shape), (B, H, Q, K))


def test_compiles_to_one_graph(no_shape_checks):
    compiled = torch.compile(
        dot_product_attention, backend="eager", fullgraph=True, dynamic=False
    )
    inputs = [tensor.detach() for tensor in make_inputs(K, K)]
    bias = torch.randn(1, H, K, K).double()
    for need_weights in (False, True):
        for settings in ({"mask": causal_mask(K)}, {"causal": True, "bias": bias}):
            got = compiled(*inputs, need_weights=need_weights, **settings)
            want = dot_product_attention(*inputs, need_weights=need_weights, **settings)
            assert_close(got, want)

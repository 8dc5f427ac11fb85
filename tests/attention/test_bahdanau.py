"""Additive and projected dot scores: the equations, then the laws of attention."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.bahdanau import (
    AdditiveAttention,
    MultiplicativeAttention,
)
from attention_book.functional import token_mask
from attention_book.observe import record_weights

# Seven different sizes, so that two swapped axes cannot go unseen.
B, Q, K, Q_DIM, K_DIM, V_DIM, HIDDEN = 2, 3, 5, 7, 11, 13, 17


@pytest.fixture(params=[AdditiveAttention, MultiplicativeAttention])
def layer(request):
    return request.param(Q_DIM, K_DIM, HIDDEN).double()


@pytest.fixture
def inputs():
    shapes = (B, Q, Q_DIM), (B, K, K_DIM), (B, K, V_DIM)
    return [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]


def test_equation_one_query_at_a_time(layer, inputs):
    W, U = layer.query_proj.weight, layer.key_proj.weight

    def score(s, h):
        if isinstance(layer, MultiplicativeAttention):
            return (W @ s) @ (U @ h)
        return layer.score_proj.weight[0] @ torch.tanh(W @ s + U @ h)

    context, weights = layer(*inputs)
    for b, (query, key, value) in enumerate(zip(*inputs, strict=True)):
        for i in range(Q):
            e = torch.stack([score(query[i], h) for h in key])
            alpha = e.exp() / e.exp().sum()
            assert_close(weights[b, i], alpha)
            assert_close(context[b, i], alpha @ value)
    assert_close(weights.sum(-1), torch.ones(B, Q).double())


def test_keys_projected_once_serve_every_query(layer, inputs, monkeypatch):
    query, key, value = inputs
    mask = token_mask(torch.tensor([K, 2]), K)[:, None]
    together = layer(query, key, value, mask)
    projected = layer.project(key)
    # From here on a call that projects the keys again fails.
    monkeypatch.setattr(layer, "project", None)
    with record_weights(layer) as recorded:
        steps = [
            layer(query[:, i : i + 1], key, value, mask, projected_key=projected)
            for i in range(Q)
        ]
    for part, all_steps in zip(together, zip(*steps, strict=True), strict=True):
        assert_close(torch.cat(all_steps, dim=1), part)
    assert_close(torch.cat(recorded[""], dim=1), together[1].detach())


def test_gradients_are_those_of_finite_differences(layer, inputs):
    query, key, value = (tensor[:, :2, :3] for tensor in inputs)
    small = type(layer)(3, 3, 2).double()
    mask = torch.tensor([[[True, True]], [[True, False]]])
    assert torch.autograd.gradcheck(
        lambda *tensors: small(*tensors, mask), (query, key, value), fast_mode=True
    )


def test_uniform_start_is_exactly_uniform_and_can_learn(inputs):
    layer = AdditiveAttention(Q_DIM, K_DIM, HIDDEN, uniform_start=True).double()
    query, key, value = inputs
    mask = token_mask(torch.tensor([K, 2]), K)[:, None]
    context, weights = layer(query, key, value, mask)
    assert torch.equal(weights, (mask / mask.double().sum(-1, True)).expand(-1, Q, -1))
    assert_close(context[1], value[1, :2].mean(0).expand(Q, -1))
    context.square().sum().backward()
    assert (layer.score_proj.weight.grad != 0).all()
    assert (AdditiveAttention(Q_DIM, K_DIM, HIDDEN).score_proj.weight != 0).any()
    # With v = 0 nothing passes to the other two: they follow once v has moved.
    assert (layer.query_proj.weight.grad == 0).all()


def test_other_errors(layer, inputs, no_shape_checks):
    query, key, value = inputs
    with pytest.raises(
        ValueError, match=r"must have shape \(2, 5, 17\) to fit.*got \(2, 4, 17\)"
    ):
        layer(query, key, value, projected_key=layer.project(key[:, :4]))
    with pytest.raises(  # one query row would broadcast over both sentences
        ValueError, match=r"must have shape \(1, 5, 17\) to fit query \(1, 3, 7\)"
    ):
        layer(query[:1], key, value)
    with pytest.raises(ValueError, match=r"value must have shape.*got \(2, 4, 13\)"):
        layer(query, key, value[:, :4])
    with pytest.raises(TypeError, match="mask must be boolean"):
        layer(query, key, value, torch.ones(B, 1, K))

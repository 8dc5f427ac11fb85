"""HardAttention: positions drawn by weight, the laws, two ways to a gradient."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.soft_hard import (
    HardAttention,
    sample_key,
    straight_through,
)
from attention_book.functional import token_mask

B, Q, K, Q_DIM, K_DIM, V_DIM, HIDDEN = 2, 3, 5, 7, 11, 13, 17
MODES = ("sample", "argmax", "straight_through")


@pytest.fixture
def layer():
    return HardAttention(Q_DIM, K_DIM, HIDDEN).double()


@pytest.fixture
def inputs():
    shapes = (B, Q, Q_DIM), (B, K, K_DIM), (B, K, V_DIM)
    return [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]


def positions(context, value):
    """Which value each query got."""
    same = torch.isclose(context[:, :, None], value[:, None]).all(dim=-1)
    assert (same.sum(dim=-1) == 1).all()
    return same.int().argmax(dim=-1)


@pytest.mark.parametrize("mode", MODES)
def test_equation_one_query_at_a_time(layer, inputs, mode):
    context, weights, log_prob = layer(*inputs, mode=mode)
    W, U = layer.scorer.query_proj.weight, layer.scorer.key_proj.weight
    v = layer.scorer.score_proj.weight[0]
    chosen = positions(context, inputs[2])
    for b, (query, key, _) in enumerate(zip(*inputs, strict=True)):
        for i in range(Q):
            e = torch.stack([v @ torch.tanh(W @ query[i] + U @ a) for a in key])
            alpha = e.exp() / e.exp().sum()
            assert_close(weights[b, i], alpha)
            assert_close(log_prob[b, i], alpha[chosen[b, i]].log())
            if mode == "argmax":
                assert chosen[b, i] == alpha.argmax()


def test_positions_come_as_often_as_their_weights_say():
    weights = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05]).double()
    draws = 20_000
    counts = sample_key(weights.expand(draws, -1)).bincount(minlength=5) / draws
    standard_error = (weights * (1 - weights) / draws).sqrt()
    assert ((counts - weights).abs() <= 4 * standard_error).all()
    assert counts[1] == 0
    hard = straight_through(weights.expand(draws, -1)).mean(dim=0)
    assert ((hard - weights).abs() <= 4 * standard_error).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_draws_in_float32(dtype):
    """Times of 0, which half precision has, would choose a key of weight 0."""
    weights = torch.zeros(20_000, 196, dtype=dtype)
    weights[:, :8] = 0.125
    generator = torch.Generator().manual_seed(3)
    keys = sample_key(weights, generator=generator)
    want = sample_key(weights.float(), generator=generator.manual_seed(3))
    assert_close(keys, want)
    hard = straight_through(weights, generator=generator.manual_seed(3))
    assert hard.dtype == dtype
    assert_close(hard.argmax(-1), want)
    assert hard.isfinite().all()


def test_a_time_of_zero_chooses_no_blocked_key(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, **_: self.zero_())
    weights = torch.tensor([[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    assert sample_key(weights).tolist() == [1, 2]
    hard = straight_through(weights)
    assert_close(hard, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))


def test_a_drawn_vector_is_0_and_1_exactly():
    weights = torch.rand(1000, 7, requires_grad=True).softmax(dim=-1)
    hard = straight_through(weights)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert hard.requires_grad


def test_the_same_generator_draws_the_same_positions(layer, inputs):
    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return layer(*inputs, generator=generator)[0]

    assert_close(draw(3), draw(3), rtol=0, atol=0)
    assert any(not torch.equal(draw(3), draw(seed)) for seed in range(4, 9))


@pytest.mark.parametrize("mode", MODES)
def test_padding_changes_nothing(layer, inputs, mode):
    query, key, value = inputs
    mask = token_mask(torch.tensor([K, 1]), K)[:, None]
    context, weights, log_prob = layer(query, key, value, mask, mode=mode)
    assert (weights[1, :, 1:] == 0).all()
    assert_close(context[1], value[1, :1].expand(Q, -1))
    assert_close(log_prob[1], torch.zeros(Q).double())
    assert_close(weights.sum(-1), torch.ones(B, Q).double())
    (grad,) = torch.autograd.grad(context.sum(), key, allow_unused=True)
    assert grad is None or (grad[1, 1:] == 0).all()


@pytest.mark.parametrize("mode", MODES)
def test_a_row_masked_throughout_gives_zeros_and_finite_gradients(layer, inputs, mode):
    mask = token_mask(torch.tensor([K, 0]), K)[:, None]
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way back either
        results = layer(*inputs, mask, mode=mode)
        sum(result.square().sum() for result in results).backward()
    for result in results:
        assert (result[1] == 0).all()
        assert (result[0] != 0).any()
    for tensor in (*inputs, *layer.parameters()):
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("mode", MODES)
def test_without_keys_all_three_are_zero(layer, inputs, mode):
    query, key, value = inputs
    context, weights, log_prob = layer(query, key[:, :0], value[:, :0], mode=mode)
    assert_close(context, torch.zeros(B, Q, V_DIM).double())
    assert weights.shape == (B, Q, 0)
    assert_close(log_prob, torch.zeros(B, Q).double())
    (context.sum() + log_prob.sum()).backward()


def test_expected_rows_get_the_average_and_no_log_prob(layer, inputs):
    expected = torch.tensor([False, True])
    context, weights, log_prob = layer(*inputs, expected=expected)
    assert_close(context[1], weights[1] @ inputs[2][1])
    assert (log_prob[1] == 0).all()
    assert (log_prob[0] < 0).all()
    positions(context[:1], inputs[2][:1])  # the other row has drawn
    (grad,) = torch.autograd.grad(context[1].sum(), inputs[0])
    assert (grad[1] != 0).any()  # the average teaches the scores


def test_no_gradient_through_the_choice_but_through_log_prob(layer, inputs):
    query, _, value = inputs
    context, _, log_prob = layer(*inputs)
    grads = torch.autograd.grad(
        context.sum(), (query, value), allow_unused=True, retain_graph=True
    )
    assert grads[0] is None
    assert set(grads[1].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0}
    (grad,) = torch.autograd.grad(log_prob.sum(), query)
    assert (grad != 0).all()


def test_straight_through_is_a_sample_forwards_and_a_softmax_backwards():
    weights = torch.tensor([[0.6, 0.1, 0.0, 0.3]]).double().requires_grad_()
    slope = torch.tensor([[1.0, -2.0, 5.0, 0.5]]).double()
    temperature = 0.7
    generator = torch.Generator().manual_seed(5)
    hard = straight_through(weights, temperature=temperature, generator=generator)
    assert sorted(hard[0].tolist()) == [0, 0, 0, 1]
    (grad,) = torch.autograd.grad((hard * slope).sum(), weights)

    waiting = torch.empty_like(weights).exponential_(
        generator=torch.Generator().manual_seed(5)
    )
    kept = [0, 1, 3]  # the key of weight 0 takes no part
    gumbel = -waiting[0, kept].log()
    alpha = weights.detach()[0, kept].requires_grad_()
    soft = ((alpha.log() + gumbel) / temperature).softmax(dim=0)
    assert hard[0, kept].argmax() == soft.argmax()
    (right,) = torch.autograd.grad((soft * slope[0, kept]).sum(), alpha)
    assert_close(grad[0, kept], right)
    assert grad[0, 2] == 0
    default = straight_through(weights, generator=generator.manual_seed(5))
    (grad,) = torch.autograd.grad((default * slope).sum(), weights)
    (right,) = torch.autograd.grad(
        ((alpha.log() + gumbel).softmax(dim=0) * slope[0, kept]).sum(), alpha
    )
    assert_close(grad[0, kept], right)  # the temperature is 1


def test_keys_projected_once_serve_every_query(layer, inputs):
    query, key, value = inputs
    together = layer(query, key, value, mode="argmax")
    again = layer(query, key, value, projected_key=layer.project(key), mode="argmax")
    assert_close(again, together)


def test_errors(layer, inputs, no_shape_checks):
    with pytest.raises(ValueError, match=r"mode must be one of .*'hard'"):
        layer(*inputs, mode="hard")
    with pytest.raises(ValueError, match=r"expected must have shape \(2,\).*\(3,\)"):
        layer(*inputs, expected=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"temperature must be positive, got 0.0"):
        straight_through(torch.ones(1, 1), temperature=0.0)
    with pytest.raises(ValueError, match=r"mask must have one axis"):
        layer(*inputs, torch.ones(B, K, dtype=torch.bool))


@pytest.mark.parametrize("mode", MODES)
def test_compiles_to_one_graph(layer, inputs, mode, no_shape_checks):
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    mask = token_mask(torch.tensor([K, 2]), K)[:, None]
    torch.manual_seed(1)
    drawn = compiled(*inputs, mask, mode=mode)
    torch.manual_seed(1)
    assert_close(drawn, layer(*inputs, mask, mode=mode))

"""Masks, masked softmax and attend: the equations in loops, then the laws."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from attention_book.functional import (
    additive_scores,
    apply_dropout,
    attend,
    causal_mask,
    check_counts,
    check_pair,
    dot_scores,
    in_order,
    masked_softmax,
    run_uncompiled,
    segment_softmax,
    segment_starts,
    segment_sum,
    token_cross_entropy,
    token_mask,
)

B, H, Q, K, V = 2, 7, 3, 5, 11  # all different: swapped axes fail
DTYPES = torch.float32, torch.bfloat16, torch.float64


def test_token_mask_marks_the_real_tokens():
    mask = token_mask(torch.tensor([2, 0, 3]), 3)
    assert mask.tolist() == [[True, True, False], [False] * 3, [True] * 3]
    assert token_mask(torch.tensor([], dtype=torch.long), 4).shape == (0, 4)
    assert token_mask(torch.tensor([0]), 0).shape == (1, 0)


@pytest.mark.parametrize("wrong", [torch.tensor([1.0]), torch.tensor([True])])
def test_token_mask_wants_integers(wrong, no_shape_checks):
    with pytest.raises(TypeError, match=rf"lengths must hold integers.*{wrong.dtype}"):
        token_mask(wrong, 3)


def test_token_mask_wants_one_number_a_sentence(no_shape_checks):
    with pytest.raises(ValueError, match=r"lengths.*\(batch,\).*got \(1, 2\)"):
        token_mask(torch.tensor([[1, 2]]), 3)
    with pytest.raises(ValueError, match="num_tokens must not be negative, got -1"):
        token_mask(torch.tensor([1]), -1)


def test_causal_mask_hides_the_future():
    mask = causal_mask(K)
    assert mask.shape == (1, K, K)
    for query in range(K):
        assert mask[0, query].tolist() == [key <= query for key in range(K)]
    both = causal_mask(K) & token_mask(torch.tensor([K, 2]), K)[:, None]
    assert both.shape == (2, K, K)
    with pytest.raises(ValueError, match="num_tokens must not be negative, got -2"):
        causal_mask(-2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_masked_softmax_is_the_softmax_over_the_keys_that_remain(dtype):
    scores = torch.randn(B, Q, K, dtype=dtype)
    mask = torch.rand(B, Q, K) < 0.5
    mask[0, 0] = False
    weights = masked_softmax(scores, mask)
    assert weights.dtype == dtype
    for b in range(B):
        for i in range(Q):
            allowed = [j for j in range(K) if mask[b, i, j]]
            e = {j: math.exp(scores[b, i, j].item()) for j in allowed}
            want = [e[j] / sum(e.values()) if j in e else 0.0 for j in range(K)]
            assert_close(weights[b, i], torch.tensor(want, dtype=dtype))
    assert (weights[~mask] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_row_without_a_key_is_zero_with_finite_gradients(dtype):
    scores = torch.randn(Q, K, dtype=dtype, requires_grad=True)
    value = torch.randn(K, V, dtype=dtype, requires_grad=True)
    mask = torch.tensor([[True] * K, [False] * K, [False, True] + [False] * (K - 2)])
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way back either
        context, weights = attend(scores, value, mask)
        (context.square().sum() + weights.square().sum()).backward()
    assert (context[1] == 0).all()
    assert (weights[1] == 0).all()
    assert scores.grad.isfinite().all()
    assert (scores.grad[1] == 0).all()
    assert value.grad.isfinite().all()


@pytest.mark.parametrize("extreme", [1e30, -1e30, math.inf, -math.inf, math.nan])
def test_what_a_blocked_key_scores_does_not_matter(extreme):
    scores = torch.tensor([[1.0, extreme, 2.0]], requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    weights = masked_softmax(scores, mask)
    want = torch.tensor([1.0, 2.0]).softmax(-1)
    assert_close(weights, torch.stack([want[0], torch.tensor(0.0), want[1]])[None])
    weights[0, 0].backward()
    assert scores.grad.isfinite().all()


def test_scores_at_the_end_of_their_range():
    # Filling with the smallest finite number, as many do, spreads the weight here.
    lowest = torch.finfo(torch.float32).min
    weights = masked_softmax(
        torch.full((1, 3), lowest), torch.tensor([[True, True, False]])
    )
    assert_close(weights, torch.tensor([[0.5, 0.5, 0.0]]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_attend_equals_the_fused_kernel(dtype):
    query, key = (
        torch.randn(B, H, Q, V, dtype=dtype),
        torch.randn(B, H, K, V, dtype=dtype),
    )
    value = torch.randn(B, H, K, V, dtype=dtype)
    mask = torch.rand(B, 1, Q, K) < 0.6
    mask[0, 0, 1] = False
    context, _ = attend(query @ key.mT / math.sqrt(V), value, mask)
    fused = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    loose = {"atol": 3e-2, "rtol": 3e-2} if dtype == torch.bfloat16 else {}
    assert_close(context, fused, **loose)


def test_gradients_against_finite_differences():
    scores = torch.randn(Q, K, dtype=torch.float64, requires_grad=True)
    value = torch.randn(K, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True] * K, [False] * K, [True, False] + [True] * (K - 2)])
    assert torch.autograd.gradcheck(lambda e, v: attend(e, v, mask), (scores, value))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_laws_of_every_weight_matrix(seed, queries, keys):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(queries, keys, generator=generator, dtype=torch.float64)
    mask = torch.rand(queries, keys, generator=generator) < 0.7
    weights = masked_softmax(10 * scores, mask)
    assert (weights >= 0).all()
    assert (weights[~mask] == 0).all()
    assert_close(weights.sum(-1), mask.any(-1).double())
    order = torch.randperm(keys, generator=generator)
    assert_close(
        masked_softmax(10 * scores[:, order], mask[:, order]), weights[:, order]
    )
    assert_close(masked_softmax(10 * scores + 3.0, mask), weights)  # shift invariance


def test_no_keys_and_no_sentences():
    context, weights = attend(torch.zeros(B, Q, 0), torch.zeros(B, 0, V))
    assert weights.shape == (B, Q, 0)
    assert_close(context, torch.zeros(B, Q, V))
    context, _ = attend(torch.zeros(0, Q, K), torch.zeros(0, K, V))
    assert context.shape == (0, Q, V)


@pytest.mark.parametrize(
    "shape", [(B, K), (Q, K), (K,), (B, Q, K - 1), (B + 1, Q, K), (1, B, Q, K)]
)
def test_mask_of_another_shape_is_an_error(shape, no_shape_checks):
    message = rf"mask must have one axis.*\(2, 3, 5\).*got \({shape[0]},"
    with pytest.raises(ValueError, match=message):
        masked_softmax(torch.zeros(B, Q, K), torch.ones(shape, dtype=torch.bool))


def test_mask_that_would_broadcast_silently_is_an_error(no_shape_checks):
    # As many queries as sentences: PyTorch would take sentences for queries.
    with pytest.raises(ValueError, match=r"got \(3, 5\); add an axis.*mask\[:, None\]"):
        masked_softmax(torch.zeros(3, 3, 5), torch.ones(3, 5, dtype=torch.bool))


def test_wrong_dtypes_are_errors(no_shape_checks):
    with pytest.raises(TypeError, match=r"mask must be boolean.*torch.float32"):
        masked_softmax(torch.zeros(Q, K), torch.ones(Q, K))
    with pytest.raises(TypeError, match=r"scores must hold floats, got torch.int64"):
        masked_softmax(torch.zeros(Q, K, dtype=torch.long))


@pytest.mark.parametrize("shape", [(B, K + 1, V), (K, V), (B + 1, K, V)])
def test_value_that_does_not_fit_is_an_error(shape, no_shape_checks):
    with pytest.raises(
        ValueError, match=r"value must have shape \(2, 5, 'value_dim'\)"
    ):
        attend(torch.zeros(B, Q, K), torch.zeros(shape))


def test_compiles_to_one_graph(no_shape_checks):
    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    scores, value = torch.randn(B, Q, K), torch.randn(B, K, V)
    mask = token_mask(torch.tensor([K, 0]), K)[:, None]
    assert_close(compiled(scores, value, mask), attend(scores, value, mask))


def test_cross_entropy_counts_real_tokens_only():
    logits = torch.randn(2, 3, 5, dtype=torch.float64)
    target = torch.tensor([[4, 1, 0], [2, 0, 0]])
    mask = target != 0
    losses = [
        -logits[b, t].log_softmax(0)[target[b, t]] for b, t in [(0, 0), (0, 1), (1, 0)]
    ]
    for dtype in torch.int64, torch.int32, torch.int16:
        loss = token_cross_entropy(logits, target.to(dtype), mask)
        assert_close(loss, sum(losses) / 3)


def test_counts_are_integers_from_1(no_shape_checks):
    check_counts(heads=1, layers=np.int64(2), width=torch.tensor(3))
    for wrong in (2.0, np.float64(2.0), "2", True, None):
        with pytest.raises(TypeError, match="heads must be an integer, got"):
            check_counts(heads=wrong)
    for wrong in (0, np.int64(-1)):
        with pytest.raises(ValueError, match=f"heads must be at least 1, got {wrong}"):
            check_counts(layers=1, heads=wrong)


@pytest.mark.parametrize("wrong", [-100, -1, 5])
def test_cross_entropy_of_an_id_outside_the_vocabulary(wrong):
    logits, target = torch.randn(1, 2, 5), torch.tensor([[4, wrong]])
    mask = torch.tensor([[True, False]])
    wanted = -logits[0, 0].log_softmax(0)[4]
    assert_close(token_cross_entropy(logits, target, mask), wanted)
    with pytest.raises(IndexError, match="out of bounds"):
        token_cross_entropy(logits, target, mask | True)


def test_cross_entropy_of_shapes_that_do_not_fit_is_an_error(no_shape_checks):
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\).*\(2, 4\)"):
        token_cross_entropy(
            torch.zeros(2, 3, 5), torch.zeros(2, 4).long(), torch.ones(2, 4).bool()
        )


@pytest.mark.parametrize("extreme", [math.inf, -math.inf, math.nan])
def test_cross_entropy_leaves_out_what_stands_at_padding(extreme):
    logits = torch.zeros(1, 3, 5)
    logits[0, 2, 0] = extreme  # the logit of the padding's own id
    logits.requires_grad_()
    target = torch.tensor([[4, 3, 0]])
    loss = token_cross_entropy(logits, target, target != 0)
    assert_close(loss, torch.tensor(math.log(5)))
    loss.backward()
    if not math.isinf(extreme) or extreme < 0:
        assert logits.grad[:, :2].isfinite().all()


def test_scores_one_query_and_key_at_a_time():
    query, key = torch.randn(B, Q, V).double(), torch.randn(B, K, V).double()
    v = torch.randn(1, V).double()
    additive, dots = additive_scores(query, key, v), dot_scores(query, key)
    for b in range(B):
        for i in range(Q):
            for j in range(K):
                e = v[0] @ torch.tanh(query[b, i] + key[b, j])
                assert_close(additive[b, i, j], e)
                product = query[b, i] @ key[b, j]
                assert_close(dots[b, i, j], product / math.sqrt(V))
                assert_close(dot_scores(query, key, 0.3)[b, i, j], 0.3 * product)


@pytest.mark.parametrize("segment", [[1, 3, 1, 0, 1, 3, 4], [0, 1, 1, 1, 3, 3, 4]])
@pytest.mark.parametrize("heads", [(), (H,)])
def test_segment_softmax_is_a_softmax_in_each_segment(heads, segment):
    segment = torch.tensor(segment)  # number 2 is empty
    scores = 1000 * torch.randn(len(segment), *heads).double()  # exp overflows
    scores[6] = -math.inf
    if in_order(segment):
        starts = segment_starts(segment.repeat_interleave(2)[::2], 5)  # no warning
        assert starts.tolist() == [(segment < number).sum() for number in range(6)]
        known = segment_softmax(scores, segment, 5, starts=starts)
        assert torch.equal(known, segment_softmax(scores, segment, 5))
    scores.requires_grad_()
    weights = segment_softmax(scores, segment, 5)
    for number in (0, 1, 3):
        inside = segment == number
        assert_close(weights[inside], scores[inside].softmax(dim=0))
    assert (weights[6] == 0).all()
    weights.square().sum().backward()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("segment", [[0, 2, 2, 2, 3], [2, 0, 3, 2, 2]])
def test_segment_softmax_has_the_gradient_of_its_equation(segment):
    segment = torch.tensor(segment)
    scores = torch.randn(5, H, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: segment_softmax(x, segment, 5), scores)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_edges_in_half_precision(dtype):
    """A sum of ones would stop at 256 in bfloat16 and at 2,048 in float16."""
    ones, segment = torch.ones(3000, H, dtype=dtype), torch.zeros(3000).long()
    assert_close(segment_sum(ones, segment, 1), torch.full((1, H), 3000.0))
    weights = segment_softmax(ones, segment, 1)
    assert_close(weights, torch.full((3000, H), 1 / 3000, dtype=dtype))


def test_dropout_keeps_the_expectation_and_the_dtype():
    values = torch.full((200, 300), 3.0, dtype=torch.bfloat16)
    dropped = apply_dropout(values, 0.25)
    assert dropped.dtype == torch.bfloat16
    assert set(dropped.unique().tolist()) == {0.0, 4.0}
    assert_close((dropped == 0).double().mean().item(), 0.25, rtol=0.05, atol=0)


def test_dropout_may_take_almost_everything_or_almost_nothing():
    assert apply_dropout(torch.ones(3), 1e-9).tolist() == [1.0] * 3
    few = apply_dropout(torch.ones(1000), 1 - 1e-9)
    assert set(few.unique().tolist()) <= {0.0, 2.0**16}
    assert apply_dropout(torch.ones(0, 3), 0.5).shape == (0, 3)


def test_segment_softmax_wants_a_segment_for_each_edge(no_shape_checks):
    with pytest.raises(ValueError, match=r"segment must have shape \(3,\).*\(1, 3\)"):
        segment_softmax(torch.zeros(3), torch.zeros(1, 3).long(), 2)
    scores, segment = torch.zeros(3), torch.zeros(3).long()
    with pytest.raises(ValueError, match=r"starts must have shape \(3,\).*\(2,\)"):
        segment_softmax(scores, segment, 2, starts=torch.tensor([0, 3]))


def test_hooks_are_called_in_a_model_that_was_compiled(no_shape_checks):
    layer, calls = torch.nn.Linear(2, 3), []
    compiled, x = torch.compile(layer, backend="eager"), torch.randn(5, 2)
    want = compiled(x)
    hook = layer.register_forward_hook(lambda *_: calls.append(1))
    with run_uncompiled():
        assert_close(compiled(x), want)
    assert calls == [1]
    hook.remove()


@pytest.mark.parametrize("shape", [(1, K, V), (B, K, V + 1), (K, V), (B, H, K, V)])
def test_sequences_that_do_not_fit_each_other(shape):
    check_pair(torch.zeros(B, Q, V), torch.zeros(B, K, V))
    with pytest.raises(ValueError, match=r"query and key must have shapes.*\(2, 3, 11"):
        check_pair(torch.zeros(B, Q, V), torch.zeros(shape))

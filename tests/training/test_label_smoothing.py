"""Label smoothing: the distribution, the loss in plain loops, PyTorch's, the floor."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.training.label_smoothing import (
    smoothed_cross_entropy,
    smoothed_targets,
    smoothing_floor,
)

B, T, V = 2, 3, 5
TARGET = torch.tensor([[4, 1, 2], [3, 0, 0]])
MASK = TARGET != 0


@pytest.fixture
def logits():
    return torch.randn(B, T, V, dtype=torch.float64, requires_grad=True)


def test_every_word_gets_its_share_and_the_right_one_the_rest():
    aim = smoothed_targets(TARGET, V, 0.3)
    for b in range(B):
        for t in range(T):
            for word in range(V):
                right = 0.7 if word == TARGET[b, t] else 0.0
                assert_close(aim[b, t, word].item(), right + 0.06)
    assert_close(aim.sum(-1), torch.ones(B, T))


def test_loss_one_word_at_a_time(logits):
    total = 0.0
    for b in range(B):
        for t in range(T):
            if not MASK[b, t]:
                continue
            p = logits[b, t].exp() / logits[b, t].exp().sum()
            total -= 0.7 * p[TARGET[b, t]].log() + 0.3 / V * p.log().sum()
    assert_close(smoothed_cross_entropy(logits, TARGET, MASK, 0.3), total / MASK.sum())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_pytorchs_forward_and_gradients(logits, smoothing):
    ours = smoothed_cross_entropy(logits, TARGET, MASK, smoothing)
    theirs = F.cross_entropy(
        logits.flatten(0, 1),
        TARGET.flatten(),
        ignore_index=0,
        label_smoothing=smoothing,
    )
    assert_close(ours, theirs)
    (gradient,) = torch.autograd.grad(ours, logits)
    assert_close(gradient, torch.autograd.grad(theirs, logits)[0])
    assert (gradient[~MASK] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_is_that_of_the_logits(logits, dtype):
    assert smoothed_targets(TARGET, V, 0.5, dtype=dtype).dtype == dtype
    assert smoothed_targets(TARGET, V, 0.5).dtype == torch.get_default_dtype()
    loss = smoothed_cross_entropy(logits.to(dtype), TARGET, MASK, 0.5)
    assert loss.dtype == dtype


def test_double_precision_to_the_last_digits(logits):
    ours = smoothed_cross_entropy(logits, TARGET, torch.ones_like(MASK), 0.5)
    theirs = F.cross_entropy(
        logits.flatten(0, 1), TARGET.flatten(), label_smoothing=0.5
    )
    assert_close(ours, theirs, rtol=1e-14, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_may_hold_anything(logits, smoothing):
    wanted = smoothed_cross_entropy(logits, TARGET, MASK, smoothing)
    target = TARGET.masked_fill(~MASK, -100).int()
    padded = logits.masked_fill(~MASK[..., None], math.nan)
    loss = smoothed_cross_entropy(padded, target, MASK, smoothing)
    assert_close(loss, wanted)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.isfinite().all()


def test_a_word_that_is_impossible_and_not_wanted_costs_nothing(logits):
    blocked = logits.masked_fill(
        F.one_hot(TARGET + 1 - 5 * (TARGET == 4), V) > 0, -math.inf
    )
    loss = smoothed_cross_entropy(blocked, TARGET, MASK, 0.0)
    theirs = F.cross_entropy(blocked.flatten(0, 1), TARGET.flatten(), ignore_index=0)
    assert_close(loss, theirs)
    assert torch.autograd.grad(loss, logits)[0].isfinite().all()
    assert smoothed_cross_entropy(blocked, TARGET, MASK, 0.1).item() == math.inf


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_no_loss_is_below_the_floor_and_the_targets_themselves_reach_it(smoothing):
    floor = smoothing_floor(V, smoothing)
    perfect = smoothed_targets(TARGET, V, max(smoothing, 1e-12)).double().log()
    assert_close(
        smoothed_cross_entropy(perfect, TARGET, MASK, smoothing).item(),
        floor,
        atol=1e-6,
        rtol=0,
    )
    for factor in 0.5, 2.0:
        worse = smoothed_cross_entropy(perfect * factor, TARGET, MASK, smoothing)
        assert worse.item() > floor - 1e-6
    assert (floor == 0) == (smoothing == 0)
    assert floor <= math.log(V)


def test_errors(logits, no_shape_checks):
    for smoothing in -0.1, 1.0:
        message = rf"smoothing must be in \[0, 1\), got {smoothing}"
        with pytest.raises(ValueError, match=message):
            smoothed_targets(TARGET, V, smoothing)
        with pytest.raises(ValueError, match=message):
            smoothing_floor(V, smoothing)
    for wrong in (TARGET[:, 1:], MASK), (TARGET, MASK[:1]):
        with pytest.raises(ValueError, match=r"must have shape \(2, 3\) to fit"):
            smoothed_cross_entropy(logits, *wrong, 0.1)

"""The terms of the loss: their values by hand, and what padding may not change."""

import math

import torch
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.soft_hard.loss import (
    coverage_penalty,
    moving_average,
    other_draws,
    reinforce_surrogate,
    weights_entropy,
)

B, T, L = 2, 3, 5  # captions, words, positions


def weights_and_mask():
    weights = torch.randn(B, T, L).double().softmax(dim=-1)
    return weights, token_mask(torch.tensor([T, 2]), T)


def test_penalty_one_position_at_a_time():
    weights, mask = weights_and_mask()
    penalty = coverage_penalty(weights, mask)
    for b, words in enumerate((T, 2)):
        right = sum((1 - sum(weights[b, :words, i])) ** 2 for i in range(L))
        assert_close(penalty[b], right)


def test_penalty_is_least_where_all_positions_get_the_same():
    uniform = torch.full((1, T, L), 1 / L).double()
    mask = torch.ones(1, T, dtype=torch.bool)
    least = coverage_penalty(uniform, mask)
    assert_close(least, torch.tensor([L * (1 - T / L) ** 2]).double())
    for _ in range(10):
        weights = torch.randn(1, T, L).double().softmax(dim=-1)
        assert coverage_penalty(weights, mask) > least
    # One word a position, as many words as positions: the only way to 0.
    one_each = torch.eye(L)[None]
    assert coverage_penalty(one_each, torch.ones(1, L, dtype=torch.bool)) == 0


def test_entropy_one_word_at_a_time():
    weights, mask = weights_and_mask()
    entropy = weights_entropy(weights, mask)
    for b, words in enumerate((T, 2)):
        right = -sum(a * math.log(a) for a in weights[b, :words].flatten().tolist())
        assert_close(entropy[b].item(), right)


def test_a_weight_of_zero_leaves_the_gradient_finite():
    weights = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]], requires_grad=True)
    entropy = weights_entropy(weights, torch.ones(1, 2, dtype=torch.bool))
    entropy.sum().backward()
    assert_close(entropy, torch.tensor([math.log(2)]))
    assert weights.grad.isfinite().all()


def test_gradient_of_the_surrogate_is_the_papers_estimate():
    log_likelihood = torch.tensor([-3.0, -7.0], requires_grad=True)
    log_prob = torch.tensor([-1.0, -2.0], requires_grad=True)
    surrogate = reinforce_surrogate(log_likelihood, log_prob, -4.0, 0.1)
    surrogate.sum().backward()
    # Minimised: minus what the paper climbs. The reward counts as a constant.
    assert_close(log_likelihood.grad, torch.tensor([-1.0, -1.0]))
    assert_close(log_prob.grad, torch.tensor([-0.1, 0.3]))


def test_moving_average_has_the_papers_shares():
    average = moving_average(torch.tensor(-10.0), torch.tensor(-5.0))
    assert_close(average, torch.tensor(0.9 * -10 + 0.1 * -5))


def test_a_baseline_for_each_caption():
    log_likelihood, log_prob = torch.tensor([-3.0, -7.0]), torch.zeros(2)
    log_prob.requires_grad_()
    reinforce_surrogate(
        log_likelihood, log_prob, torch.tensor([-4.0, -9.0])
    ).sum().backward()
    assert_close(log_prob.grad, torch.tensor([-1.0, -2.0]))


def test_other_draws_one_at_a_time():
    reward = torch.randn(3, 2).double()
    for n, i in ((n, i) for n in range(3) for i in range(2)):
        others = [reward[m, i] for m in range(3) if m != n]
        assert_close(other_draws(reward)[n, i], sum(others) / 2)

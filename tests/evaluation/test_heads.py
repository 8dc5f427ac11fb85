"""Scores of heads: each formula one head and query at a time, then what it ignores."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.evaluation.heads import (
    keys_at,
    last_marked,
    mean_distance,
    mean_entropy,
    share_of_weight,
)

B, H, Q, K = 2, 3, 5, 7


@pytest.fixture
def weights():
    return torch.randn(B, H, Q, K, dtype=torch.float64).softmax(dim=-1)


@pytest.fixture
def real():
    return torch.tensor([[True] * Q, [True, True, False, True, False]])


def over_queries(real):
    return [(b, i) for b in range(B) for i in range(Q) if real[b, i]]


def test_share_one_weight_at_a_time(weights, real):
    chosen = torch.rand(B, Q, K) < 0.4
    shares = share_of_weight(weights, chosen, real)
    where = over_queries(real)
    for h in range(H):
        total = sum(
            weights[b, h, i, j].item()
            for b, i in where
            for j in range(K)
            if chosen[b, i, j]
        )
        assert shares[h].item() == pytest.approx(total / len(where))


def test_keys_chosen_for_all_queries_or_sentences_alike(weights, real):
    chosen = torch.rand(B, 1, K) < 0.4
    whole = share_of_weight(weights, chosen.expand(B, Q, K), real)
    assert_close(share_of_weight(weights, chosen, real), whole)
    nowhere, everywhere = torch.zeros(1, 1, 1).bool(), torch.ones(1, 1, 1).bool()
    assert_close(
        share_of_weight(weights, everywhere, real), torch.ones(H, dtype=torch.float64)
    )
    assert (share_of_weight(weights, nowhere, real) == 0).all()


def test_entropy_one_weight_at_a_time(weights, real):
    found = mean_entropy(weights, real)
    where = over_queries(real)
    for h in range(H):
        total = -sum(
            a * math.log(a) for b, i in where for a in weights[b, h, i].tolist()
        )
        assert found[h].item() == pytest.approx(total / len(where))


def test_entropy_of_one_key_is_0_and_of_n_keys_alike_ln_n():
    one = torch.zeros(1, 1, 2, K)
    one[..., 3] = 1.0
    some = torch.zeros(1, 1, 2, K)
    some[..., :5] = 1 / 5  # the rest is blocked
    both = torch.cat([one, some], dim=1)
    found = mean_entropy(both, torch.ones(1, 2, dtype=torch.bool))
    assert_close(found, torch.tensor([0.0, math.log(5)]))


def test_distance_one_weight_at_a_time(real):
    weights = torch.randn(B, H, Q, Q, dtype=torch.float64).softmax(dim=-1)
    found = mean_distance(weights, real)
    where = over_queries(real)
    for h in range(H):
        total = sum(
            weights[b, h, i, j].item() * abs(i - j) for b, i in where for j in range(Q)
        )
        assert found[h].item() == pytest.approx(total / len(where))


@pytest.mark.parametrize("offset", [-6, -2, -1, 0, 1, 3, 9])
def test_distance_of_a_head_that_looks_so_far_away(offset):
    chosen = keys_at(offset, Q, Q)
    real = chosen.any(dim=-1)
    if real.any():
        weights = chosen[:, None].double()
        assert_close(mean_distance(weights, real).item(), float(abs(offset)))
        assert_close(share_of_weight(weights, chosen, real).item(), 1.0)
    else:
        assert abs(offset) >= Q


def test_what_stands_at_padding_does_not_count(weights, real):
    spoiled = weights.masked_fill(~real[:, None, :, None], torch.nan)
    chosen = torch.rand(B, Q, K) < 0.4
    for score in (
        lambda w: share_of_weight(w, chosen, real),
        lambda w: mean_entropy(w, real),
        lambda w: mean_distance(w[..., :Q], real),
    ):
        assert_close(score(spoiled), score(weights))


def test_keys_at_with_more_keys_than_queries():
    for offset in (-2, 0, 4):
        chosen = keys_at(offset, Q, K)
        assert chosen.shape == (1, Q, K)
        for i in range(Q):
            for j in range(K):
                assert chosen[0, i, j] == (j == i + offset)


def test_last_marked_one_token_at_a_time():
    marked = torch.rand(B, K) < 0.3
    marked[1] = False
    marked[1, 4] = True
    chosen = last_marked(marked)
    for b in range(B):
        for i in range(K):
            before = [k for k in range(i + 1) if marked[b, k]]
            wanted = [before[-1]] if before else []
            assert chosen[b, i].nonzero()[:, 0].tolist() == wanted


def test_errors(weights, real, no_shape_checks):
    everywhere = torch.ones(1, 1, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"queries, keys\), got \(2, 5"):
        mean_entropy(weights[:, 0], real)
    with pytest.raises(ValueError, match=r"real must have .* got \(2, 4\)"):
        share_of_weight(weights, everywhere, real[:, :4])
    with pytest.raises(ValueError, match="real must hold at least one query"):
        mean_entropy(weights, torch.zeros_like(real))
    with pytest.raises(ValueError, match=r"mask must have one axis.*got \(2, 7\)"):
        share_of_weight(weights, everywhere[0].expand(B, K), real)
    with pytest.raises(TypeError, match="mask must be boolean"):
        share_of_weight(weights, everywhere.float(), real)
    with pytest.raises(ValueError, match="got 5 queries and 7 keys"):
        mean_distance(weights, real)
    with pytest.raises(ValueError, match="must not be negative, got -1 and 3"):
        keys_at(0, -1, 3)
    with pytest.raises(ValueError, match=r"marked must have shape.*got \(3,\)"):
        last_marked(torch.ones(3, dtype=torch.bool))

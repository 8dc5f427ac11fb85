"""One hop, and what it reads: the paper's equations with plain loops."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.attention.memory_network import (
    MemoryRead,
    WordFactors,
    noisy_time_indices,
    position_encoding,
    released_position_encoding,
    time_indices,
)
from attention_book.functional import token_mask

B, Q, K, DIM, V_DIM = 2, 3, 5, 7, 11


@pytest.fixture
def inputs():
    shapes = (B, Q, DIM), (B, K, DIM), (B, K, V_DIM)
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def test_equations_one_query_at_a_time(inputs):
    context, weights = MemoryRead()(*inputs)
    for b, (query, key, value) in enumerate(zip(*inputs, strict=True)):
        for i, u in enumerate(query):
            e = [math.exp(sum(u[d] * m[d] for d in range(DIM))) for m in key]
            p = [one / sum(e) for one in e]
            o = sum(one * c for one, c in zip(p, value, strict=True))
            assert_close(weights[b, i], torch.tensor(p).double())
            assert_close(context[b, i], o)


def test_equals_pytorchs_attention(inputs):
    query, key, value = inputs
    mask = token_mask(torch.tensor([K, 2]), K)[:, None]
    wanted = F.scaled_dot_product_attention(
        query, key, value, mask.expand(B, Q, K), scale=1.0
    )
    assert_close(MemoryRead()(*inputs, mask)[0], wanted)


def test_linear_reads_have_the_scores_as_weights(inputs):
    query, key, value = inputs
    mask = token_mask(torch.tensor([K, 2]), K)[:, None]
    context, weights = MemoryRead()(*inputs, mask, linear=True)
    for b in range(B):
        for i in range(Q):
            o = torch.zeros(V_DIM, dtype=torch.float64)
            for k in range(K if b == 0 else 2):
                score = (query[b, i] * key[b, k]).sum()
                assert_close(weights[b, i, k], score)
                o = o + score * value[b, k]
            assert_close(context[b, i], o)
    assert (weights[1, :, 2:] == 0).all()
    assert_close(
        MemoryRead()(*inputs, linear=True)[1], torch.einsum("bqd,bkd->bqk", query, key)
    )


@pytest.mark.parametrize("linear", [False, True])
def test_what_does_not_fit_is_an_error(inputs, linear, no_shape_checks):
    read = MemoryRead()
    query, key, value = inputs
    with pytest.raises(ValueError, match="query and key must have shapes"):
        read(query, key[:1], value, linear=linear)
    with pytest.raises(ValueError, match="value must have shape"):
        read(query, key, value[:1], linear=linear)
    with pytest.raises(ValueError, match="mask must have one axis"):
        read(*inputs, torch.ones(B, K, dtype=torch.bool), linear=linear)
    with pytest.raises(TypeError, match="mask must be boolean"):
        read(*inputs, torch.ones(B, Q, K), linear=linear)


def test_position_encoding_word_by_word():
    mask = token_mask(torch.tensor([3, 1, 5]), 5)
    matrix = position_encoding(mask, DIM).matrix()
    assert matrix.shape == (3, 5, DIM)
    for row, J in enumerate((3, 1, 5)):
        for j in range(1, J + 1):
            for k in range(1, DIM + 1):
                wanted = (1 - j / J) - (k / DIM) * (1 - 2 * j / J)
                assert_close(
                    matrix[row, j - 1, k - 1].item(), wanted, rtol=0, atol=1e-6
                )


def test_position_encoding_of_an_empty_memory_is_finite():
    matrix = position_encoding(torch.zeros(1, 3, dtype=torch.bool), DIM).matrix()
    assert matrix.isfinite().all()


def test_released_position_encoding_word_by_word():
    J = 5
    matrix = released_position_encoding(J, DIM).matrix()
    for j in range(1, J + 1):
        for k in range(1, DIM + 1):
            wanted = 1 + 4 * (k - (DIM + 1) / 2) * (j - (J + 1) / 2) / (DIM * J)
            assert_close(matrix[j - 1, k - 1].item(), wanted, rtol=0, atol=1e-6)


def test_the_two_encodings_are_nearly_proportional():
    """The released one is about twice the paper's (d = 20, J = 7)."""
    paper = position_encoding(torch.ones(7, dtype=torch.bool), 20).matrix()
    released = released_position_encoding(7, 20).matrix()
    assert (
        torch.corrcoef(torch.stack([paper.flatten(), released.flatten()]))[0, 1] > 0.95
    )
    assert_close(released.mean(), torch.tensor(1.0))
    assert abs(paper.mean() - 0.5) < 0.05


def test_a_sum_with_factors_is_two_bags_of_words():
    factors = WordFactors(*(torch.randn(n).double() for n in (5, 5, DIM)))
    words = torch.randn(5, DIM).double()
    whole = (factors.matrix() * words).sum(0)
    bags = factors.offset @ words + factors.feature * (factors.slope @ words)
    assert_close(bags, whole)


def test_time_runs_backwards_from_the_last_fact():
    mask = token_mask(torch.tensor([4, 1, 0]), 4)
    wanted = [[4, 3, 2, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert time_indices(mask).tolist() == wanted


def test_noise_keeps_the_order_and_adds_at_most_its_share():
    lengths = torch.tensor([9, 4, 1, 0]).repeat(100)
    times = noisy_time_indices(token_mask(lengths, 9), 0.3)
    for length, row in zip(lengths.tolist(), times.tolist(), strict=True):
        numbers = row[:length]
        assert row[length:] == [0] * (9 - length)
        assert all(a > b for a, b in pairwise(numbers))
        most = length + math.ceil(0.3 * length)
        assert all(1 <= number <= most for number in numbers)


def test_noise_draws_every_number_of_empty_memories_and_every_position_alike():
    """Of 2 facts and up to 2 empty memories: n = 0, 1, 2 are equally likely."""
    mask = token_mask(torch.full((60_000,), 2), 2)
    found = Counter(map(tuple, noisy_time_indices(mask, 1.0).tolist()))
    wanted = {}
    for n in range(3):
        pairs = [(a, b) for a in range(2, n + 3) for b in range(1, a)]
        for pair in pairs:
            wanted[pair] = wanted.get(pair, 0) + 1 / (3 * len(pairs))
    assert found.keys() == wanted.keys()
    for pair, share in wanted.items():
        assert abs(found[pair] / 60_000 - share) < 0.01  # 5 standard deviations


def test_noise_depends_on_its_generator_alone():
    mask = token_mask(torch.full((50,), 8), 8)
    draws = [
        noisy_time_indices(mask, 0.5, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert_close(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_a_negative_share_is_an_error():
    with pytest.raises(ValueError, match=r"share must not be negative, got -0\.1"):
        noisy_time_indices(torch.ones(1, 2, dtype=torch.bool), -0.1)

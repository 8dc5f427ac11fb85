"""Every earlier mechanism as a case of one form, and two early self-attentions."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.self_attention import query_key_value
from attention_book.functional import attend
from attention_book.recipes import cases

B, N, DIM, HIDDEN, ROWS = 2, 5, 3, 7, 4


def test_both_ways_agree():
    """What query_key_value gives is what the mechanism's own layer gives."""
    found = cases.earlier_cases()
    assert query_key_value is cases.query_key_value
    for case in found:
        for own, general in zip(case.own, case.general, strict=True):
            assert own.shape == general.shape, case.name
            assert_close(general, own, msg=case.name)
        assert case.own[1].abs().max() > 0
    assert len({(case.chapter, case.name) for case in found}) == len(found)


def test_cases_are_drawn_anew():
    first, second = (cases.earlier_cases() for _ in "ab")
    for one, other in zip(first, second, strict=True):
        if one.name != "hard, on an image":  # whose weights are 0 or 1
            assert (one.own[1] != other.own[1]).any(), one.name


def test_additive_score_is_that_of_its_layer():
    layer = AdditiveAttention(2, 3, 5)
    query, key = torch.randn(1, 4, 2), torch.randn(1, 7, 3)
    scores = cases.additive_score(layer)(query, key)
    assert_close(attend(scores, key), layer(query, key, key))


def test_normalisers_under_a_mask():
    scores = torch.tensor([[[1.0, 3.0, 2.0]]])
    mask = torch.tensor([[[True, False, True]]])
    assert cases.unnormalised(scores).tolist() == [[[1, 3, 2]]]
    assert cases.unnormalised(scores, mask).tolist() == [[[1, 0, 2]]]
    assert cases.largest_only(scores).tolist() == [[[0, 1, 0]]]
    assert cases.largest_only(scores, mask).tolist() == [[[0, 0, 1]]]
    weights = cases.windowed(torch.tensor([[0.5]]), 1)(scores, mask)
    assert_close(weights, torch.exp(torch.tensor([[[-0.5, -torch.inf, -torch.inf]]])))
    window = cases.windowed(torch.tensor([[0.5]]), 1, factors=False)(scores)
    assert_close(window[0, 0], torch.tensor([1.0, 3.0, -torch.inf]).softmax(0))


def test_intra_attention_one_pair_at_a_time():
    words = torch.randn(B, N, DIM, dtype=torch.float64)
    network = torch.nn.Linear(DIM, HIDDEN).double()
    bias = torch.randn(5, dtype=torch.float64)  # distances from -2 to 2
    context, weights = cases.intra_attention(words, network, bias)
    for b in range(B):
        for i in range(N):
            e = []
            for j in range(N):
                near = min(max(i - j, -2), 2)  # farther words share a bias
                hidden = network(words[b, i]) @ network(words[b, j])
                e.append(hidden + bias[2 + near])
            alpha = torch.stack(e).exp() / torch.stack(e).exp().sum()
            assert_close(weights[b, i], alpha)
            assert_close(context[b, i], alpha @ words[b])


def test_structured_embedding_one_view_at_a_time():
    states = torch.randn(B, N, DIM, dtype=torch.float64)
    W_s1 = torch.randn(HIDDEN, DIM, dtype=torch.float64)
    W_s2 = torch.randn(ROWS, HIDDEN, dtype=torch.float64)
    views, weights = cases.structured_embedding(states, W_s1, W_s2)
    penalty = cases.equal_rows_penalty(weights)
    for b in range(B):
        for r in range(ROWS):
            e = torch.stack([W_s2[r] @ torch.tanh(W_s1 @ h) for h in states[b]])
            alpha = e.exp() / e.exp().sum()
            assert_close(weights[b, r], alpha)
            assert_close(views[b, r], alpha @ states[b])
        total = sum(
            (weights[b, r] @ weights[b, s] - float(r == s)) ** 2
            for r in range(ROWS)
            for s in range(ROWS)
        )
        assert_close(penalty[b], total)


@pytest.mark.parametrize("score", [0.0, 2.0])
def test_a_bell_needs_no_mask(score):
    scores = torch.full((1, 1, 4), score)
    weights = cases.windowed(torch.tensor([[1.0]]), 2)(scores)
    bell = torch.exp(-0.5 * torch.tensor([1.0, 0.0, 1.0, 4.0]))
    assert_close(weights[0, 0], bell / 4)

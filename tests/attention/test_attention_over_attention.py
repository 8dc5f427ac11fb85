"""Attention over attention: the paper's equations, padding on both sides, pointing."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.attention_over_attention import (
    AttentionOverAttention,
    masked_mean,
    pointer_sum,
)
from attention_book.functional import token_mask

B, Q, K, DIM, CANDIDATES = 2, 3, 5, 7, 4


@pytest.fixture
def pair():
    return (
        torch.randn(B, Q, DIM, dtype=torch.float64),
        torch.randn(B, K, DIM, dtype=torch.float64),
    )


def by_loops(query, key):
    """One row: the matrix, both softmaxes, the mean, the product, number by number."""
    M = [[float(h @ q) for q in query] for h in key]  # document x question
    columns, rows = range(len(query)), range(len(key))
    exp = torch.tensor(M).double().exp()
    alpha = [[exp[i, j] / sum(exp[t, j] for t in rows) for i in rows] for j in columns]
    by_key = [
        [exp[i, j] / sum(exp[i, t] for t in columns) for j in columns] for i in rows
    ]
    beta = [sum(by_key[i][j] for i in rows) / len(rows) for j in columns]
    s = [sum(alpha[j][i] * beta[j] for j in columns) for i in rows]
    context = sum(s[i] * key[i] for i in rows)
    return context, torch.stack(s), torch.tensor(alpha), torch.tensor(beta)


def test_equation_one_number_at_a_time(pair):
    found = AttentionOverAttention()(*pair)
    for b, (query, key) in enumerate(zip(*pair, strict=True)):
        context, s, alpha, beta = by_loops(query, key)
        assert_close(found.context[b, 0], context)
        assert_close(found.weights[b, 0], s)
        assert_close(found.key_weights[b], alpha.double())
        assert_close(found.query_weights[b], beta.double())


def test_everything_sums_to_one_on_a_padded_batch(pair):
    questions = token_mask(torch.tensor([Q, 2]), Q)
    documents = token_mask(torch.tensor([4, K]), K)
    mask = questions[:, :, None] & documents[:, None]
    for merge in ("learned", "mean"):
        found = AttentionOverAttention(merge)(*pair, mask)
        ones = torch.ones(B, dtype=torch.float64)
        assert_close(found.weights.sum(-1)[:, 0], ones)
        assert_close(found.query_weights.sum(-1), ones)
        assert_close(found.key_weights.sum(-1), questions.double())
        assert (found.weights[0, 0, 4:] == 0).all()
        assert (found.query_weights[1, 2:] == 0).all()


@pytest.mark.parametrize("merge", ["learned", "mean"])
def test_padding_on_both_sides_changes_nothing(pair, merge):
    layer = AttentionOverAttention(merge)
    query, key = pair
    questions = token_mask(torch.tensor([Q, 2]), Q)
    documents = token_mask(torch.tensor([K, 4]), K)
    found = layer(query, key, questions[:, :, None] & documents[:, None])
    alone = layer(query[1:, :2], key[1:, :4])
    assert_close(found.context[1:], alone.context)
    assert_close(found.weights[1:, :, :4], alone.weights)
    assert_close(found.query_weights[1:, :2], alone.query_weights)


def test_one_query_is_the_attention_sum_reader(pair):
    query, key = pair
    found = AttentionOverAttention()(query[:, :1], key)
    assert_close(found.weights, (query[:, :1] @ key.mT).softmax(-1))
    assert_close(found.query_weights, torch.ones(B, 1).double())


def test_the_mean_counts_all_queries_alike(pair):
    found = AttentionOverAttention("mean")(*pair)
    third = torch.full((B, Q), 1 / Q, dtype=torch.float64)
    assert_close(found.weights, found.key_weights.mean(dim=1, keepdim=True))
    assert_close(found.query_weights, third, rtol=1e-15, atol=0)


def test_unknown_merge_is_an_error():
    with pytest.raises(ValueError, match="merge must be one of learned, mean"):
        AttentionOverAttention("max")


def test_vectors_of_two_sizes_are_an_error(pair, no_shape_checks):
    query, key = pair
    with pytest.raises(ValueError, match="query and key must have shapes"):
        AttentionOverAttention()(query[..., 1:], key)


def test_mean_over_the_real_rows():
    rows = torch.rand(B, K, Q, dtype=torch.float64)
    real = token_mask(torch.tensor([4, 0]), K)
    assert_close(masked_mean(rows, real)[0], rows[0, :4].mean(dim=0))
    assert (masked_mean(rows, real)[1] == 0).all()


def test_pointer_sum_one_position_at_a_time():
    weights = torch.rand(B, K, dtype=torch.float64)
    words = torch.tensor([[0, 1, 0, 3, 0], [3, 3, 1, 2, 9]])  # 9: no candidate
    where = words[:, None] == torch.arange(CANDIDATES)[:, None]
    found = pointer_sum(weights, where)
    for b in range(B):
        for candidate in range(CANDIDATES):
            positions = [i for i in range(K) if words[b, i] == candidate]
            total = sum(float(weights[b, i]) for i in positions)
            assert found[b, candidate].item() == pytest.approx(total)
    assert found[0, 2] == 0  # it does not occur


def test_sum_and_largest_mention_disagree():
    """Two mentions with 0.3 each win over one with 0.4, but neither alone does."""
    where = torch.tensor([[[True, False, True], [False, True, False]]])
    weights = torch.tensor([[0.3, 0.4, 0.3]])
    assert pointer_sum(weights, where).argmax() == 0
    assert weights[:, None].masked_fill(~where, 0).amax(-1).argmax() == 1


def test_flat_attention_counts_mentions():
    where = torch.tensor([[[True, False, True, True], [False, True, False, False]]])
    assert_close(
        pointer_sum(torch.full((1, 4), 0.25), where), torch.tensor([[0.75, 0.25]])
    )


def test_compiles_to_one_graph(pair, no_shape_checks):
    layer = AttentionOverAttention()
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    assert_close(tuple(compiled(*pair)), tuple(layer(*pair)))

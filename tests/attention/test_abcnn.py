"""ABCNN's two attentions: the paper's equations with loops, then the laws."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.abcnn import (
    AttentionMaps,
    AttentionPooling,
    match_scores,
    window_sum,
)
from attention_book.functional import token_mask

B, Q, K, DIM, WIDTH, MAX = 2, 5, 7, 3, 4, 11


@pytest.fixture
def inputs():
    return [torch.randn(B, n, DIM, dtype=torch.float64) for n in (Q, K)]


@pytest.fixture
def mask():
    query_mask, key_mask = (
        token_mask(torch.tensor(n), size) for n, size in (([Q, 4], Q), ([6, K], K))
    )
    return query_mask[:, :, None] & key_mask[:, None]


LAYERS = {
    "maps": {},
    "shared maps": {"shared": True},
    "maps with a softmax": {"softmax": True},
    "maps of words": {"values": "words"},
    "maps of words with a softmax": {"values": "words", "softmax": True},
}


@pytest.fixture(params=["pooling", *LAYERS])
def layer(request):
    if request.param == "pooling":
        return AttentionPooling(WIDTH)
    return AttentionMaps(DIM, MAX, **LAYERS[request.param]).double()


def loop_scores(x, y):
    return torch.stack(
        [torch.stack([1 / (1 + (a - b).square().sum().sqrt()) for b in y]) for a in x]
    )


def test_match_scores_one_pair_at_a_time(inputs):
    for b, (x, y) in enumerate(zip(*inputs, strict=True)):
        assert_close(match_scores(*inputs)[b], loop_scores(x, y))


@pytest.mark.parametrize("shared", [False, True])
def test_maps_one_word_at_a_time(inputs, shared):
    layer = AttentionMaps(DIM, MAX, shared=shared).double()
    W = [layer.query_map.T, layer.key_map.T]  # of shape (d, s)
    assert (W[0] is W[1] or torch.equal(*W)) == shared
    assert sum(p.numel() for p in layer.parameters()) == MAX * DIM * (2 - shared)
    assert len(list(AttentionMaps(DIM, MAX).parameters())) == 2
    (maps_0, maps_1), weights = layer(*inputs)
    for b, (x, y) in enumerate(zip(*inputs, strict=True)):
        A = loop_scores(x, y)
        assert_close(weights[b], A)
        for i in range(Q):
            assert_close(maps_0[b, i], sum(A[i, j] * W[0][:, j] for j in range(K)))
        for j in range(K):
            assert_close(maps_1[b, j], sum(A[i, j] * W[1][:, i] for i in range(Q)))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("values", ["positions", "words"])
def test_what_is_averaged_and_whether_weights_compete(inputs, values, softmax):
    layer = AttentionMaps(DIM, MAX, values=values, softmax=softmax).double()
    (maps_0, maps_1), weights = layer(*inputs)
    for b, (x, y) in enumerate(zip(*inputs, strict=True)):
        A = loop_scores(x, y)
        over_y, over_x = A, A.T
        if softmax:  # of minus the distance, over the other sentence, either way
            e = (1 - 1 / A).exp()
            over_y = e / e.sum(dim=1, keepdim=True)
            over_x = e.T / e.T.sum(dim=1, keepdim=True)
        words = values == "words"
        assert_close(weights[b], over_y)
        assert_close(maps_0[b], over_y @ (y if words else layer.query_map[:K]))
        assert_close(maps_1[b], over_x @ (x if words else layer.key_map[:Q]))
    assert len(list(layer.parameters())) == (0 if values == "words" else 2)


def test_words_as_values_have_no_greatest_length(inputs):
    (maps_0, _), _ = AttentionMaps(DIM, 2, values="words")(*inputs)
    assert maps_0.shape == (B, Q, DIM)


def test_values_are_positions_or_words():
    with pytest.raises(ValueError, match='"positions" or "words", got \'windows\''):
        AttentionMaps(DIM, MAX, values="windows")


def test_maps_are_the_papers_products_on_padded_sentences(inputs):
    # W A^T with A of size s x s: what is not there matches nothing.
    layer = AttentionMaps(DIM, MAX).double()
    (maps_0, maps_1), weights = layer(*inputs)
    for b in range(B):
        A = torch.zeros(MAX, MAX).double()
        A[:Q, :K] = weights[b]
        assert_close(maps_0[b], (layer.query_map.T @ A.T)[:, :Q].T)
        assert_close(maps_1[b], (layer.key_map.T @ A)[:, :K].T)


def test_pooling_one_window_at_a_time(inputs):
    (pooled, weighed), weights = AttentionPooling(WIDTH)(*inputs)
    for b, both in enumerate(zip(*inputs, strict=True)):
        A = loop_scores(*both)
        assert_close(weights[b], A)
        sums = [[sum(row) for row in A], [sum(column) for column in A.T]]
        for i, (columns, a) in enumerate(zip(both, sums, strict=True)):
            for j in range(len(columns) - WIDTH + 1):
                wanted = sum(a[k] * columns[k] for k in range(j, j + WIDTH))
                assert_close(pooled[i][b, j], wanted)
            assert_close(weighed[i][b], torch.stack(a)[:, None] * columns)
        assert pooled[0].shape[1] == Q - WIDTH + 1


def test_window_sum_one_window_at_a_time(inputs):
    found = window_sum(inputs[1], WIDTH)
    wanted = [inputs[1][:, j : j + WIDTH].sum(dim=1) for j in range(K - WIDTH + 1)]
    assert_close(found, torch.stack(wanted, dim=1))


def test_equal_columns_match_with_1_and_finite_gradients():
    # Float32 and more than 25 columns: a product of matrices would lose the zero.
    columns = (100 + torch.randn(1, 30, DIM)).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        scores = match_scores(columns, columns.clone())
        scores.sum().backward()
    assert_close(scores.diagonal(dim1=1, dim2=2), torch.ones(1, 30), rtol=0, atol=0)
    assert columns.grad.isfinite().all()


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-20, 1e-10])
def test_gradients_near_equal_columns_stay_bounded(scale):
    query = torch.zeros(1, 1, DIM, requires_grad=True)
    match_scores(query, torch.full((1, 1, DIM), scale)).sum().backward()
    assert query.grad.norm() <= 1.001


def test_padding_changes_nothing(layer, inputs, mask):
    query, key = inputs
    context, weights = layer(query, key, mask)
    assert (weights[~mask] == 0).all()
    for b, queries, keys in (0, Q, 6), (1, 4, K):
        alone, alone_weights = layer(query[b, None, :queries], key[b, None, :keys])
        assert_close(weights[b, None, :queries, :keys], alone_weights)
        if isinstance(layer, AttentionMaps):
            assert_close(context[0][b, None, :queries], alone[0])
            assert_close(context[1][b, None, :keys], alone[1])
            assert (context[1][b, keys:] == 0).all()
        else:
            for found, wanted in zip(context[0], alone[0], strict=True):
                assert_close(found[b, None, : wanted.shape[1]], wanted)
            assert (context[1][1][b, keys:] == 0).all()


def test_a_sentence_longer_than_the_map_is_an_error(inputs):
    with pytest.raises(ValueError, match=r"max_tokens \(6\) tokens, got 5 and 7"):
        AttentionMaps(DIM, 6).double()(*inputs)


def test_a_batch_of_one_does_not_broadcast(inputs, no_shape_checks):
    query, key = inputs
    with pytest.raises(ValueError, match="query and key must have shapes"):
        match_scores(query[:1], key)


@pytest.mark.parametrize("shapes", [(0, Q, K), (B, 0, K), (B, Q, 0), (B, 1, K)])
def test_pooling_without_pairs_or_columns(shapes):
    batch, queries, keys = shapes
    query = torch.randn(batch, queries, DIM, requires_grad=True)
    key = torch.randn(batch, keys, DIM, requires_grad=True)
    ((first, second), weighted), weights = AttentionPooling(2)(query, key)
    assert first.shape == (batch, max(0, queries - 1), DIM)
    assert second.shape == (batch, max(0, keys - 1), DIM)
    assert weights.shape == (batch, queries, keys)
    if not queries or not keys:
        assert not any(columns.any() for columns in weighted)
    (first.sum() + second.sum()).backward()
    assert all(x.grad is None or x.grad.isfinite().all() for x in (query, key))

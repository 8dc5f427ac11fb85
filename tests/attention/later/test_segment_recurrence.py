"""TransformerXLAttention: the four terms of its score, one pair at a time."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.later.segment_recurrence import TransformerXLAttention

B, HEADS, DIM, V_DIM = 2, 3, 4, 5


@pytest.fixture
def layer():
    layer = TransformerXLAttention(HEADS, DIM).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


def draw(queries, memory):
    keys = queries + memory
    shapes = (queries, DIM), (keys, DIM), (keys, V_DIM)
    return [torch.randn(B, HEADS, *shape, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize(("queries", "memory"), [(4, 0), (4, 3), (1, 5), (5, 2)])
def test_equation_one_pair_at_a_time(layer, queries, memory):
    query, key, value = draw(queries, memory)
    context, weights = layer(query, key, value, causal=True, need_weights=True)
    size = HEADS * DIM
    for b in range(B):
        for h in range(HEADS):
            W = layer.distance_proj.weight[h * DIM : (h + 1) * DIM]
            u, v = layer.content_query[h, 0], layer.distance_query[h, 0]
            for i in range(queries):
                scores = []
                for j in range(i + memory + 1):  # causal, the memory in front
                    back = i + memory - j
                    rates = [10000 ** (-2 * r / size) for r in range(size // 2)]
                    angles = torch.tensor([back * rate for rate in rates]).double()
                    R = torch.cat([angles.sin(), angles.cos()])
                    q, k = query[b, h, i], key[b, h, j]
                    terms = q @ k, q @ W @ R, u @ k, v @ W @ R
                    scores.append(sum(terms) / math.sqrt(DIM))
                alpha = torch.stack(scores).softmax(dim=0)
                assert_close(weights[b, h, i, : len(alpha)], alpha)
                assert (weights[b, h, i, len(alpha) :] == 0).all()
                assert_close(context[b, h, i], alpha @ value[b, h, : len(alpha)])


def test_scores_depend_on_distance_and_not_on_position(layer):
    query, key, value = draw(4, 0)
    query, key = query[:, :, :1].expand_as(query), key[:, :, :1].expand_as(key)
    _, weights = layer(query, key, value, need_weights=True)
    ratio = weights[..., 1:, 1:] / weights[..., 1:, :1]
    logs = weights.log().diff(dim=-1)  # of neighbouring keys: cancels the softmax
    assert_close(logs[:, :, 0, 0], logs[:, :, 1, 1])
    assert_close(logs[:, :, 1, 0], logs[:, :, 3, 2])
    assert ratio.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_far_distances_in_half_precision(layer, dtype):
    want = layer.distance_keys(600, 600)
    rows = layer.to(dtype).distance_keys(600, 600)
    assert_close(rows.double(), want, rtol=0.05, atol=0.1)


def test_sizes_that_do_not_fit_are_errors(layer, no_shape_checks):
    query, key, value = draw(4, 3)
    with pytest.raises(ValueError, match="must be the last of the keys, got 7 queries"):
        layer(key, query, value[:, :, :4])
    with pytest.raises(ValueError, match="are for 3 heads of size 4, got 2 heads"):
        layer(query[:, :2], key[:, :2], value[:, :2])
    with pytest.raises(ValueError, match="embed_dim must be even"):
        TransformerXLAttention(3, 3)

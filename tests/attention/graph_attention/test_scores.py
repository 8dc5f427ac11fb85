"""GAT and GATv2: the equations, what their scores can rank, their initial values."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from attention_book.attention.graph_attention import (
    GATAttention,
    GATv2Attention,
    add_self_loops,
    edge_average,
    edge_mask,
    glorot_,
)
from attention_book.functional import attend

NODES, HEADS, DIM, V_DIM = 5, 3, 7, 11
# Node 3 has no edge to it; node 1 attends to itself.
EDGES = torch.tensor([[0, 1, 2, 4, 3, 0, 2], [1, 1, 1, 0, 2, 4, 4]])
KINDS = GATAttention, GATv2Attention


def make_layer(kind, heads=HEADS, **options):
    layer = kind(heads, DIM, **options).double()
    for parameter in layer.parameters():  # the biases start at 0
        nn.init.normal_(parameter)
    return layer


def make_inputs(nodes=NODES, heads=HEADS):
    shapes = (nodes, heads, DIM), (nodes, heads, DIM), (nodes, heads, V_DIM)
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def complete(nodes):
    i = torch.arange(nodes)
    return torch.stack([i.repeat(nodes), i.repeat_interleave(nodes)])


def gat_score(layer, q, k, head):
    a = torch.cat([layer.query_score[head], layer.key_score[head]])
    bias = layer.query_bias[head] + layer.key_bias[head]
    return F.leaky_relu(a @ torch.cat([q, k]) + bias, 0.2)


def gatv2_score(layer, q, k, head):
    return layer.score[head] @ F.leaky_relu(q + k + layer.bias[head], 0.2)


@pytest.mark.parametrize(
    ("kind", "score"), [(GATAttention, gat_score), (GATv2Attention, gatv2_score)]
)
def test_equation_one_edge_at_a_time(kind, score):
    layer, (query, key, value) = make_layer(kind), make_inputs()
    context, weights = layer(query, key, value, EDGES)
    for head in range(HEADS):
        for i in range(NODES):
            into = [n for n in range(EDGES.shape[1]) if EDGES[1, n] == i]
            sources = [int(EDGES[0, n]) for n in into]
            e = [
                score(layer, query[i, head], key[j, head], head).exp() for j in sources
            ]
            total = torch.zeros(V_DIM, dtype=torch.float64)
            for n, j, each in zip(into, sources, e, strict=True):
                assert_close(weights[n, head], each / sum(e))
                total += each / sum(e) * value[j, head]
            assert_close(context[i, head], total)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_dense_attention_under_the_mask(kind):
    layer, (query, key, value) = make_layer(kind), make_inputs()
    context, weights = layer(query, key, value, EDGES)
    if kind is GATAttention:
        one = (query * layer.query_score).sum(-1) + layer.query_bias
        two = (key * layer.key_score).sum(-1) + layer.key_bias
        dense = F.leaky_relu(one[:, None] + two[None], 0.2)
    else:
        hidden = F.leaky_relu(query[:, None] + key[None] + layer.bias, 0.2)
        dense = (hidden * layer.score).sum(-1)
    mask = edge_mask(EDGES, NODES)
    want, matrix = attend(
        dense.permute(2, 0, 1)[None], value.transpose(0, 1)[None], mask[:, None]
    )
    assert_close(context, want[0].transpose(0, 1))
    assert_close(weights, matrix[0, :, EDGES[1], EDGES[0]].T)


def test_gat_ranks_all_neighbours_alike_for_every_query():
    """Theorem 1 of Brody et al.: the order does not depend on the query."""
    layer = make_layer(GATAttention)
    query, key, value = make_inputs(nodes=9)
    weights = layer(query, key, value, complete(9))[1].reshape(9, 9, HEADS)
    order = weights.argsort(dim=1)
    assert (order == order[:1]).all()
    assert weights.std(dim=0).max() > 0.01  # the sharpness does


def test_gatv2_ranks_neighbours_by_query():
    layer = make_layer(GATv2Attention)
    query, key, value = make_inputs(nodes=9)
    weights = layer(query, key, value, complete(9))[1].reshape(9, 9, HEADS)
    assert (weights.argmax(dim=1) != weights.argmax(dim=1)[:1]).any()


def test_gatv2_with_shared_projections_is_symmetric():
    layer = make_layer(GATv2Attention)
    nodes, _, value = make_inputs(nodes=9)
    scores = layer(nodes, nodes, value, complete(9))[1].log().reshape(9, 9, HEADS)
    # A row of log weights is a row of scores, up to a constant for each query.
    cycles = scores[0, 1] + scores[1, 2] + scores[2, 0]
    assert_close(cycles, scores[1, 0] + scores[2, 1] + scores[0, 2])


def test_tied_halves_never_choose_around_a_cycle():
    """Each of three nodes would have to prefer the next: symmetry forbids it."""
    chosen = {True: 0, False: 0}
    for _ in range(400):
        layer, (query, key, value) = make_layer(GATv2Attention), make_inputs(3)
        for tied in chosen:
            inputs = (query, query if tied else key, value)
            weights = layer(*inputs, complete(3))[1].reshape(3, 3, HEADS)
            cycle = weights.argmax(dim=1) == torch.tensor([1, 2, 0])[:, None]
            chosen[tied] += int(cycle.all(dim=0).sum())
    assert chosen[True] == 0
    assert chosen[False] > 0


def test_weights_are_those_before_dropout():
    layer, inputs = make_layer(GATAttention, dropout=0.5), make_inputs()
    context, weights = layer.train()(*inputs, EDGES)
    calm, same = layer.eval()(*inputs, EDGES)
    assert_close(weights, same)
    assert not torch.allclose(context, calm)


def test_dropout_keeps_the_mean():
    scores, value = torch.zeros(2), torch.tensor([[1.0], [3.0]])
    edges = torch.tensor([[0, 1], [1, 1]])
    found = [edge_average(scores, value, edges, dropout=0.6)[0] for _ in range(4000)]
    assert_close(torch.stack(found)[:, 1].mean().item(), 2.0, atol=0.15, rtol=0)


def test_a_node_alone_with_its_loop_gets_its_own_value():
    edges = add_self_loops(torch.zeros(2, 0, dtype=torch.long), NODES)
    for kind in KINDS:
        layer, (query, key, value) = make_layer(kind), make_inputs()
        context, weights = layer(query, key, value, edges)
        assert_close(context, value)
        assert (weights == 1).all()


def test_loops_are_added_and_all_edges_sorted_by_their_targets():
    looped = add_self_loops(EDGES[:, 2:], NODES)
    want = [*EDGES[:, 2:].T.tolist(), *([node, node] for node in range(NODES))]
    assert looped.T.tolist() == sorted(want, key=lambda edge: edge[1])


def test_initial_values_are_glorots():
    layer = GATAttention(400, 50)
    bound = (6 / 51) ** 0.5
    for vectors in layer.query_score, layer.key_score:
        assert vectors.abs().max() <= bound
        assert_close(vectors.std().item(), bound / 3**0.5, rtol=0.02, atol=0)
    assert (layer.query_bias == 0).all()
    weight = torch.empty(3, 200, 300)
    glorot_(weight, 200, 300)
    assert_close(weight.var().item(), 2 / 500, rtol=0.02, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_errors(kind, no_shape_checks):
    with pytest.raises(ValueError, match="num_heads must be at least 1, got 0"):
        kind(0, 5)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.0"):
        kind(2, 5, dropout=1.0)
    layer, (query, key, value) = make_layer(kind), make_inputs()
    with pytest.raises(ValueError, match=r"one shape.*\(5, 3, 7\) and \(4, 3, 7\)"):
        layer(query, key[:4], value, EDGES)
    with pytest.raises(ValueError, match=r"\(nodes, 1, 7\), got \(5, 3, 7\)"):
        make_layer(kind, heads=1)(query, key, value, EDGES)
    with pytest.raises(ValueError, match="nodes 0 to 4, got nodes from 1 to 5"):
        layer(query, key, value, EDGES + 1)

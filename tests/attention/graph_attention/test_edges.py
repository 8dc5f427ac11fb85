"""Attention along edges: the equation, and the same under a mask."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.dot_product import dot_product_attention
from attention_book.attention.graph_attention.edges import edge_attention, edge_mask

NODES, HEADS, DIM, V_DIM = 5, 3, 7, 11
# Node 3 has no edge to it; node 1 attends to itself.
EDGES = torch.tensor([[0, 1, 2, 4, 3, 0, 2], [1, 1, 1, 0, 2, 4, 4]])


def make_inputs(heads=(HEADS,)):
    shapes = (NODES, *heads, DIM), (NODES, *heads, DIM), (NODES, *heads, V_DIM)
    return [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]


def test_equation_one_node_at_a_time():
    query, key, value = make_inputs(heads=())
    context, weights = edge_attention(query, key, value, EDGES)
    for i in range(NODES):
        edges = [e for e in range(EDGES.shape[1]) if EDGES[1, e] == i]
        total = torch.zeros(V_DIM, dtype=torch.float64)
        e = {
            edge: (query[i] @ key[EDGES[0, edge]] / math.sqrt(DIM)).exp()
            for edge in edges
        }
        for edge in edges:
            alpha = e[edge] / sum(e.values())
            assert_close(weights[edge], alpha)
            total += alpha * value[EDGES[0, edge]]
        assert_close(context[i], total)


def test_equals_dot_product_attention_under_the_mask():
    inputs = make_inputs()
    context, weights = edge_attention(*inputs, EDGES)
    dense = [tensor.transpose(0, 1)[None] for tensor in inputs]
    mask = edge_mask(EDGES, NODES)
    fused, _ = dot_product_attention(*dense, mask)
    plain, matrix = dot_product_attention(*dense, mask, need_weights=True)
    assert_close(fused[0].transpose(0, 1), context)
    assert_close(plain[0].transpose(0, 1), context)
    assert_close(matrix[0, :, EDGES[1], EDGES[0]].T, weights)
    assert (context[3] == 0).all()
    gradients = [
        torch.autograd.grad(c.square().sum(), inputs) for c in (context, fused)
    ]
    assert_close(*gradients)


def test_mask_is_the_adjacency_of_targets_to_sources():
    mask = edge_mask(EDGES, NODES)
    assert mask.shape == (1, NODES, NODES)
    pairs = {(i, j) for j, i in EDGES.T.tolist()}
    assert {tuple(pair) for pair in mask[0].nonzero().tolist()} == pairs


def test_large_scores_do_not_overflow():
    query, key, value = (1000 * tensor for tensor in make_inputs())
    context, weights = edge_attention(query, key, value, EDGES)
    context.sum().backward()
    assert context.isfinite().all()
    sums = torch.zeros(NODES, HEADS).double().index_add(0, EDGES[1], weights)
    assert_close(sums[[0, 1, 2, 4]], torch.ones(4, HEADS).double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_neighbours_in_half_precision(dtype):
    hub = torch.stack([torch.arange(3000), torch.zeros(3000, dtype=torch.long)])
    x = torch.ones(3000, DIM, dtype=dtype)
    context, _ = edge_attention(x, x, x, hub)
    assert_close(context[0], x[0])


def test_a_graph_without_edges_or_nodes():
    none = torch.zeros(2, 0, dtype=torch.long)
    context, weights = edge_attention(*make_inputs(), none)
    assert (context == 0).all()
    assert weights.shape == (0, HEADS)
    assert not edge_mask(none, NODES).any()
    assert edge_mask(none, 0).shape == (1, 0, 0)
    empty = [tensor[:0] for tensor in make_inputs()]
    assert edge_attention(*empty, none)[0].shape == (0, HEADS, V_DIM)


def test_errors(no_shape_checks):
    query, key, value = make_inputs()
    with pytest.raises(ValueError, match=r"one shape, and value the same.*\(4, 3, 7\)"):
        edge_attention(query, key[:4], value, EDGES)
    with pytest.raises(ValueError, match=r"value the same nodes.*\(5, 2, 11\)"):
        edge_attention(query, key, value[:, :2], EDGES)
    for call in (
        lambda: edge_attention(query, key, value, EDGES.T),
        lambda: edge_mask(EDGES[0], NODES),
    ):
        with pytest.raises(ValueError, match=r"edges must have shape \(2, edges\)"):
            call()
    for edges, ends in (EDGES - 1, "-1 to 3"), (EDGES + 1, "1 to 5"):
        for call in (
            lambda edges=edges: edge_attention(query, key, value, edges),
            lambda edges=edges: edge_mask(edges, NODES),
        ):
            with pytest.raises(ValueError, match=f"nodes 0 to 4, got .* from {ends}"):
                call()
    with pytest.raises(ValueError, match="num_nodes must not be negative, got -1"):
        edge_mask(EDGES, -1)

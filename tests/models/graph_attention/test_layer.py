"""A graph attention layer: projections, heads, and its three dropouts."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.graph_attention import GATAttention, GATv2Attention
from attention_book.functional import apply_dropout
from attention_book.models.graph_attention import (
    GraphAttention,
    HeadProjection,
    check_score,
)

NODES, IN_DIM, HEADS, DIM = 5, 7, 3, 11
EDGES = torch.tensor([[0, 1, 2, 4, 3, 0, 2], [1, 1, 1, 0, 2, 4, 4]])


def make_layer(kind=GATAttention, **options):
    layer = GraphAttention(
        IN_DIM, kind(HEADS, DIM), num_heads=HEADS, head_dim=DIM, **options
    ).double()
    nn.init.normal_(layer.bias)
    return layer


@pytest.fixture
def nodes():
    return torch.randn(NODES, IN_DIM, dtype=torch.float64)


@pytest.mark.parametrize("concat", [True, False])
def test_heads_are_concatenated_or_averaged(nodes, concat):
    layer = make_layer(concat=concat)
    context, weights = layer(nodes, EDGES)
    heads = []
    for head in range(HEADS):
        h = (nodes @ layer.projection.weight[head])[:, None]
        alone = GATAttention(1, DIM).double()
        for name, parameter in alone.named_parameters():
            parameter.data = getattr(layer.attention, name)[head : head + 1].data
        own, own_weights = alone(h, h, h, EDGES)
        assert_close(own_weights[:, 0], weights[:, head])
        heads.append(own[:, 0] + layer.bias[head])
    want = torch.cat(heads, dim=1) if concat else sum(heads) / HEADS
    assert_close(context, want)


def test_queries_have_a_matrix_of_their_own_unless_it_is_shared(nodes):
    layer = make_layer(GATv2Attention, shared=False)
    both = torch.einsum("ni,hio->nho", nodes, layer.projection.weight)
    query, key = both[..., :DIM], both[..., DIM:]
    want, weights = layer.attention(query, key, key, EDGES)
    assert_close(layer(nodes, EDGES), ((want + layer.bias).flatten(1), weights))
    shared = make_layer(GATv2Attention)
    h = torch.einsum("ni,hio->nho", nodes, shared.projection.weight)
    assert_close(shared(nodes, EDGES)[1], shared.attention(h, h, h, EDGES)[1])


def test_sparse_features_give_the_same(nodes):
    nodes[nodes.abs() < 0.7] = 0
    layer = make_layer()
    assert_close(layer(nodes.to_sparse(), EDGES), layer(nodes, EDGES))


@pytest.mark.parametrize("sparse", [True, False])
def test_inputs_are_dropped_for_each_head_by_itself(sparse):
    projection = HeadProjection(400, 3, 1, dropout=0.625).double()
    nn.init.ones_(projection.weight)
    ones = torch.ones(50, 400, dtype=torch.float64)
    nodes = ones.to_sparse() if sparse else ones
    # With weights of 1, the sum counts what is kept, scaled by 1 / 0.375.
    counts = projection(nodes)[..., 0] * 0.375
    assert_close(counts, counts.round())
    assert_close(counts.mean().item() / 400, 0.375, rtol=0.05, atol=0)
    assert (counts[:, 0] != counts[:, 1]).any()
    gradient = torch.autograd.grad(projection(nodes).sum(), projection.weight)[0]
    kept = gradient[..., 0] * 0.375
    assert_close(kept, kept.round())  # dropped inputs have no gradient
    assert_close(projection.eval()(nodes), torch.full((50, 3, 1), 400.0).double())


@pytest.mark.parametrize("sparse", [True, False])
def test_one_mask_drops_the_same_inputs_in_all_heads(sparse):
    projection = HeadProjection(400, 3, 1, dropout=0.625, one_mask=True).double()
    nn.init.ones_(projection.weight)
    ones = torch.ones(50, 400, dtype=torch.float64)
    nodes = ones.to_sparse() if sparse else ones
    counts = projection(nodes)[..., 0] * 0.375
    assert_close(counts, counts.round())
    assert_close(counts.mean().item() / 400, 0.375, rtol=0.05, atol=0)
    assert_close(counts, counts[:, :1].expand(-1, 3))
    assert (counts[0] != counts[1]).any()
    assert_close(projection.eval()(nodes), torch.full((50, 3, 1), 400.0).double())


def test_sparse_inputs_that_are_dropped_are_products_with_a_gradient():
    nodes = torch.randn(6, IN_DIM, dtype=torch.float64)
    nodes[nodes.abs() < 0.7] = 0
    nodes[2] = 0  # an empty row, and below an empty column
    nodes[:, 4] = 0
    sparse, dropout = nodes.to_sparse().coalesce(), 0.5
    projection = HeadProjection(IN_DIM, HEADS, DIM, dropout=dropout).double()

    def project(weight):
        torch.manual_seed(0)
        given = {"weight": weight}
        return torch.func.functional_call(projection, given, (sparse,))

    torch.manual_seed(0)
    ones = torch.ones(HEADS, sparse.indices().shape[1], dtype=torch.float64)
    masks = torch.zeros(HEADS, *nodes.shape, dtype=torch.float64)
    masks[:, *sparse.indices()] = apply_dropout(ones, dropout)
    weight = torch.randn(HEADS, IN_DIM, DIM, dtype=torch.float64, requires_grad=True)
    want = torch.einsum("ni,hni,hio->nho", nodes, masks, weight)
    assert_close(project(weight), want)
    assert torch.autograd.gradcheck(project, weight)


def test_values_are_dropped_and_scores_are_not(nodes):
    layer = make_layer(dropout=0.5)
    layer.projection.dropout = 0.0  # that of the inputs
    context, weights = layer.train()(nodes, EDGES)
    calm, calm_weights = layer.eval()(nodes, EDGES)
    assert_close(weights, calm_weights)
    assert not torch.allclose(context, calm)


def test_initial_values_are_glorots_for_each_head():
    for shared in (True, False):
        attention = GATv2Attention(4, 50)
        layer = GraphAttention(150, attention, num_heads=4, head_dim=50, shared=shared)
        variance = layer.projection.weight.var().item()
        assert_close(variance, 2 / 200, rtol=0.03, atol=0)
        assert (layer.bias == 0).all()


def test_compiles_to_one_graph(nodes, no_shape_checks):
    layer = make_layer()
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    assert_close(compiled(nodes, EDGES), layer(nodes, EDGES))


def test_errors():
    with pytest.raises(ValueError, match="in_dim must be at least 1, got 0"):
        HeadProjection(0, 2, 3)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got -0.1"):
        HeadProjection(1, 2, 3, dropout=-0.1)
    with pytest.raises(ValueError, match="score must be one of gat, gatv2, got 'dot'"):
        check_score("dot")


@pytest.mark.parametrize("concat", [True, False])
def test_gat_equals_the_layer_of_pyg(nodes, concat):
    pyg = pytest.importorskip("torch_geometric.nn")
    layer = make_layer(concat=concat)
    peer = pyg.GATConv(IN_DIM, DIM, HEADS, concat=concat, add_self_loops=False).double()
    with torch.no_grad():
        peer.lin.weight.copy_(layer.projection.weight.transpose(1, 2).flatten(0, 1))
        peer.att_dst.copy_(layer.attention.query_score[None])
        peer.att_src.copy_(layer.attention.key_score[None])
        peer.bias.copy_(layer.bias.flatten() if concat else layer.bias.mean(dim=0))
    assert_same_as_pyg(layer, peer, nodes)


@pytest.mark.parametrize("shared", [True, False])
def test_gatv2_equals_the_layer_of_pyg(nodes, shared):
    pyg = pytest.importorskip("torch_geometric.nn")
    layer = make_layer(GATv2Attention, shared=shared)
    options = {"add_self_loops": False, "share_weights": shared}
    peer = pyg.GATv2Conv(IN_DIM, DIM, HEADS, **options).double()
    if not shared:  # or their bias would be one of the values too
        nn.init.normal_(layer.attention.bias)
    both = layer.projection.weight.transpose(1, 2)
    query, key = (both, both) if shared else both.chunk(2, dim=1)
    with torch.no_grad():
        peer.lin_l.weight.copy_(key.flatten(0, 1))
        peer.lin_r.weight.copy_(query.flatten(0, 1))
        peer.lin_l.bias.zero_()
        peer.lin_r.bias.copy_(layer.attention.bias.flatten())
        peer.att.copy_(layer.attention.score[None])
        peer.bias.copy_(layer.bias.flatten())
    assert_same_as_pyg(layer, peer, nodes)


def assert_same_as_pyg(layer, peer, nodes):
    context, weights = layer(nodes, EDGES)
    want, (edges, alpha) = peer(nodes, EDGES, return_attention_weights=True)
    assert_close(edges, EDGES)
    assert_close(context, want)
    assert_close(weights, alpha)

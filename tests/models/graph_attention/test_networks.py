"""Node classifiers: sizes, equations, learning, and who sees whom."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.attention.graph_attention import add_self_loops
from attention_book.data.graphs import Graph, undirected
from attention_book.models.graph_attention import (
    GAT,
    GCN,
    GATConfig,
    GCNConfig,
    node_loss,
)
from attention_book.observe import record_weights
from attention_book.training.loop import fit

NODES, IN_DIM, CLASSES = 12, 31, 3


@pytest.fixture
def graph():
    edges = undirected((i, (i + step) % NODES) for i in range(NODES) for step in (1, 4))
    nodes = torch.arange(NODES)
    return Graph(
        features=torch.randn(NODES, IN_DIM),
        edges=add_self_loops(edges, NODES),
        labels=nodes * CLASSES // NODES,
        train=nodes[:9],
        dev=nodes[9:],
        test=nodes[9:],
    )


def test_as_many_parameters_as_the_authors_code_has_on_cora():
    model = GAT(GATConfig(in_dim=1433, num_classes=7))
    assert sum(p.numel() for p in model.parameters()) == 92_391


def test_two_layers_with_elu_between(graph):
    model = GAT(GATConfig(in_dim=IN_DIM, num_classes=CLASSES)).eval()
    hidden = F.elu(model.hidden(graph.features, graph.edges)[0])
    want = model.output(hidden, graph.edges)[0]
    assert_close(model(graph.features, graph.edges), want)


def test_one_mask_reaches_both_layers():
    for one_mask in (False, True):
        model = GAT(GATConfig(in_dim=IN_DIM, num_classes=CLASSES, one_mask=one_mask))
        layers = model.hidden, model.output
        assert [layer.projection.one_mask for layer in layers] == [one_mask] * 2


def test_output_heads_are_averaged(graph):
    config = GATConfig(in_dim=IN_DIM, num_classes=CLASSES, num_output_heads=8)
    assert GAT(config)(graph.features, graph.edges).shape == (NODES, CLASSES)


def test_gcn_is_the_normalised_adjacency_twice(graph):
    model = GCN(GCNConfig(in_dim=IN_DIM, num_classes=CLASSES)).double().eval()
    adjacency = torch.zeros(NODES, NODES, dtype=torch.float64)
    adjacency[graph.edges[1], graph.edges[0]] = 1
    degree = adjacency.sum(dim=1)
    average = adjacency / (degree[:, None] * degree[None]).sqrt()
    first, second = model.hidden.weight[0], model.output.weight[0]
    features = graph.features.double()
    want = average @ ((average @ features @ first).relu() @ second)
    assert_close(model(features, graph.edges), want)


def test_gcn_with_loops_alone_is_a_perceptron(graph):
    model = GCN(GCNConfig(in_dim=IN_DIM, num_classes=CLASSES)).eval()
    loops = add_self_loops(graph.edges[:, :0], NODES)
    want = (graph.features @ model.hidden.weight[0]).relu() @ model.output.weight[0]
    assert_close(model(graph.features, loops), want)


@pytest.mark.parametrize("score", ["gat", "gatv2"])
def test_a_node_sees_two_edges_far(graph, score):
    model = GAT(GATConfig(in_dim=IN_DIM, num_classes=CLASSES, score=score)).eval()
    features = graph.features.requires_grad_()
    model(features, graph.edges)[0].sum().backward()
    reached = {0}
    for _ in range(2):
        pairs = graph.edges.T.tolist()
        reached |= {source for source, target in pairs if target in reached}
    assert set(features.grad.abs().sum(dim=1).nonzero().flatten().tolist()) == reached
    assert len(reached) < NODES


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("model", ["gat", "gatv2", "gcn"])
def test_bfloat16_as_on_a_gpu(graph, model, sparse):
    """``fit`` computes the loss under autocast on a GPU."""
    if model == "gcn":
        net = GCN(GCNConfig(in_dim=IN_DIM, num_classes=CLASSES))
    else:
        net = GAT(GATConfig(in_dim=IN_DIM, num_classes=CLASSES, score=model))
    if sparse:
        graph = dataclasses.replace(graph, features=graph.features.to_sparse())
    net.eval()
    want = net.loss(graph)
    with torch.autocast("cpu", torch.bfloat16):
        loss = net.loss(graph)
    assert_close(loss.float(), want, rtol=0.05, atol=0.02)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_gcn_averages_in_float32_over_many_neighbours():
    """The sum of a hub's neighbours stopped growing in bfloat16."""
    leaves = torch.arange(1, 3001)
    edges = torch.stack([leaves, torch.zeros_like(leaves)])
    model = GCN(GCNConfig(in_dim=2, hidden_dim=2, num_classes=2)).eval()
    with torch.no_grad():
        for layer in model.hidden, model.output:
            layer.weight.copy_(torch.eye(2))
    loops = add_self_loops(edges, 3001)
    want = model(torch.ones(3001, 2), loops)
    low = model.bfloat16()(torch.ones(3001, 2, dtype=torch.bfloat16), loops)
    assert_close(low.float(), want, rtol=0.02, atol=0.02)


def test_loss_is_over_the_training_nodes(graph):
    logits = torch.randn(NODES, CLASSES)
    losses = [-logits[i].log_softmax(0)[i // 4].item() for i in range(9)]
    assert_close(node_loss(logits, graph).item(), sum(losses) / 9)


@pytest.mark.parametrize("model", ["gat", "gatv2", "gcn"])
def test_learns_the_training_nodes(graph, model):
    if model == "gcn":
        net = GCN(GCNConfig(in_dim=IN_DIM, num_classes=CLASSES, dropout=0.0))
    else:
        net = GAT(
            GATConfig(
                in_dim=IN_DIM,
                num_classes=CLASSES,
                score=model,
                shared=model == "gat",
                dropout=0.0,
            )
        )
    history = fit(net, [graph], epochs=300, learning_rate=0.05, device="cpu")
    assert history.epoch_loss[0] == pytest.approx(math.log(CLASSES), abs=0.5)
    assert history.epoch_loss[-1] < 0.1


def test_weights_of_both_layers_are_recorded(graph):
    model = GAT(GATConfig(in_dim=IN_DIM, num_classes=CLASSES)).eval()
    with record_weights(model) as weights:
        model(graph.features, graph.edges)
    assert {name: calls[0].shape[1] for name, calls in weights.items()} == {
        "hidden.attention": 8,
        "output.attention": 1,
    }


def test_errors():
    with pytest.raises(ValueError, match="score must be one of gat, gatv2, got 'x'"):
        GATConfig(in_dim=2, num_classes=2, score="x")
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        GCNConfig(in_dim=2, num_classes=0)
    with pytest.raises(ValueError, match="num_output_heads must be at least 1, got 0"):
        GATConfig(in_dim=2, num_classes=2, num_output_heads=0)

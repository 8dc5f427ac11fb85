"""Graphs: edges in both directions, normalised features, homophily."""

import torch
from torch.testing import assert_close

from attention_book.data.graphs import (
    Graph,
    homophily,
    random_edges,
    random_split,
    row_normalised,
    undirected,
)
from attention_book.training.batches import Batch


def test_edges_come_in_both_directions_once_and_without_loops():
    edges = undirected([(2, 0), (0, 2), (2, 0), (1, 1), (1, 2)])
    assert edges.T.tolist() == [[2, 0], [2, 1], [0, 2], [1, 2]]
    assert undirected([]).shape == (2, 0)
    rows = torch.tensor([[2, 0], [0, 2], [1, 2], [1, 1]])
    assert torch.equal(undirected(rows), edges)


def test_rows_are_divided_by_their_sums_and_empty_ones_stay():
    dense = torch.tensor([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    want = torch.tensor([[0.25, 0.0, 0.75], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert_close(row_normalised(dense.to_sparse()).to_dense(), want)
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3)).T
    zeros_kept = torch.sparse_coo_tensor(
        every, dense.flatten(), dense.shape, check_invariants=True
    )
    assert_close(row_normalised(zeros_kept).to_dense(), want)


def test_a_graph_is_a_batch():
    nodes = torch.arange(4)
    edges = undirected([(0, 1), (1, 2), (2, 3)])
    graph = Graph(torch.eye(4), edges, nodes // 2, nodes[:3], nodes[3:], nodes[3:])
    assert isinstance(graph, Batch)
    assert (graph.num_tokens, graph.num_nodes) == (3, 4)
    assert_close(homophily(graph), 2 / 3)
    moved = graph.to(torch.device("meta"))
    assert moved.edges.device.type == "meta"
    assert graph.with_edges(edges[:, :2]).edges.shape == (2, 2)


def test_random_edges_are_as_many_and_depend_on_the_seed():
    nodes = torch.arange(200)
    edges = undirected(zip(range(199), range(1, 200), strict=True))
    graph = Graph(torch.eye(200), edges, nodes, nodes, nodes, nodes)
    drawn = random_edges(graph, seed=0).edges
    assert 0.95 * 398 < drawn.shape[1] <= 398  # loops and doubles are dropped
    assert drawn.flip(0).unique(dim=1).equal(drawn.unique(dim=1))
    assert drawn.equal(random_edges(graph, seed=0).edges)
    assert not drawn.equal(random_edges(graph, seed=1).edges)
    distance = (drawn[0] - drawn[1]).abs().float().mean()
    assert 55 < distance < 80  # a third of 200


def test_a_random_split_has_as_many_nodes_of_each_class_to_train_on():
    nodes = torch.arange(60)
    parts = torch.tensor([0, 20, 21, 40, 41, 42]), nodes[50:53], nodes[53:58]
    edges = undirected([(0, 1), (1, 2)])
    graph = Graph(torch.eye(60), edges, nodes // 20, *parts)
    first, same, other = (random_split(graph, seed) for seed in (0, 0, 1))
    assert first.labels[first.train].bincount().tolist() == [1, 2, 3]
    used = torch.cat([first.train, first.dev, first.test])
    assert len(used.unique()) == 6 + 3 + 5
    assert first.edges is graph.edges
    assert first.train.equal(same.train)
    assert first.test.equal(same.test)
    assert not first.test.equal(other.test)

"""One graph whose nodes are to be classified."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Graph:
    """The nodes of a graph, some of which have a known class; a batch of its own.

    Attributes:
        features: one vector per node, a sparse COO tensor where most entries are 0.
        edges: in each column a source and a target. An undirected edge stands in two
            columns; no column twice.
        labels: the class of each node.
        train: the nodes whose classes the model is trained on.
        dev: the nodes on which a run is stopped and its weights are chosen.
        test: the nodes on which the result is measured.
        names: a text for each node; may be empty.
        classes: a text for each class.
    """

    features: Float[Tensor, "nodes features"]
    edges: Int[Tensor, "2 edges"]
    labels: Int[Tensor, " nodes"]
    train: Int[Tensor, " train_nodes"]
    dev: Int[Tensor, " dev_nodes"]
    test: Int[Tensor, " test_nodes"]
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.labels)

    @property
    def num_tokens(self) -> int:
        """Number of nodes to predict in training, over which the loss is a mean."""
        return len(self.train)

    def to(self, device: torch.device) -> "Graph":
        """Return the same graph on ``device``."""
        moved: dict[str, Any] = {
            name: value.to(device)
            for name, value in vars(self).items()
            if torch.is_tensor(value)
        }
        return replace(self, **moved)

    def with_edges(self, edges: Int[Tensor, "2 edges"]) -> "Graph":
        """Return the same nodes with other edges."""
        return replace(self, edges=edges)


def undirected(
    pairs: Iterable[tuple[int, int]] | Int[Tensor, "pairs 2"],
) -> Int[Tensor, "2 edges"]:
    """Make edges in both directions, each once and none from a node to itself.

    Args:
        pairs: two nodes each, in any order, repeated or not.

    Returns:
        The edges, ordered by target, then by source.

    Example:
        >>> undirected([(1, 0), (0, 1), (2, 2)])
        tensor([[1, 0],
                [0, 1]])
    """
    # As plain numbers: two tensors are different entries of a set, equal or not.
    index = operator.index
    both = {
        edge
        for a, b in ((index(a), index(b)) for a, b in pairs)
        if a != b
        for edge in ((a, b), (b, a))
    }
    return torch.tensor(sorted(both), dtype=torch.long).reshape(-1, 2).T.flip(0)


def random_edges(graph: Graph, seed: int) -> Graph:
    """Return the same nodes with about as many edges, each between two random nodes.

    Args:
        graph: with undirected edges.
        seed: of the edges.

    Example:
        >>> nodes = torch.arange(9)
        >>> edges = undirected([(0, 1), (1, 2)])
        >>> graph = Graph(torch.eye(9), edges, nodes, nodes, nodes, nodes)
        >>> random_edges(graph, seed=0).edges.shape
        torch.Size([2, 4])
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    count = graph.edges.shape[1] // 2
    pairs = torch.randint(graph.num_nodes, (count, 2), generator=generator)
    return graph.with_edges(undirected((int(a), int(b)) for a, b in pairs))


def random_split(graph: Graph, seed: int) -> Graph:
    """Return the same graph with other nodes for training, development and testing.

    As many as before: for training of each class, for development and testing in all.

    Args:
        graph: every node must have a label.
        seed: of the split.

    Example:
        >>> nodes = torch.arange(9)
        >>> parts = nodes[:3], nodes[3:5], nodes[5:8]
        >>> graph = Graph(torch.eye(9), undirected([(0, 1)]), nodes % 3, *parts)
        >>> split = random_split(graph, seed=0)
        >>> split.labels[split.train].tolist(), len(split.dev), len(split.test)
        ([0, 1, 2], 2, 3)
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    order = torch.randperm(graph.num_nodes, generator=generator)
    counts = graph.labels[graph.train].bincount().tolist()
    train = torch.cat(
        [order[graph.labels[order] == c][:count] for c, count in enumerate(counts)]
    )
    rest = order[~torch.isin(order, train)]
    dev, test = rest[: len(graph.dev)], rest[len(graph.dev) :][: len(graph.test)]
    return replace(graph, train=train, dev=dev, test=test)


def row_normalised(
    features: Float[Tensor, "nodes features"],
) -> Float[Tensor, "nodes features"]:
    """Divide each row of a sparse tensor by its sum; a row of zeros stays.

    Args:
        features: a sparse COO tensor without negative entries.

    Example:
        >>> row_normalised(torch.tensor([[1.0, 3.0]]).to_sparse()).to_dense()
        tensor([[0.2500, 0.7500]])
    """
    features = features.coalesce()
    indices, values = features.indices(), features.values()
    sums = torch.zeros(len(features)).to(values).index_add(0, indices[0], values)
    return torch.sparse_coo_tensor(
        indices,
        values / sums.masked_fill(sums == 0, 1)[indices[0]],
        features.shape,
        check_invariants=True,
        is_coalesced=True,
    )


def homophily(graph: Graph) -> float:
    """Share of the edges between two nodes of one class; loops do not count.

    Example:
        >>> nodes = torch.arange(3)
        >>> edges = undirected([(0, 1), (1, 2)])
        >>> homophily(Graph(torch.eye(3), edges, nodes // 2, nodes, nodes, nodes))
        0.5
    """
    source, target = graph.edges
    apart = source != target
    same = graph.labels[source] == graph.labels[target]
    return same[apart].float().mean().item()

"""Time of graph attention beside PyG's layers, and against the number of edges.

An epoch is one step: loss and gradients of GAT on a graph of Cora's size, all nodes at
once, and Adam's step. Five follow each other in each turn, as they do in training; a
single one would find the other network's numbers in the caches. The peer is the same
network of PyG's GATConv. How to run it, and what came out: README.md.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from common import machine, ratio
from torch import Tensor, nn
from torch.testing import assert_close

from attention_book.attention.graph_attention import (
    GATAttention,
    GATv2Attention,
    add_self_loops,
)
from attention_book.data.graphs import Graph, row_normalised, undirected
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models.graph_attention import GAT, GATConfig, GraphAttention

# Cora: nodes, features, entries that are not 0, undirected edges, classes, labelled.
NODES, FEATURES, ENTRIES, LINKS, CLASSES, LABELLED = 2708, 1433, 49216, 5278, 7, 140
HEADS, HEAD_DIM = 8, 8
EPOCHS = 5  # in each turn
EDGES = 10**4, 10**5, 10**6, 10**7


class PyGNetwork(nn.Module):
    """GAT of PyG's layers. Its input dropout has one mask for all heads.

    Args:
        dropout: of inputs and weights.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        from torch_geometric.nn import GATConv

        options = {"dropout": dropout, "add_self_loops": False}
        self.dropout = dropout
        self.hidden = GATConv(FEATURES, HEAD_DIM, HEADS, **options)
        self.output = GATConv(HEADS * HEAD_DIM, CLASSES, 1, concat=False, **options)

    def forward(self, features: Tensor, edges: Tensor) -> Tensor:
        """Return the logits of all nodes."""
        features = F.dropout(features, self.dropout, self.training)
        hidden = F.elu(self.hidden(features, edges))
        return self.output(F.dropout(hidden, self.dropout, self.training), edges)


def random_graph(seed: int) -> Graph:
    """A random graph of Cora's sizes, with loops."""
    generator = torch.Generator().manual_seed(seed)
    links = torch.randint(NODES, (2 * LINKS, 2), generator=generator).tolist()
    pairs = dict.fromkeys((min(a, b), max(a, b)) for a, b in links if a != b)
    edges = undirected(list(pairs)[:LINKS])
    chosen = torch.randperm(NODES * FEATURES, generator=generator)[:ENTRIES]
    places = torch.stack([chosen // FEATURES, chosen % FEATURES])
    size = NODES, FEATURES
    features = torch.sparse_coo_tensor(
        places, torch.ones(ENTRIES), size, check_invariants=True
    )
    nodes = torch.randperm(NODES, generator=generator)
    return Graph(
        features=row_normalised(features.coalesce()),
        edges=add_self_loops(edges, NODES),
        labels=torch.randint(CLASSES, (NODES,), generator=generator),
        train=nodes[:LABELLED],
        dev=nodes[LABELLED:640],
        test=nodes[-1000:],
    )


def copy_weights(layer: GraphAttention, peer: nn.Module) -> None:
    """Give a GATConv the weights of one of our layers."""
    with torch.no_grad():
        peer.lin.weight.copy_(layer.projection.weight.transpose(1, 2).flatten(0, 1))
        peer.att_src.copy_(layer.attention.key_score[None])
        peer.att_dst.copy_(layer.attention.query_score[None])


def epochs(model: nn.Module, graph: Graph, features: Tensor) -> Callable[[], None]:
    """Some steps of training on a whole graph."""
    optimizer = torch.optim.Adam(
        model.parameters(), 0.005, weight_decay=5e-4, fused=True
    )
    model.train()

    def turn() -> None:
        for _ in range(EPOCHS):
            optimizer.zero_grad()
            logits = model(features, graph.edges)
            F.cross_entropy(logits[graph.train], graph.labels[graph.train]).backward()
            optimizer.step()

    return turn


def compare(rounds: int, seed: int) -> None:
    """Print the ratios to PyG's network, with and without dropout."""
    graph = random_graph(seed)
    dense = graph.features.to_dense()
    for dropout in (0.6, 0.0):
        sizes = {"in_dim": FEATURES, "num_classes": CLASSES, "dropout": dropout}
        print(f"dropout {dropout}, our time over that of PyG")
        all_masks = ("one mask", "a mask for each head") if dropout else ("no mask",)
        for masks in all_masks:
            torch.manual_seed(seed)
            peer = PyGNetwork(dropout)
            ours = GAT(GATConfig(**sizes, one_mask=masks == "one mask"))
            copy_weights(ours.hidden, peer.hidden)
            copy_weights(ours.output, peer.output)
            with torch.no_grad():
                logits = ours.eval()(graph.features, graph.edges)
                others = peer.eval()(dense, graph.edges)
            assert_close(logits, others)
            for name, features in (("sparse", graph.features), ("dense", dense)):
                turns = {
                    "PyG": epochs(peer, graph, dense),
                    "ours": epochs(ours, graph, features),
                }
                times = seconds_in_turns(turns, rounds=rounds)
                found = ratio(times["ours"], times["PyG"])
                print(f"  {name}, {masks}: {found}")


def slopes(rounds: int, seed: int) -> None:
    """Print how the time of one layer, forward and backward, grows with the edges."""
    for name, kind in {"GAT": GATAttention, "GATv2": GATv2Attention}.items():
        middle = []
        for count in EDGES:
            generator = torch.Generator().manual_seed(seed)
            nodes = count // 10
            edges = torch.randint(nodes, (2, count), generator=generator)
            layer = GraphAttention(8, kind(1, 8), num_heads=1, head_dim=8)
            x = torch.randn(nodes, 8, generator=generator, requires_grad=True)

            def step(layer=layer, x=x, edges=edges) -> None:
                layer(x, edges)[0].square().sum().backward()

            times = seconds_in_turns({name: step}, rounds=max(3, rounds // 4))
            middle.append(statistics.median(times[name]))
        x = [math.log(count) for count in EDGES]
        slope = statistics.linear_regression(x, [math.log(y) for y in middle]).slope
        growth = [f"{b / a:.1f}" for a, b in pairwise(middle)]
        print(f"{name}: slope {slope:.2f}; ten times the edges, times {growth}")


def main() -> None:
    """Compare with PyG, then measure the slopes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--no-slopes", action="store_true", help="compare alone")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(machine())
    compare(options.rounds, options.seed)
    if not options.no_slopes:
        slopes(options.rounds, options.seed)


if __name__ == "__main__":
    main()

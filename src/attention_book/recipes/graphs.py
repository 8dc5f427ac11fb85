"""Graphs: train node classifiers by the papers' rules, and measure the attention."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.graph_attention import (
    GATAttention,
    GATv2Attention,
    add_self_loops,
)
from attention_book.data.graphs.dictionary_lookup import (
    LookupBatch,
    LookupSplits,
    lookup_batch,
)
from attention_book.data.graphs.graph import Graph
from attention_book.data.loader import make_loader
from attention_book.models.graph_attention import (
    GAT,
    GCN,
    SCORES,
    GATConfig,
    GCNConfig,
    GraphAttention,
    LookupConfig,
    LookupModel,
)
from attention_book.observe import record_weights
from attention_book.training.loop import History, fit
from attention_book.training.optimizers import make_optimizer
from attention_book.training.runtime import default_device, seed_everything

RULES = ("both", "accuracy", "none")


@dataclass(frozen=True, kw_only=True)
class NodeTraining:
    """How a node classifier is trained; the defaults are those of GAT's code for Cora.

    Attributes:
        learning_rate: of Adam.
        weight_decay: factor of the weights in their gradient, which is the gradient of
            half this factor times the sum of their squares.
        first_layer_only: whether only the first layer's weights decay, as in GCN.
        epochs: largest number of steps; each sees the whole graph.
        patience: stop after so many steps without an improvement.
        rule: "both" counts a step as an improvement if its dev loss or its dev accuracy
            is at least as good as all before, and saves the weights if both are;
            "accuracy" looks at the accuracy alone, as GAT's authors did on Citeseer;
            "none" trains for all epochs and keeps the last weights.

    Raises:
        ValueError: if there is no such rule.
    """

    learning_rate: float = 0.005
    weight_decay: float = 5e-4
    first_layer_only: bool = False
    epochs: int = 100_000
    patience: int = 100
    rule: str = "both"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(
                f"rule must be one of {', '.join(RULES)}, got {self.rule!r}"
            )


GCN_TRAINING = NodeTraining(
    learning_rate=0.01, first_layer_only=True, epochs=200, rule="none"
)
"""Training of GCN, and of the perceptron beside it, as in GCN's code: the weights of
the last step are tested. Its stop by the mean of ten losses is left out."""


@dataclass(frozen=True)
class NodeRun:
    """A trained node classifier and what was measured on the way.

    Attributes:
        model: with the weights that the rule keeps, in eval mode.
        history: losses, and dev losses and accuracies, of all steps.
        kept: the step whose weights were kept, from 0.
    """

    model: GAT | GCN
    history: History
    kept: int

    @property
    def test_curve(self) -> list[float]:
        """Accuracy on the test nodes after each step. Nothing is chosen by it."""
        return [others[0] for others in self.history.dev_others]

    @property
    def accuracy(self) -> float:
        """Test accuracy of the weights that were kept."""
        return self.test_curve[self.kept]

    @property
    def last_accuracy(self) -> float:
        """Test accuracy of the last step, as if nothing had been restored."""
        return self.test_curve[-1]

    @property
    def best_accuracy(self) -> float:
        """The highest test accuracy of all steps, which is chosen on the test nodes."""
        return max(self.test_curve)


SYSTEMS = ("MLP", "uniform", "GAT", "GATv2", "without loops", "GCN", "GCN's MLP")


def train_system(
    name: str,
    graph: Graph,
    training: NodeTraining,
    *,
    seed: int,
    device: str | torch.device = "auto",
    checkpoint: str | Path | None = None,
) -> NodeRun:
    """Build and train one of the systems that the chapter compares.

    The first five are the same network and differ in one thing each: "MLP" sees of the
    edges only the loops, and always (dropout of the weights would take away all that a
    node has), "uniform" holds all scores at 0, "GAT" learns them, "GATv2" has the
    dynamic score with a matrix of its own for the queries, and in "without loops" no
    node of GAT sees itself. "GCN" and "GCN's MLP" are the baselines as their authors
    publish them, with their own training.

    Args:
        name: one of ``SYSTEMS``.
        graph: without loops, which are added here.
        training: of the first five.
        seed: of the initial weights and of dropout.
        device: "auto" or a device.
        checkpoint: see :func:`attention_book.training.loop.fit`.

    Raises:
        ValueError: if there is no such system.
    """
    if name not in SYSTEMS:
        raise ValueError(f"name must be one of {', '.join(SYSTEMS)}, got {name!r}")
    edges = graph.edges[:, :0] if "MLP" in name else graph.edges
    if name != "without loops":
        edges = add_self_loops(edges, graph.num_nodes)
    graph = graph.with_edges(edges)
    sizes: dict[str, Any] = {
        "in_dim": graph.features.shape[1],
        "num_classes": int(graph.labels.max()) + 1,
    }
    seed_everything(seed)
    model: GAT | GCN
    if "GCN" in name:
        model, training = GCN(GCNConfig(**sizes)), GCN_TRAINING
    elif name == "GATv2":
        model = GAT(GATConfig(**sizes, score="gatv2", shared=False))
    else:
        model = GAT(GATConfig(**sizes))
    if name == "uniform":
        hold_scores(model)
    if name == "MLP":
        for attention in _attentions(model):
            attention.dropout = 0.0
    return train_nodes(
        model, graph, training, device=device, checkpoint=checkpoint, description=name
    )


def hold_scores(model: nn.Module) -> None:
    """Hold all scores of graph attention at 0: each neighbour has the same weight.

    Args:
        model: its attention layers are changed in place, and no longer trained.
    """
    for module in _attentions(model):
        for parameter in module.parameters():
            nn.init.zeros_(parameter)
            parameter.requires_grad_(False)


def _attentions(model: nn.Module) -> list[GATAttention | GATv2Attention]:
    kinds = tuple(SCORES.values())
    return [module for module in model.modules() if isinstance(module, kinds)]


def train_nodes(
    model: GAT | GCN,
    graph: Graph,
    training: NodeTraining,
    *,
    device: str | torch.device = "auto",
    checkpoint: str | Path | None = None,
    description: str = "",
) -> NodeRun:
    """Train a node classifier; each step sees the whole graph.

    Args:
        model: a new model, on any device.
        graph: its edges are used as they are: loops must have been added.
        training: the rule and its numbers.
        device: "auto" or a device.
        checkpoint: see :func:`attention_book.training.loop.fit`.
        description: words in front of the bar.
    """
    device = default_device(device)
    graph = graph.to(device)

    def measure(model: nn.Module) -> tuple[float, ...]:
        logits = model(graph.features, graph.edges)
        right = (logits.argmax(dim=-1) == graph.labels).float()
        dev, test = right[graph.dev].mean().item(), right[graph.test].mean().item()
        loss = F.cross_entropy(logits[graph.dev], graph.labels[graph.dev]).item()
        return -dev if training.rule == "accuracy" else loss, dev, test

    def optimizer(model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
        first, *others = model.children()
        decayed = [first] if training.first_layer_only else [first, *others]
        groups = [
            {
                "params": [p for p in layer.parameters() if p.requires_grad],
                "weight_decay": training.weight_decay if layer in decayed else 0.0,
            }
            for layer in (first, *others)
        ]
        return make_optimizer("adam", groups, learning_rate)

    stops = training.rule != "none"
    history = fit(
        model,
        [graph],
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        optimizer=optimizer,
        dev_measure=measure,
        patience=training.patience if stops else None,
        keep="best" if stops else "last",
        device=device,
        checkpoint=checkpoint,
        save_epochs=False,  # an epoch is one step, and shorter than a save
        description=description,
    )
    last = len(history.dev_loss) - 1
    best = last if history.best_epoch is None else history.best_epoch
    return NodeRun(model, history, best if stops else last)


class NodeAttention(NamedTuple):
    """How a graph attention layer spreads the weights of each node.

    Attributes:
        degree: number of edges that lead to each node, its loop included.
        evenness: entropy of a node's weights divided by the logarithm of its degree,
            the mean over heads: 1 if all neighbours weigh the same, 0 if one has all.
            NaN for a node with a single edge.
    """

    degree: Int[Tensor, " nodes"]
    evenness: Float[Tensor, " nodes"]


def node_attention(
    weights: Float[Tensor, "edges heads"], edges: Int[Tensor, "2 edges"], num_nodes: int
) -> NodeAttention:
    """Measure how evenly each node spreads its weights.

    Args:
        weights: of each edge and head.
        edges: in each column a source and a target.
        num_nodes: number of nodes.

    Example:
        >>> edges = torch.tensor([[0, 1, 0], [0, 0, 1]])
        >>> node_attention(torch.tensor([[0.5], [0.5], [1.0]]), edges, 2).evenness
        tensor([1., nan])
    """
    target = edges[1]
    terms = -torch.special.xlogy(weights, weights).mean(dim=1)
    entropy = torch.zeros(num_nodes).to(terms).index_add(0, target, terms)
    degree = torch.bincount(target, minlength=num_nodes)
    return NodeAttention(
        degree, torch.where(degree > 1, entropy / degree.log(), torch.nan)
    )


def edge_weights(model: GAT, graph: Graph) -> dict[str, Float[Tensor, "edges heads"]]:
    """Record the weights of both layers of a trained network.

    Args:
        model: a network, on the device of ``graph``.
        graph: with loops.

    Returns:
        The weights of "hidden" and "output", on the CPU.
    """
    with record_weights(model.eval()) as recorded, torch.no_grad():
        model(graph.features, graph.edges)
    return {name.split(".")[0]: calls[0].cpu() for name, calls in recorded.items()}


def layer_evenness(model: GAT, graph: Graph) -> dict[str, Float[Tensor, " nodes"]]:
    """Measure how evenly nodes spread their weights in each layer of a network.

    Args:
        model: a network that was trained with loops.
        graph: without loops, which are added here, as in :func:`train_system`.

    Returns:
        The evenness of :class:`NodeAttention` in "hidden" and "output".
    """
    edges = add_self_loops(graph.edges, graph.num_nodes)
    looped = graph.with_edges(edges).to(next(model.parameters()).device)
    return {
        layer: node_attention(weights, edges.cpu(), graph.num_nodes).evenness
        for layer, weights in edge_weights(model, looped).items()
    }


class LookupRun(NamedTuple):
    """A model for the dictionary lookup, trained.

    Attributes:
        model: in eval mode.
        train: share of the queries in training graphs that it answers.
        test: share in graphs that have a pair never seen in training.
    """

    model: LookupModel
    train: float
    test: float


def train_lookup(
    config: LookupConfig,
    splits: LookupSplits,
    *,
    epochs: int,
    seed: int,
    learning_rate: float = 0.005,
    batch_size: int = 64,
    most_graphs: int | None = None,
    device: str | torch.device = "auto",
    checkpoint: str | Path | None = None,
    description: str = "",
) -> LookupRun:
    """Train a model to look values up.

    Args:
        config: of the model.
        splits: dictionaries for training and for testing.
        epochs: runs through the training graphs.
        seed: of the initial weights and of the order of the graphs.
        learning_rate: of Adam.
        batch_size: in graphs.
        most_graphs: train and test on so many at most; None: on all.
        device: "auto" or a device.
        checkpoint: see :func:`attention_book.training.loop.fit`.
        description: words in front of the bar.
    """
    seed_everything(seed)
    device = default_device(device)
    model = LookupModel(config)

    def shuffled(rows: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(operator.index(seed))
        return rows[torch.randperm(len(rows), generator=generator)][:most_graphs]

    train, test = map(shuffled, splits)

    def collate(rows: list[Tensor]) -> LookupBatch:
        return lookup_batch(torch.stack(rows))

    loader = make_loader(list(train), collate, batch_size=batch_size, seed=seed)
    fit(
        model,
        loader,
        epochs=epochs,
        learning_rate=learning_rate,
        clip_norm=1.0,
        device=device,
        checkpoint=checkpoint,
        description=description,
    )
    return LookupRun(
        model, *(lookup_accuracy(model, rows[:1000]) for rows in (train, test))
    )


@torch.no_grad()
def lookup_accuracy(model: LookupModel, values: Int[Tensor, "graphs keys"]) -> float:
    """Share of the queries whose value is the most probable one.

    Args:
        model: left in eval mode.
        values: for each graph the value that belongs to each attribute.
    """
    device = next(model.parameters()).device
    batch = lookup_batch(values).to(device)
    right = model.eval()(batch).argmax(dim=-1) == batch.answer
    return right.float().mean().item()


@torch.no_grad()
def lookup_weights(
    model: LookupModel, values: Int[Tensor, " keys"]
) -> Float[Tensor, "heads queries keys"]:
    """The weights of all queries over all keys of one graph.

    Args:
        model: left in eval mode.
        values: the value that belongs to each attribute.

    Returns:
        Weights on the CPU; key ``j`` has the attribute of query ``j``.
    """
    device = next(model.parameters()).device
    with record_weights(model.eval()) as recorded:
        model(lookup_batch(values[None]).to(device))
    ((weights,),) = recorded.values()
    return weights.cpu().T.unflatten(1, (len(values), len(values)))


def learn_choice(
    layer: GraphAttention,
    nodes: Float[Tensor, "nodes dim"],
    choice: Sequence[int],
    *,
    steps: int = 500,
    learning_rate: float = 0.02,
) -> Float[Tensor, "nodes nodes"]:
    """Train a layer of one head to let each node look at a node of its own choice.

    All nodes are neighbours of all. What is trained is the weight that each node gives
    to its choice, and nothing else.

    Args:
        layer: a graph attention layer of one head, trained in place.
        nodes: vectors of the nodes.
        choice: for each node the one to look at.
        steps: of Adam.
        learning_rate: its step size.

    Returns:
        The weights of each node over all nodes.
    """
    count = len(nodes)
    target = torch.arange(count).repeat_interleave(count)
    edges = torch.stack([torch.arange(count).repeat(count), target])
    optimizer = make_optimizer("adam", layer.parameters(), learning_rate)
    chosen = torch.arange(count), torch.as_tensor(choice)
    for _ in range(steps):
        weights = layer(nodes, edges)[1].reshape(count, count)
        optimizer.zero_grad()
        (-weights[chosen].log().mean()).backward()
        optimizer.step()
    with torch.no_grad():
        return layer(nodes, edges)[1].reshape(count, count)

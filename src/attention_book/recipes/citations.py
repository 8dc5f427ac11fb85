"""Citation graphs: what GAT's paper measures on them, and the controls."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from attention_book.data.graphs.graph import random_split
from attention_book.data.graphs.planetoid import planetoid
from attention_book.models.graph_attention import GAT
from attention_book.recipes.graphs import (
    NodeRun,
    NodeTraining,
    layer_evenness,
    train_system,
)
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints


@dataclass(frozen=True)
class CitationStudy:
    """Systems that are trained on one citation graph.

    Attributes:
        graph: name of the graph, see :func:`~attention_book.data.graphs.planetoid`.
        systems: names, of ``recipes.graphs.SYSTEMS``.
        rule: by which GAT stops and keeps its weights, see
            :class:`~attention_book.recipes.graphs.NodeTraining`.
        random_splits: whether each seed has a split of its own, in place of the one
            that everybody uses.
    """

    graph: str
    systems: tuple[str, ...]
    rule: str = "both"
    random_splits: bool = False


_PUBLISHED = "GAT", "GCN", "GCN's MLP"
CITATION_STUDIES = {
    "Cora": CitationStudy("cora", _PUBLISHED),
    "Citeseer": CitationStudy("citeseer", _PUBLISHED),
    "Citeseer by accuracy": CitationStudy("citeseer", ("GAT",), rule="accuracy"),
    "Cora with equal weights": CitationStudy("cora", ("uniform",)),
    "Cora with random splits": CitationStudy("cora", ("GAT",), random_splits=True),
}
"""The studies by name. GAT's authors used the rule of the third one on Citeseer. The
fourth one is the control of the first: the same network, all scores held at 0. The
fifth one draws other nodes for each seed, which some implementations do."""

CITATION_RUNS = {
    "Cora": {
        "saved weights": ("Cora", "graph_attention_cora_gat"),
        "last weights": ("Cora", "graph_attention_cora_gat_last"),
        "equal weights": (
            "Cora with equal weights",
            "graph_attention_cora_with_equal_weights_uniform",
        ),
        "random splits": (
            "Cora with random splits",
            "graph_attention_cora_with_random_splits_gat",
        ),
    },
    "Citeseer": {
        "saved weights": ("Citeseer", "graph_attention_citeseer_gat"),
        "last weights": ("Citeseer", "graph_attention_citeseer_gat_last"),
        "by accuracy": (
            "Citeseer by accuracy",
            "graph_attention_citeseer_by_accuracy_gat",
        ),
    },
}
"""What is drawn of the recorded runs: by graph and label a study and its value."""
CITATION_MEASURES = {
    "saved weights": "graph_attention_cora_gat:.1%",
    "saved weights - last weights": (
        "graph_attention_cora_gat-graph_attention_cora_gat_last:+.1%"
    ),
    "steps": "graph_attention_cora_gat_steps:.0f",
    "evenness, hidden layer": "graph_attention_cora_gat_even_hidden:.4f",
    "evenness, output layer": "graph_attention_cora_gat_even_output:.4f",
}
"""What is told of the study "Cora": by label a value of its record and its format."""


class CitationResult(NamedTuple):
    """One system, trained on one citation graph.

    Attributes:
        run: the trained system and its curves.
        evenness: of the weights in "hidden" and "output", the mean over the nodes; see
            :class:`~attention_book.recipes.graphs.NodeAttention`. Empty without
            attention.
    """

    run: NodeRun
    evenness: dict[str, float]

    def __str__(self) -> str:
        """The accuracies, in words."""
        run = self.run
        return (
            f"test accuracy {run.accuracy:.1%} ({len(run.test_curve)} steps; last step "
            f"{run.last_accuracy:.1%}, best of all steps {run.best_accuracy:.1%})"
        )

    def values(self, prefix: str) -> dict[str, float]:
        """What was measured, by names that start with ``prefix``."""
        run = self.run
        return {
            prefix: run.accuracy,
            f"{prefix}_last": run.last_accuracy,
            f"{prefix}_best": run.best_accuracy,
            f"{prefix}_steps": len(run.test_curve),
            **{f"{prefix}_even_{layer}": x for layer, x in self.evenness.items()},
        }


def train_citations(
    name: str,
    *,
    seed: int,
    device: str | torch.device = "auto",
    epochs: int | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[str, CitationResult]:
    """Train the systems of one study, as their authors' code does.

    Args:
        name: one of :data:`CITATION_STUDIES`.
        seed: of initial weights and dropout, for each system anew, and of the split
            where it is random.
        device: "auto" or a device.
        epochs: largest number of steps of GAT; None: as in the authors' code.
        checkpoints: give the training runs their files.

    Returns:
        The results by system.

    Raises:
        ValueError: if there is no such study.
        DownloadError: if the graph is not available.
    """
    if name not in CITATION_STUDIES:
        raise ValueError(
            f"name must be one of {', '.join(CITATION_STUDIES)}, got {name!r}"
        )
    study = CITATION_STUDIES[name]
    graph = planetoid(study.graph)
    if study.random_splits:
        graph = random_split(graph, seed)
    limits: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    results = {}
    for system in study.systems:
        run = train_system(
            system,
            graph,
            NodeTraining(rule=study.rule, **limits),
            seed=seed,
            device=device,
            checkpoint=checkpoints(f"{name}, {system}"),
        )
        evenness = {}
        if isinstance(run.model, GAT):
            even = layer_evenness(run.model, graph)
            evenness = {layer: x.nanmean().item() for layer, x in even.items()}
        results[system] = CitationResult(run, evenness)
    return results

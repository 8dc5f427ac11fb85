"""The studies on citation graphs: which systems, by which rule, and what is kept."""

import pytest
import torch

from attention_book.data.graphs import Graph, undirected
from attention_book.recipes import citations
from attention_book.recipes.citations import (
    CITATION_MEASURES,
    CITATION_RUNS,
    CITATION_STUDIES,
    CitationResult,
    CitationStudy,
    train_citations,
)
from attention_book.recipes.graphs import RULES, SYSTEMS
from attention_book.recipes.systems import result_prefix

NODES = 30


@pytest.fixture
def graph(monkeypatch):
    nodes = torch.arange(NODES)
    graph = Graph(
        features=torch.randn(NODES, 11).to_sparse(),
        edges=undirected((i, i + 1) for i in range(NODES - 1)),
        labels=nodes * 3 // NODES,
        train=nodes[::3],
        dev=nodes[1::3],
        test=nodes[2::3],
    )
    monkeypatch.setattr(citations, "planetoid", {"cora": graph, "citeseer": graph}.get)
    return graph


def test_all_studies_name_systems_and_rules_that_there_are():
    for study in CITATION_STUDIES.values():
        assert isinstance(study, CitationStudy)
        assert set(study.systems) <= set(SYSTEMS)
        assert study.rule in RULES
    for rows in CITATION_RUNS.values():
        for study, value in rows.values():
            systems = CITATION_STUDIES[study].systems
            starts = [result_prefix("graph_attention", f"{study} {s}") for s in systems]
            assert value.removesuffix("_last") in starts
    assert CITATION_STUDIES["Citeseer by accuracy"].rule == "accuracy"


@pytest.mark.parametrize("name", CITATION_STUDIES)
def test_a_study(graph, name, tmp_path):
    asked = []

    def checkpoints(of):
        asked.append(of)
        return tmp_path / f"{len(asked)}.pt"

    found = train_citations(
        name, seed=3, device="cpu", epochs=4, checkpoints=checkpoints
    )
    assert tuple(found) == CITATION_STUDIES[name].systems
    assert asked == [f"{name}, {system}" for system in found]
    assert len(list(tmp_path.iterdir())) == len(found)
    for system, result in found.items():
        assert isinstance(result, CitationResult)
        values = result.values("here")
        assert values["here"] == result.run.accuracy
        assert values["here_last"] == result.run.last_accuracy
        assert values["here_steps"] == (200 if "GCN" in system else 4)
        assert f"{result.run.accuracy:.1%} (" in str(result)
        if (name, system) == ("Cora", "GAT"):
            own = result.values("graph_attention_cora_gat")
            for told in CITATION_MEASURES.values():
                assert set(told.partition(":")[0].split("-")) <= own.keys()
        names = {"here_even_hidden", "here_even_output"}
        assert (names <= values.keys()) == ("GCN" not in system)
        if system == "uniform":
            assert values["here_even_hidden"] == pytest.approx(1.0)
    if CITATION_STUDIES[name].rule == "accuracy":
        history = found["GAT"].run.history
        assert history.dev_loss == [-score for score in history.dev_score]


def test_splits_are_drawn_by_the_seed_where_they_are_random(graph, monkeypatch):
    tested = []

    def train(system, graph, training, *, seed, **options):
        tested.append(graph.test)
        raise InterruptedError

    monkeypatch.setattr(citations, "train_system", train)
    for name, seed in (
        ("Cora", 0),
        ("Cora with random splits", 0),
        ("Cora with random splits", 1),
    ):
        with pytest.raises(InterruptedError):
            train_citations(name, seed=seed)
    assert tested[0].equal(graph.test)
    assert len({tuple(nodes.tolist()) for nodes in tested}) == 3


def test_a_name_that_is_none():
    with pytest.raises(ValueError, match=r"name must be one of Cora, .*got 'cora'"):
        train_citations("cora", seed=0)

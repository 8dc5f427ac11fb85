"""Cora and Citeseer on the whole real files, against independent copies."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch

from attention_book.data.graphs import homophily, planetoid, read_planetoid
from attention_book.data.graphs.planetoid import ENDS


@pytest.fixture
def files(mirror):
    """The paths of Citeseer's files by their ends."""
    return {end: mirror / f"planetoid/ind.citeseer.{end}" for end in ENDS}


@pytest.mark.parametrize(
    ("name", "sizes", "parts", "same"),
    [
        ("cora", (2708, 1433, 7, 5278), (140, 500, 1000), 0.810),
        ("citeseer", (3327, 3703, 6, 4552), (120, 500, 1000), 0.736),
    ],
)
def test_sizes_and_order(mirror, name, sizes, parts, same):
    graph = planetoid(name)
    nodes, features, classes, edges = sizes
    assert graph.features.shape == (nodes, features)
    assert graph.edges.shape == (2, 2 * edges)
    assert (graph.edges[0] != graph.edges[1]).all()
    assert len(graph.classes) == classes
    assert tuple(map(len, (graph.train, graph.dev, graph.test))) == parts
    counts = graph.labels[graph.train].bincount()
    assert counts.tolist() == [20] * classes
    # If the test rows kept the order of the file, this would be 0.45 and 0.43.
    assert homophily(graph) == pytest.approx(same, abs=5e-4)
    sums = torch.sparse.sum(graph.features, dim=1).to_dense()
    assert ((sums - 1).abs() < 1e-5).sum() == nodes - (15 if name == "citeseer" else 0)


def test_cora_equals_an_independent_copy_in_plain_text(mirror):
    graph = planetoid("cora")
    folder = mirror / "cora_json"
    with (folder / "cora_edges.csv").open() as file:
        pairs = {tuple(map(int, row)) for row in list(csv.reader(file))[1:]}
    assert set(map(tuple, graph.edges.T.tolist())) == pairs
    with (folder / "cora_target.csv").open() as file:
        labels = {int(node): int(label) for node, label in list(csv.reader(file))[1:]}
    assert graph.labels.tolist() == [labels[node] for node in range(2708)]
    words = json.loads((folder / "cora_features.json").read_text())
    rows, columns = graph.features.indices()
    for node in range(2708):
        assert columns[rows == node].tolist() == sorted(map(int, words[str(node)]))


def test_citeseer_agrees_with_a_copy_in_another_order(mirror):
    graph = planetoid("citeseer")
    with np.load(
        mirror / "gnn_benchmark_npz/citeseer.npz", allow_pickle=False
    ) as other:
        copies = len(other["attr_data"])
    known = len(graph.features.values())
    assert abs(known - copies) < 0.01 * copies  # 3,312 of the 3,327 nodes


def test_the_papers_without_features_are_in_no_split(mirror):
    graph = planetoid("citeseer")
    filled = torch.zeros(graph.num_nodes, dtype=torch.bool)
    filled[graph.features.indices()[0]] = True
    used = torch.cat([graph.train, graph.dev, graph.test])
    assert filled[used].all()
    assert (~filled).sum() == 15
    degree = graph.edges[1].bincount(minlength=graph.num_nodes)
    assert (degree[~filled] > 0).all()
    assert (degree == 0).sum() == 48


def test_a_name_that_is_none():
    with pytest.raises(ValueError, match="name must be one of cora, citeseer, got 'x'"):
        planetoid("x")


def test_damaged_files_are_named(files, tmp_path):
    def damage(end, content):
        path = tmp_path / files[end].name
        path.write_bytes(content)
        return {**files, end: path}

    with pytest.raises(ValueError, match=r"ind\.citeseer\.allx is no pickle"):
        read_planetoid(damage("allx", files["allx"].read_bytes()[:-100]))
    with pytest.raises(ValueError, match=r"citeseer\.graph: want lists of neighbours"):
        read_planetoid(damage("graph", files["ty"].read_bytes()))
    with pytest.raises(ValueError, match=r"citeseer\.tx: .*want a sparse matrix"):
        read_planetoid(damage("tx", files["ty"].read_bytes()))
    index = files["test.index"].read_bytes()
    with pytest.raises(ValueError, match=r"test\.index:3: want the number of a node"):
        read_planetoid(damage("test.index", b"2312\n2313\nx\n" + index))
    with pytest.raises(ValueError, match=r"test\.index must name .* none twice"):
        read_planetoid(damage("test.index", index + index[:5]))
    with pytest.raises(ValueError, match=r"citeseer\.tx must have one row for each"):
        read_planetoid(damage("test.index", index[5:]))
    with pytest.raises(ValueError, match=r"graph must have nodes 0 to 3325, got 0 to"):
        read_planetoid(damage("test.index", index.replace(b"3326", b"2407")))
    with pytest.raises(ValueError, match=r"citeseer\.allx must have one row for each"):
        read_planetoid(damage("ally", files["y"].read_bytes()))


def test_loads_from_the_folder_of_the_mirror(files, tmp_path, monkeypatch):
    folder = tmp_path / "planetoid"
    folder.mkdir()
    for path in files.values():
        shutil.copy(path, folder / path.name)
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path))
    assert planetoid("citeseer").num_nodes == 3327

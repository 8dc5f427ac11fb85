"""PPI: small archives of its form, and the real one where it is at hand."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch

from attention_book.data.downloads import is_here, table
from attention_book.data.graphs.ppi import PPI, MultiLabelGraph, ppi, read_ppi

# Two graphs, whose nodes do not stand side by side in the file.
OWNER = np.array([7, 3, 7, 3, 3])
FEATURES = np.arange(10.0).reshape(5, 2)
LABELS = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 1]])
LINKS = [(0, 2), (2, 0), (1, 4), (1, 1), (3, 4), (4, 3), (2, 2)]


def graph_file(nodes=range(5), links=LINKS):
    ends = [{"source": a, "target": b} for a, b in links]
    saved = {"directed": True, "nodes": [{"id": n} for n in nodes], "links": ends}
    return json.dumps(saved).encode()


def array_file(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.fixture
def archive(tmp_path):
    """Writes an archive; other contents of its files are given by their names."""

    def write(**others):
        members = {
            "graph.json": graph_file(),
            "feats.npy": array_file(FEATURES),
            "labels.npy": array_file(LABELS),
            "graph_id.npy": array_file(OWNER),
        }
        for name, content in others.items():
            members[name.replace("_json", ".json").replace("_npy", ".npy")] = content
        path = tmp_path / "ppi.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members.items():
                if content is not None:
                    file.writestr(f"valid_{name}", content)
        return path

    return write


def test_table_knows_the_archive():
    assert table()[PPI].hash.startswith("sha256:")


@pytest.mark.parametrize(
    ("split", "graphs", "nodes", "edges"),
    [("train", 20, 44906, 613184), ("dev", 2, 6514, 99460), ("test", 2, 5524, 80988)],
)
def test_whole_archive(mirror, split, graphs, nodes, edges):
    if not is_here(PPI):
        pytest.skip(f"{PPI} is neither in the mirror nor in the cache")
    found = ppi(split)
    assert len(found) == graphs
    assert sum(graph.num_nodes for graph in found) == nodes
    assert sum(graph.edges.shape[1] for graph in found) == 2 * edges
    assert {graph.features.shape[1] for graph in found} == {50}
    assert {graph.labels.shape[1] for graph in found} == {121}


def test_graphs_are_taken_apart(archive):
    first, second = read_ppi(archive(), "dev")
    assert isinstance(first, MultiLabelGraph)
    assert first.features.tolist() == [[2, 3], [6, 7], [8, 9]]  # nodes 1, 3 and 4
    assert first.labels.tolist() == [
        [True, True, False],
        [False, False, True],
        [True, False, True],
    ]
    # Both directions, each once, and no loops.
    assert set(map(tuple, first.edges.T.tolist())) == {(0, 2), (2, 0), (1, 2), (2, 1)}
    assert first.edges.shape == (2, 4)
    assert second.edges.tolist() == [[1, 0], [0, 1]]
    assert second.features.dtype == torch.float32


def test_a_graph_is_a_batch(archive):
    graph = read_ppi(archive(), "dev")[0]
    assert graph.num_nodes == 3
    assert graph.num_tokens == 9
    assert graph.to(torch.device("meta")).labels.device.type == "meta"


def test_a_graph_without_links(archive):
    found = read_ppi(archive(graph_json=graph_file(links=[])), "dev")
    assert [graph.edges.shape for graph in found] == [(2, 0), (2, 0)]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"graph_json": None}, r"ppi\.zip must hold valid_graph\.json"),
        ({"labels_npy": None}, r"ppi\.zip must hold valid_labels\.npy"),
        ({"graph_json": b"["}, r"valid_graph\.json holds no nodes and links"),
        ({"graph_json": b"{}"}, r"valid_graph\.json holds no nodes .*'nodes'"),
        ({"graph_json": graph_file(range(1, 6))}, "must number its 5 nodes from 0"),
        ({"graph_json": graph_file(links=[(0, 5)])}, "link nodes 0 to 4, got 0 to 5"),
        ({"graph_json": graph_file(links=[(0, 1)])}, "from 0 to 1 joins two graphs"),
        ({"feats_npy": b""}, r"valid_feats\.npy is no array of numbers"),
        ({"feats_npy": array_file(FEATURES[:4])}, "nodes as .* got 5 for 4, 5, 5"),
        ({"labels_npy": array_file(np.array(["x"]))}, r"labels\.npy is no array of nu"),
    ],
)
def test_damaged_archives_are_named(archive, members, message):
    with pytest.raises(ValueError, match=message):
        read_ppi(archive(**members), "dev")


def test_pickles_are_not_loaded(archive):
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    path = archive(labels_npy=objects.getvalue())
    with pytest.raises(ValueError, match=r"valid_labels\.npy .*allow_pickle=False"):
        read_ppi(path, "dev")


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "ppi.zip"
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"ppi\.zip is no whole archive of graphs"):
        read_ppi(path, "test")


def test_a_split_that_is_none():
    for load in (ppi, lambda split: read_ppi("ppi.zip", split)):
        with pytest.raises(ValueError, match="split must be one of train, dev, test"):
            load("valid")


def test_home_folder_in_the_path(archive, monkeypatch):
    path = archive()
    monkeypatch.setenv("HOME", str(path.parent))
    assert len(read_ppi(f"~/{path.name}", "dev")) == 2

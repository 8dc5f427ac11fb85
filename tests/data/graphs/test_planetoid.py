"""Citation graphs: small made files, and the whole real ones against other copies."""

import csv
import json
import shutil
import struct

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from attention_book.data.downloads import is_here, table
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
    with pytest.raises(ValueError, match="name must be one of cora, citeseer, pubmed"):
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


# Pickles as NumPy and SciPy under Python 2 wrote them, operation by operation.


def integer(number):
    return b"J" + struct.pack("<i", number)


def text(content):
    return b"T" + struct.pack("<i", len(content)) + content


def array(values):
    kind = text(values.dtype.str[1:].encode()) + integer(0) + integer(1)
    kind = b"cnumpy\ndtype\n" + kind + b"\x87R(" + integer(3) + text(b"<") + b"NNN"
    kind += 2 * integer(-1) + integer(0) + b"tb"
    shape = b"(" + b"".join(map(integer, values.shape)) + b"t"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    empty += integer(0) + b"\x85" + text(b"b") + b"\x87R"
    state = integer(1) + shape + kind + b"\x89" + text(values.tobytes())
    return empty + b"(" + state + b"tb"


def sparse(values):
    matrix = csr_matrix(values)
    state = text(b"_shape") + b"(" + b"".join(map(integer, matrix.shape)) + b"t"
    for name in ("data", "indices", "indptr"):
        state += text(name.encode()) + array(getattr(matrix, name))
    return b"cscipy.sparse.csr\ncsr_matrix\n)\x81}(" + state + b"ub"


def lists(neighbours):
    content = b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R("
    for node, others in neighbours.items():
        content += integer(node) + b"](" + b"".join(map(integer, others)) + b"e"
    return content + b"u"


@pytest.fixture
def made(tmp_path):
    """Files of 520 nodes with 3 features, as of Pubmed: the last 10 are for testing.

    Writes them, some of them with other contents, and returns their paths.
    """
    weights = np.zeros((510, 3))
    weights[:, 0], weights[4] = 0.5, [0.1, 0.2, 0.1]
    tested = np.zeros((10, 3))
    tested[:, 2], tested[0] = 0.25, [0, 1, 3]
    classes = np.eye(3)[np.arange(510) % 3]
    order = [517, 512, *(n for n in range(510, 520) if n not in (517, 512))]

    def write(**others):
        contents = {
            "allx": sparse(weights),
            "ally": array(classes),
            "x": sparse(weights[:6]),
            "y": array(classes[:6]),
            "tx": sparse(tested),
            "ty": array(np.eye(3)[[2] * 9 + [1]]),
            "graph": lists({0: [1, 1, 0], 1: [0], 517: [2], 2: [517, 3]}),
        } | others
        paths = {end: tmp_path / f"ind.pubmed.{end}" for end in ENDS}
        for end, content in contents.items():
            paths[end].write_bytes(b"\x80\x02" + content + b".")
        paths["test.index"].write_text("".join(f"{n}\n" for n in order))
        return paths

    return write


def test_made_files_are_read(made):
    graph = read_planetoid(made())
    assert graph.num_nodes == 520
    dense = graph.features.to_dense()
    torch.testing.assert_close(dense[4], torch.tensor([0.25, 0.5, 0.25]))
    # The first row of the test nodes belongs to the first number in test.index.
    torch.testing.assert_close(dense[517], torch.tensor([0.0, 0.25, 0.75]))
    torch.testing.assert_close(dense[510], torch.tensor([0.0, 0.0, 1.0]))
    assert graph.labels[[0, 4, 517, 519]].tolist() == [0, 1, 2, 1]
    # Each edge in both directions and once, without loops.
    edges = {(0, 1), (1, 0), (2, 517), (517, 2), (2, 3), (3, 2)}
    assert set(map(tuple, graph.edges.T.tolist())) == edges
    assert graph.edges.shape == (2, 6)
    assert graph.train.tolist() == list(range(6))
    assert graph.dev.tolist() == list(range(6, 506))
    assert graph.test.tolist() == list(range(510, 520))


def test_too_few_rows_for_the_development_nodes(made):
    paths = made(allx=sparse(np.ones((505, 3))), ally=array(np.eye(3)[[0] * 505]))
    with pytest.raises(ValueError, match=r"pubmed\.allx must have at least 506 rows"):
        read_planetoid(paths)


def test_pubmed_is_in_the_table():
    names = {f"planetoid/ind.pubmed.{end}" for end in ENDS}
    assert names <= set(table())
    assert all(table()[name].hash.startswith("sha256:") for name in names)


def test_whole_pubmed(mirror):
    if not all(is_here(f"planetoid/ind.pubmed.{end}") for end in ENDS):
        pytest.skip("the files of Pubmed are neither in the mirror nor in the cache")
    graph = planetoid("pubmed")
    assert graph.features.shape == (19717, 500)
    assert graph.edges.shape == (2, 2 * 44324)
    assert len(graph.train) == 60
    assert homophily(graph) == pytest.approx(0.802, abs=2e-3)

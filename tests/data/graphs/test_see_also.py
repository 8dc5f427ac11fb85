"""The graph of references between docstrings."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.docstrings import Document, load_docstrings
from attention_book.data.graphs import homophily, see_also_graph, see_also_pairs
from attention_book.data.graphs.see_also import module_name, word_features


def document(name, *see_also, others=(), summary="Do it."):
    library = name.split(".")[0]
    return Document(library, name, "function", others, summary, summary, see_also)


def test_names_are_looked_up_from_the_inside_out():
    documents = [
        document("lib.a"),
        document("lib.sub.a"),
        document("lib.sub.b", "a", "lib.a", "c", "sub.Class.run", "nothing", "b"),
        document("lib.sub.deep.c"),
        document("lib.sub.Class.run", "stop"),
        document("lib.sub.Class.stop"),
        document("numpy.mean"),
        document("lib.e", "np.mean", "mean", "average"),
        document("lib.f", others=("average",)),
    ]
    pairs = see_also_pairs(documents)
    assert pairs == [(2, 1), (2, 0), (2, 3), (2, 4), (4, 5), (7, 6), (7, 8)]


def test_a_name_with_two_meanings_means_nothing():
    documents = [document("a.x.f"), document("a.y.f"), document("a.g", "f")]
    assert see_also_pairs(documents) == []


def test_modules_are_two_parts_at_most():
    names = {"a.f": "a", "a.b.f": "a.b", "a.b.C.f": "a.b", "a.b.c.f": "a.b"}
    assert {name: module_name(document(name)) for name in names} == names


def test_words_do_not_give_the_module_away():
    sentence = "Numpy linalg solve: invert some square matrix."
    documents = [document(f"numpy.linalg.{n}", summary=sentence) for n in "abc"]
    documents.append(document("numpy.linalg.solve", summary=sentence))
    features = word_features(documents).to_dense()
    # invert, matrix, square, and solve, which is the own name of the last one
    assert features.shape[1] in (4, 5)  # "some" may be an everyday word
    assert_close(features.sum(dim=1), torch.ones(4))
    assert (features[:3] > 0).all()
    assert (features[3] > 0).sum() == features.shape[1] - 1


def test_documents_that_give_no_graph_are_an_error():
    with pytest.raises(ValueError, match="must give a graph of more than 300 nodes"):
        see_also_graph([document("a.f", "g"), document("a.g")], seed=0)
    with pytest.raises(ValueError, match="no word occurs in 3"):
        word_features([document("a.f")])


@pytest.fixture(scope="module")
def graph():
    return see_also_graph(load_docstrings().documents, seed=0)


def test_the_graph_of_the_installed_libraries(graph):
    assert 1_000 < graph.num_nodes < 3_000
    assert len(graph.classes) >= 8
    assert 0.85 < homophily(graph) < 0.97
    assert graph.edges.flip(0).unique(dim=1).equal(graph.edges.unique(dim=1))
    degree = graph.edges[1].bincount(minlength=graph.num_nodes)
    assert degree.min() >= 1
    for name, label in zip(graph.names, graph.labels.tolist(), strict=True):
        assert name.startswith(graph.classes[label] + ".")


def test_the_split_is_planetoids_and_depends_on_the_seed(graph):
    counts = graph.labels[graph.train].bincount()
    assert counts.tolist() == [20] * len(graph.classes)
    assert len(graph.dev) == 300
    parts = torch.cat([graph.train, graph.dev, graph.test])
    assert parts.sort().values.equal(torch.arange(graph.num_nodes))
    other = see_also_graph(load_docstrings().documents, seed=1)
    assert not other.test.equal(graph.test)
    assert other.edges.equal(graph.edges)

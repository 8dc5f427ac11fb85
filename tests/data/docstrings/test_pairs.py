"""Paraphrase pairs: right, wrong, and never a name in two parts."""

import itertools

import pytest

from attention_book.data.docstrings import shared_functions as shared_functions_module
from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.pairs import (
    WrongSentences,
    docstring_pairs,
    hash_order,
)
from attention_book.data.docstrings.shared_functions import shared_functions
from attention_book.data.docstrings.words import words

REST = "The array has axes of any length, and elements of any type."


def document(name, summary):
    library = name.split(".")[0]
    return Document(library, name, "function", (), summary, f"{summary}\n{REST}", ())


def small_corpus(functions=25, alone=25):
    """Two libraries; 25 functions in both, and 25 in each that the other lacks."""
    documents = []
    for i in range(functions):
        name = f"fun{i:02d}"
        documents.append(document(f"alib.{name}", f"Sort with key{i} and way{i} fast."))
        documents.append(document(f"blib.{name}", f"Order by key{i} in a new list."))
    for i, lib in itertools.product(range(alone), ("alib", "blib")):
        summary = f"Draw picture{i} in {lib} with colour{i} on top."
        documents.append(document(f"{lib}.{lib}{i:02d}", summary))
    return documents


@pytest.fixture(scope="module")
def documents():
    return small_corpus()


def test_every_positive_has_its_negative(documents):
    splits = docstring_pairs(documents)
    parts = (splits.train, splits.dev, splits.test)
    # 25 functions in 5 folds, both orders, each a positive and a negative
    assert [len(part) for part in parts] == [60, 20, 20]
    by_name = {document.name: document for document in documents}
    for part in parts:
        for right, wrong in zip(part[::2], part[1::2], strict=True):
            assert (right.label, wrong.label) == (1, 0)
            assert right.first == wrong.first
            short = [name.split(".")[1] for name in (*right.names, *wrong.names)]
            assert short[0] == short[1] == short[2] != short[3]
            assert right.names[1].split(".")[0] == wrong.names[1].split(".")[0]
            assert wrong.second == tuple(words(by_name[wrong.names[1]].summary))


def test_parts_share_no_function_name(documents):
    splits = docstring_pairs(documents)
    parts = [
        {name.split(".")[1] for pair in part for name in pair.names}
        for part in (splits.train, splits.dev, splits.test)
    ]
    for one, other in itertools.combinations(parts, 2):
        assert one.isdisjoint(other)


def test_the_order_of_the_documents_does_not_matter(documents):
    assert docstring_pairs(documents[::-1]) == docstring_pairs(documents)


def test_counts(documents):
    assert docstring_pairs(documents).counts == {"with a common name": 25, "left": 25}
    counts = docstring_pairs(documents[:2]).counts  # nobody else to be wrong
    assert counts["without a wrong sentence"] == 2


def test_wrong_sentences_come_nearest_first(monkeypatch):
    monkeypatch.setattr(shared_functions_module, "FOLDS", 1)
    documents = [
        document("alib.sort", "Put the elements into order."),
        document("blib.sort", "Arrange all of them by value."),
        document("blib.far", "Nothing is like this one."),
        document("blib.near", "Put the elements into a bag."),
        document("blib.same", "Put the elements into a bag."),
        document("blib.copy", "Arrange all of them by value too."),
        document("clib.other", "Put the elements into another library."),
    ]
    wrong = WrongSentences(documents, shared_functions(documents)[0])
    found = [x.name for x in wrong.nearest(documents[0], "blib", [documents[1]])]
    # `copy` shares 4 of 5 content words with the right answer, `same` repeats `near`
    assert found == ["blib.near", "blib.far"]


def test_by_chance_is_fixed():
    first, second = document("a.x", "Any text."), document("a.y", "Any text.")
    assert hash_order("q", first) == hash_order("q", first)
    assert hash_order("q", first) != hash_order("q", second)
    assert hash_order("q", first) != hash_order("r", first)

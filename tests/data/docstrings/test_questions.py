"""Answer selection: twelve candidates, some right, none from another part."""

import itertools

import pytest

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.pairs import WrongSentences
from attention_book.data.docstrings.questions import (
    NUM_CANDIDATES,
    NUM_HARD,
    docstring_questions,
)
from attention_book.data.docstrings.shared_functions import shared_functions

REST = "The array has axes of any length, and elements of any type."


def document(name, summary):
    library = name.split(".")[0]
    return Document(library, name, "function", (), summary, f"{summary}\n{REST}", ())


def small_corpus():
    """Two libraries; 10 functions in both, one twice in the second; 100 alone."""
    documents = []
    for i in range(10):
        name = f"fun{i:02d}"
        documents.append(document(f"alib.{name}", f"Sort with key{i} and way{i} fast."))
        documents.append(document(f"blib.{name}", f"Order by key{i} in a new list."))
    documents.append(document("blib.sub.fun00", "Arrange key0 without any copy."))
    for i, lib in itertools.product(range(100), ("alib", "blib")):
        summary = f"Draw picture{i} in {lib} with colour{i} on top."
        documents.append(document(f"{lib}.{lib}{i:02d}", summary))
    return documents


@pytest.fixture(scope="module")
def documents():
    return small_corpus()


@pytest.fixture(scope="module")
def splits(documents):
    return docstring_questions(documents)


def test_questions_and_candidates(splits):
    questions = [*splits.train, *splits.dev, *splits.test]
    # each of the 10 asks for the other library's, and `blib.sub.fun00` asks too
    assert len(questions) == 21
    for question in questions:
        assert len(question.candidates) == NUM_CANDIDATES
        library, _, name = question.name.partition(".")
        for candidate in question.candidates:
            assert candidate.name.split(".")[0] != library
            same = candidate.name.split(".")[-1] == name.split(".")[-1]
            assert candidate.label == same
        assert any(candidate.label for candidate in question.candidates)


def test_a_question_may_have_two_answers(splits):
    questions = [*splits.train, *splits.dev, *splits.test]
    (question,) = [q for q in questions if q.name == "alib.fun00"]
    right = {x.name for x in question.candidates if x.label}
    assert right == {"blib.fun00", "blib.sub.fun00"}


def test_parts_share_no_function_name(splits):
    parts = [
        {
            name.split(".")[-1]
            for question in part
            for name in (question.name, *(x.name for x in question.candidates))
        }
        for part in (splits.train, splits.dev, splits.test)
    ]
    for one, other in itertools.combinations(parts, 2):
        assert one.isdisjoint(other)


def test_the_position_of_the_answer_says_nothing(splits):
    questions = [*splits.train, *splits.dev, *splits.test]
    positions = {
        position
        for question in questions
        for position, candidate in enumerate(question.candidates)
        if candidate.label
    }
    assert len(positions) > NUM_CANDIDATES // 2


def test_the_nearest_are_among_them(splits, documents):
    by_name = {document.name: document for document in documents}
    wrong = WrongSentences(documents, shared_functions(documents)[0])
    question = splits.dev[0]
    right = [by_name[x.name] for x in question.candidates if x.label]
    nearest = wrong.nearest(by_name[question.name], right[0].library, right)
    hard = {document.name for document in itertools.islice(nearest, NUM_HARD)}
    assert hard <= {candidate.name for candidate in question.candidates}


def test_the_same_every_time(documents, splits):
    assert docstring_questions(documents[::-1]) == splits


def test_too_few_sentences(documents):
    with pytest.raises(
        ValueError, match=r"documents must have 11 sentences of blib beside .* got \d"
    ):
        docstring_questions(documents[2:60])

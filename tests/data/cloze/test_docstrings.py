"""Cloze questions from docstrings: what is blanked out, what is left out, splits."""

import pytest

from attention_book.data.cloze.docstrings import docstring_cloze
from attention_book.data.cloze.questions import BLANK
from attention_book.data.docstrings.documents import Document

PARAGRAPHS = {
    "Sum an array over one axis or over all of its axes.": "",
    "The array to sum. It may have any shape at all.": "array",
    "If axis is none, the whole array is summed up.": "axis",
    "A second paragraph about nothing in particular here.": "axis",
    "Where the sum of array goes, with the right dtype.": "out, buffer",
    "Kind of number that the sum has, that of array if none.": "dtype",
    "Too short: dtype.": "",
}


def document(name):
    return Document(
        library="lib",
        name=f"lib.{name}",
        kind="function",
        other_names=(),
        summary=next(iter(PARAGRAPHS)),
        prose="\n".join(PARAGRAPHS),
        see_also=(),
        described=tuple(PARAGRAPHS.values()),
    )


DOCUMENTS = [document(f"name{i}") for i in range(40)]


@pytest.fixture(scope="module")
def splits():
    return docstring_cloze(DOCUMENTS, max_words=200)


def test_functions_of_one_name_are_in_one_part(splits):
    sources = [{q.source for q in part} for part in vars(splits).values()]
    assert sum(map(len, sources)) == len(set.union(*sources)) == len(DOCUMENTS)
    assert len(sources[0]) > len(sources[2]) > 1


def test_the_rest_of_the_docstring_is_the_document(splits):
    of_one = [q for q in splits.train if q.source == splits.train[0].source]
    # "array" and "axis" in three, "dtype" in one; "array" is asked in two more.
    assert len(of_one) == 7
    (question,) = [q for q in of_one if q.question[:2] == ("if", BLANK)]
    array, axis, *rest = question.candidates
    assert question.answer == axis
    assert len(question.candidates) == 5
    assert (
        " ".join(question.question)
        == f"if XXXXX is none the whole {array} is summed up"
    )
    text = " ".join(question.document)
    assert f"its axes {array} the {array} to sum it may" in text
    assert f"shape at all {axis} a second paragraph" in text  # its name stays, once
    assert f"{rest[0]} {rest[1]} where the sum of {array} goes" in text
    assert "summed up" not in text


def test_names_are_numbers_in_random_order(splits):
    assert {name for q in splits.train for name in q.candidates} == {
        f"@{i}" for i in range(8)
    }
    assert len({q.candidates for q in splits.train}) > 20
    again = docstring_cloze(DOCUMENTS, max_words=200)
    other = docstring_cloze(DOCUMENTS, max_words=200, seed=1)
    assert again == splits
    assert other != splits


def test_short_documents_and_few_candidates():
    short = docstring_cloze(DOCUMENTS, max_words=40)
    assert max(len(q.document) for q in short.train) <= 40
    assert all(q.can_be_pointed_at for q in short.train)
    few = "none for train, dev, test"
    with pytest.raises(ValueError, match=few):
        docstring_cloze(DOCUMENTS, max_candidates=2)
    with pytest.raises(ValueError, match=few):
        docstring_cloze(DOCUMENTS, max_words=5)

"""Planted documents: the telling clause decides, and nothing else says anything."""

import numpy as np
import pytest

from attention_book.data.documents.labelled import document_words
from attention_book.data.documents.planted import (
    DECISIVE,
    POLARITY,
    SUBJECTS,
    planted_documents,
)

FOOD = set(SUBJECTS[DECISIVE])
VERDICT = {word: label for label, words in POLARITY.items() for word in words}


@pytest.fixture(scope="module")
def documents():
    return planted_documents(2000, sentences=(2, 5), seed=1)


def clauses(sentence):
    """(noun, whether negated, adjective, its position) of each clause."""
    found, start = [], 0
    for end in [i for i, word in enumerate(sentence) if word == "and"] + [None]:
        part = sentence[start:end]
        assert part[0] == "the"
        assert part[2] == "was"
        assert len(part) == 4 + (part[3] == "not")
        found.append((part[1], part[3] == "not", part[-1], start + len(part) - 1))
        start = start if end is None else end + 1
    return found


def test_the_clause_on_food_decides(documents):
    for document in documents:
        on_food = [
            (number, clause)
            for number, sentence in enumerate(document.sentences)
            for clause in clauses(sentence)
            if clause[0] in FOOD
        ]
        ((number, (_, negated, adjective, position)),) = on_food
        assert document.telling == (number, position)
        assert document.label == VERDICT[adjective] ^ negated


def test_half_of_each_class(documents):
    assert sum(document.label for document in documents) == 1000
    assert sum(document.label for document in planted_documents(5, seed=0)) == 2


def test_position_says_nothing(documents):
    by_length = {}
    for document in documents:
        by_length.setdefault(len(document.sentences), []).append(document.telling[0])
    assert set(by_length) == {2, 3, 4, 5}
    for length, places in by_length.items():
        for place in range(length):
            assert abs(places.count(place) / len(places) - 1 / length) < 0.1


def test_other_clauses_say_nothing(documents):
    """Praise elsewhere is as frequent in documents of both classes."""
    shares = {0: [], 1: []}
    for document in documents:
        for sentence in document.sentences:
            for noun, negated, adjective, _ in clauses(sentence):
                if noun not in FOOD:
                    shares[document.label].append(VERDICT[adjective] ^ negated)
    low, high = (sum(values) / len(values) for values in shares.values())
    assert abs(low - high) < 0.03


def test_probabilities():
    plain = planted_documents(200, double=0.0, negated=0.0, seed=2)
    assert {len(s) for d in plain for s in d.sentences} == {4}
    full = planted_documents(200, double=1.0, negated=1.0, seed=2)
    assert {len(s) for d in full for s in d.sentences} == {11}


def test_size_of_the_vocabulary(documents):
    assert len(set(document_words(documents))) == 38


def test_a_seed_gives_the_same_documents():
    assert planted_documents(9, seed=4) == planted_documents(9, seed=4)
    assert planted_documents(9, seed=4) != planted_documents(9, seed=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": -1}, "count must not be negative, got -1"),
        ({"sentences": (0, 3)}, r"two rising numbers from 1, got \(0, 3\)"),
        ({"sentences": (4, 3)}, r"two rising numbers from 1, got \(4, 3\)"),
        ({"double": 1.5}, r"double must be from 0 to 1, got 1\.5"),
        ({"negated": -0.5}, r"negated must be from 0 to 1, got -0\.5"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        planted_documents(**{"count": 3, "seed": 0} | options)


def test_seeds_of_numpy_are_seeds(no_shape_checks):
    numpy_seed = np.int64(3)
    assert planted_documents(2, seed=numpy_seed) == planted_documents(2, seed=3)
    with pytest.raises(TypeError):  # else other documents each time
        planted_documents(2, seed=None)

"""Questions about facts: the object decides, names are drawn anew."""

from collections import Counter

import numpy as np
import pytest

from attention_book.data.cloze.facts import (
    FILLERS,
    NAMES,
    OBJECTS,
    VERBS,
    cloze_facts,
)
from attention_book.data.cloze.questions import BLANK


def facts_of(document):
    return [document[i : i + 3] for i, word in enumerate(document) if word in NAMES]


def test_the_object_alone_decides_the_answer():
    for question in cloze_facts(100, seed=3):
        told = facts_of(question.document)
        assert all(verb in VERBS and thing in OBJECTS for _, verb, thing in told)
        assert len({verb for _, verb, _ in told}) == 1
        owners = {thing: name for name, _, thing in told}
        assert all(owners[thing] == name for name, _, thing in told)
        telling = question.question[question.telling]
        assert owners[telling] == question.answer
        assert question.question[question.telling - 2] == BLANK
        assert set(question.candidates) == {name for name, _, _ in told}
        assert (question.answer, *question.question[question.telling - 1 :][:2]) in told


def test_numbers():
    for question in cloze_facts(50, seed=0, num_names=3, num_facts=5, max_repeats=3):
        counts = Counter(facts_of(question.document))
        assert len(counts) == 5
        assert max(counts.values()) <= 3
        assert len(question.candidates) == 3
        rest = [w for w in question.question if w in FILLERS]
        assert len(rest) == len(question.question) - 3 == 8


def test_a_seed_gives_the_same_questions():
    assert cloze_facts(5, seed=1) == cloze_facts(5, seed=1)
    assert cloze_facts(5, seed=1) != cloze_facts(5, seed=2)


def test_neither_order_nor_names_give_the_answer_away():
    questions = cloze_facts(600, seed=0)
    places = Counter(q.candidates.index(q.answer) for q in questions)
    names = Counter(q.answer for q in questions)
    assert max(places.values()) < 200
    assert max(names.values()) < 70
    assert len({q.telling for q in questions}) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_names": 1}, "num_names must be from 2 to 16, got 1"),
        ({"num_facts": 3}, "num_facts must be from 4, the number of names, to 20"),
        ({"count": 0}, "count and max_repeats must be at least 1"),
        ({"num_fillers": -1}, "num_fillers at least 0"),
    ],
)
def test_wrong_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        cloze_facts(**{"count": 1, "seed": 0, **options})


def test_seeds_of_numpy_are_seeds(no_shape_checks):
    assert cloze_facts(2, seed=np.int64(3)) == cloze_facts(2, seed=3)
    with pytest.raises(TypeError):  # else other questions each time
        cloze_facts(2, seed=None)

"""Sentences with a pronoun: the last word decides what it stands for."""

from collections import Counter

import numpy as np
import pytest

from attention_book.data.sequences.pronouns import (
    LAST_WORDS,
    LIVING,
    PLACES,
    PRONOUNS,
    pronoun_ids,
    pronoun_sentence,
    pronoun_sentences,
    pronoun_words,
)


def test_the_last_word_decides():
    tired = pronoun_sentence("animal", "street", "tired")
    wide = pronoun_sentence("animal", "street", "wide")
    assert tired.words[:-1] == wide.words[:-1]
    assert tired.words[tired.referent] == wide.words[wide.other] == "animal"
    assert tired.words[tired.other] == wide.words[wide.referent] == "street"
    assert (PRONOUNS[tired.label], PRONOUNS[wide.label]) == ("es", "sie")
    assert tired.words[8] == "it"


def test_the_verb_decides_which_noun_comes_first():
    sentence = pronoun_sentence("dog", "river", "ill", "stop")
    assert " ".join(sentence.words).startswith("the river did not stop the dog because")
    assert (sentence.referent, sentence.other) == (6, 1)


@pytest.mark.parametrize("nouns", [LIVING, PLACES])
def test_genders_are_equally_frequent(nouns):
    assert Counter(nouns.values()) == {0: 4, 1: 4, 2: 4}
    assert Counter(LAST_WORDS.values()) == {"living": 8, "place": 8}


def pairs(sentences):
    return {
        frozenset((one.words[one.referent], one.words[one.other])) for one in sentences
    }


@pytest.mark.parametrize("seed", [0, 3])
def test_test_sentences_have_other_pairs_of_nouns(seed):
    train, test = pronoun_sentences(2000, seed=seed)
    assert not pairs(train) & pairs(test)
    assert len(pairs(train)) == 144 - 36
    assert len(pairs(test)) == 36
    held_out = Counter(noun for pair in pairs(test) for noun in pair)
    assert set(held_out.values()) == {3}
    assert held_out.keys() == LIVING.keys() | PLACES.keys()
    assert len(test) == 36 * len(LAST_WORDS) == len({(one.words) for one in test})
    assert {one.words[-1] for one in train} == LAST_WORDS.keys()


def test_a_seed_decides_everything(no_shape_checks):
    assert pronoun_sentences(9, seed=1) == pronoun_sentences(9, seed=np.int64(1))
    assert pronoun_sentences(9, seed=1) != pronoun_sentences(9, seed=2)


def test_ids_are_positions_in_the_list_of_words():
    words = pronoun_words()
    assert len(words) == len(set(words))
    sentences = [
        pronoun_sentence("cow", "moor", "icy"),
        pronoun_sentence("fox", "cave", "shy", "please"),
    ]
    ids, labels = pronoun_ids(sentences)
    for row, sentence in zip(ids.tolist(), sentences, strict=True):
        assert tuple(words[number] for number in row) == sentence.words
    assert labels.tolist() == [2, 0]


def test_errors():
    for wrong in (
        ("street", "street", "icy"),
        ("cow", "cow", "icy"),
        ("cow", "moor", "blue"),
        ("cow", "moor", "icy", "eat"),
    ):
        with pytest.raises(ValueError, match="must be of the book's lists, got"):
            pronoun_sentence(*wrong)
    with pytest.raises(ValueError, match="train must be at least 1, got 0"):
        pronoun_sentences(0)

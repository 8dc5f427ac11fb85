"""The small language: what its verbs, places and labels say, and what they do not."""

from collections import Counter
from itertools import chain

import pytest

from attention_book.data.sequences.word_kinds import (
    ADVERBS,
    DOES,
    DONE,
    NEUTRAL,
    NOUNS,
    PEOPLE,
    SENTENCES,
    SETTINGS,
    kinds_texts,
    labelled_kinds,
    word_class,
)

KIND = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
HOME = {
    word: setting
    for groups in (SETTINGS, PEOPLE)
    for setting, words in groups.items()
    for word in words
}


def understand(sentence):
    """Noun, verb and place of a sentence, read without the simulator."""
    words = sentence.split()
    assert len(words) == 5
    assert words[3] == "near"
    if words[0] in KIND:
        assert words[1] in ADVERBS
        return words[0], words[2], words[4]
    assert HOME[words[0]] == HOME[words[4]]
    return words[2], words[1], words[4]


@pytest.fixture(scope="module")
def texts():
    return kinds_texts(300, seed=3)


def test_no_word_is_of_two_classes():
    groups = [*NOUNS.values(), *DOES.values(), *DONE.values(), *SETTINGS.values()]
    words = [*chain(*groups, *PEOPLE.values()), *NEUTRAL, *ADVERBS, "near"]
    assert len(set(words)) == len(words)
    sizes = Counter(map(word_class, words))
    assert sizes == {"noun": 32, "verb": 19, "place": 12, "other": 13}


def test_verbs_go_with_the_kind_of_their_noun_and_places_with_the_text(texts):
    for text in texts:
        assert len(text) == SENTENCES
        settings = set()
        for sentence in text:
            noun, verb, place = understand(sentence)
            kind = KIND[noun]
            assert verb in (*DOES[kind], *DONE[kind], *NEUTRAL)
            settings.add(HOME[place])
        assert len(settings) == 1


def test_shares_of_verbs_and_nouns(texts):
    read = [understand(sentence) for text in texts for sentence in text]
    verbs = Counter(
        "neutral" if verb in NEUTRAL else "does" if verb in DOES[KIND[noun]] else "done"
        for noun, verb, _ in read
    )
    shares = {name: count / len(read) for name, count in verbs.items()}
    assert shares == pytest.approx(
        {"does": 0.45, "done": 0.45, "neutral": 0.1}, abs=0.04
    )
    nouns = Counter(noun for noun, _, _ in read)
    assert len(nouns) == 32
    assert max(nouns.values()) < 2 * len(read) / 32


def test_labels_are_kinds_and_no_other_word_tells_them():
    parts = labelled_kinds(64, 32, seed=5)
    for part in parts:
        for words, noun, label in part:
            assert understand(" ".join(words))[:2] == (noun, words[1])
            assert words[1] in NEUTRAL
            assert list(NOUNS)[label] == KIND[noun]
    train, known, new = ({one.noun for one in part} for part in parts)
    assert train == known
    assert train.isdisjoint(new)
    assert train | new == KIND.keys()
    for part, each in zip(parts, (4, 2, 2), strict=True):
        assert set(Counter(one.noun for one in part).values()) == {each}


def test_a_seed_gives_the_same_sentences_and_chooses_the_nouns():
    assert kinds_texts(4, seed=7) == kinds_texts(4, seed=7) != kinds_texts(4, seed=8)
    one, again, other = (labelled_kinds(16, 16, seed=s) for s in (1, 1, 2))
    assert one == again
    assert {x.noun for x in one.train} != {x.noun for x in other.train}


def test_wrong_numbers():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        kinds_texts(0)
    with pytest.raises(ValueError, match="train must be at least 1, got 0"):
        labelled_kinds(0, 1)
    with pytest.raises(ValueError, match="test must be at least 1, got -1"):
        labelled_kinds(1, -1)

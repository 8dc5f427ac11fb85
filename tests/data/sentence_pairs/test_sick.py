"""SICK: the whole real files, where the mirror is there; bad lines."""

from collections import Counter

import pytest

from attention_book.data.downloads import table
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.sentence_pairs.sick import (
    ENTAILMENT,
    FIELDS,
    FILES,
    read_graded,
    sick,
)

# Pairs, and how many of each class: contradiction, neutral, entailment.
SIZES = {
    "train": (4500, [665, 2536, 1299]),
    "dev": (500, [74, 282, 144]),
    "test": (4927, [720, 2793, 1414]),
}
HEADER = "\t".join(FIELDS)
GOOD = "1\tA man sings\tNobody sings\t3.5\tCONTRADICTION"


@pytest.mark.parametrize("split", SIZES)
def test_whole_file(mirror, split):
    pairs = sick(split)
    size, classes = SIZES[split]
    assert len(pairs) == size
    counts = Counter(pair.label for pair in pairs)
    assert [counts[i] for i in range(3)] == classes
    assert min(pair.score for pair in pairs) == 1
    assert max(pair.score for pair in pairs) == 5
    assert all(pair.group is None and not pair.features for pair in pairs)


def test_first_pair(mirror):
    pair = sick("train")[0]
    assert " ".join(pair.first) == (
        "A group of kids is playing in a yard and an old man is standing in the "
        "background"
    )
    assert (pair.score, ENTAILMENT[pair.label]) == (4.5, "NEUTRAL")


def test_table_knows_every_file():
    assert {f"sick/{name}" for name in FILES.values()} <= set(table())


def test_a_pair(make_file):
    words = ("A", "man", "sings"), ("Nobody", "sings")
    pair = SentencePair(*words, label=0, score=3.5)
    assert read_graded(make_file(HEADER, GOOD), (1, 5)) == [pair]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\tA\tB\t3.5", "want 5 fields, got 4"),
        ("1\tA\tB\t5.5\tNEUTRAL", "want a score from 1 to 5, got '5.5'"),
        ("1\tA\tB\tnan\tNEUTRAL", "want a score from 1 to 5, got 'nan'"),
        ("1\tA\tB\tfive\tNEUTRAL", "want a score from 1 to 5, got 'five'"),
        ("1\tA\tB\t3.5\tMAYBE", "want one of CONTRA.*, ENTAILMENT, got 'MAYBE'"),
        ("1\t \tB\t3.5\tNEUTRAL", "a sentence without words: ' '"),
    ],
)
def test_a_bad_line_is_named(make_file, line, message):
    with pytest.raises(ValueError, match=f"pairs:3: {message}"):
        read_graded(make_file(HEADER, GOOD, line, GOOD), (1, 5))


def test_a_file_without_columns(make_file):
    with pytest.raises(ValueError, match="pairs:1: want the columns pair_ID, sentence"):
        read_graded(make_file(GOOD), (1, 5))


def test_no_such_split():
    with pytest.raises(ValueError, match="one of train, dev, test, got 'trial'"):
        sick("trial")

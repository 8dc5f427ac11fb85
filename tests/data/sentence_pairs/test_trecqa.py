"""TrecQA: the whole real files, where the mirror is there; bad lines."""

from collections import defaultdict

import pytest

from attention_book.data.downloads import table
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.sentence_pairs.trecqa import (
    FIELDS,
    SPLITS,
    read_trecqa,
    trecqa,
)

# Pairs, right ones, questions; then pairs and questions of the clean version.
SIZES = {
    "train": (4718, 348, 93, 4619, 78),
    "dev": (1148, 222, 81, 1117, 65),
    "test": (1517, 284, 95, 1442, 68),
}
HEADER = ",".join(FIELDS)
GOOD = '"Who , then ?",1,"a ""man"" , here"'


@pytest.mark.parametrize("split", SIZES)
def test_whole_file(mirror, split):
    pairs, clean = trecqa(split), trecqa(split, clean=True)
    counts = [len(pairs), sum(pair.label for pair in pairs)]
    counts += [len({pair.group for pair in pairs}), len(clean)]
    assert (*counts, len({pair.group for pair in clean})) == SIZES[split]
    labels = defaultdict(set)
    for pair in clean:
        labels[pair.group].add(pair.label)
    assert all(found == {0, 1} for found in labels.values())
    assert set(clean) <= set(pairs)


def test_first_pair(mirror):
    pair = trecqa("train")[0]
    assert pair.first[:6] == ("Who", "is", "the", "author", "of", "the")
    assert pair.second[-1] == "-RRB-"
    assert (pair.label, pair.group) == (1, 0)


def test_table_knows_every_file():
    assert {f"trecqa/{split}.csv" for split in SPLITS} <= set(table())


def test_lines(make_file):
    path = make_file(HEADER, GOOD, "When ?,0,now", '"Who  , then ?",0,a dog')
    who, answer = ("Who", ",", "then", "?"), ("a", '"man"', ",", "here")
    assert read_trecqa(path) == [
        SentencePair(who, answer, label=1, group=0),
        SentencePair(("When", "?"), ("now",), label=0, group=1),
        SentencePair(who, ("a", "dog"), label=0, group=0),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Who ?,1", "want 3 fields, got 2"),
        ("Who ?,2,a man", "want the label 0 or 1, got '2'"),
        (" ,1,a man", "a sentence without words: ' '"),
        ("Who ?,1, ", "a sentence without words: ' '"),
        ('"Who ?,1,a man', "unexpected end of data"),
    ],
)
def test_a_bad_line_is_named(make_file, line, message):
    with pytest.raises(ValueError, match=f"pairs:3: {message}"):
        read_trecqa(make_file(HEADER, GOOD, line, GOOD))


def test_a_file_without_columns(make_file):
    with pytest.raises(
        ValueError, match="pairs:1: want the columns qtext, label, atex"
    ):
        read_trecqa(make_file(GOOD))


def test_no_such_split():
    with pytest.raises(ValueError, match="one of train, dev, test, got 'all'"):
        trecqa("all")

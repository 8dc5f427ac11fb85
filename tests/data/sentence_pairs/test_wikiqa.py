"""WikiQA: the whole real files, where the mirror is there; bad lines."""

from collections import defaultdict
from itertools import pairwise

import pytest

from attention_book.data.downloads import table
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.sentence_pairs.wikiqa import FILES, SPLITS, read_wikiqa, wikiqa

# Pairs, right ones, questions, questions with right answers only.
SIZES = {
    "train": (8672, 1040, 873, 16),
    "dev": (1130, 140, 126, 4),
    "test": (2351, 293, 243, 6),
}


@pytest.mark.parametrize("split", SIZES)
def test_whole_files(mirror, split):
    pairs = wikiqa(split)
    labels, questions = defaultdict(list), defaultdict(set)
    for pair in pairs:
        labels[pair.group].append(pair.label)
        questions[pair.group].add(pair.first)
    only_right = sum(all(group) for group in labels.values())
    right = sum(pair.label for pair in pairs)
    assert (len(pairs), right, len(labels), only_right) == SIZES[split]
    assert all(any(group) for group in labels.values())
    assert all(len(texts) == 1 for texts in questions.values())
    assert sum(a.group != b.group for a, b in pairwise(pairs)) == len(labels) - 1
    assert max(len(pair.second) for pair in pairs) == 40


def test_first_pair(mirror):
    pair = wikiqa("train")[0]
    assert " ".join(pair.first) == "how are glacier caves formed ?"
    assert " ".join(pair.second) == (
        "a partly submerged glacier cave on perito moreno glacier ."
    )
    assert (pair.label, pair.group) == (0, 1)


def test_table_knows_every_file():
    names = {f"wikiqa/{split}/{name}" for split in SPLITS for name in FILES}
    assert names <= set(table())


@pytest.fixture
def paths(tmp_path):
    texts = ["7\n7\n", "who sings ?\nwho sings ?\n", "a man\nno  dog\n", "1\n0\n"]
    for name, text in zip(FILES, texts, strict=True):
        (tmp_path / name).write_text(text, "utf-8")
    return [tmp_path / name for name in FILES]


def test_lines(paths):
    question = ("who", "sings", "?")
    assert read_wikiqa(*paths) == [
        SentencePair(question, ("a", "man"), label=1, group=7),
        SentencePair(question, ("no", "dog"), label=0, group=7),
    ]


@pytest.mark.parametrize(
    ("number", "text", "message"),
    [
        (0, "7\nx\n", r"id\.txt:2: want a number, got 'x'"),
        (1, "who ?\n\n", r"a\.toks:2: a sentence without words"),
        (2, " \na man\n", r"b\.toks:1: a sentence without words"),
        (3, "1\n2\n", r"sim\.txt:2: want the label 0 or 1, got '2'"),
        (3, "1\n", r"equally many lines: .*id\.txt has 2, .*sim\.txt has 1"),
    ],
)
def test_a_bad_line_is_named(paths, number, text, message):
    paths[number].write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        read_wikiqa(*paths)


def test_no_such_split():
    with pytest.raises(ValueError, match="one of train, dev, test, got 'val'"):
        wikiqa("val")

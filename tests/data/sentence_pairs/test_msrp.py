"""MSRP: the whole real files, where the mirror is there; bad lines."""

import pytest

from attention_book.data.downloads import table
from attention_book.data.sentence_pairs.msrp import FIELDS, FILES, msrp, read_msrp
from attention_book.data.sentence_pairs.pairs import SentencePair

SIZES = {"train": (3576, 2407), "dev": (500, 346), "test": (1725, 1147)}
HEADER = "\t".join(FIELDS)
GOOD = '1\t11\t12\t"Yes," he said.\tHe said yes.'


@pytest.mark.parametrize("split", SIZES)
def test_whole_file(mirror, split):
    pairs = msrp(split)
    assert (len(pairs), sum(pair.label for pair in pairs)) == SIZES[split]


def test_the_official_training_set(mirror):
    assert len(msrp("train")) + len(msrp("dev")) == 4076


def test_first_pair(mirror):
    pair = msrp("train")[0]
    assert " ".join(pair.first) == (
        'Amrozi accused his brother , whom he called " the witness " , of '
        "deliberately distorting his evidence ."
    )
    assert pair.label == 1


def test_table_knows_every_file():
    assert {f"msrp/msr-para-{name}.tsv" for name in FILES.values()} <= set(table())


def test_quotation_marks_enclose_nothing(make_file):
    first = ('"', "Yes", ",", '"', "he", "said", ".")
    assert read_msrp(make_file(HEADER, GOOD)) == [
        SentencePair(first, ("He", "said", "yes", "."), label=1)
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t11\t12\tA man", "want 5 fields, got 4"),
        ("yes\t11\t12\tA man\tA dog", "want the label 0 or 1, got 'yes'"),
        ("1\t11\t12\tA man\t", "a sentence without words: ''"),
    ],
)
def test_a_bad_line_is_named(make_file, line, message):
    with pytest.raises(ValueError, match=f"pairs:3: {message}"):
        read_msrp(make_file(HEADER, GOOD, line, GOOD))


def test_a_file_without_columns(make_file):
    with pytest.raises(ValueError, match="pairs:1: want the columns Quality, #1 ID"):
        read_msrp(make_file(GOOD))


def test_no_such_split():
    with pytest.raises(ValueError, match="one of train, dev, test, got 'val'"):
        msrp("val")

"""MSRVID: the whole real files, where the mirror is there."""

import pytest

from attention_book.data.downloads import table
from attention_book.data.sentence_pairs.msrvid import FILES, msrvid


@pytest.mark.parametrize("split", FILES)
def test_whole_file(mirror, split):
    pairs = msrvid(split)
    assert len(pairs) == 750
    assert all(0 <= pair.score <= 5 and pair.label is None for pair in pairs)
    assert (min(p.score for p in pairs), max(p.score for p in pairs)) == (0, 5)


def test_first_pair(mirror):
    pair = msrvid("train")[0]
    assert " ".join(pair.first) == "a man is riding a bicycle ."
    assert " ".join(pair.second) == "a man is riding a bike ."
    assert pair.score == 5


def test_table_knows_every_file():
    assert {f"msrvid/{name}" for name in FILES.values()} <= set(table())


def test_no_such_split():
    with pytest.raises(ValueError, match="split must be one of train, test, got 'dev'"):
        msrvid("dev")

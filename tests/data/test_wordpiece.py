"""WordPiece: words, the longest pieces, and vocabulary files."""

import importlib.util

import pytest

from attention_book.data.wordpiece import (
    MAX_LETTERS,
    SPECIAL_PIECES,
    WordPiece,
    read_word_pieces,
    split_text,
)

PIECES = ["un", "##aff", "##able", "want", "##want", "##ed", "runn", "##ing", ","]


@pytest.fixture
def pieces():
    return WordPiece([*SPECIAL_PIECES, *PIECES])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("unwanted running", "un ##want ##ed runn ##ing"),
        ("UNaffable,want", "un ##aff ##able , want"),
        ("unwantedX running", "[UNK] runn ##ing"),  # the whole word is unknown
        ("aff", "[UNK]"),  # a continuation does not begin a word
        ("", ""),
    ],
)
def test_longest_pieces_first(pieces, text, found):
    assert pieces.decode(pieces.encode(text)) == found.split()


def test_greedy_is_not_clever():
    """ "ab" is taken, although "a" would leave pieces for the rest."""
    pieces = WordPiece([*SPECIAL_PIECES, "a", "ab", "##bc"])
    assert pieces.decode(pieces.encode("abc")) == ["[UNK]"]


def test_very_long_words_are_unknown(pieces):
    encoder = WordPiece([*SPECIAL_PIECES, "a", "##a"])
    assert len(encoder.encode("a" * MAX_LETTERS)) == MAX_LETTERS
    assert encoder.decode(encoder.encode("a" * (MAX_LETTERS + 1))) == ["[UNK]"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  Héllo\tworld\n", ["hello", "world"]),
        ("don't $5_x", ["don", "'", "t", "$", "5", "_", "x"]),
        ("ab\u535a\u63a8zz", ["ab", "\u535a", "\u63a8", "zz"]),
        ("a\u00a0b\u200bc\x00\ufffd", ["a", "bc"]),
        ("\u201cquoted\u201d\u2026", ["\u201c", "quoted", "\u201d", "\u2026"]),
    ],
)
def test_words(text, words):
    assert split_text(text) == words


def test_cased_text_keeps_case_and_accents():
    assert split_text("Héllo", lowercase=False) == ["Héllo"]
    cased = WordPiece([*SPECIAL_PIECES, "He", "##llo", "hello"], lowercase=False)
    assert cased.decode(cased.encode("Hello")) == ["He", "##llo"]


def test_special_ids_are_those_of_the_file(tmp_path):
    path = tmp_path / "vocab.txt"
    lines = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "low"]
    path.write_text("\n".join(lines) + "\n")
    pieces = read_word_pieces(path)
    assert len(pieces) == 7
    marks = pieces.marks
    assert (marks.cls, marks.sep, marks.mask) == (3, 4, 5)
    assert pieces.encode("low high") == [6, 2]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([*SPECIAL_PIECES, "a", "a"], "pieces must differ, but 'a' is listed twice"),
        (SPECIAL_PIECES[:-1], r"but '\[MASK\]' is missing"),
        (SPECIAL_PIECES[::-1], r"begin with \[PAD\] .*but '\[MASK\]' is the first"),
    ],
)
def test_wrong_vocabularies(tmp_path, pieces, message):
    with pytest.raises(ValueError, match=message):
        WordPiece(pieces)
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(pieces))
    with pytest.raises(ValueError, match=rf"vocab\.txt: .*{message}"):
        read_word_pieces(path)


def test_the_same_pieces_as_the_library_transformers(tmp_path):
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("the library transformers is not installed")
    from transformers import BertTokenizer

    pieces = [*SPECIAL_PIECES, *PIECES, "h", "##e", "##l", "##o", "'", "t", "don"]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n")
    theirs, ours = BertTokenizer(str(path)), WordPiece(pieces)
    for text in ("Unwanted, running!", "don't h\u00e9llo", "a\tun\u535awant", ""):
        assert ours.decode(ours.encode(text)) == theirs.tokenize(text)


@pytest.mark.parametrize("wrong", [-1, len(SPECIAL_PIECES) + len(PIECES)])
def test_ids_out_of_range(pieces, wrong):
    with pytest.raises(IndexError, match=f"ids must be from 0 to 13: {wrong}"):
        pieces.decode([5, wrong])

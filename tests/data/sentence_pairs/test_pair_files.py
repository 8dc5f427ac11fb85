"""Lines into fields, sentences into words, labels; bad lines."""

import pytest

from attention_book.data.sentence_pairs.pair_files import (
    label_at,
    read_fields,
    split_words,
    words_at,
)

COLUMNS = ["id", "text"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man isn't singing.", "A man is n't singing ."),
        ("CAN'T, won\u2019t", "CA N'T , wo n\u2019t"),
        ("It's Tom's; they've said I'd.", "It 's Tom 's ; they 've said I 'd ."),
        ("the dogs' toys", "the dogs ' toys"),
        ("$1,200.50 at 10:30, 3/4 up 2.5%", "$ 1,200.50 at 10:30 , 3/4 up 2.5 %"),
        ("a well-known C-130, U.S. case", "a well-known C-130 , U . S . case"),
        ('"Oh," he said (once)', '" Oh , " he said ( once )'),
        ("r\u00f6sti \u7092\u9eb5", "r\u00f6sti \u7092\u9eb5"),
        (" \t ", ""),
    ],
)
def test_split_words(text, words):
    assert split_words(text) == tuple(words.split())


@pytest.mark.parametrize("text", ["Don't 1,200.50 a-b!", "n't", "'s", "-- ''"])
def test_no_character_is_lost(text):
    assert "".join(split_words(text)) == text.replace(" ", "")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("separator", "line", "fields"),
    [
        ("\t", '7\t"Yes," he said', ["7", '"Yes," he said']),
        ("\t", "\t", ["", ""]),
        (",", '7,"a ""man"" , here"', ["7", 'a "man" , here']),
        (",", ",", ["", ""]),
    ],
)
def test_fields(make_file, separator, line, fields, end):
    path = make_file("\ufeff" + separator.join(COLUMNS), line, line, end=end)
    found = read_fields(path, COLUMNS, comma_separated=separator == ",")
    assert list(found) == [(2, fields), (3, fields)]


@pytest.mark.parametrize("comma_separated", [False, True])
@pytest.mark.parametrize("lines", [[], ["id"], ["text,id", "7,a man"], ["7\ta man"]])
def test_a_file_without_columns(make_file, lines, comma_separated):
    header = lines[0] if lines else ""
    with pytest.raises(
        ValueError, match="pairs:1: want the columns id, text: "
    ) as info:
        list(read_fields(make_file(*lines), COLUMNS, comma_separated=comma_separated))
    assert str(info.value).endswith(repr(header))


@pytest.mark.parametrize(
    ("separator", "line", "message"),
    [
        ("\t", "7", "want 2 fields, got 1"),
        ("\t", "", "want 2 fields, got 1"),
        ("\t", "7\ta man\ta dog", "want 2 fields, got 3"),
        (",", "7", "want 2 fields, got 1"),
        (",", "", "want 2 fields, got 0"),
        (",", "7,a man,a dog", "want 2 fields, got 3"),
        (",", '7,"a man', "unexpected end of data"),
    ],
)
def test_a_bad_line_is_named(make_file, separator, line, message):
    good = separator.join(["7", "a man"])
    path = make_file(separator.join(COLUMNS), good, line, good)
    with pytest.raises(ValueError, match=f"pairs:3: {message}"):
        list(read_fields(path, COLUMNS, comma_separated=separator == ","))


def test_words_of_a_line():
    assert words_at("a man's", "f.tsv", 3) == ("a", "man", "'s")
    assert words_at("a man's", "f.tsv", 3, str.split) == ("a", "man's")
    with pytest.raises(ValueError, match=r"f\.tsv:3: a sentence without words: ' '"):
        words_at(" ", "f.tsv", 3)


def test_label_of_a_line():
    assert label_at("1", "f.tsv", 3) == 1
    with pytest.raises(ValueError, match=r"f\.tsv:3: want the label 0 or 1, got '2'"):
        label_at("2", "f.tsv", 3)

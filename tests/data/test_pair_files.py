"""Raw text into words, and the labels of files."""

import pytest

from attention_book.data.pair_files import label_at, split_words, words_at


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


def test_errors():
    with pytest.raises(ValueError, match=r"f\.tsv:3: a sentence without words: ' '"):
        words_at(" ", "f.tsv:3")
    with pytest.raises(ValueError, match=r"f\.tsv:3: want the label 0 or 1, got '2'"):
        label_at("2", "f.tsv", 3)
    assert label_at("1", "f.tsv", 3) == 1
    assert words_at("a b", "f.tsv:3") == ("a", "b")

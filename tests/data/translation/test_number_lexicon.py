"""What the pieces of number words are worth, as learned from num2words."""

import pytest
from num2words import num2words

from attention_book.data.translation.number_lexicon import (
    CONNECTOR,
    cut_words,
    lexicon,
    number_text,
    split_words,
    word_cuts,
)


@pytest.mark.parametrize(
    ("language", "known"),
    [
        ("en", {"one": 1, "thirteen": 13, "hundred": 100, "and": CONNECTOR}),
        ("de", {"eins": 1, "ein": 1, "eine": 1, "und": CONNECTOR, "hundert": 100}),
        ("de", {"dreizehn": 13, "Million": 10**6, "Milliarden": 10**9}),
        ("fr", {"vingt": 20, "vingts": 20, "cents": 100, "et": CONNECTOR}),
        ("sv", {"en": 1, "ett": 1, "femtio": 50, "miljoner": 10**6}),
    ],
)
def test_learned_worths(language, known):
    assert known.items() <= lexicon(language).items()


@pytest.mark.parametrize(
    ("language", "count"), [("en", 33), ("de", 37), ("fr", 31), ("sv", 35)]
)
def test_nothing_else_is_learned(language, count):
    # 0 to 20, the tens, the scales, their plurals, forms of one, connectors.
    assert len(lexicon(language)) == count


def test_split_words_at_every_separator():
    words, between = split_words("one million, two hundred and forty-five")
    assert words == ["one", "million", "two", "hundred", "and", "forty", "five"]
    assert between == [" ", ", ", " ", " ", " ", "-"]


def test_the_cut_with_fewest_pieces_that_is_right_wins():
    known = {"a": 1, "aa": 2, "b": 100}

    def cut(word, number):
        return cut_words([word_cuts(word, known)], number, known)

    assert cut("aab", 200)[0] == [["aa", "b"]]
    assert cut("aaa", 3)[0] in ([["aa", "a"]], [["a", "aa"]])
    assert cut("aab", 300) is None
    assert cut("abc", 100) is None


@pytest.mark.parametrize("language", ["en", "de", "fr", "sv", "ja", "pl", "fi", "it"])
def test_text_is_that_of_num2words(language):
    numbers = [*range(0, 2000, 7), *(3**k for k in range(26)), 10**12 - 1]
    for number in numbers:
        assert number_text(number, language) == num2words(number, lang=language)


@pytest.mark.parametrize("language", ["xx", "english", "", "am"])
def test_unknown_language_is_an_error(language):
    with pytest.raises(ValueError, match=rf"one of ar, az, .*, vi, got '{language}'"):
        lexicon(language)


def test_a_number_that_num2words_cannot_say_is_an_error():
    # Indian English ends there in num2words.
    with pytest.raises(ValueError, match="cannot say 10000000000 in language 'en_IN'"):
        number_text(10**10, "en_IN")

"""numeral: number words in pieces that put together again are num2words' own."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from attention_book.data.translation.numerals import numeral


@pytest.mark.parametrize(
    ("language", "number", "pieces"),
    [
        ("en", 0, "zero"),
        ("en", 21, "twenty one"),
        ("en", 1_001_105, "one million one thousand one hundred and five"),
        ("de", 13, "dreizehn"),
        ("de", 21, "ein und zwanzig"),
        ("de", 1_000_001, "eine Million eins"),
        ("de", 77_117, "sieben und siebzig tausend ein hundert siebzehn"),
        ("fr", 71, "soixante et onze"),
        ("fr", 80, "quatre vingts"),
        ("fr", 97, "quatre vingt dix sept"),
        ("fr", 1100, "mille cent"),
        ("sv", 21_001, "tjugo ett tusen ett"),
        ("sv", 55, "femtio fem"),
    ],
)
def test_pieces(language, number, pieces):
    assert numeral(number, language).tokens == tuple(pieces.split())


def check_text(number, language):
    words = numeral(number, language)
    assert words.text == num2words(number, lang=language)
    assert len(words.tokens) == len(words.separators) + 1 == len(words.labels)
    assert not any(set(token) & set(" ,-") for token in words.tokens)
    assert all(words.tokens)


@pytest.mark.parametrize("language", ["en", "de", "fr", "sv"])
def test_joined_pieces_are_the_text_of_num2words(language):
    longer = [random.randrange(10 ** (2 + i % 11)) for i in range(800)]
    for number in (*range(1200), *longer):
        check_text(number, language)


@given(st.integers(0, 10**12 - 1), st.sampled_from(["en", "de", "fr", "sv"]))
def test_joined_pieces_of_any_number(number, language):
    check_text(number, language)


OTHERS = [
    "bn",
    "ca",
    "ce",
    "cs",
    "da",
    "en_IN",
    "eo",
    "es",
    "fa",
    "fi",
    "fr_BE",
    "fr_CH",
    "is",
    "it",
    "ja",
    "ko",
    "kz",
    "lt",
    "lv",
    "nl",
    "no",
    "pl",
    "pt",
    "pt_BR",
    "ro",
    "ru",
    "sk",
    "sl",
    "sr",
    "tg",
    "th",
    "uk",
    "vi",
]


@pytest.mark.parametrize("language", OTHERS)
def test_other_languages_can_be_cut(language):
    longer = [random.randrange(10 ** (2 + i % 8)) for i in range(100)]
    for number in (*range(120), *longer):
        check_text(number, language)


def test_labels_are_places_of_the_number():
    words = numeral(300_045, "en")  # three hundred thousand and forty-five
    assert dict(zip(words.tokens, words.labels, strict=True)) == {
        "three": {("digit", 5)},
        "hundred": {("scale", 5)},
        "thousand": {("scale", 3)},
        "and": set(),
        "forty": {("digit", 1), ("scale", 1)},
        "five": {("digit", 0)},
    }


def test_labels_of_words_that_stand_for_more_than_one_digit():
    (thirteen,) = numeral(13, "en").labels
    assert thirteen == {("digit", 1), ("digit", 0), ("scale", 1)}
    cent, mille = numeral(100_000, "fr").labels
    assert cent == {("digit", 5), ("scale", 5)}
    assert mille == {("scale", 3)}
    quatre, vingts = numeral(80, "fr").labels
    assert quatre == {("digit", 1)}
    assert vingts == {("digit", 1), ("scale", 1)}
    assert numeral(0, "de").labels == ({("digit", 0)},)


@pytest.mark.parametrize("language", ["en", "de", "fr", "sv"])
def test_labels_name_exactly_the_digits_that_are_not_zero(language):
    for number in (random.randrange(1, 10 ** (1 + i % 12)) for i in range(300)):
        labels = frozenset().union(*numeral(number, language).labels)
        digits = enumerate(reversed(str(number)))
        expected = {("digit", place) for place, digit in digits if digit != "0"}
        assert {label for label in labels if label[0] == "digit"} == expected


@pytest.mark.parametrize("number", [-1, 10**12])
def test_number_out_of_range_is_an_error(number):
    with pytest.raises(ValueError, match=rf"from 0 to 10\^12 - 1, got {number}"):
        numeral(number, "en")


def test_language_that_cannot_be_cut_is_an_error():
    # Indonesian 17 is seven-teen: "belas" adds 10 to the word before it.
    with pytest.raises(ValueError, match="for 17 in language 'id', 'tujuh belas'"):
        numeral(17, "id")


@pytest.mark.parametrize("wrong", [1.5, True, "1"])
def test_a_number_that_is_no_integer_is_an_error(wrong, no_shape_checks):
    with pytest.raises(TypeError, match=f"number must be an integer, got {wrong!r}"):
        numeral(wrong, "en")

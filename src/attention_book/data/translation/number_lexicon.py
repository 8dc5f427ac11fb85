"""The pieces of number words and the value of each, learned from num2words."""

import itertools
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from copy import copy
from functools import cache
from typing import Any, NamedTuple

from attention_book.data.translation.number_value import (
    CONNECTOR,
    SCALES,
    Value,
    evaluate,
)

MAX_DIGITS = 12
# Languages in which num2words 0.5.14 never returns for some numbers: Amharic 1100.
ENDLESS = {"am"}
Lexicon = dict[str, int | None]

# The cost of each way to read an unknown piece. The plainest reading of a word is the
# cheapest: "Million" as a form of "Millionen", "zwei|hundert" rather than a separate
# word for 200, "zwei|und|zwanzig" rather than one for 22.
INFLECTED_WORD, NEW_FACTOR, NEW_CONNECTOR, INFLECTED_PART, NEW_ATOM = range(1, 6)


def number_text(number: int, language: str) -> str:
    """Write a number in words with num2words.

    Args:
        number: from 0, less than 10 to the power ``MAX_DIGITS``.
        language: a code that num2words knows.

    Raises:
        ValueError: if num2words does not know the language or fails on the number.
    """
    converter = _converter(language)
    try:
        return converter.to_cardinal(number)
    except Exception as error:  # each language of num2words raises its own exceptions
        raise ValueError(
            f"num2words cannot say {number} in language {language!r}: {error!r}"
        ) from error


@cache
def _converter(language: str) -> Any:
    from num2words import CONVERTER_CLASSES

    # num2words itself accepts any word that starts with a known code.
    if language not in CONVERTER_CLASSES or language in ENDLESS:
        known = ", ".join(sorted(set(CONVERTER_CLASSES) - ENDLESS))
        raise ValueError(f"language must be one of {known}, got {language!r}")
    converter = copy(CONVERTER_CLASSES[language])
    if hasattr(converter, "cards"):
        # num2words tries all its names, up to 10^600, for each digit. Without those
        # that are too large here, it is ten times as fast.
        items = converter.cards.items()
        converter.cards = OrderedDict((n, w) for n, w in items if n < 10**MAX_DIGITS)
    return converter


def split_words(text: str) -> tuple[list[str], list[str]]:
    """Split a text at spaces, hyphens and commas into words and separators.

    Example:
        >>> split_words("one thousand, twenty-one")
        (['one', 'thousand', 'twenty', 'one'], [' ', ', ', '-'])
    """
    parts = re.split(r"([\s,-]+)", text)
    return parts[::2], parts[1::2]


def cut_words(
    cuts: list[list[list[str]]], number: int, lexicon: Lexicon
) -> tuple[list[list[str]], Value] | None:
    """Choose segmentations of words that together express a number.

    Args:
        cuts: for each word of a numeral all its segmentations into known pieces.
        number: the number that the pieces must express.
        lexicon: the value of each piece.

    Returns:
        The pieces of each word, as few as possible, and what they express; None if no
        segmentation expresses ``number``.
    """
    if not all(cuts):
        return None
    choices: Iterable[tuple[list[str], ...]] = itertools.product(*cuts)
    if any(len(ways) > 1 for ways in cuts):
        choices = sorted(choices, key=lambda choice: sum(map(len, choice)))
    for choice in choices:
        value = evaluate([[lexicon[piece] for piece in pieces] for pieces in choice])
        if value is not None and value.total == number:
            return list(choice), value
    return None


@cache  # numbers share their words
def known_cuts(word: str, language: str) -> list[list[str]]:
    """Return all segmentations of a word into the known pieces of a language."""
    return word_cuts(word, lexicon(language))


def word_cuts(word: str, lexicon: Lexicon) -> list[list[str]]:
    """Return all segmentations of a word into pieces of the lexicon.

    Example:
        >>> word_cuts("aab", {"a": 1, "aa": 2, "b": 3})
        [['aa', 'b'], ['a', 'a', 'b']]
    """
    # ways[end]: the segmentations of word[:end]
    ways: list[list[list[str]]] = [[[]], *([] for _ in word)]
    for start in range(len(word)):
        if ways[start]:
            for end in range(start + 1, len(word) + 1):
                if word[start:end] in lexicon:
                    ways[end] += [[*way, word[start:end]] for way in ways[start]]
    return ways[-1]


@cache
def lexicon(language: str) -> Lexicon:
    """Learn the pieces of a language's number words and the value of each.

    Numbers are read in an order in which each introduces few new words. When the known
    pieces cannot express a number, the one or two missing pieces are added to the
    lexicon, with the value that makes the whole equal the number: after
    ``zweihundert`` has taught ``hundert``, ``einhundert`` teaches ``ein`` = 1.

    Args:
        language: a code that num2words knows.

    Returns:
        The value of each piece; ``CONNECTOR`` for a piece that stands for no digit.

    Raises:
        ValueError: if num2words does not know the language.
    """
    number_text(0, language)
    learned: Lexicon = {}
    for number in _lessons():
        try:
            words, _ = split_words(number_text(number, language))
        except ValueError:  # num2words lacks large numbers in some languages
            continue
        cuts = [word_cuts(word, learned) for word in words]
        if cut_words(cuts, number, learned) is None:
            learned |= _learn(words, number, learned)
    return learned


def _lessons() -> Iterator[int]:
    """Yield numbers in an order that introduces few new pieces at a time."""
    yield from range(21)
    # "One" has many forms (eins, ein, eine), so numbers with a 1 come last.
    yield from (n for n in range(22, 100) if n % 10 != 1)
    yield from (200, 300, 400, 500, 600, 700, 800, 900, 100)
    yield from range(21, 1000)
    for scale in SCALES[1:]:
        for factor in (
            *range(2, 10),
            1,
            *range(10, 23),
            25,
            31,
            100,
            101,
            121,
            200,
            234,
        ):
            if factor * scale < 10**MAX_DIGITS:
                yield from (factor * scale + rest for rest in (0, 2, 1, 15, 100, 231))


class _Reading(NamedTuple):
    cost: float
    pieces: list[str]
    new: tuple[tuple[str, int | None], ...] = ()


def _learn(words: list[str], number: int, known: Lexicon) -> Lexicon:
    """Find the cheapest new pieces with which words express a number, if there are."""
    old = [[_Reading(0, cut) for cut in word_cuts(word, known)] for word in words]
    unknown = [i for i, readings in enumerate(old) if not readings]
    if len(unknown) > 2:
        return {}
    # Where every word can be segmented and only the sum is wrong, one word has another
    # meaning.
    for taught in [unknown] if unknown else [[i] for i in range(len(words))]:
        choices = itertools.product(
            *(
                _new_readings(
                    word,
                    known,
                    whole_only=len(taught) == 2,
                    alone=number if len(words) == 1 else None,
                )
                if i in taught
                else old[i]
                for i, word in enumerate(words)
            )
        )
        for choice in sorted(choices, key=lambda choice: sum(x.cost for x in choice)):
            new = {piece: worth for reading in choice for piece, worth in reading.new}
            both = known | new
            value = evaluate([[both[piece] for piece in x.pieces] for x in choice])
            if value is not None and value.total == number:
                return new
    return {}


def _new_readings(
    word: str, known: Lexicon, *, whole_only: bool, alone: int | None
) -> list[_Reading]:
    """Return the ways to read a word with one unknown piece.

    Args:
        word: the word.
        known: the values of the known pieces.
        whole_only: whether the new piece must be the whole word.
        alone: the number that the word expresses if it is the only word.
    """
    readings = []
    for start, end in itertools.combinations(range(len(word) + 1), 2):
        new = word[start:end]
        whole = new == word
        befores, afters = word_cuts(word[:start], known), word_cuts(word[end:], known)
        if new in known or not befores or not afters or (whole_only and not whole):
            continue
        pieces = [*min(befores, key=len), new, *min(afters, key=len)]
        worths: list[tuple[float, int | None]] = [
            (NEW_FACTOR, worth) for worth in (1, *SCALES)
        ]
        worths += [
            (INFLECTED_WORD if whole else INFLECTED_PART, worth)
            for piece, worth in known.items()
            if piece[:2] == new[:2]
        ]
        if whole and alone is not None:
            worths.append((NEW_ATOM, alone))
        else:
            worths.append((NEW_CONNECTOR, CONNECTOR))
        if whole and alone is None:
            worths.append((NEW_FACTOR, 10))
            worths += [(NEW_ATOM, digit) for digit in range(2, 10)]
        # Of two readings of one kind, the one with fewer unknown letters is cheaper,
        # unless it splits a connector off another word ("thous|and").
        extra = 0.01 * len(new)
        extra += 0.5 * sum(known.get(piece, 1) is CONNECTOR for piece in pieces)
        readings += [
            _Reading(kind + extra, pieces, ((new, worth),)) for kind, worth in worths
        ]
    return readings

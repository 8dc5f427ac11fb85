"""Number words cut into pieces that stand for known digits."""

from dataclasses import dataclass
from functools import cache

from attention_book.data.translation.number_lexicon import (
    MAX_DIGITS,
    cut_words,
    known_cuts,
    lexicon,
    number_text,
    split_words,
)
from attention_book.data.translation.number_value import CONNECTOR


@dataclass(frozen=True)
class Numeral:
    """A number in words, cut into pieces.

    Attributes:
        number: the number.
        tokens: its pieces: words, and the parts of long words.
        separators: the text between two pieces: a space, a hyphen, a comma and a space,
            or nothing within a word.
        labels: the meaning of each piece: ("digit", place) for each digit and
            ("scale", place) for a power of ten, where place 0 is that of the ones.
            Pieces of two languages that share a label mean the same.
    """

    number: int
    tokens: tuple[str, ...]
    separators: tuple[str, ...]
    labels: tuple[frozenset[tuple[str, int]], ...]

    @property
    def text(self) -> str:
        """The number in words as num2words writes it."""
        pairs = zip(self.separators, self.tokens[1:], strict=True)
        return self.tokens[0] + "".join(separator + token for separator, token in pairs)


def numeral(number: int, language: str) -> Numeral:
    """Put a number into words and cut them into pieces.

    Args:
        number: from 0, with at most 12 digits.
        language: a code that num2words knows: "en", "de", "fr", "sv" and most others.

    Returns:
        The pieces and their meanings.

    Raises:
        ValueError: if the number is out of range, if num2words does not know the
            language, or if its words for the number cannot be cut into pieces of known
            value.
        TypeError: if the number is not an integer.

    Example:
        >>> numeral(21, "de").tokens
        ('ein', 'und', 'zwanzig')
        >>> [sorted(labels) for labels in numeral(21, "de").labels]
        [[('digit', 0)], [], [('digit', 1), ('scale', 1)]]
        >>> numeral(97, "fr").text
        'quatre-vingt-dix-sept'
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"number must be an integer, got {number!r}")
    if not 0 <= number < 10**MAX_DIGITS:
        raise ValueError(f"number must be from 0 to 10^{MAX_DIGITS} - 1, got {number}")
    text = number_text(number, language)
    words, between = split_words(text)
    worth_of = lexicon(language)
    cuts = [known_cuts(word, language) for word in words]
    cut = cut_words(cuts, number, worth_of)
    if cut is None:
        raise ValueError(
            f"cannot cut the words for {number} in language {language!r}, {text!r}, "
            "into pieces of known value"
        )
    pieces, value = cut
    tokens, separators = [], []
    for gap, word in zip(["", *between], pieces, strict=True):
        tokens += word
        separators += [gap, *[""] * (len(word) - 1)]
    labels = tuple(
        _label(worth_of[token], share, is_factor, number == 0)
        for token, share, is_factor in zip(
            tokens, value.shares, value.is_factor, strict=True
        )
    )
    return Numeral(number, tuple(tokens), tuple(separators[1:]), labels)


@cache  # only a few hundred differ, and computing them takes a third of the time
def _label(
    worth: int | None, share: int, is_factor: bool, is_zero: bool
) -> frozenset[tuple[str, int]]:
    """The meaning of a piece that adds ``share`` to a number, which may be zero."""
    if worth is CONNECTOR:
        return frozenset()
    digits = str(share)[::-1]  # the place of a digit is its index
    label = {("scale", len(digits) - 1)} if worth >= 10 else set()
    if not is_factor:
        label |= {
            ("digit", place)
            for place, digit in enumerate(digits)
            if digit != "0" or is_zero
        }
    return frozenset(label)

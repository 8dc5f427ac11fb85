"""WordPiece, the units of BERT's published models, and its vocabulary files."""

import operator
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from attention_book.data.pretraining import MarkIds
from attention_book.data.text_files import read_lines

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_LETTERS = 200
"""A word of more characters is unknown, as in the authors' code."""

_CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""Blocks of Chinese characters, each of which is a word by itself."""


class WordPiece:
    """Cut words into the longest pieces that a vocabulary has, from left to right.

    The text is first cut into words at white space, around each mark of punctuation and
    around each Chinese character. A piece that continues a word is listed with "##"
    before it. If what is left of a word starts with no piece at all, the whole word is
    unknown.

    Args:
        pieces: the vocabulary; a piece's position is its id.
        lowercase: whether words are lower-cased and their accents removed, as for the
            models that are called "uncased".

    Raises:
        ValueError: if a piece is listed twice, one of the five special pieces is
            missing, or ``[PAD]`` is not the first.

    Source: Wu et al., arXiv:1609.08144; ``tokenization.py`` in the authors' code of
        arXiv:1810.04805.

    Example:
        >>> pieces = WordPiece([*SPECIAL_PIECES, "un", "##aff", "##able", "!"])
        >>> pieces.decode(pieces.encode("Unaffable! Aff"))
        ['un', '##aff', '##able', '!', '[UNK]']
    """

    def __init__(self, pieces: Sequence[str], *, lowercase: bool = True) -> None:
        self._pieces = list(pieces)
        self._ids = {piece: number for number, piece in enumerate(self._pieces)}
        if len(self._ids) < len(self._pieces):
            twice, _ = Counter(self._pieces).most_common(1)[0]
            raise ValueError(f"pieces must differ, but {twice!r} is listed twice")
        missing = [piece for piece in SPECIAL_PIECES if piece not in self._ids]
        if missing or self._pieces[0] != SPECIAL_PIECES[0]:
            first = f"{self._pieces[0]!r} is the first" if self._pieces else ""
            wrong = f"{missing[0]!r} is missing" if missing else first
            raise ValueError(
                f"pieces must begin with [PAD] and have {', '.join(SPECIAL_PIECES)}, "
                f"but {wrong}"
            )
        self._lowercase = lowercase
        self._longest = max(map(len, self._pieces))
        self.marks = MarkIds(
            cls=self._ids["[CLS]"], sep=self._ids["[SEP]"], mask=self._ids["[MASK]"]
        )

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """Return the ids of the pieces of a text; special ones are not added."""
        unknown = self._ids["[UNK]"]
        ids = []
        for word in split_text(text, lowercase=self._lowercase):
            ids += self._cut(word) or [unknown]
        return ids

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the pieces of ids.

        Raises:
            IndexError: if an id is out of range.
        """
        pieces = []
        for number in map(operator.index, ids):
            if not 0 <= number < len(self):  # Python counts -1 from the end
                raise IndexError(f"ids must be from 0 to {len(self) - 1}: {number}")
            pieces.append(self._pieces[number])
        return pieces

    def _cut(self, word: str) -> list[int]:
        """The ids of a word's pieces; none if it is unknown."""
        if len(word) > MAX_LETTERS:
            return []
        ids: list[int] = []
        start = 0
        while start < len(word):
            before = "##" if start else ""
            for end in range(min(len(word), start + self._longest), start, -1):
                if (found := self._ids.get(before + word[start:end])) is not None:
                    break
            else:
                return []
            ids.append(found)
            start = end
        return ids


def read_word_pieces(path: str | Path, *, lowercase: bool = True) -> WordPiece:
    """Read a ``vocab.txt`` as it lies beside published weights: a piece on each line.

    Args:
        path: a UTF-8 file; "~" stands for the home folder.
        lowercase: as for :class:`WordPiece`.

    Raises:
        ValueError: naming the file, as :class:`WordPiece`.
        FileNotFoundError: if there is no such file.
    """
    path = Path(os.path.expanduser(path))
    try:
        return WordPiece(read_lines(path), lowercase=lowercase)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def split_text(text: str, *, lowercase: bool = True) -> list[str]:
    """Cut a text into words, marks of punctuation and Chinese characters.

    Control characters are removed. Every ASCII character that is no letter, digit or
    space counts as punctuation, "$" and "_" included.

    Args:
        text: any text.
        lowercase: whether to lower-case it and to remove accents.

    Example:
        >>> split_text("Don't à la_carte")
        ['don', "'", 't', 'a', 'la', '_', 'carte']
    """
    if lowercase:
        text = unicodedata.normalize("NFD", text.lower())
    spaced = []
    for letter in text:
        kind = unicodedata.category(letter)
        if letter in " \t\n\r" or kind == "Zs":
            spaced.append(" ")
        elif kind in ("Cc", "Cf") or letter == "\ufffd" or (lowercase and kind == "Mn"):
            continue
        elif _stands_alone(letter, kind):
            spaced.append(f" {letter} ")
        else:
            spaced.append(letter)
    return "".join(spaced).split()


def _stands_alone(letter: str, kind: str) -> bool:
    """Whether a character is a word by itself: punctuation, or Chinese."""
    if letter.isascii():
        return not letter.isalnum()
    code = ord(letter)
    return kind.startswith("P") or any(low <= code <= high for low, high in _CJK)

"""Fields of the files of sentence pairs: raw sentences into words, and labels."""

import re
from pathlib import Path

# What is cut off a word is what word vectors are kept for: "do n't", "it 's".
_WORD = re.compile(
    r"\w+?(?=n['\u2019]t\b)|n['\u2019]t\b|['\u2019](?:s|m|d|re|ve|ll)\b"
    r"|\d+(?:[.,:/]\d+)+|\w+(?:-\w+)*|[^\w\s]",
    re.IGNORECASE,
)


def split_words(text: str) -> tuple[str, ...]:
    """Cut English text into words and marks, "n't", "'s" and the like set apart.

    Args:
        text: a sentence; its case stays.

    Example:
        >>> split_words("They don't pay $1,200.50 for Tom's well-known dog.")
        ('They', 'do', "n't", 'pay', '$', '1,200.50', 'for', 'Tom', "'s", ...
    """
    return tuple(_WORD.findall(text))


def words_at(text: str, place: str) -> tuple[str, ...]:
    """Cut a sentence of a file into words, as :func:`split_words`.

    Args:
        text: the sentence.
        place: file and line, for the message.

    Raises:
        ValueError: naming the place, if there is no word.
    """
    words = split_words(text)
    if not words:
        raise ValueError(f"{place}: a sentence without words: {text!r}")
    return words


def label_at(text: str, path: str | Path, number: int) -> int:
    """Read a label of a file: 0 or 1.

    Args:
        text: the field.
        path: the file, for the message.
        number: its line.

    Raises:
        ValueError: naming file and line, if it is neither.
    """
    if text not in ("0", "1"):
        raise ValueError(f"{path}:{number}: want the label 0 or 1, got {text!r}")
    return int(text)

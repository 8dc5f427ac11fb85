"""Files of sentence pairs: their lines into fields, sentences into words, labels."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attention_book.data.text_files import read_lines

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


def read_fields(
    path: str | Path, columns: list[str], *, comma_separated: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Read the fields of each line of a table whose first line names its columns.

    Args:
        path: a UTF-8 file.
        columns: the names that its first line must hold.
        comma_separated: whether commas stand between the fields, and a field with a
            comma or a quotation mark in quotation marks, those inside doubled.
            Otherwise tabs, and a quotation mark is part of its field.

    Yields:
        The number of a line, from 2, and its fields: one for each column.

    Raises:
        ValueError: naming file and line, if the first line does not name the columns, a
            quotation mark is not closed, or a line has fewer or more fields.
    """
    separator = "," if comma_separated else "\t"
    header, *lines = read_lines(path) or [""]
    if header.split(separator) != columns:
        raise ValueError(f"{path}:1: want the columns {', '.join(columns)}: {header!r}")
    for number, line in enumerate(lines, start=2):
        if comma_separated:
            # Line by line, since no field holds a line end: a quotation mark that is
            # not closed is an error on its line, and does not swallow those after it.
            try:
                fields = next(csv.reader([line], strict=True), [])
            except csv.Error as error:
                raise ValueError(f"{path}:{number}: {error}") from error
        else:
            fields = line.split(separator)
        if len(fields) != len(columns):
            raise ValueError(
                f"{path}:{number}: want {len(columns)} fields, got {len(fields)}"
            )
        yield number, fields


def words_at(
    text: str,
    path: str | Path,
    number: int,
    split: Callable[[str], Iterable[str]] = split_words,
) -> tuple[str, ...]:
    """Cut a sentence of a file into words.

    Args:
        text: the sentence.
        path: the file, for the message.
        number: its line.
        split: what cuts; ``str.split`` for a text whose words have spaces between.

    Raises:
        ValueError: naming file and line, if there is no word.
    """
    words = tuple(split(text))
    if not words:
        raise ValueError(f"{path}:{number}: a sentence without words: {text!r}")
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

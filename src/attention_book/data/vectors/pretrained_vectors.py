"""Word vectors that others have trained: GloVe, and two small subsets for tests."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from attention_book.data.downloads import fetch, is_here
from attention_book.data.vectors.word_vectors import WordVectors


@dataclass(frozen=True)
class Source:
    """Where word vectors come from.

    Attributes:
        title: how to name them beside a result.
        file: name in the table of downloads.
        dim: numbers of a vector.
        lowercase: whether they know words in lower case only.
    """

    title: str
    file: str
    dim: int
    lowercase: bool


SOURCES = {
    "glove-840b": Source("GloVe 840B, 300 d", "glove/glove.840B.300d.zip", 300, False),
    "glove-6b": Source(
        "GloVe 6B, 50 d",
        "glove_6b_50d_subset/glove.6B.50d.subset.txt.gz",
        50,
        True,
    ),
    "spacy-md": Source(
        "spaCy en_core_web_md, 300 d",
        "spacy_md_300d_subset/en_core_web_md-3.8.0.sick_msrvid.300d.txt.gz",
        300,
        True,
    ),
}
"""GloVe 840B is 2 GB to download. The other two can only come from a mirror, as rows
for the words of some data sets: "glove-6b" of SICK, MSRVID, MSRP, WikiQA and TrecQA,
"spacy-md" (20,000 different vectors, shared by words) of SICK and MSRVID."""


_DAMAGED = (EOFError, OSError, UnicodeDecodeError, zlib.error, zipfile.BadZipFile)


def best_source(smaller: str) -> str:
    """Choose the best vectors that can be had without another download.

    Args:
        smaller: name in :data:`SOURCES` to use if GloVe 840B is not here.

    Returns:
        "glove-840b" if it is in the mirror or the cache, else ``smaller`` if that is,
        else "glove-840b", to be downloaded.

    Raises:
        ValueError: if there is no such name.
    """
    _check(smaller)
    if is_here(SOURCES["glove-840b"].file) or not is_here(SOURCES[smaller].file):
        return "glove-840b"
    return smaller


def pretrained_vectors(name: str, words: Collection[str]) -> WordVectors:
    """Read the vectors of some words.

    Args:
        name: one of :data:`SOURCES`.
        words: whose vectors are wanted; in lower case if the source has no other.

    Returns:
        Those of the words that the source knows, in its order.

    Raises:
        ValueError: if there is no such name, or the file has a bad line; the message
            has file and line.
        DownloadError: as :func:`attention_book.data.downloads.fetch`.
    """
    _check(name)
    path = fetch(SOURCES[name].file)
    return read_vectors(path, words, SOURCES[name].dim)


def read_vectors(path: str | Path, words: Collection[str], dim: int) -> WordVectors:
    """Read the vectors of some words from a text file with a word a line.

    Args:
        path: a file with lines of a word and ``dim`` numbers, with spaces between: text
            compressed as ``.gz``, or alone in a ``.zip``. A word may hold spaces itself
            (some of GloVe 840B do). Of a word that comes twice, the first line counts.
        words: whose vectors are wanted; the others are passed over.
        dim: numbers of a vector.

    Raises:
        ValueError: naming the file, and the line if it is one: if it is damaged, a line
            has too few fields or something that is no number, or no word is found.
    """
    path, wanted = Path(path), set(words)
    found: dict[str, np.ndarray] = {}
    try:
        with _lines(path) as lines:
            bar = tqdm(lines, desc=path.name, unit=" words", leave=False)
            for number, line in enumerate(bar, start=1):
                fields = line.rstrip("\n").rsplit(" ", dim)
                if len(fields) != dim + 1:
                    raise ValueError(
                        f"{path}:{number}: want a word and {dim} numbers, got "
                        f"{len(fields)} fields"
                    )
                if fields[0] in wanted and fields[0] not in found:
                    found[fields[0]] = _numbers(fields[1:], f"{path}:{number}")
    except _DAMAGED as error:
        raise ValueError(f"{path} cannot be read as a whole ({error})") from error
    if not found:
        raise ValueError(f"{path} has none of the {len(wanted)} words")
    return WordVectors(list(found), np.stack(list(found.values())))


def _check(name: str) -> None:
    if name not in SOURCES:
        raise ValueError(f"name must be one of {', '.join(SOURCES)}, got {name!r}")


def _numbers(fields: list[str], place: str) -> np.ndarray:
    try:
        return np.array(fields, dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive, archive.open(*archive.namelist()) as file:
        yield io.TextIOWrapper(file, encoding="utf-8", newline="\n")

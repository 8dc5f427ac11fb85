"""Pretrained word vectors: GloVe, and two small subsets for tests."""

import gzip
import io
import os
import re
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
        title: the vectors' name beside a result.
        file: name in the table of downloads.
        dim: size of a vector.
        lowercase: whether all their words are in lower case.
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


_GAP = re.compile(r"[ \t]+")
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


def read_vectors(
    path: str | Path, words: Collection[str], dim: int, *, member: str | None = None
) -> WordVectors:
    """Read the vectors of some words from a text file with one word per line.

    Args:
        path: a UTF-8 file with lines of a word and ``dim`` numbers, separated by spaces
            or tabs: plain text, compressed as ``.gz``, or in a ``.zip``. A word may
            contain spaces itself (some in GloVe 840B do). If a word comes twice, its
            first line counts. "~" stands for the home folder.
        words: the words whose vectors are wanted; the others are skipped.
        dim: size of a vector.
        member: which file of a ``.zip`` to read. None: the only one.

    Raises:
        ValueError: naming the file, and the line if there is one: if it is damaged, a
            line has too few fields or something that is not a finite number, none of
            the words is there, or ``member`` does not name one file of an archive.
        TypeError: if one string comes in place of a list of words.
    """
    if isinstance(words, str):
        raise TypeError(f"words must be a list of words, got the string {words!r}")
    path, wanted = Path(os.path.expanduser(path)), set(words)
    found: dict[str, np.ndarray] = {}
    try:
        with _lines(path, member) as lines:
            bar = tqdm(lines, desc=path.name, unit=" words", leave=False)
            for number, line in enumerate(bar, start=1):
                # Spaces alone: some words of GloVe 840B are other white space.
                line = line.strip(" \t\r\n")
                if "  " in line or "\t" in line:
                    line = _GAP.sub(" ", line)
                fields = line.rsplit(" ", dim)
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
        with np.errstate(over="ignore"):  # infinite then, which is refused below
            vector = np.array(fields, dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    if not np.isfinite(vector).all():
        wrong = fields[int(np.isfinite(vector).argmin())]
        raise ValueError(f"{place}: numbers must be finite, got {wrong}")
    return vector


@contextmanager
def _lines(path: Path, member: str | None) -> Iterator[Iterator[str]]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            name = _choose_member(path, archive.namelist(), member)
            with archive.open(name) as raw:
                yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")
        return
    if member is not None:
        raise ValueError(f"member is {member!r}, but {path} is not a .zip archive")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="\n")


def _choose_member(path: Path, names: list[str], member: str | None) -> str:
    # Folders, and what macOS adds, are no files of vectors.
    files = [n for n in names if not n.endswith("/") and not n.startswith("__MACOSX/")]
    if member is None and len(files) == 1:
        return files[0]
    if member is None or member not in files:
        raise ValueError(
            f"member must name one of the {len(files)} files in {path} "
            f"({', '.join(files)}), got {member!r}"
        )
    return member

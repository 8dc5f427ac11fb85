"""Two large public sets of reviews: IMDB's and Yelp's.

They are not the sets of the paper. Its IMDB has 348,415 reviews in ten classes (Diao et
al., 2014), its Yelp sets are the challenges of 2013 to 2015 as Tang et al. split them;
neither is offered by its authors any longer.
"""

import csv
import html
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path

from attention_book.data.docstrings.words import sentences, words
from attention_book.data.documents.labelled import LabelledDocument, check_document
from attention_book.data.downloads import fetch

IMDB = "imdb/aclImdb_v1.tar.gz"
YELP = "yelp/yelp_review_full_csv.tgz"
SPLITS = ("train", "test")

_BREAK = re.compile(r"(?:<br\s*/?>|\\n|\n)+")
_IMDB_MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/\d+_\d+\.txt")
_DAMAGED = (tarfile.TarError, zlib.error, EOFError, OSError, UnicodeDecodeError)


def imdb(split: str) -> list[LabelledDocument]:
    """Film reviews with two classes, negative (0) and positive (1).

    Size: 25,000 reviews each, half of each class. Download: 84 MB.
    Source: Maas et al., ACL 2011.
    Licence: the source states none. Nothing of it is in this package.

    Args:
        split: "train" or "test".

    Raises:
        ValueError: if there is no such split, or the archive is damaged.
        DownloadError: if the archive is not available.
    """
    _check_split(split)
    return read_imdb(fetch(IMDB), split)


def yelp(split: str) -> list[LabelledDocument]:
    """Reviews of shops and restaurants; the classes are one star (0) to five (4).

    Size: 650,000 reviews "train", 50,000 "test", equally many of each class. Download:
    196 MB.
    Source: Zhang, Zhao and LeCun, NIPS 2015, from the Yelp challenge of 2015.
    Licence: that of the Yelp data set. Nothing of it is in this package.

    Args:
        split: "train" or "test".

    Raises:
        ValueError: if there is no such split, or the archive is damaged.
        DownloadError: if the archive is not available.
    """
    _check_split(split)
    return read_yelp(fetch(YELP), split)


def read_imdb(path: str | Path, split: str) -> list[LabelledDocument]:
    """Read the reviews of an archive of IMDB's form, which is not unpacked.

    Args:
        path: a tar file with the members ``aclImdb/train/neg/0_3.txt`` and so on.
        split: "train" or "test".

    Returns:
        The reviews by the names of their files, negative ones first.

    Raises:
        ValueError: naming the file, and the member if one is wrong.
    """
    path = Path(os.path.expanduser(path))
    found = {}
    try:
        with tarfile.open(path) as archive:
            for entry in archive:
                member = _IMDB_MEMBER.fullmatch(entry.name)
                file = archive.extractfile(entry) if entry.isfile() else None
                if member is None or file is None or member[1] != split:
                    continue
                text = file.read().decode("utf-8")
                name = f"{path}, {entry.name}:"
                found[entry.name] = _document(text, int(member[2] == "pos"), name)
    except _DAMAGED as error:
        raise ValueError(f"{path} is no whole archive of reviews ({error})") from error
    if not found:
        raise ValueError(f"{path} holds no file aclImdb/{split}/neg/..._..txt")
    return [found[name] for name in sorted(found)]


def read_yelp(path: str | Path, split: str) -> list[LabelledDocument]:
    """Read the reviews of an archive of Yelp's form, which is not unpacked.

    Args:
        path: a tar file with ``yelp_review_full_csv/train.csv`` and ``test.csv``, whose
            lines are a number of stars from 1 to 5 and a text, both in quotes.
        split: "train" or "test".

    Returns:
        The reviews in the order of the lines.

    Raises:
        ValueError: naming the file, and the row if one is wrong.
    """
    path = Path(os.path.expanduser(path))
    member = f"yelp_review_full_csv/{split}.csv"
    try:
        with tarfile.open(path) as archive:
            file = archive.extractfile(member)
            if file is None:
                raise KeyError(f"{member} is no file")
            lines = TextIOWrapper(file, encoding="utf-8", newline="")
            return list(_yelp_rows(lines, f"{path}, {member}"))
    except KeyError as error:
        raise ValueError(f"{path} must hold {member}: {error}") from error
    except (*_DAMAGED, csv.Error) as error:
        raise ValueError(f"{path} is no whole archive of reviews ({error})") from error


def _yelp_rows(lines: Iterable[str], name: str) -> Iterator[LabelledDocument]:
    for number, row in enumerate(csv.reader(lines), start=1):
        if len(row) != 2 or row[0] not in {"1", "2", "3", "4", "5"}:
            raise ValueError(
                f"{name}: row {number} must be a number of stars from 1 to 5 and a "
                f"text, got {str(row)[:60]}"
            )
        yield _document(row[1], int(row[0]) - 1, f"{name}: row {number}")


def _document(text: str, label: int, name: str) -> LabelledDocument:
    paragraphs = _BREAK.split(html.unescape(text))
    rows = (tuple(words(s)) for part in paragraphs for s in sentences(part))
    document = LabelledDocument(tuple(filter(None, rows)), label)
    check_document(document, name)
    return document


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")

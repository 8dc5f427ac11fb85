"""The book's own corpus: docstrings of the libraries that are installed here."""

import contextlib
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from attention_book.data.docstrings.documents import Document
from attention_book.data.downloads import CACHE, cache_folder

LIBRARIES = ("numpy", "scipy", "sklearn", "networkx", "matplotlib", "torch")
# Distributions whose name differs from the import name.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# Raise it whenever the same docstrings would yield different documents.
FORMAT_VERSION = 2


class DocstringError(RuntimeError):
    """The docstrings could not be read; the message says why."""


@dataclass(frozen=True)
class Corpus:
    """Docstrings of several libraries.

    Attributes:
        documents: one for each docstring that was kept, ordered by qualified name.
        versions: the version of each library that was read.
        left_out: for each library that was not read, the reason.
        skipped: modules that could not be imported.
        counts: how many docstrings were read, left out by each rule, and kept, as
            counted by :func:`attention_book.data.docstrings.documents.make_documents`.
    """

    documents: list[Document]
    versions: dict[str, str]
    left_out: dict[str, str]
    skipped: list[str]
    counts: dict[str, int]


def load_docstrings(libraries: Sequence[str] = LIBRARIES) -> Corpus:
    """Read the public docstrings of installed libraries, or load them from the cache.

    Importing a library can change settings of the running process, so a separate
    process does it. The result is kept in the cache
    (:func:`~attention_book.data.downloads.cache_folder`) until the version of one of
    the libraries changes; a damaged cache file is replaced. For the modules and
    docstrings that are left out, see :mod:`attention_book.data.docstrings.reader` and
    :func:`attention_book.data.docstrings.documents.make_documents`.

    Size: with the libraries of this book's environment about 9,700 documents and 1.1
    million words, which take 8 seconds of one core to read and 0.3 seconds to load
    from the cache.
    Source: the reader's own installation. Nothing is downloaded, and no text of the
    libraries is part of this book.

    Args:
        libraries: import names. An object that two libraries share is attributed to
            the earlier one.

    Returns:
        The corpus. A library that is not installed, or cannot be imported, is left out
        with a warning that names it.

    Raises:
        ValueError: if ``libraries`` is empty or names one twice.
        TypeError: if ``libraries`` is one string.
        DocstringError: if reading them fails altogether.
    """
    if isinstance(libraries, str):
        raise TypeError(f"libraries must be a list of names, got {libraries!r}")
    if not libraries or len(set(libraries)) < len(libraries):
        raise ValueError(f"libraries must be different names, got {list(libraries)}")
    place = cache_folder() / "docstrings" / f"{_key(libraries)}.json.gz"
    corpus = _load(place)
    if corpus is None:
        content = _read_in_a_process(libraries)
        corpus = _parse(content)
        # A broken installation may be repaired without a change of version.
        if all(_version(library) is None for library in corpus.left_out):
            _keep(content, place)
    for library, reason in corpus.left_out.items():
        warnings.warn(
            f"the docstrings of {library} are left out: {reason}", stacklevel=2
        )
    return corpus


def _version(library: str) -> str | None:
    """Return the version of an installed library, None if it is not installed."""
    if importlib.util.find_spec(library) is None:
        return None
    try:
        return metadata.version(DISTRIBUTIONS.get(library, library))
    except metadata.PackageNotFoundError:
        return "unknown"


def _key(libraries: Sequence[str]) -> str:
    """Return a file name that depends on everything the documents depend on."""
    versions = [[library, _version(library)] for library in libraries]
    # Python's version: it decides what is documented by default, and how it is cleaned.
    parts = [FORMAT_VERSION, list(sys.version_info[:2]), versions]
    return sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _read_in_a_process(libraries: Sequence[str]) -> bytes:
    """Let another process read the libraries; return the file that it writes."""
    code = (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
        "from attention_book.data.docstrings.file import write; "
        "write(sys.argv[2], sys.argv[3:])"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "docstrings.json.gz"
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(
            [*command, json.dumps(sys.path), str(path), *libraries],
            env={**os.environ, "MPLBACKEND": "agg"},  # else one that needs a window
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode or not path.is_file():
            raise DocstringError(
                f"reading the docstrings of {', '.join(libraries)} ended with status "
                f"{done.returncode}: {done.stderr.strip()[-500:]}"
            )
        return path.read_bytes()


def _parse(content: bytes) -> Corpus:
    fields = json.loads(gzip.decompress(content))
    documents = []
    for entry in fields.pop("documents"):
        values: dict[str, Any] = {
            key: tuple(x) if isinstance(x, list) else x for key, x in entry.items()
        }
        documents.append(Document(**values))
    return Corpus(documents=documents, **fields)


def _load(place: Path) -> Corpus | None:
    """Load a cached file; None if it is missing or fails gzip's checksum."""
    try:
        return _parse(place.read_bytes())
    except (OSError, EOFError, zlib.error, ValueError):  # no whole file
        return None
    except (TypeError, LookupError, AttributeError):  # not what we write
        return None


def _keep(content: bytes, place: Path) -> None:
    """Write the file completely or not at all; a missing cache only costs time."""
    # Another process may be writing the same file.
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(place)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        warnings.warn(
            f"the docstrings cannot be kept in {place.parent} ({error}), and are read "
            f"again the next time: set {CACHE} to a folder that you can write to",
            stacklevel=3,
        )

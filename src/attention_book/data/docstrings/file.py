"""Write the documents of several libraries to a file. Runs in its own process."""

import gzip
import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attention_book.data.docstrings.documents import make_documents
from attention_book.data.docstrings.reader import read_library


def write(path: str | Path, libraries: Sequence[str]) -> None:
    """Write the fields of a corpus as JSON compressed with gzip.

    The same libraries always yield the same bytes.

    Args:
        path: of the file.
        libraries: import names. An object that two libraries share is attributed to
            the earlier one.
    """
    seen: dict[int, Any] = {}
    docstrings, versions, left_out, skipped = [], {}, {}, []
    for library in libraries:
        try:
            found, failed = read_library(library, seen)
        # An import may raise any exception, or even exit.
        except (Exception, SystemExit) as error:
            left_out[library] = f"{type(error).__name__}: {error}"
            continue
        module = importlib.import_module(library)
        versions[library] = str(getattr(module, "__version__", "unknown"))
        docstrings += [(library, docstring) for docstring in found]
        skipped += failed
    documents, counts = make_documents(docstrings)
    fields = {
        "documents": [asdict(document) for document in documents],
        "versions": versions,
        "left_out": left_out,
        "skipped": skipped,
        "counts": counts,
    }
    content = json.dumps(fields).encode()
    Path(os.path.expanduser(path)).write_bytes(
        gzip.compress(content, compresslevel=3, mtime=0)
    )

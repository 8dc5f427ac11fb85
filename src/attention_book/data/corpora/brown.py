"""The Brown corpus: American texts of 1961 in 500 documents."""

import os
import re
import zipfile
import zlib
from pathlib import Path

from attention_book.data.downloads import fetch

ARCHIVE = "brown/brown.zip"
_MEMBER = re.compile(r"brown/c[a-r]\d\d")


def brown() -> list[list[str]]:
    """The documents of the Brown corpus, each as its sentences.

    Tokens are joined by spaces, without their tags, and punctuation is kept.

    Size: 500 documents, 57,340 sentences, 1,161,192 tokens. Download: 3.3 MB.
    Source: Francis and Kučera, 1964, as distributed with NLTK.
    Licence: "May be used for non-commercial purposes." Nothing of it is in this
    package.

    Returns:
        The documents in the order of their names, from "ca01" to "cr09".

    Raises:
        DownloadError: if the archive is not available.
    """
    return read_brown(fetch(ARCHIVE))


def read_brown(path: str | Path) -> list[list[str]]:
    """Read the archive, which is not unpacked.

    Args:
        path: a zip file with the members ``brown/ca01`` and so on, of lines of tokens
            ``word/tag``.

    Returns:
        For each document, in the order of the members' names, its sentences.

    Raises:
        ValueError: naming the file, and the member if one is wrong: it is no whole
            archive, has no documents, a token has no tag, or a document has no
            sentence.
    """
    path = Path(os.path.expanduser(path))
    documents = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(filter(_MEMBER.fullmatch, archive.namelist())):
                lines = archive.read(name).decode("utf-8").splitlines()
                rows = [line.split() for line in lines if line.strip()]
                wrong = [token for row in rows for token in row if "/" not in token]
                if wrong or not rows:
                    raise ValueError(
                        f"{path}, {name}: want tokens word/tag, got "
                        f"{wrong[0] if wrong else 'no sentence'!r}"
                    )
                documents.append(
                    [
                        " ".join(token.rpartition("/")[0] for token in row)
                        for row in rows
                    ]
                )
    except (zipfile.BadZipFile, zlib.error, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no whole archive of Brown ({error})") from error
    if not documents:
        raise ValueError(f"{path} holds no file brown/ca01")
    return documents

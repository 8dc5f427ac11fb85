"""Movie reviews: 2,000 documents, positive or negative, with ten official folds."""

import os
import re
import zipfile
import zlib
from pathlib import Path

from attention_book.data.documents.labelled import LabelledDocument, check_document
from attention_book.data.downloads import fetch

ARCHIVE = "movie_reviews/movie_reviews.zip"
CLASSES = ("negative", "positive")
NUM_FOLDS = 10

_MEMBER = re.compile(r"movie_reviews/(neg|pos)/cv(\d)\d\d_\d+\.txt")


def movie_reviews(fold: int) -> tuple[list[LabelledDocument], list[LabelledDocument]]:
    """The reviews of polarity 2.0: nine folds to train on, and one to test.

    The text is in lower case, with one sentence per line and spaces between tokens; it
    is taken as it is, punctuation included. Lines without a token are left out.

    Size: 1,800 and 200 documents, half of each class; about 32 sentences a document and
    23 tokens a sentence. Download: 4 MB.
    Source: Pang and Lee, ACL 2004; the ten folds are those of the paper, by the tags
    cv000 to cv999 of the files' names.
    Licence: CC BY 4.0, as distributed with NLTK. Nothing of it is in this package.

    Args:
        fold: number of the fold to test on, from 0 to 9.

    Returns:
        ``(train, test)`` in the order of the files' names, negative ones first.

    Raises:
        ValueError: if there is no such fold.
        DownloadError: if the archive is not available.
    """
    if not 0 <= fold < NUM_FOLDS:
        raise ValueError(f"fold must be from 0 to {NUM_FOLDS - 1}, got {fold}")
    folds = read_movie_reviews(fetch(ARCHIVE))
    train = [document for number, document in folds if number != fold]
    return train, [document for number, document in folds if number == fold]


def read_movie_reviews(path: str | Path) -> list[tuple[int, LabelledDocument]]:
    """Read the archive, which is not unpacked.

    Args:
        path: a zip file with the members ``movie_reviews/neg/cv000_29416.txt`` and so
            on.

    Returns:
        For each document, in the order of the members' names, its fold and itself.

    Raises:
        ValueError: naming the file, and the member if one is wrong: it is no whole
            archive, has no reviews, or a review has no sentence.
    """
    path = Path(os.path.expanduser(path))
    documents = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if member := _MEMBER.fullmatch(name):
                    lines = archive.read(name).decode("utf-8").splitlines()
                    rows = (tuple(line.split()) for line in lines)
                    label = int(member[1] == "pos")
                    document = LabelledDocument(tuple(filter(None, rows)), label)
                    check_document(document, f"{path}, {name}:")
                    documents.append((int(member[2]), document))
    except (zipfile.BadZipFile, zlib.error, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no whole archive of reviews ({error})") from error
    if not documents:
        raise ValueError(f"{path} holds no file movie_reviews/neg/cv..._....txt")
    return documents

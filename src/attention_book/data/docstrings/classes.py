"""Document classes: which library does a docstring come from?"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.words import sentences, words
from attention_book.data.documents.labelled import LabelledDocument

BLANK = "<name>"
# Words that name a library, or by which its users call it.
_LIBRARY_NAMES = {
    "numpy",
    "np",
    "scipy",
    "sp",
    "sklearn",
    "scikit-learn",
    "scikit",
    "networkx",
} | {"nx", "matplotlib", "mpl", "pyplot", "plt", "torch", "pytorch", "aten"}
ALIASES = frozenset(_LIBRARY_NAMES | {f"{name}'s" for name in _LIBRARY_NAMES})


@dataclass(frozen=True)
class DocumentSplits:
    """Labelled documents in three parts.

    Attributes:
        train: documents to train on.
        dev: documents to select a model with.
        test: documents to report results on.
        classes: names of the classes, in the order of the labels.
    """

    train: list[LabelledDocument]
    dev: list[LabelledDocument]
    test: list[LabelledDocument]
    classes: tuple[str, ...]


def docstring_classes(documents: Sequence[Document]) -> DocumentSplits:
    """Label docstrings with their library, and blank out what gives it away.

    The names of libraries and their usual abbreviations become :data:`BLANK`, as does
    each document's own name. Documents whose names end alike, such as ``mean`` in three
    libraries, are in one part, because their texts are often copies of each other. By a
    hash of that ending, about seven tenths of the names are for training, one tenth for
    selecting and two tenths for testing.

    Args:
        documents: the corpus; documents without a word are left out.

    Returns:
        The documents in random order, the same each time.

    Raises:
        ValueError: if a part would be empty.

    Example:
        >>> corpus = [
        ...     Document(name, f"{name}.f{i}", "function", (), "", "Call scipy.f.", ())
        ...     for name in ("numpy", "scipy")
        ...     for i in range(40)
        ... ]
        >>> splits = docstring_classes(corpus)
        >>> splits.classes, splits.train[0].sentences
        (('numpy', 'scipy'), (('call', '<name>', 'f'),))
    """
    libraries = tuple(sorted({document.library for document in documents}))
    parts: dict[str, list[tuple[str, LabelledDocument]]]
    parts = {"train": [], "dev": [], "test": []}
    for document in documents:
        own = document.short_name.lower().strip("_")
        text = tuple(
            tuple(BLANK if word in ALIASES or word == own else word for word in found)
            for paragraph in document.prose.split("\n")
            for sentence in sentences(paragraph)
            if (found := words(sentence))
        )
        if text:
            labelled = LabelledDocument(text, libraries.index(document.library))
            share = _hash(own) % 10
            part = "train" if share < 7 else "dev" if share < 8 else "test"
            parts[part].append((document.name, labelled))
    for name, part_documents in parts.items():
        if not part_documents:
            raise ValueError(f"documents must be more: none is left for {name}")
        part_documents.sort(key=lambda entry: _hash(entry[0]))
    train, dev, test = ([x for _, x in part] for part in parts.values())
    return DocumentSplits(train, dev, test, libraries)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

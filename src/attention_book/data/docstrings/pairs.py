"""Paraphrase pairs: do the first sentences of two docstrings describe one function?"""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.shared_functions import (
    MOST_OVERLAP,
    SharedFunction,
    assign_folds,
    family_names,
    is_function,
    is_sentence,
    overlap,
    shared_functions,
)
from attention_book.data.docstrings.similarity import Similarity
from attention_book.data.docstrings.words import words

# A negative is drawn from this many wrong sentences most similar to the given one. If
# the most similar one were always taken, low similarity would mark a positive pair.
NUM_NEAREST = 5
# Three folds of function names for training, one for selection, one for reporting.
SPLIT_OF_FOLD = ("train", "train", "train", "dev", "test")


@dataclass(frozen=True)
class DocstringPair:
    """The first sentences of two docstrings, from two libraries.

    Attributes:
        first: words of one sentence.
        second: words of the other sentence.
        label: 1 if both describe the same function, otherwise 0.
        names: qualified names of the two functions.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    label: int
    names: tuple[str, str]


@dataclass(frozen=True)
class PairSplits:
    """Pairs in three parts that have no function name in common.

    Attributes:
        train: pairs to train on.
        dev: pairs to select a model with.
        test: pairs to report results on.
        counts: numbers of pairs of documents with a common name, of those that each
            rule left out, of those that remain, and of examples for which there was no
            wrong sentence.
    """

    train: list[DocstringPair]
    dev: list[DocstringPair]
    test: list[DocstringPair]
    counts: dict[str, int]


def docstring_pairs(documents: Sequence[Document]) -> PairSplits:
    """Make paraphrase pairs with hard negatives from the corpus.

    A positive pair consists of the sentences with which two libraries introduce the
    same function, as found by
    :func:`attention_book.data.docstrings.shared_functions.shared_functions`. It is used
    in both orders, each time with a negative pair: the same first sentence and a wrong
    second one, drawn from the five sentences of the second library that are most
    similar to it (TF-IDF) and describe another function. Near-copies of the right
    sentence, and functions that share a name with the right one, are never used as
    negatives. Half of all pairs are positive.

    Function names are assigned to five folds: three for training, one for selection and
    one for testing. A negative comes from the fold of its positive, so no name occurs
    in two parts, and in every fold there are equally many sentences to draw from.

    Args:
        documents: the corpus.

    Returns:
        The pairs, each positive one followed by its negative, and the counts.
    """
    shared, counts = shared_functions(documents)
    wrong = WrongSentences(documents, shared)
    parts: dict[str, list[DocstringPair]] = {"train": [], "dev": [], "test": []}
    tally = Counter(counts)
    for function in shared:
        part = parts[wrong.split(function.family)]
        ordered = (function.first, function.second)
        for first, second in (ordered, ordered[::-1]):
            found = wrong.nearest(first, second.library, [second])
            nearest = list(itertools.islice(found, NUM_NEAREST))
            if not nearest:
                tally["without a wrong sentence"] += 1
                continue
            asked = f"{first.name} {second.name}"
            negative = min(nearest, key=lambda x: hash_order(asked, x))
            part.append(_pair(first, second, 1))
            part.append(_pair(first, negative, 0))
    return PairSplits(**parts, counts=dict(tally))


def hash_order(asked: str, document: Document) -> bytes:
    """Return a sort key that gives a random order, the same one in every run."""
    return hashlib.sha256(f"{asked} {document.name}".encode()).digest()


class WrongSentences:
    """First sentences that describe a function other than the given one.

    Args:
        documents: the corpus; methods are left out.
        shared: the functions that two libraries have in common.
    """

    def __init__(
        self, documents: Sequence[Document], shared: Sequence[SharedFunction]
    ) -> None:
        self._families = family_names(documents)
        self._folds = assign_folds(shared, self._families)
        self._documents = [
            document
            for document in sorted(documents, key=lambda document: document.name)
            if is_function(document) and is_sentence(document)
        ]
        self._alike = Similarity([document.summary for document in self._documents])
        self._rows = {x.name: row for row, x in enumerate(self._documents)}
        self._pools: dict[tuple[str, int], list[int]] = defaultdict(list)
        for row, document in enumerate(self._documents):
            key = document.library, self._folds[self._families[document.name]]
            self._pools[key].append(row)

    def split(self, family: str) -> str:
        """Return the part to which a function belongs: "train", "dev" or "test"."""
        return SPLIT_OF_FOLD[self._folds[family]]

    def nearest(
        self, question: Document, library: str, right: Sequence[Document]
    ) -> Iterator[Document]:
        """Find wrong sentences of a library, starting with the most similar one.

        Args:
            question: the document that describes the function.
            library: the library to search.
            right: the documents in which that library describes the function.

        Yields:
            Documents from the same fold but another family. Their summaries differ from
            each other, and none is a near-copy of a right one.
        """
        family = self._families[question.name]
        pool = [
            row
            for row in self._pools[library, self._folds[family]]
            if self._families[self._documents[row].name] != family
        ]
        texts = set()
        for row in self._alike.nearest(self._rows[question.name], pool):
            text = self._documents[row].summary
            is_copy = any(overlap(text, x.summary) > MOST_OVERLAP for x in right)
            if not is_copy and text not in texts:
                texts.add(text)
                yield self._documents[row]


def _pair(first: Document, second: Document, label: int) -> DocstringPair:
    return DocstringPair(
        first=tuple(words(first.summary)),
        second=tuple(words(second.summary)),
        label=label,
        names=(first.name, second.name),
    )

"""Paraphrase pairs: do two first sentences of docstrings mean the same function?"""

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

# A negative is one of so many wrong sentences most like the right one's partner. With
# the very nearest alone, being little alike would be a sign of a positive pair.
NUM_NEAREST = 5
# Three folds of function names to learn from, one to choose by, one to report.
SPLIT_OF_FOLD = ("train", "train", "train", "dev", "test")


@dataclass(frozen=True)
class DocstringPair:
    """Two first sentences, from two libraries.

    Attributes:
        first: words of one sentence.
        second: words of the other.
        label: 1 if both document the same function, else 0.
        names: qualified names of the two functions.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    label: int
    names: tuple[str, str]


@dataclass(frozen=True)
class PairSplits:
    """Pairs in three parts that share no function name.

    Attributes:
        train: pairs to train on.
        dev: pairs to select a model with.
        test: pairs to report results on.
        counts: pairs of documents with a common name, how many of them each rule left
            out, how many are left; examples without a wrong sentence.
    """

    train: list[DocstringPair]
    dev: list[DocstringPair]
    test: list[DocstringPair]
    counts: dict[str, int]


def docstring_pairs(documents: Sequence[Document]) -> PairSplits:
    """Make paraphrase pairs with hard negatives from the corpus.

    A positive pair is the first sentences of a function in two libraries, as
    :func:`attention_book.data.docstrings.shared_functions.shared_functions` finds them.
    Both orders count, and each comes with one negative pair: the first sentence, and
    one of the five sentences of the second library that are most like it
    (TF-IDF) and document another function; which of the five, chance decided. No
    sentence is taken for a negative that is a near-copy of the right one, or whose
    function shares a name with
    it. Half of the pairs are positive.

    The names of functions are dealt into five folds, three to train, one to choose by
    and one to test, and a negative comes from the fold of its positive. So no name is
    in two parts, and the sentences to choose from are as many in each.

    Args:
        documents: the corpus.

    Returns:
        The pairs, each positive one followed by its negative; and the counts.
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
    """A key to sort by that is as good as random, and the same in every run."""
    return hashlib.sha256(f"{asked} {document.name}".encode()).digest()


class WrongSentences:
    """First sentences that document another function than the one asked for.

    Args:
        documents: the corpus; methods are left out.
        shared: the functions that two libraries have.
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
        """Return the part that a function belongs to: "train", "dev" or "test"."""
        return SPLIT_OF_FOLD[self._folds[family]]

    def nearest(
        self, question: Document, library: str, right: Sequence[Document]
    ) -> Iterator[Document]:
        """Find a library's sentences that are wrong, the most alike first.

        Args:
            question: whose function is asked for.
            library: whose sentences.
            right: its documents of that function.

        Yields:
            Documents of the same fold and another family, whose summaries are no
            near-copies of a right one, and different from each other.
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

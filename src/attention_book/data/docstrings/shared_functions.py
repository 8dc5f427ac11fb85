"""Functions that two libraries have under the same name, and describe in two ways."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.similarity import Similarity
from attention_book.data.docstrings.words import words

# A summary of fewer or more words than these is no sentence to compare.
FEWEST_WORDS, MOST_WORDS = 4, 40
# If the rest of the prose is less alike than this (cosine of TF-IDF), then the name
# means two things: `scipy.stats.power` is no `numpy.power`.
LEAST_ALIKE = 0.15
# Summaries that share more of their content words than this are copies.
MOST_OVERLAP = 0.6
# Read by eye: modules (and functions) whose names mean something else than the same
# name elsewhere.
OWN_MEANING = (
    *("matplotlib.transforms", "matplotlib.widgets", "networkx.algorithms.bipartite"),
    *("matplotlib.backend_bases", "matplotlib.image", "networkx.algorithms.threshold"),
    *("networkx.Graph", "networkx.center", "networkx.degrees", "networkx.density"),
    *("networkx.describe", "networkx.power", "networkx.utils", "numpy.char"),
    *("numpy.random.power",),
    *("numpy.fmin", "numpy.strings", "scipy.cluster.hierarchy", "scipy.constants"),
    *("scipy.fftpack.diff", "scipy.optimize.fmin", "scipy.signal.bilinear"),
    *("scipy.signal.normalize", "scipy.signal.square", "scipy.signal.windows.exp"),
    *("scipy.ndimage.laplace", "scipy.stats.abs", "scipy.stats.chisquare"),
    *("scipy.interpolate.insert", "scipy.linalg.polar", "scipy.special.bernoulli"),
    *("scipy.spatial.distance.cosine", "scipy.spatial.distance.hamming"),
    *("scipy.stats.exp", "scipy.stats.log", "scipy.stats.power", "scipy.stats.qmc"),
    *("torch.cuda", "torch.func", "torch.fx", "torch.hub", "torch.jit", "torch.nested"),
    *("torch.nn.utils.prune", "torch.signal.windows.exp", "torch.select"),
    *("sklearn.clone", "sklearn.utils.resample", "sklearn.preprocessing.normalize"),
)
# Their methods are functions of the array they belong to.
ARRAY_CLASSES = (
    *("numpy.ndarray.", "numpy.ma.MaskedArray.", "numpy.matrix."),
    *("scipy.sparse.", "torch.Tensor."),
)
FOLDS = 5
EVERYDAY_WORDS = {
    *("a", "an", "the", "of", "in", "is", "are", "and", "or", "to", "for", "with"),
    *("by", "on", "its", "it", "that", "this", "these", "those", "from", "as", "at"),
    *("be", "into", "than", "if", "one", "each", "given", "return", "returns"),
    *("compute", "computes", "calculate", "calculates"),
}


@dataclass(frozen=True)
class SharedFunction:
    """The same function, or class, in two libraries.

    Attributes:
        family: the first by alphabet of all names that the function has.
        first: how the library that comes first by alphabet describes it.
        second: how the other does.
    """

    family: str
    first: Document
    second: Document


def shared_functions(
    documents: Sequence[Document],
) -> tuple[list[SharedFunction], dict[str, int]]:
    """Find the functions that two libraries document in their own words.

    Functions and classes count, methods do not: "update" or "reset" means another
    thing in every class. From all pairs of documents with a common name, these are
    left out, in this order:

    1. "another meaning": the rest of their prose is too little alike (TF-IDF, cosine
       less than 0.15), or one is in a list, read by eye, of names such as
       `scipy.cluster.hierarchy.median`;
    2. "one names the other": in its prose or its "See Also", as wrappers do;
    3. "too short or long": a summary of less than 4 or more than 40 words;
    4. "near-copies": the summaries share more than 0.6 of their content words.

    Args:
        documents: the corpus.

    Returns:
        The pairs, ordered by their names; and how many pairs of documents have a common
        name, were left out by each rule, and are left.
    """
    families = family_names(documents)
    rests = Similarity([x.prose[len(x.summary) :] for x in documents])
    rows = {document.name: row for row, document in enumerate(documents)}
    by_name: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if is_function(document):
            by_name[families[document.name]].append(document)
    counts: Counter[str] = Counter()
    found = []
    for family, members in sorted(by_name.items()):
        members.sort(key=lambda document: document.name)
        for first, second in itertools.combinations(members, 2):
            if first.library == second.library:
                continue
            counts["with a common name"] += 1
            alike = rests(rows[first.name], rows[second.name])
            if rule := _left_out(first, second, alike):
                counts[rule] += 1
            else:
                found.append(SharedFunction(family, first, second))
    counts["left"] = len(found)
    found.sort(key=lambda pair: (pair.first.name, pair.second.name))
    return found, dict(counts)


def family_names(documents: Sequence[Document]) -> dict[str, str]:
    """One name for all functions that share a name, directly or through others.

    `numpy.absolute` is also `numpy.abs`, and shares that name with `torch.abs`: all
    three get "abs".

    Args:
        documents: the corpus; a method's name counts as any other.

    Returns:
        For each document's qualified name, the first by alphabet of its family's names.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for document in documents:
        for other in document.other_names:
            one, two = sorted((root(document.short_name), root(other)))
            parent[two] = one
    return {document.name: root(document.short_name) for document in documents}


def assign_folds(
    shared: Sequence[SharedFunction], families: dict[str, str]
) -> dict[str, int]:
    """Deal the families into five folds like cards, those in two libraries first.

    They are dealt in alphabetical order, where relatives such as "fft", "fft2" and
    "fftn" stand side by side, so that no fold gets all of a kind.

    Args:
        shared: the functions that two libraries have.
        families: the family of every document, from :func:`family_names`.

    Returns:
        A fold, from 0 to 4, for each family.
    """
    first = sorted({function.family for function in shared})
    others = sorted(set(families.values()).difference(first))
    return {family: i % FOLDS for i, family in enumerate([*first, *others])}


def overlap(first: str, second: str) -> float:
    """Common content words of two texts as a fraction of all their content words.

    Content words are those that are in no short list of everyday words ("a", "of",
    "returns").

    Example:
        >>> overlap("Compute the inverse of a matrix.", "Inverse of square matrices.")
        0.25
    """
    one, two = content_words(first), content_words(second)
    return len(one & two) / max(len(one | two), 1)


@cache
def content_words(text: str) -> frozenset[str]:
    """The words of a text without those of the short list."""
    return frozenset(words(text)) - EVERYDAY_WORDS


def is_function(document: Document) -> bool:
    """Whether it is a function or a class, or a method of an array class."""
    if document.kind == "method":
        return document.name.startswith(ARRAY_CLASSES)
    return document.kind in ("function", "class")


def is_sentence(document: Document) -> bool:
    """Whether a summary has a length to compare, and does not end in a colon."""
    length = len(words(document.summary))
    return FEWEST_WORDS <= length <= MOST_WORDS and document.summary[-1] != ":"


def _left_out(first: Document, second: Document, alike: float) -> str:
    """The rule that leaves a pair out; empty if none does."""
    own = any(x.name.startswith(OWN_MEANING) for x in (first, second))
    if own or alike < LEAST_ALIKE:
        return "another meaning"
    if _names(first, second) or _names(second, first):
        return "one names the other"
    if not (is_sentence(first) and is_sentence(second)):
        return "too short or long"
    if overlap(first.summary, second.summary) > MOST_OVERLAP:
        return "near-copies"
    return ""


def _names(document: Document, other: Document) -> bool:
    """Whether a document speaks of the other, as `library.(...).name`."""
    library = {"numpy": "(?:numpy|np)", "networkx": "(?:networkx|nx)"}.get(
        other.library, re.escape(other.library)
    )
    names = "|".join(map(re.escape, (other.short_name, *other.other_names)))
    mention = re.compile(rf"\b{library}\.(?:\w+\.)*(?:{names})\b")
    return any(map(mention.search, (document.prose, *document.see_also)))

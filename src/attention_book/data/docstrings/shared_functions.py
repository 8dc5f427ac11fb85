"""Functions that two libraries share by name and describe in their own words."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.similarity import Similarity
from attention_book.data.docstrings.words import words

# Summaries with fewer or more words are not compared.
FEWEST_WORDS, MOST_WORDS = 4, 40
# If the similarity of the remaining prose (cosine of TF-IDF) is lower than this, the
# name has two meanings: `scipy.stats.power` and `numpy.power` are different functions.
LEAST_ALIKE = 0.15
# Summaries that share a larger fraction of their content words are near-copies.
MOST_OVERLAP = 0.6
# Modules and functions whose names mean something else in other libraries; chosen by
# hand.
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
# Classes whose methods count as functions, because they are functions of an array.
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
    """A function, or class, that two libraries have in common.

    Attributes:
        family: the alphabetically first of all its names.
        first: its document in the alphabetically first library.
        second: its document in the other library.
    """

    family: str
    first: Document
    second: Document


def shared_functions(
    documents: Sequence[Document],
) -> tuple[list[SharedFunction], dict[str, int]]:
    """Find the functions that two libraries describe in their own words.

    Only functions and classes are considered: methods such as "update" or "reset" mean
    something different in every class. Of all pairs of documents with a common name,
    the following are left out, in this order:

    1. "another meaning": the prose after the summaries is too dissimilar (a TF-IDF
       cosine below 0.15), or one of the names is on a list made by hand, such as
       `scipy.cluster.hierarchy.median`;
    2. "one names the other": one mentions the other in its prose or its "See Also"
       section, as wrappers do;
    3. "too short or long": a summary has fewer than 4 or more than 40 words;
    4. "near-copies": the summaries share more than 0.6 of their content words.

    Args:
        documents: the corpus.

    Returns:
        The shared functions, ordered by name, and the numbers of pairs with a common
        name, of those left out by each rule, and of those that remain.
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
    """Give one name to all functions that share a name, directly or through others.

    `numpy.absolute` is also called `numpy.abs`, a name that it shares with `torch.abs`:
    all three belong to the family "abs".

    Args:
        documents: the corpus, methods included.

    Returns:
        For each document's qualified name, the alphabetically first name of its family.
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
    """Assign the families to five folds in rotation, shared functions first.

    The families are taken in alphabetical order. Relatives such as "fft", "fft2" and
    "fftn" are neighbours in this order, so they are spread over the folds.

    Args:
        shared: the functions that two libraries have in common.
        families: the family of every document, from :func:`family_names`.

    Returns:
        The fold of each family, from 0 to 4.
    """
    first = sorted({function.family for function in shared})
    others = sorted(set(families.values()).difference(first))
    return {family: i % FOLDS for i, family in enumerate([*first, *others])}


def overlap(first: str, second: str) -> float:
    """Return the fraction of two texts' content words that they have in common.

    All words count as content words except a short list of everyday ones ("a", "of",
    "returns").

    Example:
        >>> overlap("Compute the inverse of a matrix.", "Inverse of square matrices.")
        0.25
    """
    one, two = content_words(first), content_words(second)
    return len(one & two) / max(len(one | two), 1)


@cache
def content_words(text: str) -> frozenset[str]:
    """Return the words of a text without the everyday ones."""
    return frozenset(words(text)) - EVERYDAY_WORDS


def is_function(document: Document) -> bool:
    """Whether a document is about a function, a class, or a method of an array."""
    if document.kind == "method":
        return document.name.startswith(ARRAY_CLASSES)
    return document.kind in ("function", "class")


def is_sentence(document: Document) -> bool:
    """Whether a summary has a suitable length and does not end with a colon."""
    length = len(words(document.summary))
    return FEWEST_WORDS <= length <= MOST_WORDS and document.summary[-1] != ":"


def _left_out(first: Document, second: Document, alike: float) -> str:
    """Return the rule by which a pair is left out; empty if it is kept."""
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
    """Whether a document mentions the other one as `library.(...).name`."""
    library = {"numpy": "(?:numpy|np)", "networkx": "(?:networkx|nx)"}.get(
        other.library, re.escape(other.library)
    )
    names = "|".join(map(re.escape, (other.short_name, *other.other_names)))
    mention = re.compile(rf"\b{library}\.(?:\w+\.)*(?:{names})\b")
    return any(map(mention.search, (document.prose, *document.see_also)))

"""The "See Also" graph: functions of the installed libraries and their references."""

import operator
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.shared_functions import content_words
from attention_book.data.graphs.graph import Graph, row_normalised, undirected

# How a docstring shortens the names of libraries.
SHORT = {"np": "numpy", "nx": "networkx", "mpl": "matplotlib"}
TRAIN_PER_CLASS = 20
DEV = 300
LEAST_NODES = 60
"""A module with fewer functions in the graph is no class of its own."""
LEAST_DOCUMENTS = 3
"""A word that occurs in fewer of the docstrings is no feature."""


def see_also_graph(documents: Sequence[Document], seed: int) -> Graph:
    """Make a graph of functions that name each other under "See Also".

    A node is a function, method or class. Two are neighbours if one of them names the
    other. The class is the module: the first two parts of the qualified name, or the
    library where there are no more, if at least 60 nodes have it; the others are left
    out, and so is what then has no neighbour. The features tell which words occur in
    the docstring's first sentence, divided by their number. Names of libraries, of
    their modules and of the function itself are no words, because they would give the
    class away; nor are everyday words, and words of fewer than 3 docstrings.

    As in Planetoid, 20 nodes of each class are for training; the next 300 are for
    development, and all others for test. Which ones, ``seed`` decides.

    Size: with the libraries of this book's environment about 1,600 nodes, 2,600
    undirected edges, 11 classes and 640 features.

    Args:
        documents: the corpus, from
            :func:`~attention_book.data.docstrings.corpus.load_docstrings`.
        seed: of the split.

    Raises:
        ValueError: if the documents give no such graph.
    """
    pairs = see_also_pairs(documents)
    linked = {node for pair in pairs for node in pair}
    sizes = Counter(module_name(documents[node]) for node in linked)
    classes = sorted(name for name, size in sizes.items() if size >= LEAST_NODES)
    kept = {node for node in linked if module_name(documents[node]) in classes}
    pairs = [pair for pair in pairs if kept.issuperset(pair)]
    nodes = sorted({node for pair in pairs for node in pair})
    number = {node: i for i, node in enumerate(nodes)}
    chosen = [documents[node] for node in nodes]
    if len(nodes) < DEV + (TRAIN_PER_CLASS + 1) * len(classes) or not classes:
        raise ValueError(
            f"the documents must give a graph of more than {DEV} nodes, got "
            f"{len(nodes)} of {len(classes)} modules"
        )
    labels = torch.tensor([classes.index(module_name(each)) for each in chosen])
    generator = torch.Generator().manual_seed(operator.index(seed))
    order = torch.randperm(len(nodes), generator=generator)
    train = torch.cat(
        [order[labels[order] == c][:TRAIN_PER_CLASS] for c in range(len(classes))]
    )
    rest = order[~torch.isin(order, train)]
    return Graph(
        features=word_features(chosen),
        edges=undirected((number[a], number[b]) for a, b in pairs),
        labels=labels,
        train=train,
        dev=rest[:DEV],
        test=rest[DEV:],
        names=tuple(each.name for each in chosen),
        classes=tuple(classes),
    )


def module_name(document: Document) -> str:
    """Return the module of a function: two parts of its name at most.

    Example:
        >>> solve = Document("numpy", "numpy.linalg.solve", "function", (), "", "", ())
        >>> module_name(solve)
        'numpy.linalg'
    """
    parts = document.name.split(".")
    return ".".join(parts[: min(2, len(parts) - 1)])


def see_also_pairs(documents: Sequence[Document]) -> list[tuple[int, int]]:
    """Find out which documents the sections "See Also" mean.

    A name stands for the document that has it as its full name, with the name of the
    library or of an enclosing module or class in front of it. Failing that, it stands
    for the only document of the library that ends in it. Other names mean nothing here.

    Args:
        documents: the corpus.

    Returns:
        Positions of two documents each; the first names the second.

    Example:
        >>> named = ("lib.a", ("b",)), ("lib.b", ()), ("lib.c", ("nothing", "lib.a"))
        >>> see_also_pairs(
        ...     [Document("lib", x, "function", (), "", "", also) for x, also in named]
        ... )
        [(0, 1), (2, 0)]
    """
    whole = {document.name: node for node, document in enumerate(documents)}
    endings: dict[tuple[str, str], set[int]] = defaultdict(set)
    for node, document in enumerate(documents):
        parts = document.name.split(".")
        for start in range(1, len(parts)):
            endings[document.library, ".".join(parts[start:])].add(node)
        for other in document.other_names:
            endings[document.library, other].add(node)

    def meant(document: Document, name: str) -> int | None:
        first, dot, rest = name.partition(".")
        name = SHORT.get(first, first) + dot + rest
        prefix = document.name
        while prefix:
            if (found := whole.get(f"{prefix}.{name}")) is not None:
                return found
            prefix = prefix.rpartition(".")[0]
        if name in whole:
            return whole[name]
        library, _, ending = name.partition(".")
        for key in (document.library, name), (library, ending):
            if len(endings[key]) == 1:
                return next(iter(endings[key]))
        return None

    pairs = []
    for node, document in enumerate(documents):
        for name in document.see_also:
            found = meant(document, name)
            if found is not None and found != node:
                pairs.append((node, found))
    return pairs


def word_features(documents: Sequence[Document]) -> Float[Tensor, "nodes words"]:
    """Tell which words each first sentence has; the rows of the tensor sum to 1.

    Args:
        documents: one for each row; the columns are the words that occur in at least 3
            of them, in alphabetical order.

    Raises:
        ValueError: if no word occurs in so many.
    """
    names = {part.lower() for document in documents for part in _modules(document)}
    names |= set(SHORT)
    found = [
        content_words(document.summary) - names - _own_words(document)
        for document in documents
    ]
    counts = Counter(word for row in found for word in row)
    column = {
        word: number
        for number, word in enumerate(
            sorted(word for word, count in counts.items() if count >= LEAST_DOCUMENTS)
        )
    }
    if not column:
        raise ValueError(f"no word occurs in {LEAST_DOCUMENTS} of the documents")
    entries = sorted(
        (row, column[word])
        for row, each in enumerate(found)
        for word in each
        if word in column
    )
    sparse = torch.sparse_coo_tensor(
        torch.tensor(entries).T,
        torch.ones(len(entries)),
        (len(documents), len(column)),
        check_invariants=True,
    )
    return row_normalised(sparse)


def _modules(document: Document) -> list[str]:
    """The parts of a name that stand for modules: in lower case, before the last."""
    return [part for part in document.name.split(".")[:-1] if part.islower()]


def _own_words(document: Document) -> frozenset[str]:
    return frozenset(
        name.lower() for name in (document.short_name, *document.other_names)
    )

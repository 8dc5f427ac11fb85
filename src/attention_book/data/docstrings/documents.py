"""Select the docstrings that become documents of the corpus, and clean them."""

import inspect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from attention_book.data.docstrings.reader import RawDocstring
from attention_book.data.docstrings.text import Prose, read_prose

# A paragraph that occurs in more documents of a library than this, identical except for
# the documents' own names, was generated or pasted.
MOST_REPEATS = 5
# A document has at least this many words of prose.
FEWEST_WORDS = 3

REFERS = re.compile(
    r"(see|refer to|alias|shorthand|same as|identical to|equivalent to|overrid(es|den)|"
    r"(in|out)-?\s?(of-)?place version|copy of the|wrapper (for|around|of)|"
    r"this (function|method|class|property) is (an alias|equivalent|the same))\b",
    re.IGNORECASE,
)
DEPRECATED = re.compile(r"^(\.\. deprecated::|DEPRECATED)", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """What a library says about a function, class, method or property.

    Attributes:
        library: import name, such as "numpy".
        name: qualified name, such as "numpy.linalg.solve".
        kind: "function", "class", "method" (properties included), or "object" for any
            other callable, such as one of SciPy's distributions.
        other_names: the other names that the library gives it, without their modules.
        summary: first sentence of the prose.
        prose: the whole prose, one paragraph per line.
        see_also: names listed in its "See Also" section, as written there.
        described: for each paragraph of ``prose`` the parameters that it describes, as
            "x" or "x, y"; empty for all other paragraphs.
    """

    library: str
    name: str
    kind: str
    other_names: tuple[str, ...]
    summary: str
    prose: str
    see_also: tuple[str, ...]
    described: tuple[str, ...] = ()

    @property
    def short_name(self) -> str:
        """Last part of the name, such as "solve"."""
        return self.name.rpartition(".")[2]


def make_documents(
    docstrings: Iterable[tuple[str, RawDocstring]],
) -> tuple[list[Document], dict[str, int]]:
    """Select docstrings and remove boilerplate.

    The rules apply in this order:

    1. Docstrings that are deprecated, or only refer to another function ("See
       `torch.add`", "Alias for ...", "In-place version of ..."), are left out.
    2. A paragraph, other than the first, that more than 5 documents of a library
       contain is boilerplate and dropped; the documents' own names may differ. This
       removes generated text, such as the common part of SciPy's distributions, remarks
       on array back ends, scikit-learn's hints on random states and torch's on ``out``.
    3. Docstrings that now have fewer than 3 words are left out.
    4. Of several documents with the same prose, one is kept: that of the earliest
       library, then the one with the fewest dots in its name, then the alphabetically
       first.

    Args:
        docstrings: library and docstring of each object. The order of the libraries
            decides which of them keeps a shared text.

    Returns:
        The documents, ordered by name, and for each rule the number of docstrings (or
        paragraphs) that it removed, beside the number read.

    Example:
        >>> documents, counts = make_documents(
        ...     [
        ...         ("a", RawDocstring("a.add", "function", (), "Add two numbers.")),
        ...         ("b", RawDocstring("b.plus", "function", (), "See `a.add`.")),
        ...     ]
        ... )
        >>> documents[0].prose, counts["refer to another"]
        ('Add two numbers.', 1)
    """
    counts: Counter[str] = Counter()
    kept: list[tuple[str, RawDocstring, Prose]] = []
    for library, raw in docstrings:
        counts["read"] += 1
        prose = read_prose(raw.text, raw.name.rpartition(".")[2])
        if prose is None:
            counts["without prose"] += 1
        elif _is_deprecated(raw.text, prose.summary):
            counts["deprecated"] += 1
        elif REFERS.match(prose.summary):
            counts["refer to another"] += 1
        else:
            kept.append((library, raw, prose))

    seen_in: dict[tuple[str, str], int] = defaultdict(int)
    for library, raw, prose in kept:
        for paragraph in {_nameless(text, raw.name) for text in prose.paragraphs}:
            seen_in[library, paragraph] += 1
    libraries = list(dict.fromkeys(library for library, _, _ in kept))
    kept.sort(
        key=lambda entry: (
            libraries.index(entry[0]),
            entry[1].name.count("."),
            entry[1].name,
        )
    )
    texts: set[str] = set()
    documents = []
    for library, raw, prose in kept:
        own = [
            (text, names)
            for i, (text, names) in enumerate(
                zip(prose.paragraphs, prose.described, strict=True)
            )
            if not i or seen_in[library, _nameless(text, raw.name)] <= MOST_REPEATS
        ]
        counts["paragraphs of boilerplate"] += len(prose.paragraphs) - len(own)
        text = "\n".join(paragraph for paragraph, _ in own)
        if len(text.split()) < FEWEST_WORDS:
            counts["without prose"] += 1
        elif text in texts:
            counts["copies"] += 1
        else:
            texts.add(text)
            documents.append(
                Document(
                    library=library,
                    name=raw.name,
                    kind=raw.kind,
                    other_names=raw.other_names,
                    summary=prose.summary,
                    prose=text,
                    see_also=prose.see_also,
                    described=tuple(names for _, names in own),
                )
            )
    counts["documents"] = len(documents)
    documents.sort(key=lambda document: document.name)
    return documents, dict(counts)


def _nameless(paragraph: str, name: str) -> str:
    return paragraph.replace(name.rpartition(".")[2], "\0")


def _is_deprecated(docstring: str, summary: str) -> bool:
    if "deprecated" not in docstring.lower():
        return False
    # At the left margin; an indented notice is about a parameter.
    at_edge = DEPRECATED.search(inspect.cleandoc(docstring))
    return bool(at_edge) or "deprecated" in summary

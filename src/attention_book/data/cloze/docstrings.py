"""Cloze questions from docstrings: which parameter's name is missing?"""

import operator
import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from attention_book.data.cloze.questions import BLANK, ClozeQuestion, rename
from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.words import sentences, words

# Names that are words of the language too often to be known as names.
NO_NAMES = {"a", "i", "s"}
FEWEST_CANDIDATES = 3
# Lengths of a question, in words.
QUESTION_WORDS = range(6, 31)


@dataclass(frozen=True)
class ClozeSplits:
    """Questions in three parts that share no document.

    Attributes:
        train: questions to learn from.
        dev: questions to choose by.
        test: questions to report.
    """

    train: list[ClozeQuestion]
    dev: list[ClozeQuestion]
    test: list[ClozeQuestion]


def docstring_cloze(
    documents: Sequence[Document],
    *,
    max_words: int = 100,
    max_candidates: int = 8,
    seed: int = 0,
) -> ClozeSplits:
    """Blank out a parameter's name in a sentence of its docstring.

    The document is the rest of the docstring's prose; the description of each parameter
    begins with its name. The candidates are the parameters that it mentions. All
    mentions of the name in the sentence are blanked out, other names stay.

    Parameters are called ``@0``, ``@1``, ... in every document, in random order, as the
    entities of CNN and Daily Mail are; otherwise one could know that *axis* is a good
    answer without reading anything. A loader draws new numbers whenever it reads a
    question, if it is told to.

    A document ends after ``max_words``. Left out are sentences of fewer than 6 or more
    than 30 words, those whose missing word is not in the document, and questions with
    fewer than 3 candidates or more than ``max_candidates``. Functions of one short name
    are in one part: about seven tenths are in "train", one in "dev", two in "test".

    Args:
        documents: the corpus.
        max_words: longest document.
        max_candidates: most candidates of a question.
        seed: of the numbers.

    Returns:
        The questions in the order of the corpus.

    Raises:
        ValueError: if a part has no question.
    """
    parts: dict[str, list[ClozeQuestion]] = {"train": [], "dev": [], "test": []}
    draw = random.Random(operator.index(seed))
    for document in documents:
        fold = int(sha256(document.short_name.encode()).hexdigest(), 16) % 10
        part = "train" if fold < 7 else "dev" if fold == 7 else "test"
        for question in _questions(document, max_words):
            if len(question.candidates) <= max_candidates:
                parts[part].append(rename(question, draw, max_candidates))
    if empty := [part for part, found in parts.items() if not found]:
        raise ValueError(
            f"documents must give questions for each part, none for {', '.join(empty)}"
        )
    return ClozeSplits(**parts)


def _questions(document: Document, max_words: int) -> list[ClozeQuestion]:
    """All questions of a docstring, with the names as they are."""
    names = {name for entry in document.described for name in words(entry)} - NO_NAMES
    # Each sentence, and the names that stand before it.
    told: list[tuple[list[str], list[str]]] = []
    before = ""
    for paragraph, entry in zip(
        document.prose.split("\n"), document.described, strict=False
    ):
        for number, text in enumerate(sentences(paragraph)):
            # A description of several paragraphs has its name once.
            heads = words(entry) if number == 0 and entry != before else []
            told.append((heads, words(text)))
        before = entry
    found = []
    for i, (_, sentence) in enumerate(told):
        if len(sentence) not in QUESTION_WORDS:
            continue
        rest = [
            word
            for j, (heads, other) in enumerate(told)
            for word in [*heads, *(other if j != i else [])]
        ][:max_words]
        candidates = tuple(dict.fromkeys(word for word in rest if word in names))
        if len(candidates) < FEWEST_CANDIDATES:
            continue
        for answer in dict.fromkeys(sentence):
            if answer in candidates:
                blanked = tuple(BLANK if w == answer else w for w in sentence)
                found.append(
                    ClozeQuestion(
                        tuple(rest), blanked, candidates, answer, source=document.name
                    )
                )
    return found

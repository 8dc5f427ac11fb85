"""Answer selection: which sentences of another library describe this function?"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.pairs import WrongSentences, hash_order
from attention_book.data.docstrings.shared_functions import shared_functions
from attention_book.data.docstrings.words import words

# Candidates of a question, and how many of the wrong ones are those most similar to it.
# The other wrong candidates are drawn at random.
NUM_CANDIDATES, NUM_HARD = 12, 4


@dataclass(frozen=True)
class Candidate:
    """A sentence that may answer a question.

    Attributes:
        words: words of the sentence.
        label: 1 if it describes the same function as the question, otherwise 0.
        name: qualified name of the function that it describes.
    """

    words: tuple[str, ...]
    label: int
    name: str


@dataclass(frozen=True)
class Question:
    """The first sentence of a docstring, and candidates from another library.

    Attributes:
        words: words of the sentence.
        name: qualified name of the function that it describes.
        candidates: in random order, at least one of them right.
    """

    words: tuple[str, ...]
    name: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class QuestionSplits:
    """Questions in three parts that have no function name in common.

    This holds for the candidates as well.

    Attributes:
        train: questions to train on.
        dev: questions to select a model with.
        test: questions to report results on.
        counts: those of
            :func:`attention_book.data.docstrings.shared_functions.shared_functions`.
    """

    train: list[Question]
    dev: list[Question]
    test: list[Question]
    counts: dict[str, int]


def docstring_questions(documents: Sequence[Document]) -> QuestionSplits:
    """Make questions with 12 candidates each from the corpus.

    A question is the sentence with which a library introduces a function that a second
    library also has
    (:func:`attention_book.data.docstrings.shared_functions.shared_functions`). The
    right answers, at least one, are the sentences with which the second library
    introduces it. The wrong answers describe other functions of the second library: the
    4 sentences most similar to the question (TF-IDF), and randomly drawn ones. The
    split is that of :func:`attention_book.data.docstrings.pairs.docstring_pairs`.

    Args:
        documents: the corpus.

    Returns:
        The questions, ordered by name, and the counts.

    Raises:
        ValueError: if there are too few sentences for a question.
    """
    shared, counts = shared_functions(documents)
    answers: dict[tuple[str, str], list[Document]] = defaultdict(list)
    askers: dict[str, tuple[Document, str]] = {}
    for function in shared:
        ordered = (function.first, function.second)
        for asks, answer in (ordered, ordered[::-1]):
            askers[asks.name] = asks, function.family
            answers[asks.name, answer.library].append(answer)
    wrong = WrongSentences(documents, shared)
    parts: dict[str, list[Question]] = {"train": [], "dev": [], "test": []}
    for (name, library), right in sorted(answers.items(), key=lambda entry: entry[0]):
        asks, family = askers[name]
        ranked = list(wrong.nearest(asks, library, right))
        distinct = list({answer.summary: answer for answer in right}.values())
        needed = NUM_CANDIDATES - len(distinct)
        if len(ranked) < needed:
            raise ValueError(
                f"documents must have {needed} sentences of {library} beside those on "
                f"{name} in its fold, got {len(ranked)}"
            )
        hard, others = ranked[:NUM_HARD], ranked[NUM_HARD:]
        others.sort(key=lambda document: hash_order(name, document))
        chosen = [(answer, 1) for answer in distinct]
        chosen += [(x, 0) for x in [*hard, *others][:needed]]
        chosen.sort(key=lambda entry: hash_order(name, entry[0]))
        question = Question(
            words=tuple(words(asks.summary)),
            name=name,
            candidates=tuple(
                Candidate(tuple(words(document.summary)), label, document.name)
                for document, label in chosen
            ),
        )
        parts[wrong.split(family)].append(question)
    return QuestionSplits(**parts, counts=counts)

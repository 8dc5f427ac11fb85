"""Answer selection: which sentences of another library document this function?"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.pairs import WrongSentences, hash_order
from attention_book.data.docstrings.shared_functions import shared_functions
from attention_book.data.docstrings.words import words

# Numbers of candidates of each question, and of wrong ones among them that are the most
# similar to the question. The other wrong ones are drawn at random.
NUM_CANDIDATES, NUM_HARD = 12, 4


@dataclass(frozen=True)
class Candidate:
    """A sentence that may answer a question.

    Attributes:
        words: words of the sentence.
        label: 1 if it documents the function that the question describes, else 0.
        name: qualified name of the function that it documents.
    """

    words: tuple[str, ...]
    label: int
    name: str


@dataclass(frozen=True)
class Question:
    """The first sentence of a function, and candidates from another library.

    Attributes:
        words: words of the sentence.
        name: qualified name of the function that it describes.
        candidates: the candidates in random order; one or more are right.
    """

    words: tuple[str, ...]
    name: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class QuestionSplits:
    """Questions in three parts that share no function name, candidates included.

    Attributes:
        train: questions to learn from.
        dev: questions to choose a model by.
        test: questions to report.
        counts: what
            :func:`attention_book.data.docstrings.shared_functions.shared_functions`
            gives.
    """

    train: list[Question]
    dev: list[Question]
    test: list[Question]
    counts: dict[str, int]


def docstring_questions(documents: Sequence[Document]) -> QuestionSplits:
    """Make questions with 12 candidates each from the corpus.

    A question is the first sentence of a function that a second library has too
    (:func:`attention_book.data.docstrings.shared_functions.shared_functions`);
    its right answers are the first sentences of that function in the second
    library, one or more. The wrong ones document other functions of the
    second library: the 4 sentences most similar to the question (TF-IDF), and random
    ones. Every question has a right answer. The
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

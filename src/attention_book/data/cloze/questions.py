"""Cloze questions: a document, a sentence with a blank, and candidates for it."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader, pad_ids
from attention_book.data.vocab import Vocab

BLANK = "XXXXX"
"""What stands for the missing word, as in the Children's Book Test."""


@dataclass(frozen=True)
class ClozeQuestion:
    """A document, and a sentence about it in which a word is missing.

    Attributes:
        document: words of the document.
        question: words of the sentence; :data:`BLANK` stands for the missing one.
        candidates: different words, one of which is missing.
        answer: the missing word, one of the candidates.
        telling: position in ``question`` of the word that decides the answer, from 0;
            None: not known.
        source: name of the text that the question is about; questions about one text
            have it in common.

    Raises:
        ValueError: if the document has no words, the question has no blank, a candidate
            stands there twice, or the answer is not among them.
    """

    document: tuple[str, ...]
    question: tuple[str, ...]
    candidates: tuple[str, ...]
    answer: str
    telling: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.document:
            raise ValueError("document must have at least one word, got none")
        if BLANK not in self.question:
            raise ValueError(
                f"question must have a blank, {BLANK}: {' '.join(self.question)!r}"
            )
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError(f"candidates must be different, got {self.candidates}")
        if self.answer not in self.candidates:
            raise ValueError(
                f"answer must be a candidate, got {self.answer!r}; the candidates are "
                f"{', '.join(self.candidates)}"
            )

    @property
    def can_be_pointed_at(self) -> bool:
        """Whether the answer is a word of the document."""
        return self.answer in self.document


@dataclass(frozen=True)
class ClozeBatch:
    """Padded questions; a mask is True at real words.

    Attributes:
        document: ids of the documents' words.
        document_mask: False at padding.
        question: ids of the questions' words, the blank included.
        question_mask: False at padding.
        occurrences: True where a candidate stands in its document. Words are compared,
            not ids, so that two words which the vocabulary does not know stay apart.
        candidate_mask: False where a question has fewer candidates than others.
        answer: number of the right candidate, from 0.
    """

    document: Int[Tensor, "batch document_words"]
    document_mask: Bool[Tensor, "batch document_words"]
    question: Int[Tensor, "batch question_words"]
    question_mask: Bool[Tensor, "batch question_words"]
    occurrences: Bool[Tensor, "batch candidates document_words"]
    candidate_mask: Bool[Tensor, "batch candidates"]
    answer: Int[Tensor, " batch"]

    @property
    def num_tokens(self) -> int:
        """Number of predictions, one per question."""
        return len(self.answer)

    def to(self, device: torch.device | str) -> "ClozeBatch":
        """Return the same batch on ``device``."""
        return ClozeBatch(*(tensor.to(device) for tensor in vars(self).values()))


def cloze_words(questions: Sequence[ClozeQuestion]) -> Iterator[str]:
    """All words of documents, questions and candidates, for a vocabulary."""
    for question in questions:
        yield from question.document
        yield from question.question
        yield from question.candidates


def rename(
    question: ClozeQuestion, draw: random.Random, num_names: int
) -> ClozeQuestion:
    """Call the candidates of a question ``@0``, ``@1``, ..., in random order.

    Args:
        question: its candidates may have such names already.
        draw: source of randomness.
        num_names: numbers to draw from, at least as many as there are candidates.

    Raises:
        ValueError: if there are more candidates than numbers.

    Example:
        >>> one = ClozeQuestion(("x", "or", "y"), (BLANK, "y"), ("x", "y"), "x")
        >>> new = rename(one, random.Random(0), 2)
        >>> new.document, new.question, new.answer
        (('@1', 'or', '@0'), ('XXXXX', '@0'), '@1')
    """
    if num_names < len(question.candidates):
        raise ValueError(
            f"num_names ({num_names}) must be at least the number of candidates, "
            f"{len(question.candidates)}"
        )
    numbers = draw.sample(range(num_names), len(question.candidates))
    new = {
        name: f"@{number}"
        for name, number in zip(question.candidates, numbers, strict=True)
    }

    def renamed(text: Iterable[str]) -> tuple[str, ...]:
        return tuple(new.get(word, word) for word in text)

    return replace(
        question,
        document=renamed(question.document),
        question=renamed(question.question),
        candidates=renamed(question.candidates),
        answer=new[question.answer],
    )


def cloze_batch(questions: Sequence[ClozeQuestion], vocab: Vocab) -> ClozeBatch:
    """Put questions into one batch.

    Args:
        questions: one or more.
        vocab: of documents and questions.

    Example:
        >>> one = ClozeQuestion(("b", "a", "b"), (BLANK, "a"), ("a", "b"), "b")
        >>> cloze_batch([one], Vocab(["a", "b"])).occurrences.int()
        tensor([[[0, 1, 0],
                 [1, 0, 1]]], dtype=torch.int32)
    """
    documents, asked = (
        pad_ids([torch.tensor(vocab.encode(words)) for words in side])
        for side in zip(*((q.document, q.question) for q in questions), strict=True)
    )
    most = max(len(q.candidates) for q in questions)
    shape = len(questions), most
    occurrences = torch.zeros(*shape, documents[0].shape[1], dtype=torch.bool)
    candidate_mask = torch.zeros(shape, dtype=torch.bool)
    for row, question in enumerate(questions):
        candidate_mask[row, : len(question.candidates)] = True
        numbers = {word: i for i, word in enumerate(question.candidates)}
        found = [
            (numbers[word], position)
            for position, word in enumerate(question.document)
            if word in numbers
        ]
        if found:
            candidates, positions = torch.tensor(found).unbind(dim=1)
            occurrences[row, candidates, positions] = True
    answers = [q.candidates.index(q.answer) for q in questions]
    return ClozeBatch(
        *documents, *asked, occurrences, candidate_mask, torch.tensor(answers)
    )


def cloze_loader(
    questions: Sequence[ClozeQuestion],
    vocab: Vocab,
    *,
    batch_size: int | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    num_names: int | None = None,
) -> DataLoader[Any]:
    """Batches of questions.

    Args:
        questions: one or more.
        vocab: of documents and questions.
        batch_size: questions in a batch; give this or ``max_tokens``.
        max_tokens: largest size of a batch, in words of its documents with padding.
        seed: of the random order; None: the given order.
        num_names: call the candidates by new random numbers whenever a question is put
            into a batch, see :func:`rename`, so that nothing can be learned about a
            name. They come from PyTorch's global generator, so a run that goes on from
            a checkpoint draws the same. None: the names stay.

    Raises:
        ValueError: from :func:`attention_book.data.loader.make_loader`.
    """
    lengths = torch.tensor([len(q.document) for q in questions])

    def collate(chosen: list[ClozeQuestion]) -> ClozeBatch:
        if num_names is not None:
            draw = random.Random(int(torch.randint(2**62, ())))
            chosen = [rename(question, draw, num_names) for question in chosen]
        return cloze_batch(chosen, vocab)

    return make_loader(
        questions,
        collate,
        batch_size=batch_size,
        max_tokens=max_tokens,
        lengths=None if max_tokens is None else lengths,
        seed=seed,
    )

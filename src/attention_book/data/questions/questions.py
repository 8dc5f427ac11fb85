"""Questions about stories: sentences to remember, a question, its answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader
from attention_book.data.vocab import PAD, Vocab

Sentence = tuple[str, ...]  # words in lower case, without punctuation


@dataclass(frozen=True)
class Question:
    """A story, a question about it, and the facts that its answer follows from.

    Attributes:
        facts: the sentences of the story, the oldest first.
        question: its words.
        answer: one word; a list is one word too, such as "coin,lamp".
        support: positions of the supporting facts, from 0, in the order in which one
            would look them up. A model does not see them.

    Raises:
        ValueError: if there are no facts, a sentence or the answer has no words, or a
            supporting fact is not part of the story.
    """

    facts: tuple[Sentence, ...]
    question: Sentence
    answer: str
    support: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.facts or not all(self.facts):
            raise ValueError("facts must hold sentences with words, and at least one")
        if not self.question or not self.answer:
            raise ValueError("question and answer must have words")
        if not all(0 <= fact < len(self.facts) for fact in self.support):
            raise ValueError(
                f"support must be from 0 to {len(self.facts) - 1}, got {self.support}"
            )


@dataclass(frozen=True)
class QuestionBatch:
    """Padded word ids. A fact that is all padding is an empty memory.

    Attributes:
        facts: the oldest first, empty memories last.
        question: ids of its words.
        answer: the id of the answer, a word of the same vocabulary.
    """

    facts: Int[Tensor, "batch facts words"]
    question: Int[Tensor, "batch question_words"]
    answer: Int[Tensor, " batch"]

    @property
    def num_tokens(self) -> int:
        """Number of predictions, one per answer."""
        return len(self.answer)

    def to(self, device: torch.device | str) -> "QuestionBatch":
        """Return the same batch on ``device``."""
        return QuestionBatch(*(tensor.to(device) for tensor in vars(self).values()))

    def rows(self, rows: Sequence[int]) -> "QuestionBatch":
        """Return some of the questions, without memories that are empty in all."""
        index = torch.as_tensor(rows, device=self.answer.device)
        facts, question, answer = (
            part.index_select(0, index)
            for part in (self.facts, self.question, self.answer)
        )
        longest = int((facts[:, :, 0] != PAD).sum(dim=1).max())
        return QuestionBatch(facts[:, :longest], question, answer)


def question_vocab(questions: Sequence[Question]) -> Vocab:
    """Collect the words of stories, questions and answers.

    Example:
        >>> question = Question((("ada", "sings"),), ("who", "sings"), "ada", (0,))
        >>> len(question_vocab([question]))  # and four special tokens
        7
    """
    # Stories share their sentences, which are then counted once: only the order of the
    # ids depends on the counts.
    sentences = {fact for item in questions for fact in item.facts}
    sentences |= {item.question for item in questions}
    words = [word for sentence in sorted(sentences) for word in sentence]
    return Vocab(words + [item.answer for item in questions])


def question_batch(
    questions: Sequence[Question], vocab: Vocab, *, memory_size: int
) -> QuestionBatch:
    """Encode questions, keeping the most recent facts of each story.

    Args:
        questions: at least one.
        vocab: words; others become ``UNK``.
        memory_size: largest number of facts to keep.

    Returns:
        All questions in one batch, padded to the longest story kept and to the longest
        sentence.

    Raises:
        ValueError: if there are no questions, or ``memory_size`` is less than 1.

    Example:
        >>> facts = ("ada", "sings"), ("ben", "sings")
        >>> item = Question(facts, ("who", "sings"), "ada", (0,))
        >>> vocab = question_vocab([item])
        >>> question_batch([item], vocab, memory_size=1).facts  # "ben sings"
        tensor([[[6, 4]]])
    """
    if not questions:
        raise ValueError("questions must hold at least one question, got none")
    if memory_size < 1:
        raise ValueError(f"memory_size must be at least 1, got {memory_size}")
    kept = [item.facts[-memory_size:] for item in questions]
    distinct = list(dict.fromkeys(fact for facts in kept for fact in facts))
    number = {fact: row for row, fact in enumerate(distinct, start=1)}
    table = _pad([(), *distinct], vocab)  # row 0 is the empty memory
    longest = max(map(len, kept))
    rows = torch.tensor(
        [
            [number[fact] for fact in facts] + [0] * (longest - len(facts))
            for facts in kept
        ]
    )
    return QuestionBatch(
        table[rows],
        _pad([item.question for item in questions], vocab),
        torch.tensor(vocab.encode(item.answer for item in questions)),
    )


def question_loader(
    questions: QuestionBatch, *, batch_size: int, seed: int | None = None
) -> DataLoader:
    """Cut encoded questions into batches.

    Args:
        questions: result of :func:`question_batch`.
        batch_size: number of questions in a batch.
        seed: of the random order; None: the order of ``questions``.

    Returns:
        A loader of :class:`QuestionBatch`, each padded to its own longest story.
    """
    return make_loader(
        range(len(questions.answer)), questions.rows, batch_size=batch_size, seed=seed
    )


def _pad(sentences: Sequence[Sentence], vocab: Vocab) -> Int[Tensor, "sentences words"]:
    longest = max(map(len, sentences))
    return torch.tensor(
        [vocab.encode(words) + [PAD] * (longest - len(words)) for words in sentences]
    )

"""Questions about stories whose supporting facts are known."""

from attention_book.data.questions.babi import TASKS, babi, read_babi
from attention_book.data.questions.questions import (
    Question,
    QuestionBatch,
    question_batch,
    question_loader,
    question_vocab,
)
from attention_book.data.questions.stories import KINDS, StorySplits, stories

__all__ = [
    "KINDS",
    "TASKS",
    "Question",
    "QuestionBatch",
    "StorySplits",
    "babi",
    "question_batch",
    "question_loader",
    "question_vocab",
    "read_babi",
    "stories",
]

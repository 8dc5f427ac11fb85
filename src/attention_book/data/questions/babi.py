"""bAbI: twenty tasks that each need one kind of reasoning."""

from pathlib import Path

from attention_book.data.downloads import fetch
from attention_book.data.questions.questions import Question, Sentence
from attention_book.data.text_files import read_lines

TASKS = (
    "single-supporting-fact",
    "two-supporting-facts",
    "three-supporting-facts",
    "two-arg-relations",
    "three-arg-relations",
    "yes-no-questions",
    "counting",
    "lists-sets",
    "simple-negation",
    "indefinite-knowledge",
    "basic-coreference",
    "conjunction",
    "compound-coreference",
    "time-reasoning",
    "basic-deduction",
    "basic-induction",
    "positional-reasoning",
    "size-reasoning",
    "path-finding",
    "agents-motivations",
)
"""Names of the tasks, in the order of their numbers, which start at 1."""

FOLDER = "babi/tasks_1-20_v1-2"


def babi(task: int, split: str, *, size: str = "1k") -> list[Question]:
    """Questions of a bAbI task, version 1.2, in English.

    Words are in lower case, without full stops and question marks. An answer that is a
    list, such as "football,milk" or the path "n,w", is one word.

    Size: 1,000 questions "test"; "train" 1,000, or 10,000 of every task but the third,
        whose large file has no source that we know of. 2 to 228 facts a story.
        Download: 0.1 to 0.5 MB a file of 1,000 questions, about 10 times that of
        10,000.
    Source: Weston et al., arXiv:1502.05698. Sukhbaatar et al. used version 1.1, of
        which only task 16 differs.
    Licence: CC BY 3.0. Nothing of it is in this package.

    Args:
        task: its number, 1 to 20.
        split: "train" or "test".
        size: "1k" or "10k"; both have the same test questions.

    Returns:
        The questions in the order of the file.

    Raises:
        ValueError: if there is no such task, split or size.
        DownloadError: if the file is not available.
    """
    if not 1 <= task <= len(TASKS):
        raise ValueError(f"task must be from 1 to {len(TASKS)}, got {task}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, got {split!r}")
    if size not in ("1k", "10k"):
        raise ValueError(f"size must be 1k or 10k, got {size!r}")
    if (task, size, split) == (3, "10k", "train"):
        raise ValueError(
            "task 3 must have size 1k: no public copy of its 10,000 training questions "
            "is known, got 10k"
        )
    folder = "en-10k" if (size, split) == ("10k", "train") else "en"
    return read_babi(fetch(f"{FOLDER}/{folder}/qa{task}_{TASKS[task - 1]}_{split}.txt"))


def read_babi(path: str | Path) -> list[Question]:
    """Read a file of bAbI's form.

    A line is a number and a sentence; a question has two more fields after tabs, the
    answer and the numbers of the lines that support it. Number 1 starts a new story.

    Args:
        path: a UTF-8 file.

    Raises:
        ValueError: naming file and line, if a line has no number or not the one that
            follows, a sentence, an answer or a question has no words, a line has two
            fields or more than three, a question stands before any fact, or a
            supporting line is none of the story's facts.
    """
    questions: list[Question] = []
    facts: list[Sentence] = []
    lines: dict[int, int] = {}  # position of a fact by the number of its line
    last = 0
    for number, line in enumerate(read_lines(path), start=1):
        try:
            own, text = _split_number(line)
            if own == 1:
                facts, lines = [], {}
            elif own != last + 1:
                raise ValueError(f"want number 1 or {last + 1}, got {own}")
            last = own
            fields = text.split("\t")
            words = _words(fields[0])
            if len(fields) == 1:
                lines[own] = len(facts)
                facts.append(words)
            elif len(fields) == 3:
                support = tuple(_fact(text, lines) for text in fields[2].split())
                answer = fields[1].strip().lower()
                questions.append(Question(tuple(facts), words, answer, support))
            else:
                raise ValueError(f"want 1 or 3 fields, got {len(fields)}")
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from error
    if not questions:
        raise ValueError(f"{path} has no questions")
    return questions


def _split_number(line: str) -> tuple[int, str]:
    number, _, text = line.partition(" ")
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"want a number, a space and a sentence, got {line!r}")
    return int(number), text


def _words(text: str) -> Sentence:
    words = tuple(text.lower().replace(".", " ").replace("?", " ").split())
    if not words:
        raise ValueError(f"want a sentence with words, got {text!r}")
    return words


def _fact(text: str, lines: dict[int, int]) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) not in lines:
        raise ValueError(f"want numbers of facts of this story, got {text!r}")
    return lines[int(text)]

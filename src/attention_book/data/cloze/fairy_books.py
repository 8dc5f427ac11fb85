"""Cloze questions cut from fairy books, made as the Children's Book Test was."""

import operator
import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from attention_book.data.cloze.questions import BLANK, ClozeQuestion
from attention_book.data.docstrings.words import sentences
from attention_book.data.downloads import fetch
from attention_book.data.text_files import read_lines

BOOKS = {
    "train": ("503-0.txt", "540-0.txt", "641-0.txt", "11-0.txt"),
    "dev": ("640.txt",),
    "test": ("640.txt",),
}
"""The Blue, Red and Violet Fairy Book and Alice to learn from; of the Yellow one the
first half is "dev" and the second "test"."""

KINDS = ("name", "word")
WINDOW = 20  # sentences of a document
MAX_CANDIDATES = 10

START = re.compile(r"\*\*\* ?START OF")
END = re.compile(r"\*\*\* ?END OF|End of (the )?Project Gutenberg")
TOKEN = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*|[^\w\s]")


def fairy_cloze(
    split: str, *, kind: str = "word", step: int = 1, seed: int = 0
) -> list[ClozeQuestion]:
    """Cloze questions from fairy books: 20 sentences, and the next one with a blank.

    The split is ours, and so is the selection; scores cannot be compared with those on
    the Children's Book Test, which has 98 other books.

    Size at step 1: 12,360 questions "train", 2,009 "dev" and 1,803 "test" of the kind
    "word", 4,263, 590 and 680 of the kind "name". Download: 2.8 MB.
    Source: Project Gutenberg, books 503, 540, 640, 641 and 11.
    Licence: in the public domain in the United States; the Gutenberg frame, which is
    cut off, has terms of its own. Nothing of it is in this package.

    Args:
        split: "train", "dev" or "test".
        kind: as for :func:`cloze_windows`.
        step: as for :func:`cloze_windows`.
        seed: as for :func:`cloze_windows`.

    Raises:
        ValueError: if there is no such split or kind, or ``step`` is below 1.
        DownloadError: if a file is not available.
    """
    if split not in BOOKS:
        raise ValueError(f"split must be one of {', '.join(BOOKS)}, got {split!r}")
    found = []
    for name in BOOKS[split]:
        book = read_book(fetch(f"fairy_books/{name}"))
        if split != "train":
            half = len(book) // 2
            book = book[:half] if split == "dev" else book[half:]
        found += cloze_windows(book, kind=kind, step=step, seed=seed)
    return found


def read_book(path: str | Path) -> list[tuple[str, ...]]:
    """Read the sentences of a book of Project Gutenberg, cut into words.

    What stands before the line "START OF" and after the line "END OF" is left out, and
    so are paragraphs without a lower-case letter, which are headings. Punctuation marks
    are words.

    Args:
        path: the file.

    Raises:
        ValueError: naming the file, if it has no such frame or is not UTF-8.
    """
    lines = read_lines(path)
    starts = [i for i, line in enumerate(lines) if START.match(line)]
    ends = [i for i, line in enumerate(lines) if END.match(line)]
    if len(starts) != 1 or not ends:
        raise ValueError(
            f"{path} must have a line that begins with *** START OF and one with "
            f"*** END OF, got {len(starts)} and {len(ends)}"
        )
    text = "\n".join(line.strip() for line in lines[starts[0] + 1 : ends[0]])
    found = []
    for paragraph in re.split(r"\n{2,}", text):
        if re.search("[a-z]", paragraph):
            for sentence in sentences(" ".join(paragraph.split())):
                if tokens := tuple(TOKEN.findall(sentence)):
                    found.append(tokens)
    return found


def cloze_windows(
    book: Sequence[tuple[str, ...]], *, kind: str, step: int = 1, seed: int = 0
) -> list[ClozeQuestion]:
    """Cut a text into windows of 20 sentences, and blank a word of the next sentence.

    The missing word also stands in the 20 sentences. Up to nine other words of its kind
    from there are the other candidates, drawn at random; a window without any word to
    blank out, or without a second candidate, gives no question. As in the Children's
    Book Test, all mentions of the missing word in the question are blanked out, and the
    candidates may stand anywhere.

    Args:
        book: sentences as words.
        kind: "name": words that the book writes with a capital letter nearly always,
            and also inside sentences; "word": words in lower case that are neither stop
            words nor among the 100 most frequent words of the book.
        step: a window starts at every so many sentences.
        seed: of what is drawn.

    Raises:
        ValueError: if there is no such kind, or ``step`` is below 1.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    wanted = _names(book) if kind == "name" else _words(book)
    draw = random.Random(operator.index(seed))
    found = []
    for start in range(0, len(book) - WINDOW, step):
        document = [word for part in book[start : start + WINDOW] for word in part]
        here = [word for word in dict.fromkeys(document) if word in wanted]
        sentence = book[start + WINDOW]
        answers = [word for word in here if word in sentence]
        if not answers or len(here) < 2:
            continue
        answer = draw.choice(answers)
        others = [word for word in here if word != answer]
        others = draw.sample(others, min(MAX_CANDIDATES - 1, len(others)))
        candidates = draw.sample([answer, *others], 1 + len(others))
        question = tuple(BLANK if word == answer else word for word in sentence)
        found.append(
            ClozeQuestion(tuple(document), question, tuple(candidates), answer)
        )
    return found


def _names(book: Sequence[tuple[str, ...]]) -> set[str]:
    """Words with a capital letter, nearly always, inside sentences too."""
    everywhere = Counter(word for sentence in book for word in sentence)
    # The word before opens no quotation: another sentence would start there.
    inside = Counter(
        word
        for sentence in book
        for before, word in pairwise(sentence)
        if before[-1].isalnum() or before == ","
    )
    return {
        word
        for word, count in inside.items()
        if len(word) > 1
        and word[0].isupper()
        and not word.startswith(("I'", "I\u2019"))
        and everywhere[word.lower()] < everywhere[word] / 10
        and count > 1
    }


def _words(book: Sequence[tuple[str, ...]]) -> set[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    counts = Counter(word for sentence in book for word in sentence)
    frequent = {word for word, _ in counts.most_common(100)}
    return {
        word
        for word in counts
        if word.isalpha() and word.islower() and word not in ENGLISH_STOP_WORDS
    } - frequent

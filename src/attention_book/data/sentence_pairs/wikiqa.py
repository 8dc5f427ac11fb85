"""WikiQA: questions, and sentences of Wikipedia that may answer them."""

from collections.abc import Iterable
from pathlib import Path

from attention_book.data.downloads import fetch
from attention_book.data.sentence_pairs.pair_files import label_at, words_at
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.text_files import read_lines

SPLITS = ("train", "dev", "test")
FILES = ("id.txt", "a.toks", "b.toks", "sim.txt")


def wikiqa(split: str) -> list[SentencePair]:
    """Pairs of a question and a candidate of WikiQA; ``label`` 1: it answers.

    Only questions with a right answer are there, which is what published numbers are
    about. In 16, 4 and 6 of them every candidate is right. ``group`` is the question's
    number. The text is in lower case and cut into words; candidates end after 40.

    Size: 8,672 pairs of 873 questions "train", 1,130 of 126 "dev", 2,351 of 243 "test";
    of them 1,040, 140 and 293 right. Download: 2.1 MB.
    Source: Yang, Yih and Meek, EMNLP 2015; the files of castorini/data.
    Licence: none stated there; the original has Microsoft's research terms. Nothing of
    it is in this package.

    Args:
        split: "train", "dev" or "test".

    Returns:
        The pairs in the order of the files: those of a question follow each other.

    Raises:
        ValueError: if there is no such split.
        DownloadError: if a file is not available.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return read_wikiqa(*(fetch(f"wikiqa/{split}/{name}") for name in FILES))


def read_wikiqa(
    group_path: str | Path,
    question_path: str | Path,
    answer_path: str | Path,
    label_path: str | Path,
) -> list[SentencePair]:
    """Read four files whose lines of the same number describe a pair.

    Args:
        group_path: numbers of the questions.
        question_path: words of the questions separated by spaces.
        answer_path: words of the candidates separated by spaces.
        label_path: 1 for a right answer, otherwise 0.

    Raises:
        ValueError: naming file and line, if a number is none, a label is not 0 or 1, or
            a sentence has no words; naming the files, if their lengths differ.
    """
    paths = (group_path, question_path, answer_path, label_path)
    columns = [read_lines(path) for path in paths]
    if len({len(column) for column in columns}) > 1:
        sizes = (f"{p} has {len(c)}" for p, c in zip(paths, columns, strict=True))
        raise ValueError(f"the files must have equally many lines: {', '.join(sizes)}")
    pairs = []
    for number, (group, question, answer, label) in enumerate(
        zip(*columns, strict=True), start=1
    ):
        if not (group.isascii() and group.isdecimal()):
            raise ValueError(f"{group_path}:{number}: want a number, got {group!r}")
        pairs.append(
            SentencePair(
                words_at(question, question_path, number, _split_at_spaces),
                words_at(answer, answer_path, number, _split_at_spaces),
                label=label_at(label, label_path, number),
                group=int(group),
            )
        )
    return pairs


def _split_at_spaces(text: str) -> Iterable[str]:
    # Other white space is part of a token.
    return filter(None, text.split(" "))

"""TrecQA: questions of the TREC tracks, and sentences that may answer them."""

from collections import defaultdict
from pathlib import Path

from attention_book.data.downloads import fetch
from attention_book.data.sentence_pairs.pair_files import (
    label_at,
    read_fields,
    words_at,
)
from attention_book.data.sentence_pairs.pairs import SentencePair

SPLITS = ("train", "dev", "test")
FIELDS = ["qtext", "label", "atext"]


def trecqa(split: str, *, clean: bool = False) -> list[SentencePair]:
    """Pairs of a question and a candidate of TrecQA; ``label`` 1: it answers.

    The training set is the smaller one, judged by hand ("TRAIN"), not "TRAIN-ALL".
    ``group`` numbers the questions from 0; they are told apart by their text.

    Size: 4,718 pairs of 93 questions "train", 1,148 of 81 "dev", 1,517 of 95 "test";
    clean: 4,619 of 78, 1,117 of 65, 1,442 of 68. Download: 1.5 MB.
    Source: Wang, Smith and Mitamura, EMNLP 2007; the files of dataset-sts. Raw and
    clean: Rao, He and Lin, CIKM 2016. Numbers on the two cannot be compared.
    Licence: the source states none. Nothing of it is in this package.

    Args:
        split: "train", "dev" or "test".
        clean: whether only questions with a right and a wrong answer are kept.

    Returns:
        The pairs in the order of the file: those of a question follow each other.

    Raises:
        ValueError: if there is no such split.
        DownloadError: if the file is not available.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    pairs = read_trecqa(fetch(f"trecqa/{split}.csv"))
    if not clean:
        return pairs
    labels = defaultdict(set)
    for pair in pairs:
        labels[pair.group].add(pair.label)
    return [pair for pair in pairs if labels[pair.group] == {0, 1}]


def read_trecqa(path: str | Path) -> list[SentencePair]:
    """Read a file of TrecQA: question, label and candidate, with commas between.

    Args:
        path: a UTF-8 file; a field with a comma or a quotation mark stands in
            quotation marks, those inside doubled; the words are separated by spaces.

    Raises:
        ValueError: naming file and line, if the first line is not that of TrecQA, or
            another has not three fields, a label that is not 0 or 1, or a sentence
            without words.
    """
    groups: dict[tuple[str, ...], int] = {}
    pairs = []
    for number, fields in read_fields(path, FIELDS, comma_separated=True):
        question, label, answer = fields
        words = words_at(question, path, number, str.split)
        pairs.append(
            SentencePair(
                words,
                words_at(answer, path, number, str.split),
                label=label_at(label, path, number),
                group=groups.setdefault(words, len(groups)),
            )
        )
    return pairs

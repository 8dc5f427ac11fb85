"""SICK: sentence pairs with graded relatedness and a class of entailment."""

from math import isfinite
from pathlib import Path

from attention_book.data.downloads import fetch
from attention_book.data.sentence_pairs.pair_files import read_fields, words_at
from attention_book.data.sentence_pairs.pairs import SentencePair

FILES = {
    "train": "SICK_train.txt",
    "dev": "SICK_trial.txt",
    "test": "SICK_test_annotated.txt",
}
ENTAILMENT = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")
FIELDS = [
    "pair_ID",
    "sentence_A",
    "sentence_B",
    "relatedness_score",
    "entailment_judgment",
]


def sick(split: str) -> list[SentencePair]:
    """Pairs of SICK 2014; ``score`` from 1 to 5, ``label`` an index of ``ENTAILMENT``.

    Size: 4,500 pairs "train", 500 "dev" (the file calls them trial), 4,927 "test";
    about 10 words a sentence. Download: 1.1 MB.
    Source: Marelli et al., LREC 2014; the files of SemEval-2014 task 1.
    Licence: CC BY-NC-SA 3.0. Nothing of it is in this package.

    Args:
        split: "train", "dev" or "test".

    Returns:
        The pairs in the order of the file, their case kept.

    Raises:
        ValueError: if there is no such split.
        DownloadError: if the file is not available.
    """
    if split not in FILES:
        raise ValueError(f"split must be one of {', '.join(FILES)}, got {split!r}")
    return read_graded(fetch(f"sick/{FILES[split]}"), (1, 5))


def read_graded(path: str | Path, score_range: tuple[int, int]) -> list[SentencePair]:
    """Read a file of SICK's form: five columns with tabs between, and a first line.

    Args:
        path: a UTF-8 file.
        score_range: lowest and highest score that may occur.

    Raises:
        ValueError: naming file and line, if the first line is not that of SICK, or
            another has not five fields, a sentence without words, a score that is no
            number of the range, or no such class.
    """
    low, high = score_range
    pairs = []
    for number, (_, first, second, score_text, judgment) in read_fields(path, FIELDS):
        score = _number(score_text)
        if not low <= score <= high:
            raise ValueError(
                f"{path}:{number}: want a score from {low} to {high}, "
                f"got {score_text!r}"
            )
        if judgment not in ENTAILMENT:
            raise ValueError(
                f"{path}:{number}: want one of {', '.join(ENTAILMENT)}, "
                f"got {judgment!r}"
            )
        pairs.append(
            SentencePair(
                words_at(first, path, number),
                words_at(second, path, number),
                label=ENTAILMENT.index(judgment),
                score=score,
            )
        )
    return pairs


def _number(text: str) -> float:
    """The number of a text; NaN, which is in no range, if there is none."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if isfinite(value) else float("nan")

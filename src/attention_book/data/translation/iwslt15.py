"""IWSLT'15: TED talks in English and Vietnamese."""

import sys

from attention_book.data.downloads import fetch, is_here
from attention_book.data.text_files import read_lines
from attention_book.data.translation.pairs import Pair

SPLITS = ("train", "tst2012", "tst2013")
LANGUAGES = ("en", "vi")


def iwslt15(split: str, source: str = "en", target: str = "vi") -> list[Pair]:
    """Sentence pairs of IWSLT'15 as Stanford distributes them, cut into words.

    The files are tokenized already: words are what stands between spaces. Nothing else
    is done to them, so that scores can be compared with published ones. Upper and lower
    case stay, and so do the tokenizer's names of characters: ``&apos;s`` is "'s",
    ``&quot;``, ``&amp;``, ``&#91;`` and ``&#93;`` are a quotation mark, "&", "[", "]".

    The papers train on all of "train", validate on "tst2012" and test on "tst2013".

    Size: 133,317 lines "train", 1,553 pairs "tst2012", 1,268 "tst2013". Downloads: 32
    MB for "train", 0.6 MB for the other two.
    Source: https://nlp.stanford.edu/projects/nmt (Luong and Manning, 2015; Cettolo et
    al., 2015).
    Licence: the source states none for the texts. Nothing of them is in this package.

    Args:
        split: "train", "tst2012" or "tst2013".
        source: "en" or "vi".
        target: the other one.

    Returns:
        The pairs in the order of the files. One with an empty line on either side is
        left out: "train" has some, the other two have none, so that their pairs and
        the lines of :func:`iwslt15_lines` go together.

    Raises:
        ValueError: if a name is none of these, or source and target are the same.
        DownloadError: if a file is not available.
    """
    if source == target:
        raise ValueError(f"source and target must differ, got {source!r} twice")
    sides = iwslt15_lines(split, source), iwslt15_lines(split, target)
    pairs = (Pair(_words(s), _words(t)) for s, t in zip(*sides, strict=True))
    return [pair for pair in pairs if pair.source and pair.target]


def iwslt15_lines(split: str, language: str) -> list[str]:
    """The sentences of one language as they are in the file: the references for BLEU.

    They are tokenized. The published scores compare them as they stand (sacrebleu:
    ``tokenize="none"``) with the words of the output, joined by spaces.

    Args:
        split: "train", "tst2012" or "tst2013".
        language: "en" or "vi".

    Raises:
        ValueError: if a name is none of these.
        DownloadError: if the file is not available.
    """
    return read_lines(fetch(_file(split, language)))


def has_training_files() -> bool:
    """Whether "train" can be read without a download of 32 MB.

    Raises:
        DownloadError: if the mirror is no folder.
    """
    return all(is_here(_file("train", language)) for language in LANGUAGES)


def _words(line: str) -> tuple[str, ...]:
    # One string for each word, not for each occurrence: an eighth of the memory.
    return tuple(map(sys.intern, line.split()))


def _file(split: str, language: str) -> str:
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if language not in LANGUAGES:
        raise ValueError(
            f"language must be one of {', '.join(LANGUAGES)}, got {language!r}"
        )
    return f"iwslt15_en_vi/{split}.{language}"

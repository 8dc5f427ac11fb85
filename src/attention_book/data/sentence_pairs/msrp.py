"""MSRP: sentence pairs from the news; is one a paraphrase of the other?"""

from pathlib import Path

from attention_book.data.downloads import fetch
from attention_book.data.sentence_pairs.pair_files import (
    label_at,
    read_fields,
    words_at,
)
from attention_book.data.sentence_pairs.pairs import SentencePair

FILES = {"train": "train", "dev": "val", "test": "test"}
FIELDS = ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]


def msrp(split: str) -> list[SentencePair]:
    """Pairs of the Microsoft Research Paraphrase Corpus; ``label`` 1: a paraphrase.

    Size: 3,576 pairs "train", 500 "dev", 1,725 "test", of them 2,407, 346 and 1,147
    paraphrases; about 22 words a sentence. The official training set, of 4,076 pairs,
    is "train" and "dev" together. Download: 1.5 MB.
    Source: Dolan et al., COLING 2004; this split of the training set: dataset-sts.
    Licence: Microsoft Research Shared Source, non-commercial. Nothing of it is in this
    package.

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
    return read_msrp(fetch(f"msrp/msr-para-{FILES[split]}.tsv"))


def read_msrp(path: str | Path) -> list[SentencePair]:
    """Read a file of MSRP: five columns with tabs between, and a first line.

    Quotation marks are part of the sentences: none of them encloses a field.

    Args:
        path: a UTF-8 file.

    Raises:
        ValueError: naming file and line, if the first line is not that of MSRP, or
            another has not five fields, a label that is not 0 or 1, or a sentence
            without words.
    """
    pairs = []
    for number, (quality, _, _, first, second) in read_fields(path, FIELDS):
        pairs.append(
            SentencePair(
                words_at(first, path, number),
                words_at(second, path, number),
                label=label_at(quality, path, number),
            )
        )
    return pairs

"""MSRVID: descriptions of short videos, two by two, with graded similarity."""

from dataclasses import replace

from attention_book.data.downloads import fetch
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.sentence_pairs.sick import read_graded

FILES = {"train": "MSRVID_train", "test": "MSRVID_dev"}


def msrvid(split: str) -> list[SentencePair]:
    """Pairs of MSRVID; ``score`` from 0 to 5.

    The file named "dev" holds the 750 test pairs of the shared task. There is no dev
    set: a run that picks its epoch by that file picks it by the test set, as a released
    script does. Take some of the training pairs instead.

    Size: 750 pairs "train", 750 "test"; about 7 words a sentence. Download: 0.1 MB.
    Source: SemEval-2012 task 6 (Agirre et al., 2012), tokens as in castorini/data.
    Licence: the source states none. Nothing of it is in this package.

    Args:
        split: "train" or "test".

    Returns:
        The pairs in the order of the file.

    Raises:
        ValueError: if there is no such split.
        DownloadError: if the file is not available.
    """
    if split not in FILES:
        raise ValueError(f"split must be one of {', '.join(FILES)}, got {split!r}")
    pairs = read_graded(fetch(f"msrvid/{FILES[split]}"), (0, 5))
    # The file has SICK's columns; its class says NEUTRAL for every pair.
    return [replace(pair, label=None) for pair in pairs]

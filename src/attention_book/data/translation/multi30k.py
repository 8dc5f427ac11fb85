"""Multi30k: descriptions of images in English, German and French."""

from attention_book.data.downloads import fetch
from attention_book.data.text_files import read_lines
from attention_book.data.translation.pairs import Pair, read_parallel

FILES = {
    "train": "train",
    "val": "val",
    "test2016": "test_2016_flickr",
    "test2017": "test_2017_flickr",
}
LANGUAGES = ("en", "de", "fr")


def multi30k(
    split: str, source: str = "de", target: str = "en", limit: int | None = None
) -> list[Pair]:
    """Sentence pairs of Multi30k in lower case, cut into words.

    The words are those of sacrebleu's tokenizer 13a, so that words joined by spaces can
    be scored against the raw lines of :func:`multi30k_lines`, in lower case.

    Size: 29,000 pairs "train", 1,014 "val", 1,000 "test2016", 1,000 "test2017"; about
    13 words a sentence. Downloads: 1.9 MB for all three languages.
    Source: https://github.com/multi30k/dataset, ``data/task1/raw`` (Elliott et al.,
    2016, arXiv:1605.00459; Elliott et al., 2017, arXiv:1710.07177).
    Licence: the source states none for the texts. Nothing of them is in this package.

    Args:
        split: "train", "val", "test2016" or "test2017".
        source: "en", "de" or "fr".
        target: another of the three.
        limit: largest number of pairs, the first; None: all.

    Returns:
        The pairs in the order of the files.

    Raises:
        ValueError: if a name is none of these, source and target are the same, or
            ``limit`` is negative.
        DownloadError: if a file is not available.
    """
    if source == target:
        raise ValueError(f"source and target must differ, got {source!r} twice")
    # Imported here so that the package loads fast where no text is tokenized.
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenizer = Tokenizer13a()
    return read_parallel(
        fetch(_file(split, source)),
        fetch(_file(split, target)),
        lambda line: tokenizer(line.lower()).split(),
        limit,
    )


def multi30k_lines(split: str, language: str) -> list[str]:
    """The raw sentences of one language: the references for BLEU.

    Args:
        split: "train", "val", "test2016" or "test2017".
        language: "en", "de" or "fr".

    Returns:
        The lines, as they are in the file.

    Raises:
        ValueError: if a name is none of these.
        DownloadError: if the file is not available.
    """
    return read_lines(fetch(_file(split, language)))


def _file(split: str, language: str) -> str:
    if split not in FILES:
        raise ValueError(f"split must be one of {', '.join(FILES)}, got {split!r}")
    if language not in LANGUAGES:
        raise ValueError(
            f"language must be one of {', '.join(LANGUAGES)}, got {language!r}"
        )
    return f"multi30k/{FILES[split]}.{language}.gz"

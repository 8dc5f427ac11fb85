"""WikiText-2: good articles of the English Wikipedia."""

import re
from pathlib import Path

from attention_book.data.downloads import fetch
from attention_book.data.text_files import read_lines

SPLITS = ("valid", "test")
_TITLE = re.compile(r" = [^=](.*[^=])? = ")
_HEADING = re.compile(r" = = .* = = ")
_JOINED = re.compile(r" @([-,.])@ ")
_END = re.compile(r"(?<= [.!?]) (?![\"')])")


def wikitext_2(split: str) -> list[list[str]]:
    """The articles of WikiText-2, each as its sentences.

    Headings are left out, and a paragraph ends a sentence. Rare words are ``<unk>`` in
    the files already, and stay so.

    Size: 60 articles and 213,886 tokens "valid", 60 and 241,211 "test". The training
    part, of two million tokens, is not among the files that the book uses. Download:
    1.1 and 1.3 MB.
    Source: Merity et al., arXiv:1609.07843.
    Licence: CC BY-SA. Nothing of it is in this package.

    Args:
        split: "valid" or "test".

    Raises:
        ValueError: if there is no such split.
        DownloadError: if the file is not available.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return read_wikitext(fetch(f"wikitext2/{split}.txt"))


def read_wikitext(path: str | Path) -> list[list[str]]:
    r"""Read a file of WikiText: titles between single equals signs open an article.

    A title stands between blank lines: some lines of formulas look like one otherwise.

    Args:
        path: a UTF-8 file.

    Returns:
        The sentences of each article; hyphens, commas and points inside of words and
        numbers, which the files set apart, are joined again.

    Raises:
        ValueError: naming the file and the line, if text stands before the first title;
            naming the file, if there is no article with text.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> with NamedTemporaryFile("w", suffix=".txt") as file:
        ...     _ = file.write(" = Robins = \n \n A well @-@ known one . It sings .")
        ...     _ = file.seek(0)
        ...     read_wikitext(file.name)
        [['A well-known one .', 'It sings .']]
    """
    articles: list[list[str]] = []
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if not line.strip() or _HEADING.fullmatch(line):
            continue
        around = lines[max(0, number - 2) : number - 1] + lines[number : number + 1]
        if _TITLE.fullmatch(line) and not "".join(around).strip():
            articles.append([])
        elif not articles:
            raise ValueError(f"{path}:{number}: text before the first title: {line!r}")
        else:
            text = _JOINED.sub(r"\1", line.strip())
            articles[-1] += _END.split(text)
    articles = [article for article in articles if article]
    if not articles:
        raise ValueError(f"{path} holds no article")
    return articles

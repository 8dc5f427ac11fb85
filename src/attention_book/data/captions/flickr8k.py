"""Flickr8k: photographs, each with five captions in English."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from attention_book.data.downloads import fetch

TEXT = "flickr8k/Flickr8k_text.zip"
IMAGES = "flickr8k/Flickr8k_Dataset.zip"
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class FlickrImage:
    """A photograph's name and what five people wrote about it.

    Attributes:
        name: its file name, by which :func:`flickr8k_images` finds it.
        captions: the five captions in lower case, as words.
    """

    name: str
    captions: tuple[tuple[str, ...], ...]


def flickr8k(split: str) -> list[FlickrImage]:
    """The captions of Flickr8k in lower case, cut into words.

    The captions are tokenized in the source: words are what stands between spaces, and
    punctuation marks are words.

    Size: 6,000 images "train", 1,000 "dev", 1,000 "test", of five captions each; about
    12 words a caption. Download: 3.1 MB.
    Source: Hodosh, Young and Hockenmaier (2013), Journal of Artificial Intelligence
    Research 47, who ask to be cited.
    Licence: the source states none. Nothing of it is in this package.

    Args:
        split: "train", "dev" or "test".

    Returns:
        The images in the order of the split's list. The captions' file also describes
        images that no list names: 91 photographs, and five captions of a file whose
        name ends in ".jpg.1". They are left out.

    Raises:
        ValueError: if there is no such split.
        DownloadError: if the archive is not available.
    """
    return [
        FlickrImage(name, tuple(tuple(line.lower().split()) for line in lines))
        for name, lines in _read(split).items()
    ]


def flickr8k_lines(split: str) -> list[tuple[str, ...]]:
    """The unchanged captions of the file: the references for BLEU.

    Args:
        split: "train", "dev" or "test".

    Returns:
        The five lines of each image, in the order of :func:`flickr8k`, as
        :func:`~attention_book.evaluation.metrics.corpus_bleu` takes them.

    Raises:
        ValueError: as :func:`flickr8k`.
        DownloadError: if the archive is not available.
    """
    return list(_read(split).values())


def flickr8k_images(names: Iterable[str]) -> Iterator[Image.Image]:
    """Read photographs one by one from the archive, which is never unpacked.

    Download: about 1.1 GB, once. Memory: one photograph, about 500 by 375 pixels.

    Args:
        names: names of the photographs, such as those of ``flickr8k("test")``.

    Returns:
        An iterator over the photographs in the order of ``names``, in RGB.

    Raises:
        ValueError: if the archive is damaged or lacks a photograph; if a photograph
            itself is damaged, when the iterator comes to it.
        DownloadError: if the archive is not available.
    """
    path, names = fetch(IMAGES), list(names)
    with _open(path) as archive:
        # The photographs lie in a folder; another one, of macOS, repeats their names.
        members = {
            PurePosixPath(member).name: member
            for member in archive.namelist()
            if not member.startswith("__MACOSX")
        }
    missing = [name for name in names if name not in members]
    if missing:
        raise ValueError(
            f"{path} lacks {len(missing)} of {len(names)} photographs, the first is "
            f"{missing[0]!r}"
        )
    return _decode(path, [members[name] for name in names])


def _decode(path: Path, members: list[str]) -> Iterator[Image.Image]:
    with _open(path) as archive:
        for member in members:
            try:
                with Image.open(BytesIO(archive.read(member))) as raw:
                    image = raw.convert("RGB")
            except (zipfile.BadZipFile, zlib.error, OSError) as error:
                raise ValueError(f"{path}: {member} is damaged ({error})") from error
            yield image


def _read(split: str) -> dict[str, tuple[str, ...]]:
    """The captions of each image of a split."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    with _open(fetch(TEXT)) as archive:
        captions: dict[str, list[str]] = {}
        # Each line is: name # number of the caption, tab, caption.
        for line in _lines(archive, "Flickr8k.token.txt"):
            label, caption = line.split("\t")
            captions.setdefault(label.rpartition("#")[0], []).append(caption)
        names = _lines(archive, f"Flickr_8k.{split}Images.txt")
    return {name: tuple(captions[name]) for name in names}


def _lines(archive: zipfile.ZipFile, member: str) -> list[str]:
    return archive.read(member).decode("utf-8").removesuffix("\n").split("\n")


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no whole zip archive ({error})") from error

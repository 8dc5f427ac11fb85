"""Flickr8k: the real captions, where the mirror is there; an archive of own images.

No mirror holds the photographs: the test makes an archive in the form of the real one.
"""

import dataclasses
import hashlib
import io
import zipfile

import numpy as np
import pytest
import sacrebleu
from PIL import Image

from attention_book.data import downloads
from attention_book.data.captions.flickr8k import (
    IMAGES,
    TEXT,
    flickr8k,
    flickr8k_images,
    flickr8k_lines,
)
from attention_book.data.downloads import Download, DownloadError, table

SIZES = {"train": 6000, "dev": 1000, "test": 1000}
# Name, size, colour, mode; widths and heights differ.
PICTURES = [
    ("12_ab.jpg", (50, 37), (200, 30, 40), "RGB"),
    ("34_cd.jpg", (33, 50), (10, 220, 60), "RGB"),
    ("56_ef.jpg", (47, 31), 90, "L"),
]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put bytes into the mirror under a name, known to the table by their MD5."""
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path))

    def install(raw, name=IMAGES):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        entry = Download(name, None, f"md5:{hashlib.md5(raw).hexdigest()}", "https://x")
        monkeypatch.setattr(downloads, "table", lambda: {name: entry})
        return path

    return install


def jpeg(size, colour, mode):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def packed(change=lambda raw: raw):
    """The images, packed as in the real archive; ``change`` is done to the second."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Flicker8k_Dataset/", "")  # so it is spelled there
        for number, (name, *image) in enumerate(PICTURES):
            raw = jpeg(*image)
            archive.writestr(
                f"Flicker8k_Dataset/{name}", change(raw) if number == 1 else raw
            )
        archive.writestr(f"__MACOSX/Flicker8k_Dataset/{PICTURES[0][0]}", b"no image")
        archive.writestr("__MACOSX/Flicker8k_Dataset/._12_ab.jpg", b"no image")
    return file.getvalue()


@pytest.mark.parametrize("split", SIZES)
def test_captions(mirror, split):
    images, lines = flickr8k(split), flickr8k_lines(split)
    assert len(images) == len(lines) == SIZES[split]
    assert len({image.name for image in images}) == len(images)
    for image, five in zip(images, lines, strict=True):
        assert image.name.endswith(".jpg")
        assert len(image.captions) == len(five) == 5
        for words, line in zip(image.captions, five, strict=True):
            assert words
            assert " ".join(words) == line.lower()


def test_splits_share_no_image_and_leave_the_rest_out(mirror):
    names = [image.name for split in SIZES for image in flickr8k(split)]
    assert len(set(names)) == 8000
    with zipfile.ZipFile(mirror / TEXT) as archive:
        labels = archive.read("Flickr8k.token.txt").decode().splitlines()
    described = {label.split("#")[0] for label in labels}
    assert len(described) == 8092
    assert described > set(names)
    assert {name for name in described if not name.endswith(".jpg")} == {
        "2258277193_586949ec62.jpg.1"
    }


def test_first_test_image(mirror):
    image = flickr8k("test")[0]
    assert image.name == "3385593926_d3e9c21170.jpg"
    assert flickr8k_lines("test")[0][0].startswith("The dogs are in the snow")
    assert image.captions[0][:5] == ("the", "dogs", "are", "in", "the")
    with pytest.raises(dataclasses.FrozenInstanceError):
        image.name = "other"


def test_joined_words_score_100_against_the_raw_lines(mirror):
    hypotheses = [" ".join(image.captions[2]) for image in flickr8k("dev")]
    references = list(zip(*flickr8k_lines("dev"), strict=True))
    bleu = sacrebleu.corpus_bleu(hypotheses, references, lowercase=True)
    assert bleu.score == pytest.approx(100)


def test_damaged_captions_in_the_mirror_are_an_error(mirror, tmp_path, monkeypatch):
    raw = (mirror / TEXT).read_bytes()
    (tmp_path / "flickr8k").mkdir()
    (tmp_path / TEXT).write_bytes(raw[:-1])
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path))
    with pytest.raises(DownloadError, match=r"is not the file of 3132556 bytes"):
        flickr8k("dev")


def test_unknown_split_is_an_error():
    for function in (flickr8k, flickr8k_lines):
        with pytest.raises(
            ValueError, match="split must be one of train, dev, test, got 'val'"
        ):
            function("val")


def test_images_by_name_in_the_order_asked_for(install):
    install(packed())
    order = [PICTURES[i] for i in (2, 0, 1, 0)]
    images = list(flickr8k_images(name for name, *_ in order))
    for image, (_, size, colour, _) in zip(images, order, strict=True):
        assert image.mode == "RGB"
        assert image.size == size
        colours = np.asarray(image).reshape(-1, 3).astype(int)
        assert np.abs(colours - colour).max() <= 4  # JPEG loses a little


def test_images_are_read_one_by_one(install, monkeypatch):
    install(packed())
    read, original = [], zipfile.ZipFile.read

    def spy(self, name, *args):
        read.append(name)
        return original(self, name, *args)

    monkeypatch.setattr(zipfile.ZipFile, "read", spy)
    images = flickr8k_images([name for name, *_ in PICTURES])
    assert read == []
    next(images)
    assert read == ["Flicker8k_Dataset/12_ab.jpg"]
    images.close()  # closes the archive too


def test_image_that_the_archive_lacks_is_an_error_at_once(install):
    install(packed())
    with pytest.raises(
        ValueError, match=r"zip lacks 2 of 3 photographs, the first is 'no\.jpg'"
    ):
        flickr8k_images(["12_ab.jpg", "no.jpg", "._12_ab.jpg"])


@pytest.mark.parametrize(
    "change", [lambda raw: b"no image", lambda raw: raw[: len(raw) // 2]]
)
def test_damaged_photograph_is_an_error_when_it_comes(install, change):
    install(packed(change))
    images = flickr8k_images([name for name, *_ in PICTURES])
    next(images)
    with pytest.raises(ValueError, match=r"Flicker8k_Dataset/34_cd\.jpg is damaged"):
        next(images)


@pytest.mark.parametrize("where", ["checksum", "stream"])
def test_damaged_member_is_an_error(install, where):
    raw = bytearray(packed())
    member = b"Flicker8k_Dataset/34_cd.jpg"
    if where == "stream":  # which follows the name
        start = raw.index(member) + len(member)
        raw[start : start + 8] = b"\xff" * 8
    else:  # in the directory at the end, 30 bytes before the name
        raw[raw.rindex(member) - 30] ^= 255
    install(bytes(raw))
    with pytest.raises(ValueError, match=r"34_cd\.jpg is damaged"):
        list(flickr8k_images(["34_cd.jpg"]))


def test_damaged_archive_is_an_error(install):
    path = install(packed()[:-30])
    with pytest.raises(ValueError, match="is no whole zip archive"):
        flickr8k_images(["12_ab.jpg"])
    path.write_bytes(packed())  # not what its hash says
    with pytest.raises(DownloadError, match="of unknown size and hash md5:"):
        flickr8k_images(["12_ab.jpg"])


def test_no_network_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTENTION_BOOK_CACHE", str(tmp_path))
    monkeypatch.delenv("ATTENTION_BOOK_MIRROR", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(
        DownloadError, match=r"cannot get flickr8k/Flickr8k_Dataset\.zip \(unknown size"
    ):
        flickr8k_images(["12_ab.jpg"])


def test_table_knows_both_archives():
    assert table()[IMAGES].bytes is None
    assert table()[IMAGES].hash.startswith("md5:")
    assert table()[TEXT].bytes == 3_132_556

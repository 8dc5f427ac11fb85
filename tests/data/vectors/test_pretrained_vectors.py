"""Readers of word vectors: small files, then the real ones of the mirror."""

import gzip
import zipfile

import numpy as np
import pytest

from attention_book.data.sentence_pairs.sick import sick
from attention_book.data.vectors import pretrained_vectors as module
from attention_book.data.vectors.pretrained_vectors import (
    SOURCES,
    best_source,
    pretrained_vectors,
    read_vectors,
)

TEXT = "the 1 2 3\ncat -1 0.5 2e-1\n. . 7 8 9\nthe 4 5 6\ndog 0 0 1\n"


@pytest.fixture(params=["gz", "zip", "txt"])
def pack(request, tmp_path):
    """Write a text as a file of each kind."""

    def make(text):
        path = tmp_path / f"vectors.{request.param}"
        content = text if isinstance(text, bytes) else text.encode()
        if request.param == "gz":
            path.write_bytes(gzip.compress(content))
        elif request.param == "txt":
            path.write_bytes(content)
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("vectors.txt", content)
        return path

    return make


def test_words_and_numbers(pack):
    found = read_vectors(pack(TEXT), ["cat", "the", ". .", "horse"], 3)
    assert found.words == ("the", "cat", ". .")
    assert found.vectors.dtype == np.float32
    assert found["the"].tolist() == [1, 2, 3]  # not those of its second line
    assert found["cat"].tolist() == pytest.approx([-1, 0.5, 0.2])
    assert found[". ."].tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2 3\ncat 1 2\n", r"vectors\.\w+:2: want a word and 3 numbers, got 3"),
        ("the 1 2 3\ncat 1 x 2\n", r"vectors\.\w+:2: .*'x'"),
        ("dog 1 2 3\n", r"vectors\.\w+ has none of the 2 words"),
        (b"the 1 2 3\ncat \xff 2 3\n", r"vectors\.\w+ cannot be read as a whole"),
        ("the 1 2 3\ncat 1 nan 2\n", r":2: numbers must be finite, got nan"),
        ("the 1 2 -inf\ncat 1 0 2\n", r":1: numbers must be finite, got -inf"),
        ("the 1 2 3\ncat 1 1e40 2\n", r":2: numbers must be finite, got 1e40"),
    ],
)
def test_bad_text(pack, text, message):
    with pytest.raises(ValueError, match=message):
        read_vectors(pack(text), ["the", "cat"], 3)


@pytest.mark.parametrize(
    "text",
    [
        "the 1 2 3 \ncat 4 5 6  \n",
        "the  1 2 3\ncat  4  5 6\n",
        "\ufeffthe 1 2 3\ncat 4 5 6\n",
        "the 1 2 3\r\ncat 4 5 6\r\n",
        "the\t1\t2\t3\ncat\t4 5\t6",
        " the 1 2 3\n cat 4 5 6\n",
    ],
)
def test_white_space_and_byte_order_mark(pack, text):
    found = read_vectors(pack(text), ["cat", "the"], 3)
    assert found.words == ("the", "cat")
    assert found.vectors.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_word_may_be_white_space_of_another_kind(pack):
    found = read_vectors(pack("\xa0 1 2 3\nx\x85y 4 5 6\n"), ["\xa0", "x\x85y"], 3)
    assert found.words == ("\xa0", "x\x85y")


def test_archive_of_several_files(tmp_path):
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small.txt", "the 1 2\n")
        archive.writestr("folder/large.txt", "the 1 2 3\n")
    for member in None, "other.txt":
        message = rf"2 files in .*glove\.zip \(small.txt, folder/.*\), got {member!r}"
        with pytest.raises(ValueError, match=message):
            read_vectors(path, ["the"], 2, member=member)
    assert read_vectors(path, ["the"], 2, member="small.txt")["the"].tolist() == [1, 2]
    found = read_vectors(path, ["the"], 3, member="folder/large.txt")
    assert found["the"].tolist() == [1, 2, 3]


def test_folders_and_the_extras_of_macos_are_no_members(tmp_path):
    path = tmp_path / "vectors.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("__MACOSX/._vectors.txt", b"\0")
        archive.writestr("folder/vectors.txt", "the 1 2\n")
    assert read_vectors(path, ["the"], 2)["the"].tolist() == [1, 2]


def test_archive_without_files_and_member_without_archive(tmp_path):
    path = tmp_path / "vectors.zip"
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(ValueError, match=r"one of the 0 files in .*vectors\.zip"):
        read_vectors(path, ["the"], 2)
    plain = tmp_path / "vectors.txt"
    plain.write_text("the 1 2\n")
    with pytest.raises(ValueError, match=r"member is 'a'.*vectors\.txt is not a .zip"):
        read_vectors(plain, ["the"], 2, member="a")


def test_home_folder_in_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "vectors.txt").write_text("the 1 2\n")
    assert read_vectors("~/vectors.txt", ["the"], 2).words == ("the",)
    with pytest.raises(ValueError, match=r"~no one/vectors\.txt"):  # no such user
        read_vectors("~no one/vectors.txt", ["the"], 2)


def test_damaged_file(pack):
    path = pack(TEXT)
    if path.suffix == ".txt":
        path = path.rename(path.with_suffix(".zip"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read as a whole"):
        read_vectors(path, ["the"], 3)


@pytest.mark.parametrize(
    ("here", "best"),
    [
        ({"glove-840b", "glove-6b"}, "glove-840b"),
        ({"glove-6b"}, "glove-6b"),
        ({"spacy-md"}, "glove-840b"),
        (set(), "glove-840b"),
    ],
)
def test_best_source(monkeypatch, here, best):
    files = {SOURCES[name].file for name in here}
    monkeypatch.setattr(module, "is_here", lambda name: name in files)
    assert best_source("glove-6b") == best


@pytest.mark.parametrize("function", [best_source, lambda x: pretrained_vectors(x, [])])
def test_unknown_name_is_an_error(function):
    with pytest.raises(ValueError, match=r"one of glove-840b, .*got 'glove'"):
        function("glove")


def test_one_string_is_no_list_of_words(pack):
    with pytest.raises(TypeError, match=r"words must be a list of words.*'cat'"):
        read_vectors(pack("cat 1 2\n"), "cat", 2)


@pytest.mark.parametrize(("name", "rows"), [("glove-6b", 37_120), ("spacy-md", 3_200)])
def test_real_files(mirror, name, rows):
    """As many rows as the notes of the mirror say; each asked word that has one."""
    with gzip.open(mirror / SOURCES[name].file, "rt", encoding="utf-8") as lines:
        words = [line.partition(" ")[0] for line in lines]
    assert len(words) == len(set(words)) == rows
    assert all(word == word.lower() for word in words)
    pairs = [pair for split in ("train", "dev", "test") for pair in sick(split)]
    asked = {word.lower() for pair in pairs for word in (*pair.first, *pair.second)}
    vectors = pretrained_vectors(name, asked)
    assert vectors.vectors.shape == (len(asked & set(words)), SOURCES[name].dim)
    assert np.isfinite(vectors.vectors).all()

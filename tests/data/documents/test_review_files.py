"""IMDB and Yelp: small archives of their form; the real ones are too large."""

import io
import tarfile

import pytest

from attention_book.data.documents.labelled import LabelledDocument
from attention_book.data.documents.review_files import (
    IMDB,
    YELP,
    imdb,
    read_imdb,
    read_yelp,
    yelp,
)
from attention_book.data.downloads import is_here, table


@pytest.fixture
def archive(tmp_path):
    def write(members):
        path = tmp_path / "reviews.tgz"
        with tarfile.open(path, "w:gz") as file:
            for name, text in members.items():
                content = text.encode()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))
        return path

    return write


def test_table_knows_the_archives():
    assert {IMDB, YELP} <= set(table())


@pytest.mark.parametrize(("name", "read"), [(IMDB, imdb), (YELP, yelp)])
def test_whole_archive(mirror, name, read):
    if not is_here(name):
        pytest.skip(f"{name} is neither in the mirror nor in the cache")
    documents = read("test")
    labels = [document.label for document in documents]
    classes = set(labels)
    assert {labels.count(label) for label in classes} == {
        len(documents) // len(classes)
    }


def test_imdb(archive):
    path = archive(
        {
            "aclImdb/train/pos/7_9.txt": "Superb.<br /><br />It isn't dull &amp; long.",
            "aclImdb/train/neg/0_3.txt": "Dull. Do not go!",
            "aclImdb/test/pos/1_9.txt": "Good.",
            "aclImdb/train/unsup/3_0.txt": "Neither.",
        }
    )
    assert read_imdb(path, "train") == [
        LabelledDocument((("dull",), ("do", "not", "go")), label=0),
        LabelledDocument((("superb",), ("it", "isn't", "dull", "long")), label=1),
    ]
    assert len(read_imdb(path, "test")) == 1


def test_yelp(archive):
    rows = '"5","Best ""pie"" in town.\\nCome back!"\n"1","Cold soup."\n'
    path = archive({"yelp_review_full_csv/test.csv": rows})
    assert read_yelp(path, "test") == [
        LabelledDocument((("best", "pie", "in", "town"), ("come", "back")), label=4),
        LabelledDocument((("cold", "soup"),), label=0),
    ]


def test_wrong_archives(archive, tmp_path):
    path = archive({"yelp_review_full_csv/test.csv": '"3","Fine."\n"6","Wow."\n'})
    with pytest.raises(ValueError, match=r"test\.csv: row 2 must be a number of stars"):
        read_yelp(path, "test")
    with pytest.raises(ValueError, match=r"must hold yelp_review_full_csv/train\.csv"):
        read_yelp(path, "train")
    with pytest.raises(ValueError, match="holds no file aclImdb/train/neg"):
        read_imdb(path, "train")
    empty = archive({"aclImdb/train/pos/7_9.txt": "..."})
    with pytest.raises(ValueError, match=r"7_9\.txt: must have at least one sentence"):
        read_imdb(empty, "train")
    (tmp_path / "broken.tgz").write_bytes(b"no archive")
    for read in read_imdb, read_yelp:
        with pytest.raises(ValueError, match=r"broken\.tgz is no whole archive"):
            read(tmp_path / "broken.tgz", "train")


@pytest.mark.parametrize("read", [imdb, yelp])
def test_no_such_split(read):
    with pytest.raises(ValueError, match="one of train, test, got 'dev'"):
        read("dev")


def test_home_folder_in_the_path(archive, monkeypatch):
    members = {
        "aclImdb/test/neg/0_3.txt": "Bad.",
        "yelp_review_full_csv/test.csv": '"1","Bad."\n',
    }
    path = archive(members)
    monkeypatch.setenv("HOME", str(path.parent))
    for read in read_imdb, read_yelp:
        assert read(f"~/{path.name}", "test") == read(path, "test")

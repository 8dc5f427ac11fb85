"""Movie reviews: the whole real archive, where the mirror is there; wrong archives."""

import zipfile

import pytest

from attention_book.data.documents.labelled import LabelledDocument
from attention_book.data.documents.movie_reviews import (
    ARCHIVE,
    movie_reviews,
    read_movie_reviews,
)
from attention_book.data.downloads import table


@pytest.fixture
def archive(tmp_path):
    def write(members):
        path = tmp_path / "reviews.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name, text in members.items():
                file.writestr(f"movie_reviews/{name}", text)
        return path

    return write


def test_whole_archive(mirror):
    train, test = movie_reviews(2)
    assert (len(train), len(test)) == (1800, 200)
    assert sum(document.label for document in train) == 900
    assert sum(document.label for document in test) == 100
    documents = train + test
    sentences = [sentence for document in documents for sentence in document.sentences]
    assert len(sentences) / 2000 == pytest.approx(32.4, abs=0.05)
    assert sum(map(len, sentences)) / len(sentences) == pytest.approx(23.1, abs=0.05)


def test_every_document_is_tested_once(mirror):
    folds = [movie_reviews(fold)[1] for fold in range(10)]
    assert len({document for fold in folds for document in fold}) == 2000


def test_table_knows_the_archive():
    assert ARCHIVE in table()


def test_folds_labels_and_blank_lines(archive):
    path = archive(
        {
            "README": "about",
            "pos/cv305_1.txt": "a fine film . \n\nsee it !\n",
            "neg/cv010_22.txt": "dull .",
        }
    )
    assert read_movie_reviews(path) == [
        (0, LabelledDocument((("dull", "."),), label=0)),
        (
            3,
            LabelledDocument((("a", "fine", "film", "."), ("see", "it", "!")), label=1),
        ),
    ]


def test_wrong_archives(archive, tmp_path):
    with pytest.raises(ValueError, match=r"reviews\.zip holds no file movie_reviews"):
        read_movie_reviews(archive({"README": "about"}))
    empty = archive({"neg/cv010_22.txt": " \n"})
    with pytest.raises(ValueError, match=r"cv010_22\.txt: must have at least one sent"):
        read_movie_reviews(empty)
    (tmp_path / "broken.zip").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"broken\.zip is no whole archive"):
        read_movie_reviews(tmp_path / "broken.zip")


@pytest.mark.parametrize("fold", [-1, 10])
def test_no_such_fold(fold):
    with pytest.raises(ValueError, match=f"fold must be from 0 to 9, got {fold}"):
        movie_reviews(fold)


def test_home_folder_in_the_path(archive, monkeypatch):
    path = archive({"neg/cv000_1.txt": "bad .\n"})
    monkeypatch.setenv("HOME", str(path.parent))
    assert read_movie_reviews(f"~/{path.name}") == read_movie_reviews(path)

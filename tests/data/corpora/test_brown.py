"""The Brown corpus: the whole real archive, where the mirror is there; wrong ones."""

import zipfile

import pytest

from attention_book.data.corpora.brown import ARCHIVE, brown, read_brown
from attention_book.data.downloads import table


@pytest.fixture
def archive(tmp_path):
    def write(members):
        path = tmp_path / "brown.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name, text in members.items():
                file.writestr(f"brown/{name}", text)
        return path

    return write


def test_whole_archive(mirror):
    documents = brown()
    assert len(documents) == 500
    assert sum(map(len, documents)) == 57_340
    words = sum(len(line.split()) for text in documents for line in text)
    assert words == 1_161_192
    assert documents[0][0].startswith("The Fulton County Grand Jury said Friday an")


def test_table_knows_the_archive():
    assert ARCHIVE in table()


def test_tags_and_blank_lines_go(archive):
    path = archive(
        {
            "README": "about",
            "cb02": "\n\n\tIt/pps is/bez 1\\/2/cd ./.\n\n\n\tSo/rb\n",
            "ca11": "A/at\n",
        }
    )
    assert read_brown(path) == [["A"], ["It is 1\\/2 .", "So"]]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"README": "about"}, "holds no file brown/ca01"),
        (
            {"ca01": "A/at word\n"},
            r"brown\.zip, brown/ca01: want tokens word/tag.*'word'",
        ),
        ({"ca01": "\n\n"}, "brown/ca01: want tokens word/tag, got 'no sentence'"),
    ],
)
def test_wrong_archives(archive, members, message):
    with pytest.raises(ValueError, match=message):
        read_brown(archive(members))


def test_a_damaged_archive(tmp_path):
    path = tmp_path / "brown.zip"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"brown\.zip is no whole archive of Brown"):
        read_brown(path)


def test_home_folder_in_the_path(archive, monkeypatch):
    path = archive({"ca11": "A/at\n"})
    monkeypatch.setenv("HOME", str(path.parent))
    assert read_brown(f"~/{path.name}") == read_brown(path)

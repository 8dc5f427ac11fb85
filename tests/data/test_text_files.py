"""read_lines: whole files or an error with file and line."""

import gzip

import pytest

from attention_book.data.text_files import read_lines


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\n\r\nb", ["a", "", "b"]),
        (b"\xef\xbb\xbfa\n", ["a"]),
        ("a\u2028b\x85c\rd\n".encode(), ["a\u2028b\x85c\rd"]),
    ],
)
def test_lines(tmp_path, raw, lines):
    path = tmp_path / "text"
    path.write_bytes(raw)
    assert read_lines(path) == lines
    packed = tmp_path / "text.gz"
    packed.write_bytes(gzip.compress(raw))
    assert read_lines(str(packed)) == lines


def test_home_folder_in_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "words.txt").write_text("a\n")
    assert read_lines("~/words.txt") == ["a"]
    with pytest.raises(FileNotFoundError, match=r"~no one/words\.txt"):  # no such user
        read_lines("~no one/words.txt")


def test_bytes_that_are_not_utf8_name_file_and_line(tmp_path):
    path = tmp_path / "latin1.txt"
    path.write_bytes("gut\nschön\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin1\.txt:2: not UTF-8"):
        read_lines(path)


@pytest.mark.parametrize("damage", ["cut off", "no gzip", "changed"])
def test_damaged_gzip_names_the_file(tmp_path, damage):
    packed = bytearray(gzip.compress(b"some lines\n" * 50))
    if damage == "cut off":
        packed = packed[:-9]
    elif damage == "no gzip":
        packed = bytearray(b"some lines\n")
    else:
        packed[12:20] = b"\xff" * 8
    path = tmp_path / "text.gz"
    path.write_bytes(packed)
    with pytest.raises(ValueError, match=r"text\.gz is no whole gzip file"):
        read_lines(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_lines(tmp_path / "nowhere")

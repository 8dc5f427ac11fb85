"""Files: whole or not there."""

import os

import pytest

from attention_book.training.files import atomic_write, require_writable


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    for text in b"first", b"second":
        with atomic_write(path) as file:
            file.write(text)
        assert path.read_bytes() == text
    assert names(path.parent) == ["file"]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    calls = []
    for name in "fsync", "replace":
        original = getattr(os, name)

        def recorded(*arguments, name=name, original=original):
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(os, name, recorded)
    with atomic_write(tmp_path / "file") as file:
        file.write(b"new")
    assert calls == ["fsync", "replace"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space left")])
def test_what_is_cut_off_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        write_half(path, error)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def write_half(path, error):
    with atomic_write(path) as file:
        file.write(b"ne")
        raise error


def test_require_writable_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "run.pt"
    require_writable(path)
    assert names(path.parent) == []
    path.write_bytes(b"old")
    require_writable(path)
    assert path.read_bytes() == b"old"
    with pytest.raises(ValueError, match=r"can be written, got .*run.pt/below: "):
        require_writable(path / "below")
    with pytest.raises(ValueError, match=r"can be written, got .*: it is a folder"):
        require_writable(tmp_path)

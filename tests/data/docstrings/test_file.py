"""write: a file of documents, the same bytes every time."""

import gzip
import json
import sys

import pytest

from attention_book.data.docstrings.file import write


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Three small libraries, of which two can be imported."""
    texts = {
        "fileone": '__version__ = "1.5"\ndef add():\n    """Add two numbers."""\n',
        "filetwo": 'def plus():\n    """Put numbers together."""\n',
        "fileend": "raise SystemExit('not on this machine')\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield list(texts)
    for name in texts:
        sys.modules.pop(name, None)


def test_file(libraries, tmp_path):
    write(tmp_path / "a.gz", libraries)
    fields = json.loads(gzip.decompress((tmp_path / "a.gz").read_bytes()))
    assert [document["name"] for document in fields["documents"]] == [
        "fileone.add",
        "filetwo.plus",
    ]
    assert fields["versions"] == {"fileone": "1.5", "filetwo": "unknown"}
    assert fields["left_out"] == {"fileend": "SystemExit: not on this machine"}
    assert fields["skipped"] == []
    assert fields["counts"]["documents"] == 2


def test_same_bytes(libraries, tmp_path):
    for name in ("a.gz", "b.gz"):
        write(tmp_path / name, libraries)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()

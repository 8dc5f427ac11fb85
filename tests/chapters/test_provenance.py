"""Where results come from."""

import builtins
import importlib.metadata
import io
import platform
import subprocess

import torch

from attention_book.chapters import provenance


def test_versions_name_python_and_what_decides_results():
    found = provenance.versions()
    assert found["python"] == platform.python_version()
    assert found["torch"] == importlib.metadata.version("torch")
    assert torch.__version__.startswith(found["torch"].split("+")[0])


def test_a_library_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "DECISIVE", ("numpy", "no-such-library"))
    assert provenance.versions().keys() == {"python", "numpy"}


def test_processor(monkeypatch):
    lines = "processor\t: 0\nmodel name\t: A: fast one\n"
    monkeypatch.setattr(builtins, "open", lambda *a, **k: io.StringIO(lines))
    assert provenance.processor() == "A: fast one"

    def missing(*arguments, **options):
        raise FileNotFoundError

    monkeypatch.setattr(builtins, "open", missing)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert provenance.processor() == platform.machine()


def test_the_fingerprint_changes_with_each_file(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("1")
    hashes = [provenance.fingerprint()]
    (tmp_path / "a.py").write_text("2")
    hashes.append(provenance.fingerprint())
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    hashes.append(provenance.fingerprint())
    assert len(set(hashes)) == 3
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "b.pyc").write_text("3")
    (tmp_path / ".hidden").write_text("4")
    assert provenance.fingerprint() == hashes[-1]


def test_commit(tmp_path, monkeypatch):
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    (tmp_path / "book").mkdir()
    (package / "a.py").write_text("1")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    for name in "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    assert provenance.commit() is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert provenance.commit() == head
    (tmp_path / "README").write_text("not in the package")
    assert provenance.commit() == head
    (package / "a.py").write_text("2")
    assert provenance.commit() == head + "+"

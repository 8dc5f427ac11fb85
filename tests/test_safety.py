"""No code comes out of data: nothing is unpickled, evaluated or unpacked to disk."""

import ast
import io
import os
import tarfile
from pathlib import Path

import pytest

from attention_book.data.cloze import public
from attention_book.data.documents.review_files import read_imdb, read_yelp

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tools", "benchmarks")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
NEVER = {"extract", "extractall", "unpack_archive"}
OWN = {"notebooks.py"}  # runs the book's own cells, to know their settings
# What a call of load must say.
SAFE = {"torch": ("weights_only", True), "np": ("allow_pickle", False)}


def dangers(tree):
    """What could run code of a file, or write where a file says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names.append(getattr(node, "module", None) or "")
            yield from MODULES & {name.partition(".")[0] for name in names}
        if not isinstance(node, ast.Call):
            continue
        said = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            yield node.func.id
        if said.get("shell"):
            yield "shell"
        name = getattr(node.func, "attr", "")
        if name in NEVER:
            yield name
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if name == "load" and owner in (*SAFE, "yaml"):
            option, value = SAFE.get(owner, ("", None))
            if said.get(option) is not value or owner == "yaml":
                yield f"{owner}.load"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_code_of_a_file_is_run_and_nothing_is_unpacked(path):
    found = set(dangers(ast.parse(path.read_text("utf-8"))))
    assert found == ({"exec"} if path.name in OWN else set())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("torch.load(path)", "torch.load"),
        ("torch.load(path, weights_only=False)", "torch.load"),
        ("np.load(path, allow_pickle=True)", "np.load"),
        ("np.load(path)", "np.load"),
        ("archive.extractall(folder)", "extractall"),
        ("eval(text)", "eval"),
        ("subprocess.run(text, shell=True)", "shell"),
        ("yaml.load(text)", "yaml.load"),
    ],
)
def test_a_danger_is_seen(source, found):
    assert list(dangers(ast.parse(source))) == [found]


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, 'cpu', weights_only=True)",
        "np.load(file, allow_pickle=False)",
        "model.eval()",
        "yaml.safe_load(text)",
        "tomllib.load(file)",
        "archive.extractfile(member)",
    ],
)
def test_what_is_harmless_is_allowed(source):
    assert not list(dangers(ast.parse(source)))


READERS = {
    "aclImdb/test/neg/0_3.txt": lambda path: read_imdb(path, "test"),
    "yelp_review_full_csv/test.csv": lambda path: read_yelp(path, "test"),
    "cbtest_NE_test_2500ex.txt": lambda path: public.childrens_book_test("NE", "test"),
}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
@pytest.mark.parametrize("name", READERS)
def test_links_and_paths_in_an_archive_lead_nowhere(tmp_path, monkeypatch, name, kind):
    """The member that is wanted is a link to a file of the reader's."""
    secret = tmp_path / "secret.txt"
    secret.write_text('"1","Not for you."\n')
    path = tmp_path / "archive.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for other in ("../outside.txt", "/tmp/outside.txt"):
            entry = tarfile.TarInfo(other)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"evil"))
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, os.path.relpath(secret, tmp_path / "a/b/c")
        archive.addfile(entry)
        entry.linkname = str(secret)
        archive.addfile(entry)
    before = set(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(public, "fetch", lambda name: path)
    with pytest.raises(ValueError, match=r"archive\.tgz"):
        READERS[name](path)
    assert set(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent / "outside.txt").exists()

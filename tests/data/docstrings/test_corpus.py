"""load_docstrings: small libraries made here, and once the real ones."""

import os
import subprocess
import sys
import textwrap
import warnings
from collections import Counter

import pytest

from attention_book.data.docstrings import corpus as docstrings
from attention_book.data.docstrings.corpus import (
    LIBRARIES,
    DocstringError,
    load_docstrings,
)
from attention_book.data.docstrings.pairs import docstring_pairs
from attention_book.data.docstrings.questions import docstring_questions


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("ATTENTION_BOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "docstrings"


@pytest.fixture
def make_library(tmp_path, monkeypatch):
    """Make a library of one file."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return make


ADD = '''
    def add():
        """Add two numbers. Fast."""
'''


def no_process(*args, **kwargs):
    raise AssertionError("the cache should have been enough")


def test_read_then_kept(make_library, cache, monkeypatch):
    library = make_library("corpuslib", ADD)
    corpus = load_docstrings([library])
    (document,) = corpus.documents
    assert (document.library, document.name) == ("corpuslib", "corpuslib.add")
    assert (document.kind, document.summary) == ("function", "Add two numbers.")
    assert library not in sys.modules  # it was imported elsewhere
    monkeypatch.setattr(subprocess, "run", no_process)
    assert load_docstrings([library]) == corpus


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "other", "fields"])
def test_a_damaged_cache_is_made_again(make_library, cache, damage):
    import gzip

    library = make_library("corpuslib", ADD)
    corpus = load_docstrings([library])
    (place,) = cache.iterdir()
    whole = place.read_bytes()
    middle = len(whole) // 2
    broken = {
        "cut": whole[:middle],
        "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "empty": b"",
        "other": gzip.compress(b"[1, 2]"),
        "fields": gzip.compress(b'{"documents": [{"title": 1}]}'),
    }[damage]
    place.write_bytes(broken)
    assert load_docstrings([library]) == corpus
    assert place.read_bytes() == whole
    assert list(cache.iterdir()) == [place]


def test_another_version_is_another_file(make_library, cache, monkeypatch):
    library = make_library("corpuslib", ADD)
    load_docstrings([library])
    monkeypatch.setattr(docstrings, "FORMAT_VERSION", 99)
    load_docstrings([library])
    monkeypatch.setattr(docstrings.metadata, "version", lambda name: "7.0")
    load_docstrings([library])
    assert len(list(cache.iterdir())) == 3


def test_a_library_that_is_not_there(make_library, cache, monkeypatch):
    libraries = [make_library("corpuslib", ADD), "no_such_library"]
    message = "docstrings of no_such_library are left out: ModuleNotFoundError"
    with pytest.warns(UserWarning, match=message):
        corpus = load_docstrings(libraries)
    assert [document.name for document in corpus.documents] == ["corpuslib.add"]
    monkeypatch.setattr(subprocess, "run", no_process)  # that is kept too
    with pytest.warns(UserWarning, match=message):
        load_docstrings(libraries)


def test_a_broken_library_is_tried_again(make_library, cache):
    libraries = [
        make_library("corpuslib", ADD),
        make_library("brokenlib", "raise OSError('no device')"),
    ]
    with pytest.warns(UserWarning, match="brokenlib are left out: OSError: no device"):
        load_docstrings(libraries)
    assert not cache.exists()


def test_what_a_library_does_when_imported_stays_away(make_library, cache, capfd):
    library = make_library(
        "loudlib",
        """
        import os, sys, warnings
        print("loud"); print("louder", file=sys.stderr)
        os.environ["LOUDLIB"] = "1"
        warnings.simplefilter("ignore")
        warnings.warn("louder still")
        assert sys.stdin.read() == ""
        assert os.environ["MPLBACKEND"] == "agg"
        def add():
            '''Add two numbers.'''
        """,
    )
    filters = list(warnings.filters)
    assert len(load_docstrings([library]).documents) == 1
    assert capfd.readouterr() == ("", "")
    assert "LOUDLIB" not in os.environ
    assert warnings.filters == filters


def test_a_process_that_dies(make_library, cache):
    library = make_library("deadlib", "import os; os.write(2, b'bye'); os._exit(3)")
    with pytest.raises(DocstringError, match="deadlib ended with status 3: bye"):
        load_docstrings([library])


def test_a_cache_that_cannot_be_written(make_library, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ATTENTION_BOOK_CACHE", str(tmp_path / "file"))
    library = make_library("corpuslib", ADD)
    with pytest.warns(
        UserWarning, match="cannot be kept in .*set ATTENTION_BOOK_CACHE"
    ):
        assert len(load_docstrings([library]).documents) == 1


@pytest.mark.parametrize("libraries", [[], ["numpy", "numpy"]])
def test_libraries_must_differ(libraries):
    with pytest.raises(ValueError, match="libraries must be different names, got"):
        load_docstrings(libraries)


# One test, so that the corpus is read once.
def test_the_real_corpus(no_shape_checks, cache):
    corpus = load_docstrings()
    assert corpus.left_out == {}
    assert tuple(corpus.versions) == LIBRARIES
    documents = corpus.documents
    names = [document.name for document in documents]
    assert names == sorted(set(names))
    sizes = Counter(document.library for document in documents)
    assert min(sizes[library] for library in LIBRARIES) > 800
    assert len(documents) == corpus.counts["documents"] > 8000
    by_name = dict(zip(names, documents, strict=True))
    solve = by_name["numpy.linalg.solve"]
    assert solve.summary.startswith("Solve a linear matrix equation")
    assert "scipy.linalg.solve" in solve.see_also
    assert "abs" in by_name["numpy.absolute"].other_names
    assert ">>>" not in "".join(document.prose for document in documents)

    pairs = docstring_pairs(documents)
    assert min(len(pairs.train), 3 * len(pairs.dev), 3 * len(pairs.test)) > 500
    questions = docstring_questions(documents)
    assert min(len(questions.dev), len(questions.test)) > 80


def test_one_name_in_place_of_a_list(cache):
    with pytest.raises(TypeError, match=r"libraries must be a list.*'numpy'"):
        load_docstrings("numpy")

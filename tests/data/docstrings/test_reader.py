"""read_library: what of a library is read, and under which name."""

import sys
import types

import pytest

from attention_book.data.docstrings.reader import read_library

FILES = {
    "__init__.py": """
        from .core import add, Thing, helper as assist
        from ._hidden import secret
        import math as numbers
        absolute = abs
        plus = add
        VALUE = 3
    """,
    "core.py": '''
        """A module."""
        from .other import used_here
        __all__ = ["add", "listed"]
        from .other import listed
        def add(a, b):
            """Add two things."""
        def helper():
            """Help somebody."""
        def set_fit_request():
            """Be written by a program."""
        def undocumented():
            pass
        class Base:
            def inherited(self):
                """Be there for all."""
            def size(self):
                """Hide behind the size of the thing."""
        class _Mixin:
            def mixed(self):
                """Come from a private class."""
            def size(self):
                """Hide, with no public name left."""
        class Thing(_Mixin, Base):
            """A thing to hold."""
            def _private(self):
                """Stay unread."""
            @classmethod
            def make(cls):
                """Make a thing."""
            @staticmethod
            def still():
                """Do not move."""
            @property
            def size(self):
                """Size of the thing."""
        class Callable:
            def __call__(self):
                pass
        instance = Callable()
        instance.__doc__ = "An object that can be called."
        plain = Callable()
    ''',
    "other.py": '''
        def used_here():
            """Serve another module."""
        def listed():
            """Be listed elsewhere."""
    ''',
    "_hidden.py": '''
        def secret():
            """Tell no one, but all."""
    ''',
    "broken.py": "raise OSError('no such device')",
    "tests/__init__.py": "raise SystemExit('never imported')",
    "sub/__init__.py": "",
    "sub/deep.py": '''
        def dig():
            """Go deeper still."""
    ''',
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library to import; forgotten after the test."""
    for name, text in FILES.items():
        path = tmp_path / "smalllib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.split("\n")
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield "smalllib"
    for name in [x for x in sys.modules if x.split(".")[0] == "smalllib"]:
        del sys.modules[name]


def test_names_and_kinds(library):
    found, failed = read_library(library, {})
    assert failed == ["smalllib.broken"]
    assert {raw.name: raw.kind for raw in found} == {
        "smalllib.add": "function",
        "smalllib.Thing": "class",
        "smalllib.Thing.make": "method",
        "smalllib.Thing.mixed": "method",
        "smalllib.Thing.size": "method",
        "smalllib.Thing.still": "method",
        "smalllib.core.helper": "function",
        "smalllib.core.Base.inherited": "method",
        "smalllib.core.Base.size": "method",
        "smalllib.core.instance": "object",
        "smalllib.other.listed": "function",
        "smalllib.other.used_here": "function",
        "smalllib.secret": "function",
        "smalllib.sub.deep.dig": "function",
    }


def test_an_object_is_read_once_with_its_other_names(library):
    found, _ = read_library(library, {})
    by_name = {raw.name: raw for raw in found}
    assert by_name["smalllib.add"].other_names == ("plus",)
    assert by_name["smalllib.core.helper"].other_names == ("assist",)
    assert by_name["smalllib.add"].text == "Add two things."
    assert by_name["smalllib.Thing.size"].text == "Size of the thing."
    assert len(by_name) == len(found)
    assert found == sorted(found)


def test_what_an_earlier_library_has_is_not_read_again(library):
    seen = {}
    first, _ = read_library(library, seen)
    again, _ = read_library(library, seen)
    assert len(first) > 1
    assert again == []


def test_a_library_that_is_not_there(tmp_path):
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        read_library("no_such_library", {})


def test_descriptors_that_raise_are_passed_over(monkeypatch):
    class Angry:
        def __call__(self):
            pass

        @property
        def __doc__(self):
            raise RuntimeError("not now")

    module = types.ModuleType("angrylib")
    module.thing = Angry()
    Angry.__module__ = "angrylib"
    monkeypatch.setitem(sys.modules, "angrylib", module)
    assert read_library("angrylib", {}) == ([], [])

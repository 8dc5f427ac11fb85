"""glue: what myst_nb finds again, and nothing where there is no notebook."""

import IPython
import numpy as np
import pytest

from attention_book.chapters.report import glue


def test_results_are_stored_as_myst_nb_stores_them(monkeypatch):
    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(
        IPython.display, "display", lambda data, **rest: shown.append((data, rest))
    )
    glue(score=np.float64(0.5), count=3, name="a")
    assert [next(iter(data.values())) for data, _ in shown] == ["0.5", "3", "'a'"]
    data, rest = shown[0]
    prefix = "application/papermill.record/"
    assert list(data) == [prefix + "text/plain"]
    assert rest["metadata"]["scrapbook"] == {"name": "score", "mime_prefix": prefix}
    assert rest["raw"]


def test_outside_a_notebook_nothing_happens(capsys):
    glue(score=0.5)
    assert capsys.readouterr().out == ""


def test_without_ipython_nothing_happens(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "IPython", None)
    glue(score=0.5)


def test_myst_nb_reads_it_the_same_way(monkeypatch):
    pytest.importorskip("myst_nb")
    from myst_nb.ext import glue as theirs

    calls = []
    monkeypatch.setattr(
        theirs, "ipy_display", lambda data, **rest: calls.append((data, rest))
    )
    monkeypatch.setattr(
        IPython.display, "display", lambda data, **rest: calls.append((data, rest))
    )
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(
        IPython.core.formatters,
        "format_display_data",
        lambda value: ({"text/plain": repr(value)}, {}),
    )
    theirs.glue("score", 0.5, display=False)
    glue(score=0.5)
    assert calls[0] == calls[1]

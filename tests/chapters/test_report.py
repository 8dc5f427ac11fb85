"""glue: what myst_nb finds again, and nothing where there is no notebook."""

import ast
import json
from datetime import datetime, timedelta

import IPython
import numpy as np
import pytest
import torch

from attention_book.chapters.records import RUN
from attention_book.chapters.report import describe_run, glue, report_run
from attention_book.chapters.settings import Settings, choose_settings
from attention_book.data import downloads
from attention_book.training.runtime import RunMeter


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


def test_the_last_cell_prints_and_stores_how_the_run_was(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(
        IPython.display, "display", lambda data, **rest: shown.append((data, rest))
    )
    monkeypatch.setattr(
        downloads, "_fetched", {"b/two.gz": "md5:2", "a/one.gz": "sha256:1"}
    )
    settings = choose_settings(
        preset="full",
        seed=3,
        device="cpu",
        epochs=None,
        limit=None,
        quick={"sizes": (1,)},
        full={"sizes": (2, 7)},
    )
    report_run(RunMeter(), settings)
    assert capsys.readouterr().out.startswith("run time 0.")
    ((data, rest),) = shown
    assert rest["metadata"]["scrapbook"]["name"] == RUN
    run = json.loads(ast.literal_eval(next(iter(data.values()))))
    assert run["settings"] == {"sizes": [2, 7]}
    assert (run["preset"], run["seed"]) == ("full", 3)
    assert run["threads"] == torch.get_num_threads()
    assert run["data"] == {"a/one.gz": "sha256:1", "b/two.gz": "md5:2"}
    assert list(run["data"]) == ["a/one.gz", "b/two.gz"]
    assert run["peak_gib"] > 0.1
    assert run["peak_cuda_gib"] is None
    assert run["versions"].keys() >= {"python", "torch", "numpy"}
    assert datetime.fromisoformat(run["date"]).utcoffset() == timedelta(0)


def test_a_run_on_a_gpu_names_it(monkeypatch):
    monkeypatch.setattr(RunMeter, "peak_cuda_gib", 1.2345)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU 7")
    settings = Settings(preset="full", seed=0)
    run = describe_run(RunMeter(), settings)
    assert (run["device"], run["peak_cuda_gib"]) == ("GPU 7", 1.234)

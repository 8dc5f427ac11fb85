"""A chapter's notebook as a sweep reads it."""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from attention_book.sweeps import notebooks
from attention_book.sweeps.notebooks import (
    book_folder,
    chapters,
    find_chapter,
    parameters_of,
    scraps,
    settings_of,
    split_run,
)

ROOT = Path(__file__).resolve().parents[2]


def scrap(name, text):
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    data = {prefix + "text/plain": text}
    return new_output("display_data", data=data, metadata=metadata)


def test_the_chapters_of_the_checkout(monkeypatch, tmp_path):
    assert book_folder() == ROOT / "book"
    assert {"bahdanau", "transformer"} <= set(chapters())
    assert find_chapter("bahdanau") == ROOT / "book" / "bahdanau.ipynb"
    with pytest.raises(ValueError, match=r"one of abcnn, .*bahdanau.*, got other"):
        find_chapter("other")
    monkeypatch.setattr(notebooks, "PACKAGE", tmp_path / "site" / "attention_book")
    with pytest.raises(FileNotFoundError, match="sweeps need a checkout"):
        book_folder()


def test_parameters(book):
    notebook = nbformat.read(book / "tiny.ipynb", as_version=4)
    assert parameters_of(notebook) == {
        "preset": "quick",
        "seed": 0,
        "device": "auto",
        "epochs": None,
        "limit": None,
        "checkpoints": None,
        "systems": None,
    }
    with pytest.raises(ValueError, match="but 0 cells have it"):
        parameters_of(new_notebook(cells=[new_code_cell("seed = 0")]))
    again = notebook.cells[1] | {"id": "another"}
    twice = nbformat.from_dict(notebook | {"cells": [notebook.cells[1], again]})
    with pytest.raises(ValueError, match="but 2 cells have it"):
        parameters_of(twice)


def test_settings_follow_the_parameters(book, capsys):
    notebook = nbformat.read(book / "tiny.ipynb", as_version=4)
    assert settings_of(notebook, {}) == {"sizes": [2, 5]}
    given = {"seed": 3, "epochs": 2, "systems": "A"}
    found = settings_of(notebook, given)
    assert found == {"sizes": [2, 5], "epochs": 2, "systems": "A"}
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="seed must be from 0"):
        settings_of(notebook, {"seed": -1})
    with pytest.raises(ValueError, match="no cell of the notebook calls choose"):
        settings_of(new_notebook(cells=[new_code_cell("a = 1")]), {})


def test_a_real_chapter_has_the_settings_of_its_preset():
    notebook = nbformat.read(ROOT / "book" / "taxonomy.ipynb", as_version=4)
    quick = settings_of(notebook, {"preset": "quick", "device": "cpu"})
    full = settings_of(notebook, {"preset": "full", "device": "cpu", "epochs": 1})
    assert quick["epochs"] > 1
    assert full["epochs"] == 1
    assert quick.keys() - {"epochs"} == full.keys() - {"epochs"}


def test_settings_leave_the_style_of_figures_alone(book):
    notebook = nbformat.read(book / "tiny.ipynb", as_version=4)
    style = "import matplotlib.pyplot as plt\nplt.rcParams['lines.linewidth'] = 99"
    notebook.cells.insert(0, new_code_cell(style))
    settings_of(notebook, {"preset": "quick", "seed": 1})
    assert plt.rcParams["lines.linewidth"] != 99


def test_results_are_read_from_the_outputs():
    cell = new_code_cell("x")
    cell.outputs = [
        scrap("a_x", "0.25"),
        new_output("stream", name="stdout", text="a_x = 7"),
        scrap("a_y", "nan"),
        scrap("a_z", "-inf"),
        scrap("a_text", "'two words'"),
        scrap("a_x", "0.5"),
        scrap("run", repr('{"threads": 3}')),
    ]
    values, run = split_run(scraps(new_notebook(cells=[cell])))
    assert run == {"threads": 3}
    assert math.isnan(values.pop("a_y"))
    assert values == {"a_x": 0.5, "a_z": -math.inf, "a_text": "two words"}
    assert split_run({"a_x": 1}) == ({"a_x": 1}, {})

"""A book of one small chapter, which runs in no time and can be made to go wrong."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from attention_book.sweeps import notebooks

PARAMETERS = """
preset = "quick"
seed = 0
device = "auto"
epochs = None
limit = None
checkpoints = None
systems = None
"""
# As choose_settings and glue do it, but without importing PyTorch.
SETTINGS = """
from types import SimpleNamespace
def choose_settings(**given):
    if given["seed"] < 0:
        raise ValueError("seed must be from 0")
    return SimpleNamespace(sizes=(2, {size}), **given)
settings = choose_settings(
    preset=preset, seed=seed, epochs=epochs, limit=limit, systems=systems
)
"""
GLUE = """
import json
from IPython.display import display
def glue(name, value):
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({prefix + "text/plain": repr(value)}, raw=True, metadata=metadata)
"""
WORK = 'glue("tiny_score", seed + 0.5)\nglue("tiny_name", "a")'
REPORT = """
run = {"settings": {"sizes": [2, 5]}, "peak_gib": 0.5, "threads": 1, "device": "d"}
glue("run", json.dumps(run | {"data": {"a.gz": "sha256:1"}}))
"""


def write_chapter(folder, slug, *work, size=5):
    """A chapter whose cells after the settings are these."""
    parameters = new_code_cell(PARAMETERS.strip(), metadata={"tags": ["parameters"]})
    sources = SETTINGS.replace("{size}", str(size)), GLUE, *work
    cells = [new_code_cell(source.strip()) for source in sources]
    notebook = new_notebook(cells=[new_markdown_cell("# Tiny"), parameters, *cells])
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{slug}.ipynb")


@pytest.fixture
def book(tmp_path, monkeypatch):
    """The folder of a book with the chapter "tiny"."""
    folder = tmp_path / "book"
    write_chapter(folder, "tiny", WORK, REPORT)
    monkeypatch.setattr(notebooks, "book_folder", lambda: folder)
    return folder

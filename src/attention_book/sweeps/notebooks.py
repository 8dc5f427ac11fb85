"""A chapter's notebook as a sweep needs it: parameters, settings, stored results."""

import ast
import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from attention_book.chapters.provenance import PACKAGE
from attention_book.chapters.records import RUN, plain, read_value


def book_folder() -> Path:
    """The folder of the chapters.

    Raises:
        FileNotFoundError: if this is not a checkout of the book.
    """
    folder = PACKAGE.parents[1] / "book"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not there: sweeps need a checkout of the book, not only the "
            "installed package"
        )
    return folder


def chapters() -> list[str]:
    """The slugs of all chapters."""
    return sorted(path.stem for path in book_folder().glob("*.ipynb"))


def find_chapter(slug: str) -> Path:
    """The notebook of a chapter.

    Raises:
        ValueError: if there is no such chapter; the message lists all.
    """
    if slug not in chapters():
        raise ValueError(f"chapter must be one of {', '.join(chapters())}, got {slug}")
    return book_folder() / f"{slug}.ipynb"


def parameters_of(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """The parameters of a notebook and their values, from the cell tagged so.

    Raises:
        ValueError: if no cell, or more than one, has the tag.
    """
    cells = [
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())
    ]
    if len(cells) != 1:
        raise ValueError(
            f"one cell must have the tag parameters, but {len(cells)} cells have it"
        )
    return {
        ast.unparse(line.targets[0]): ast.literal_eval(line.value)
        for line in ast.parse(cells[0].source).body
        if isinstance(line, ast.Assign)
    }


def settings_of(
    notebook: nbformat.NotebookNode, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings that a run with these parameters has, as a record holds them.

    The cells up to the one that chooses the settings are executed here; they load
    nothing and compute nothing.

    Raises:
        ValueError: if no cell calls ``choose_settings``, or a parameter is refused.
        TypeError: if a parameter that must be an integer is not one.
    """
    # Imported here, since it takes a while and few need it.
    import matplotlib as mpl

    scope: dict[str, Any] = {"__name__": "__main__"}
    # The notebook's style of figures stays its own.
    with mpl.rc_context(), contextlib.redirect_stdout(io.StringIO()):
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            exec(compile(cell.source, "<notebook>", "exec"), scope)
            if "parameters" in cell.metadata.get("tags", ()):
                scope.update(parameters)
            if "choose_settings(" in cell.source:
                return plain(vars(scope["settings"]))
    raise ValueError("no cell of the notebook calls choose_settings")


def scraps(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """What an executed notebook handed to ``glue``, and how it was run, by name."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            scrap = output.get("metadata", {}).get("scrapbook")
            if scrap is not None:
                text = output.data[scrap["mime_prefix"] + "text/plain"]
                found[scrap["name"]] = read_value(text)
    return found


def split_run(found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part :func:`scraps` into the results and the description of the run."""
    values = dict(found)
    return values, json.loads(values.pop(RUN, "{}"))

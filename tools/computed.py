"""A Sphinx extension: pages that show what the chapters computed in this build.

- ``{result}`bahdanau_exact:.1%` ``: a number that a chapter handed to ``glue``, from
  any page.
- ``{recorded}`taxonomy.quick taxonomy_left_word mean:.2f` ``: what the record of a
  chapter's preset says of a value over its runs. In place of "mean": "sd", "min",
  "max", "median" and "n"; "count>=0.9", which gives "17 of 20"; "share>=0.9:.0%". In
  place of the value: "a-b", the difference of two. All of it is described in
  `attention_book.chapters.recorded.describe`.
- ``{run}`bahdanau` ``: preset, seed, day, PyTorch's version and device of a run.
- the directive ``{runs}``: a table of all runs, and the versions of what they used.

Pages that show what other chapters computed are read after all of these, so that every
chapter has been run. Records are files of the book and may be shown anywhere.
"""

import functools
import importlib.metadata
import json
import platform
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from myst_nb.sphinx_ import NbMetadataCollector
from packaging.requirements import Requirement
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole

from attention_book.chapters.recorded import describe, select_runs
from attention_book.chapters.records import RUN, load_record, read_value
from attention_book.sweeps.notebooks import settings_of

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "book"
RESULTS = ROOT / "results"
LAST = ("book/results", "book/status")


class Run(NamedTuple):
    """How a chapter was run, as text."""

    day: str
    seconds: str
    memory: str
    where: str
    preset: str
    seed: int

    def __str__(self) -> str:
        return f"preset {self.preset}, seed {self.seed}, {self.day}, {self.where}"


def stored(env: BuildEnvironment, slug: str) -> dict[str, float | int | str]:
    """What a chapter handed to ``glue``, by name; nothing if it was not run."""
    folder = Path(env.app.outdir).parent / "jupyter_execute" / FOLDER
    try:
        found = json.loads((folder / f"{slug}.glue.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {
        name: read_value(value["data"]["text/plain"]) for name, value in found.items()
    }


def glued(env: BuildEnvironment, name: str) -> float | int | str:
    """A value by its name, which starts with its chapter's slug."""
    folder = Path(env.app.outdir).parent / "jupyter_execute" / FOLDER
    for path in folder.glob("*.glue.json"):
        slug = path.name.removesuffix(".glue.json")
        if name.startswith(slug + "_") and name in (found := stored(env, slug)):
            return found[name]
    raise KeyError(f"no chapter has a result of the name {name}")


def run_of(env: BuildEnvironment, slug: str) -> Run:
    """The run of a chapter: when, how long, where, and with which parameters."""
    text = stored(env, slug).get(RUN)
    if not isinstance(text, str):
        raise KeyError(f"{FOLDER}/{slug} was not run, or does not say how")
    run = json.loads(text)
    return Run(
        day=run["date"][:10],
        seconds=f"{run['seconds']:.1f}",
        memory=f"{run['peak_gib']:.2f} GiB",
        where=f"PyTorch {run['versions']['torch']} on {run['device']}",
        preset=run["preset"],
        seed=run["seed"],
    )


def versions() -> str:
    """Python's version and those of the packages that the book's package needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [Requirement(line).name for line in project["dependencies"]]
    found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    return ", ".join([f"Python {platform.python_version()}", *found])


@functools.cache
def present_settings(slug: str, preset: str) -> dict[str, Any]:
    """The settings that a chapter's preset has now, by name."""
    notebook = nbformat.read(ROOT / FOLDER / f"{slug}.ipynb", as_version=4)
    return settings_of(notebook, {"preset": preset})


def recorded(text: str, folder: Path = RESULTS) -> str:
    """What a record says: "taxonomy.quick taxonomy_left_word mean:.2f".

    Args:
        text: the record, the quantity and the statistic, with spaces between them.
        folder: where the records are.

    Raises:
        KeyError: if there is no such record, or no run in it that has the quantity.
        ValueError: if the text is of another form, or the statistic is unknown.
    """
    parts = text.split()
    if len(parts) != 3 or not parts[0].endswith((".quick", ".full")):
        raise ValueError("want a record, a quantity and a statistic, as in slug.quick")
    slug, _, preset = parts[0].partition(".")
    record = load_record(slug, preset, folder)
    if not any(run.finished for run in record.runs.values()):
        raise KeyError(f"no run is recorded in results/{record.name}")
    selection = select_runs(record, present_settings(slug, preset))
    shown = describe(selection.runs, *parts[1:])
    return f"{shown} (outdated)" if selection.outdated else shown


class RecordedRole(SphinxRole):
    """What a record says of a value over its runs."""

    def run(self) -> tuple[list[nodes.Node], list]:
        """Return it as text."""
        file = RESULTS / f"{self.text.split()[0]}.json"
        self.env.note_dependency(str(file))
        try:
            return [nodes.Text(recorded(self.text))], []
        except (KeyError, ValueError) as error:
            message = self.inliner.reporter.error(f"{self.text}: {error}")
            return [nodes.Text(self.text)], [message]


class ResultRole(SphinxRole):
    """A number that a chapter computed, with a format after a colon."""

    def run(self) -> tuple[list[nodes.Node], list]:
        """Return the number as text."""
        name, _, form = self.text.partition(":")
        try:
            return [nodes.Text(format(glued(self.env, name), form))], []
        except (KeyError, ValueError) as error:
            message = self.inliner.reporter.error(f"{self.text}: {error}")
            return [nodes.Text(self.text)], [message]


class RunRole(SphinxRole):
    """How a chapter was run."""

    def run(self) -> tuple[list[nodes.Node], list]:
        """Return the run as text."""
        try:
            return [nodes.Text(str(run_of(self.env, self.text)))], []
        except KeyError as error:
            return [nodes.Text(self.text)], [self.inliner.reporter.error(str(error))]


class RunsDirective(SphinxDirective):
    """A table of all chapters' runs."""

    def run(self) -> list[nodes.Node]:
        """Return the table, and the versions below it."""
        pages = NbMetadataCollector.get_doc_data(self.env)
        lines = ["| chapter | run on | seconds | peak memory | with |"]
        lines.append("| --- | --- | --- | --- | --- |")
        for page in self.env.toctree_includes[self.config.root_doc]:
            folder, _, slug = page.rpartition("/")
            if folder != FOLDER or not pages.get(page, {}).get("exec_data"):
                continue
            try:
                run = run_of(self.env, slug)
            except KeyError as error:
                raise self.error(str(error)) from error
            cells = f"{{ref}}`{slug}`", *run[:4]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", f"Versions: {versions()}."]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines), self.content_offset, node)
        return node.children


def read_last(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Put the pages that need all others to the end of those to be read."""
    for page in LAST:
        if page in pages:
            pages.remove(page)
            pages.append(page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("env-before-read-docs", read_last)
    app.add_role("result", ResultRole())
    app.add_role("recorded", RecordedRole())
    app.add_role("run", RunRole())
    app.add_directive("runs", RunsDirective)
    return {"parallel_read_safe": False, "parallel_write_safe": True}

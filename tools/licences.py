"""A Sphinx extension: how to cite the book, and the licences of what it is built with.

- the directive ``{citation}``: an entry for a bibliography, made from CITATION.cff.
- ``{licences}``: a table of the packages of requirements.txt with their licences, and
  ``{licences} constraints.txt`` of those that they bring along.
"""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent
DIRECT = "requirements.txt"
# Packages whose metadata do not say; read from the licence that they come with.
UNSAID = {"axe-playwright-python": "MIT License; axe-core: MPL-2.0"}
PLAIN = {"UNKNOWN": "", "License": ""}


def pinned(text: str) -> Iterator[tuple[str, str, str]]:
    """Packages of a requirements file: the comment above them, name and version."""
    use = ""
    for line in text.splitlines():
        if line.startswith("# "):
            use = line.removeprefix("# ")
        elif "==" in line:
            name, _, version = line.partition("==")
            yield use, name, version.strip()


def licence(name: str) -> str:
    """The licence of an installed package, as its metadata name it.

    Raises:
        LookupError: if they name none, and none is known.
    """
    metadata = importlib.metadata.metadata(name)
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier") or []
    named = [line for line in classifiers if line.startswith("License ::")]
    if named:
        return ", ".join(line.rpartition(":: ")[2] for line in named)
    first = (metadata.get("License") or "").strip().partition("\n")[0]
    found = PLAIN.get(first, first) or UNSAID.get(name)
    if not found:
        raise LookupError(f"{name} does not name its licence: read it, then say it")
    return found


def bibtex(citation: dict) -> str:
    """An entry for a bibliography, from what CITATION.cff says."""
    fields = {
        "author": " and ".join("{" + one["name"] + "}" for one in citation["authors"]),
        "title": citation["title"],
        "year": str(citation["date-released"])[:4],
        "version": citation["version"],
        "url": citation["url"],
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items()]
    return "\n".join(["@software{attention-book,", *lines, "}"])


class CitationDirective(SphinxDirective):
    """How to cite the book."""

    def run(self) -> list[nodes.Node]:
        """Return the entry."""
        path = ROOT / "CITATION.cff"
        self.env.note_dependency(str(path))
        text = bibtex(yaml.safe_load(path.read_text("utf-8")))
        return [nodes.literal_block(text, text, language="bibtex")]


class LicencesDirective(SphinxDirective):
    """A table of packages with their versions and licences."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        file = ROOT / (self.arguments[0] if self.arguments else DIRECT)
        self.env.note_dependency(str(file))
        direct = file.name == DIRECT
        lines = [f"| package | version | licence |{' for |' if direct else ''}"]
        lines.append(re.sub("[^|]+", " --- ", lines[0]))
        for use, name, version in pinned(file.read_text("utf-8")):
            cells = [name, version, licence(name), *([use] if direct else [])]
            lines.append(f"| {' | '.join(cells)} |")
        node = nodes.Element()
        self.state.nested_parse(StringList(lines), self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("citation", CitationDirective)
    app.add_directive("licences", LicencesDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

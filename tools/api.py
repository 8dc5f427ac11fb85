"""A Sphinx extension: the reference, made from the package's docstrings.

The directive ``{api} models`` documents every public name of every module of a folder
of the package, or of one module: ``{api} functional``. Each entry links to its source
in the repository.
"""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "attention_book"
SHORT_SECTION = re.compile(r"(Cost|Downloads|Licence|Memory|Size|Source): (.+)")


def modules(part: str) -> list[str]:
    """Dotted names of the modules of a part of the package, sorted."""
    package = importlib.import_module(f"{PACKAGE}.{part}")
    if not hasattr(package, "__path__"):
        return [package.__name__]
    entries = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return sorted(entry.name for entry in entries if not entry.ispkg)


class ApiDirective(SphinxDirective):
    """The reference of one part of the package."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a section for each module."""
        found = []
        for name in modules(self.arguments[0]):
            short = name.removeprefix(f"{PACKAGE}.")
            section = nodes.section(ids=[nodes.make_id(short)])
            section += nodes.title("", "", nodes.literal(text=short))
            lines = ["```{eval-rst}", f".. automodule:: {name}", "   :members:", "```"]
            self.state.nested_parse(StringList(lines), self.content_offset, section)
            self.state.document.note_implicit_target(section)
            found.append(section)
        return found


def name_short_sections(
    app: Sphinx, what: str, name: str, found: object, options: dict, lines: list[str]
) -> None:
    """Make paragraphs of the sections whose text starts beside their name.

    ``Source: a paper`` and ``Memory: of size n`` are no sections to napoleon, which
    then stumbles over a second, indented line.
    """
    inside = False
    for i, line in enumerate(lines):
        if heading := SHORT_SECTION.match(line):
            lines[i] = f"**{heading[1]}:** {heading[2]}"
            inside = True
        elif inside and line.startswith("    "):
            lines[i] = line.strip()
        else:
            inside = False
    # A paragraph each: they follow one another without a blank line.
    for i in range(len(lines) - 1, 0, -1):
        if lines[i].startswith("**") and re.match(r"\*\*[A-Z]\w+:\*\* ", lines[i]):
            lines.insert(i, "")


def skip_fields(
    app: Sphinx, what: str, name: str, found: object, skip: bool, options: dict
) -> bool | None:
    """Leave out a named tuple's fields, which its docstring lists."""
    return True if type(found).__name__ == "_tuplegetter" else None


def source_link(repository: str, branch: str, info: dict[str, str]) -> str | None:
    """The lines of the repository that define a documented object."""
    found = importlib.import_module(info["module"])
    for part in info["fullname"].split("."):
        found = getattr(found, part, None)
    try:
        found = inspect.unwrap(getattr(found, "fget", found))
        path = Path(inspect.getsourcefile(found)).relative_to(ROOT / "src")
        lines, first = inspect.getsourcelines(found)
    except (TypeError, OSError, ValueError):  # a constant, or an inherited member
        return None
    span = f"#L{first}-L{first + len(lines) - 1}"
    return f"{repository}/blob/{branch}/src/{path.as_posix()}{span}"


def link_sources(app: Sphinx, config: Config) -> None:
    """Tell sphinx.ext.linkcode where the repository is."""
    options = config.html_theme_options
    repository, branch = options["repository_url"], options["repository_branch"]
    config.linkcode_resolve = lambda domain, info: source_link(repository, branch, info)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("config-inited", link_sources, priority=100)  # before linkcode looks
    for name in ("autodoc", "napoleon", "linkcode"):
        app.setup_extension(f"sphinx.ext.{name}")
    app.connect("autodoc-process-docstring", name_short_sections, priority=100)
    app.connect("autodoc-skip-member", skip_fields)
    app.add_directive("api", ApiDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A Sphinx extension: the reference, made from the package's docstrings.

Every slug of every part of the package gets a page, written into ``book/api/modules``
when the build starts. There the directive ``{api} models.mpcnn`` documents each public
name of each module of that slug; each entry links to its source in the repository. The
directive ``{overview} models`` is a table of the pages of a part.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import shutil
from pathlib import Path
from typing import TypeVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
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


def slugs(root: Path = ROOT) -> list[str]:
    """What has a page of its own: ``functional``, ``attention.mpcnn`` and so on."""
    package = root / "src" / PACKAGE
    found = [path.stem for path in package.glob("[a-z]*.py")]
    for folder in package.glob("[a-z]*/__init__.py"):
        part = folder.parent
        found += [f"{part.name}.{path.stem}" for path in part.glob("[a-z]*.py")]
        inner = part.glob("[a-z]*/__init__.py")
        found += [f"{part.name}.{path.parent.name}" for path in inner]
    return sorted(found)


def summary(slug: str, root: Path = ROOT) -> str:
    """The first sentence of a slug's docstring."""
    path = root.joinpath("src", PACKAGE, *slug.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def write_pages(root: Path) -> list[str]:
    """Write a page for each slug; nothing that has not changed is touched."""
    folder = root / "book" / "api" / "modules"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {}
    for slug in slugs(root):
        part = slug.split(".")[0]
        back = part if (root / "book" / "api" / f"{part}.md").exists() else "shared"
        # A module says by itself what it is about, in the first line of its docstring.
        folder_of_modules = root.joinpath("src", PACKAGE, *slug.split(".")).is_dir()
        about = f"{summary(slug, root)}\n\n" if folder_of_modules else ""
        pages[f"{slug}.md"] = (
            f"# `{slug}`\n\n{about}"
            f"A page of the reference; all pages of this part: {{doc}}`../{back}`.\n\n"
            f"```{{api}} {slug}\n```\n"
        )
    for path in folder.iterdir():
        if path.name not in pages:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    return sorted(pages)


def public(module: str) -> list[str]:
    """The classes and functions that a module defines, in its order, as roles."""
    found = importlib.import_module(module)
    roles = []
    for name, entry in vars(found).items():
        if name.startswith("_") or getattr(entry, "__module__", None) != module:
            continue
        if getattr(entry, "__name__", None) != name:  # a type variable, or an alias
            continue
        if inspect.isclass(entry):
            roles.append(f"{{py:class}}`~{module}.{name}`")
        elif inspect.isroutine(entry):
            roles.append(f"{{py:func}}`~{module}.{name}`")
    return roles


def name_package(directive: SphinxDirective, part: str) -> list[nodes.Node]:
    """A target for the roles that name a folder of modules."""
    lines = ["```{eval-rst}", f".. py:module:: {PACKAGE}.{part}", "```"]
    node = nodes.Element()
    directive.state.nested_parse(StringList(lines), directive.content_offset, node)
    return node.children


class ApiDirective(SphinxDirective):
    """The reference of one slug."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what the module has, or a section for each module of a folder."""
        found: list[nodes.Node] = []
        names = modules(self.arguments[0])
        for name in names:
            short = name.removeprefix(f"{PACKAGE}.")
            box = nodes.Element() if len(names) == 1 else nodes.section()
            if len(names) > 1:
                box["ids"] = [nodes.make_id(short)]
                box += nodes.title("", "", nodes.literal(text=short))
                self.state.document.note_implicit_target(box)
            lines = ["```{eval-rst}", f".. automodule:: {name}", "   :members:", "```"]
            self.state.nested_parse(StringList(lines), self.content_offset, box)
            found += [box] if len(names) > 1 else box.children
        if len(names) > 1:
            found = [*name_package(self, self.arguments[0]), *found]
        return found


class OverviewDirective(SphinxDirective):
    """A table of the pages of some parts, with what each module offers."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        lines = ["| page | about | offers |", "| --- | --- | --- |"]
        for slug in slugs():
            if slug.split(".")[0] in self.arguments[0].split():
                roles = [role for module in modules(slug) for role in public(module)]
                link = f"[`{slug}`](modules/{slug}.md)"
                lines.append(f"| {link} | {summary(slug)} | {', '.join(roles)} |")
        node = nodes.Element()
        self.state.nested_parse(StringList(lines), self.content_offset, node)
        for table in node.findall(nodes.table):
            table["classes"].append("overview")  # for the style sheet
        parts = [part for part in self.arguments[0].split() if part not in slugs()]
        names = [entry for part in parts for entry in name_package(self, part)]
        return [*names, *node.children]


def find_by_other_names(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, text: nodes.Element
) -> nodes.Element | None:
    """Link a name that a folder re-exports to where its module defines it.

    A type variable in a signature, which the reference has no entry for, stays text.
    """
    target = node.get("reftarget", "")
    try:
        found = pkgutil.resolve_name(target)
    except (AttributeError, ImportError, ValueError):
        return None
    if isinstance(found, TypeVar):
        return text
    name = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if name == target or not name.startswith(f"{PACKAGE}."):
        return None
    return env.domains["py"].resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], name, node, text
    )


def edit_the_module(
    app: Sphinx, page: str, template: str, context: dict, doctree: object
) -> None:
    """Let the edit button of a page that is written here lead to the module."""
    _, found, slug = page.partition("book/api/modules/")
    if not found:
        return
    path = f"src/{PACKAGE}/{slug.replace('.', '/')}"
    file = f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"
    for group in context["header_buttons"]:
        for button in group.get("buttons", []):
            if button["label"] == "source-edit-button":
                button["url"] = button["url"].replace(f"{page}.md", file)


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
    """Write the pages and connect the above."""
    write_pages(ROOT)
    app.connect("config-inited", link_sources, priority=100)  # before linkcode looks
    for name in ("autodoc", "napoleon", "linkcode"):
        app.setup_extension(f"sphinx.ext.{name}")
    app.connect("autodoc-process-docstring", name_short_sections, priority=100)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", find_by_other_names)
    app.connect("html-page-context", edit_the_module, priority=502)  # after the theme
    app.add_directive("api", ApiDirective)
    app.add_directive("overview", OverviewDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

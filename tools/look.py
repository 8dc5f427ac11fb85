"""A Sphinx extension: how figures and small print look on the book's pages.

- Each figure that Matplotlib drew as SVG is on the page twice, for the light and for
  the dark theme; the style sheet shows one of them.
- A paragraph that tells where an equation is in the package, and which test checks it,
  becomes a note in small print.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from attention_book.figures.theme import dark_svg

EXECUTED = "jupyter_execute"
"""The folder of what notebooks have computed."""

WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)pt"')
SCALE = 5 / 3
"""Pixels for a point: text of ten points is as large as the text of the page."""

NOTE = re.compile(r".{0,80} in the package: .+; checked by .+", re.DOTALL)


def add_dark_figures(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put a dark version behind each figure that a notebook has drawn as SVG."""
    if app.builder.format != "html":
        return
    for light in list(doctree.findall(nodes.image)):
        file = Path(app.srcdir, light["uri"])
        if file.suffix != ".svg" or EXECUTED not in file.parts:
            continue
        other = file.with_name(f"{file.stem}-dark.svg")
        svg = file.read_text("utf-8")
        other.write_text(dark_svg(svg), "utf-8")
        if (found := WIDTH.search(svg)) and "width" not in light:
            light["width"] = f"{SCALE * float(found[1]):.0f}px"
        dark = light.copy()
        dark["uri"] = str(Path(light["uri"]).with_name(other.name))
        dark["candidates"] = {"*": dark["uri"]}
        dark["ids"], dark["names"] = [], []
        app.env.images.add_file(page, dark["uri"])
        # "dark-light" keeps the theme from putting either on a white ground; a link
        # to the file would have no name where the theme hides its figure.
        light["classes"] += ["dark-light", "no-scaled-link", "in-light"]
        dark["classes"] += ["dark-light", "no-scaled-link", "in-dark"]
        light.parent.insert(light.parent.index(light) + 1, dark)


def print_notes_small(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Mark the paragraphs that tell where an equation is in the package."""
    for paragraph in doctree.findall(nodes.paragraph):
        if NOTE.fullmatch(paragraph.astext()):
            paragraph["classes"].append("in-package")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("doctree-resolved", add_dark_figures)
    app.connect("doctree-resolved", print_notes_small)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

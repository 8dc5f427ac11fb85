"""A Sphinx extension: the scripts of figures that answer, once instead of in each.

In a notebook every figure brings its script along, and the weights of its models. A
page loads each script once, as a file of the book, and only where there is such a
figure; weights become files of their own, which a figure loads when it needs them.

The directive ``{answering}`` shows a figure that a notebook of the book has computed on
another page: its argument is the notebook, ``:figure:`` the figure's name there,
``:name:`` its name here, and its content the caption.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import ClassVar

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from attention_book.figures import interactive

BOOK = Path(__file__).resolve().parent.parent / "book"

INLINE = re.compile(rf"<script {interactive.MARKER}>.*?</script>", re.DOTALL)
WEIGHTS = re.compile(
    r'<script type="text/plain" data-weights="([\w-]+)">([^<]+)</script>'
)
WEIGHTS_FOLDER = "_static/weights"


def serve_scripts(app: Sphinx, config: Config) -> None:
    """Make the package's folder of scripts a part of the book's own files."""
    config.html_static_path.append(str(interactive.WEB))


def drop_inline_scripts(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Take the scripts out of the figures."""
    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if interactive.MARKER in text:
            found = nodes.raw("", INLINE.sub("", text), **node.attributes)
            node.replace_self(found)


def move_weights(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Write the weights in figures as files, and leave their addresses."""
    here = app.builder.get_target_uri(page)

    def move(match: re.Match[str]) -> str:
        name, text = match.groups()
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        file = Path(app.outdir, WEIGHTS_FOLDER, f"{name}-{digest}.js")
        file.parent.mkdir(parents=True, exist_ok=True)
        # A script and no data file: pages that are opened from a disk may load it.
        file.write_text(
            "((window.attentionBook ??= {}).weights ??= {})"
            f"[{json.dumps(name)}] = {json.dumps(text)};\n"
        )
        source = relative_uri(here, f"{WEIGHTS_FOLDER}/{file.name}")
        return (
            f'<script type="text/plain" data-weights="{name}" data-src="{source}">'
            "</script>"
        )

    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if "data-weights=" in text:
            found = nodes.raw("", WEIGHTS.sub(move, text), **node.attributes)
            node.replace_self(found)


def load_scripts(
    app: Sphinx, page: str, template: str, context: dict, doctree: object
) -> None:
    """Load the scripts of the figures that are on the page, in their order."""
    needed = [
        stem
        for path in sorted(interactive.WEB.glob("*.js"))
        if f"<{path.stem}-" in context.get("body", "")
        for stem in interactive.scripts(path.stem)
    ]
    for stem in dict.fromkeys(needed):
        app.add_js_file(f"{stem}.js", loading_method="defer")


def computed_figure(path: Path, cache: Path, name: str) -> str:
    """The HTML of a figure that answers, as a notebook has last computed it.

    Args:
        path: the notebook.
        cache: the folder of the cache that has its outputs.
        name: the name of the figure, in the metadata of its cell.

    Raises:
        KeyError: if the notebook was not executed or has no such figure.
    """
    notebook = nbformat.read(path, as_version=4)
    executed = get_cache(cache).merge_match_into_notebook(notebook)[1]
    for cell in executed.cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name:
            for output in cell.outputs:
                if "text/html" in output.get("data", {}):
                    return output.data["text/html"]
    raise KeyError(f"{path.name} has no figure {name}")


class AnsweringDirective(SphinxDirective):
    """A figure that a notebook has computed, on a page of its own."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {
        "figure": directives.unchanged_required,
        "name": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Return the figure with its caption."""
        path = BOOK / f"{self.arguments[0]}.ipynb"
        cache = Path(self.env.app.outdir).parent / ".jupyter_cache"
        self.env.note_dependency(str(path))
        try:
            html = computed_figure(path, cache, self.options["figure"])
        except KeyError as error:
            raise self.error(f"{path.name}: {error}") from error
        figure = nodes.figure("", nodes.raw("", html, format="html"))
        text = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, text)
        figure += nodes.caption("", "", *(text[0].children if len(text) else ()))
        self.add_name(figure)
        return [figure]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.add_directive("answering", AnsweringDirective)
    app.connect("config-inited", serve_scripts)
    app.connect("doctree-resolved", drop_inline_scripts, priority=900)
    app.connect("doctree-resolved", move_weights, priority=901)
    app.connect("html-page-context", load_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A Sphinx extension: the scripts of figures that answer, once instead of in each.

In a notebook every figure brings its script along. A page loads each script once, as a
file of the book, and only where there is such a figure.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from attention_book.figures import interactive

INLINE = re.compile(rf"<script {interactive.MARKER}>.*?</script>", re.DOTALL)


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


def load_scripts(
    app: Sphinx, page: str, template: str, context: dict, doctree: object
) -> None:
    """Load the scripts of the figures that are on the page."""
    for path in sorted(interactive.WEB.glob("*.js")):
        if f"<{path.stem}-" in context.get("body", ""):
            app.add_js_file(path.name, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("config-inited", serve_scripts)
    app.connect("doctree-resolved", drop_inline_scripts, priority=900)
    app.connect("html-page-context", load_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A Sphinx extension: the script of figures that answer, once instead of in each.

In a notebook every figure brings its script along. A page loads it once, as a file of
the book, and only where there is such a figure.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from attention_book.figures import interactive

FILE = "attention-view.js"
INLINE = re.compile(rf"<script {interactive.MARKER}>.*?</script>", re.DOTALL)


def serve_script(app: Sphinx, config: Config) -> None:
    """Make the package's folder of scripts a part of the book's own files."""
    config.html_static_path.append(str(interactive.WEB))


def drop_inline_scripts(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Take the scripts out of the figures."""
    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if interactive.MARKER in text:
            found = nodes.raw("", INLINE.sub("", text), **node.attributes)
            node.replace_self(found)


def load_script(
    app: Sphinx, page: str, template: str, context: dict, doctree: object
) -> None:
    """Load the script where there is a figure that needs it."""
    if "<attention-view-1>" in context.get("body", ""):
        app.add_js_file(FILE, loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("config-inited", serve_script)
    app.connect("doctree-resolved", drop_inline_scripts, priority=900)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

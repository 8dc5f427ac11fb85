"""A Sphinx extension: pages that ask nothing of any other host, and are light."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.fileutil import copy_asset

# What _config.yml lets MathJax load. The whole package is 24 MB.
PARTS = ("startup.js", "core.js", "input", "output", "a11y")


def serve_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Make MathJax, taken from an installed package, a part of the book's own files."""
    if error is None:
        (package,) = find_spec("sphinx-mathjax-offline").submodule_search_locations
        target = Path(app.outdir, "_static", "mathjax")
        for part in PARTS:
            source = Path(package, "static", "mathjax", part)
            copy_asset(source, target / part if source.is_dir() else target)


def drop_icon_script(app: Sphinx, error: Exception | None) -> None:
    """Empty the theme's icon script: 1.5 MB that draw what its icon font draws too."""
    script = Path(app.outdir, "_static", "scripts", "fontawesome.js")
    if error is None and script.exists():
        script.write_text("")


def start_at_the_root(app: Sphinx, config: Config) -> None:
    """Tell the page for wrong addresses, shown at any of them, where the book is."""
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path


def mend_roles(
    app: Sphinx, page: str, template: str, context: dict, doctree: object
) -> None:
    """Take the role of a list from the bibliography, whose entries have another one."""
    old = '<div role="list" class="citation-list">'
    if old in context.get("body", ""):
        context["body"] = context["body"].replace(old, '<div class="citation-list">')


def name_toggles(
    app: Sphinx, page: str, template: str, context: dict, doctree: object
) -> None:
    """Say to screen readers what each toggle of the table of contents opens."""
    generate = context["generate_toctree_html"]

    def with_names(*args: Any, **options: Any) -> Any:
        tree = generate(*args, **options)
        for toggle in tree.select("li > details > summary"):
            link = toggle.find_parent("li").find("a")
            toggle["aria-label"] = f"Pages below {link.get_text(strip=True)}"
        return tree

    context["generate_toctree_html"] = with_names


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above, and take out Thebe, which jupyter-book always loads.

    Thebe runs cells on a public server through a script from a CDN; even unused, its
    settings raise an error on every page, because they are declared twice.
    """
    # About the social cards' font, of which nobody can change the weight.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    app.connect("config-inited", start_at_the_root, priority=100)
    app.connect("html-page-context", mend_roles)
    app.connect("html-page-context", name_toggles, priority=502)  # after the theme
    app.connect("build-finished", serve_mathjax)
    app.connect("build-finished", drop_icon_script)
    for event in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners[event]):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

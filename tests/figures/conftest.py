"""What tests of figures share; no figure outlives the test that drew it."""

import html
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def grow_evenly():
    """Check that widths grow with weights, by equal amounts for equal differences."""

    def check(widths, weights):
        widths, weights = np.array(list(widths)), np.array(list(weights))
        slope, least = np.polyfit(weights, widths, 1)
        np.testing.assert_allclose(least + slope * weights, widths, atol=1e-6)
        assert slope > 1  # points: differences can be seen
        assert least > 0  # and so can a weight of 0

    return check


COLAB = """<!doctype html><html lang=en><meta charset=utf-8><title>output</title>
<script>
  window.google = {colab: {output: {resizeIframeToContent: () => parent.postMessage(
    document.documentElement.scrollHeight, "*")}}};
</script><body style="margin: 0">"""


@pytest.fixture
def show_in_frames(show):
    """Open figures as Colab does: each output a frame that shares nothing with others.

    The page has the heights that the frames have asked for, as ``heights``.
    """

    def opened(*views, **options):
        frames = "".join(
            '<iframe sandbox="allow-scripts" width="600" height="300" srcdoc="'
            f'{html.escape(COLAB + view.to_html())}"></iframe>'
            for view in views
        )
        listen = (
            "<script>window.heights = []; addEventListener('message', (event) =>"
            " heights.push(event.data));</script>"
        )
        holder = SimpleNamespace(to_html=lambda: listen + frames)
        page = show(holder, **options)
        return page, page.frames[1:]

    return opened


@pytest.fixture
def show(browser, tmp_path):
    """Open a page with some figures, from a file."""
    contexts = []

    def opened(*views, style="", address="", **options):
        figures = "".join(view.to_html() for view in views)
        file = tmp_path / "page.html"
        start = "<!doctype html><html lang=en><meta charset=utf-8><title>t</title>"
        body = f"<body style='{style}'><main><h1>t</h1>{figures}</main>"
        file.write_text(start + body)
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(120_000)  # a busy machine is slow and not wrong
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text))
        page.goto(f"file://{file}{address}")
        return page

    yield opened
    for context in contexts:
        context.close()

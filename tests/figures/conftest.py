"""What tests of figures share; no figure outlives the test that drew it."""

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


@pytest.fixture
def show(browser, tmp_path):
    """Open a page with some figures, from a file."""
    contexts = []

    def opened(*views, style="", **options):
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
        page.goto(f"file://{file}")
        return page

    yield opened
    for context in contexts:
        context.close()

"""Figures that answer, in JupyterLab: a notebook is executed there, in a browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import expect

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")

CELLS = """import torch
from attention_book.figures.interactive import attention_view
words = ["drei", "und", "vierzig"], ["forty", "three", "<eos>"]
attention_view(torch.eye(3)[[1, 0, 2]], *words, alt="Weights of three words.")
---
attention_view(torch.eye(3), *words, alt="Other weights.", view="map")"""
MINUTES = 3  # a busy machine is slow and not wrong


@pytest.fixture
def lab(tmp_path):
    """The address of a server, whose files are all in a temporary folder."""
    notebook = nbformat.v4.new_notebook()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel  # otherwise it asks which one
    notebook.cells = [
        nbformat.v4.new_code_cell(code) for code in CELLS.split("\n---\n")
    ]
    nbformat.write(notebook, tmp_path / "some.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        name: str(tmp_path / name.lower())
        for name in (
            *("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
            *("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"),
        )
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--allow-root", "--no-browser"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={tmp_path}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=os.environ | folders, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}/"
        end = time.monotonic() + 60 * MINUTES
        while True:
            try:
                urllib.request.urlopen(f"{address}api", timeout=9).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    pytest.fail((tmp_path / "log").read_text())
                time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def notebook(browser, lab):
    """The notebook, opened in JupyterLab."""
    contexts = []

    def opened():
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        contexts.append(context)
        context.set_default_timeout(60_000 * MINUTES)
        expect.set_options(timeout=60_000 * MINUTES)
        page = context.new_page()
        page.goto(f"{lab}lab/tree/some.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell").nth(1).wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()


def command(page, menu, item):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu").get_by_text(item, exact=True).click()


def colour(figure):
    return figure.evaluate("figure => figure.style.getPropertyValue('--weight')")


def test_figures_answer_in_jupyterlab(notebook):
    page = notebook()
    command(page, "Run", "Run All Cells")
    views = page.locator("attention-view-1")
    expect(views).to_have_count(2)
    for view in views.first, views.last:
        view.and_(page.locator("[ready]")).wait_for()
    first = views.first
    first.get_by_role("button", name="drei").click()
    assert first.get_by_role("status").text_content() == "drei: three 1.00"
    # The keys are the figure's, and not those with which JupyterLab changes cells.
    selected = page.locator(".jp-Cell.jp-mod-selected")
    before = selected.get_attribute("data-windowed-list-index")
    page.keyboard.press("ArrowDown")
    assert first.get_by_role("status").text_content() == "und: forty 1.00"
    assert selected.get_attribute("data-windowed-list-index") == before
    light = colour(first)
    page.evaluate(
        "document.body.style.setProperty('--jp-content-font-color1', '#eee');"
        "document.body.setAttribute('data-jp-theme-light', 'false')"
    )
    page.wait_for_function(
        "light => document.querySelector('attention-view-1').style"
        ".getPropertyValue('--weight') !== light",
        arg=light,
    )

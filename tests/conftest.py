"""Fixtures that all tests share."""

import os
import random
import re
import shutil
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from playwright.sync_api import sync_playwright

CHAPTERS = {
    path.stem for path in Path(__file__).parent.parent.joinpath("book").glob("*.ipynb")
}

# With these Chromium asks nothing of the network by itself.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep a file in one process, as loadfile does; of the chapters' runs, a chapter.

    Grouping by marks (loadgroup) is no way: nbval's cells do not take part in it.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrChapter(LoadFileScheduling):
        def _split_scope(self, nodeid):
            scope = super()._split_scope(nodeid)
            if scope.endswith("test_chapter_runs.py"):
                scope += str(CHAPTERS & set(re.split(r"[\[\]-]", nodeid)))
            return scope

    return (
        ByFileOrChapter(config, log) if config.getvalue("dist") == "loadfile" else None
    )


@pytest.fixture(autouse=True)
def seed():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 -- libraries that draw from the old generator
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def fresh_compiler(request):
    """Forget what earlier tests compiled: PyTorch gives up after eight variants."""
    if "compile" in request.node.name:
        torch.compiler.reset()


@pytest.fixture
def no_shape_checks():
    """Let wrong shapes and types reach the package's own errors."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def mirror():
    """The folder with the real data sets, as ``attention_book.data`` finds it."""
    folder = os.environ.get("ATTENTION_BOOK_MIRROR")
    if not folder:
        pytest.skip("ATTENTION_BOOK_MIRROR names no folder with the real data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def browser():
    """Chromium, one for all tests of a process: playwright cannot be started twice."""
    with sync_playwright() as playwright:
        installed = [shutil.which(name) for name in ("chromium", "google-chrome")]
        program = next(filter(None, installed), playwright.chromium.executable_path)
        if not Path(program).exists():
            pytest.skip("no browser: `apt-get install chromium`")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()

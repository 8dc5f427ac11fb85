"""Fixtures that all tests share."""

import os
import random
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for the groups
def pytest_collection_modifyitems(items):
    """Say what stays in one process: a file; of the chapters' runs, a chapter."""
    for item in items:
        group = item.path.name
        if group == "test_chapter_runs.py":
            group = item.callspec.params["path"].stem
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{group}"))


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

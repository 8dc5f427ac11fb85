"""The package in Colab, and as a wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import papermill
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import execution
from tools.repository import bootstrap_cell

ROOT = Path(__file__).resolve().parent.parent
# What a resolver says where it cannot reach a package index.
OFFLINE = "dns error", "error sending request", "NewConnectionError", "timed out"


def colab_versions():
    """What Colab has. Its torch is another build, for other CUDA packages than ours."""
    lines = (ROOT / "tests" / "colab-constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {
        canonicalize_name(name): version
        for name, version in pairs
        if not name.startswith(("nvidia", "cuda", "triton"))
    }


def call(*command, **options):
    """Run a command; skip the test where it needs a package index and has none."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode and any(phrase in done.stderr for phrase in OFFLINE):
        pytest.skip("no package index can be reached")
    return done


def test_colab_has_no_version_that_the_package_refuses():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    colab = colab_versions()
    needed = [Requirement(line) for line in project["dependencies"]]
    assert "torch" in colab
    for package in needed:
        have = colab.get(canonicalize_name(package.name))
        assert have is None or package.specifier.contains(have), (str(package), have)


def test_installing_in_colab_changes_no_version(tmp_path):
    colab = colab_versions()
    pins = tmp_path / "colab.txt"
    pins.write_text("".join(f"{name}=={colab[name]}\n" for name in colab))
    command = [shutil.which("uv", path=str(Path(sys.executable).parent))]
    command += ["pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python-version", "3.13", "--constraint"]
    done = call(*command, pins, ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stderr
    resolved = dict(line.split("==") for line in done.stdout.split())
    assert "jaxtyping" in resolved
    assert not {
        name: version
        for name, version in resolved.items()
        if colab.get(name, version) != version
    }


@pytest.fixture
def first_cell(monkeypatch):
    """Run the cell; what it runs by itself. ``there`` says what Python knows."""

    def run(there, colab):
        for name in [name for name in os.environ if name.startswith("COLAB_")]:
            monkeypatch.delenv(name)
        if colab:
            monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
        spec = {
            "nothing": None,
            "a folder": SimpleNamespace(origin=None),
            "the package": SimpleNamespace(origin="attention_book/__init__.py"),
        }
        commands = []
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec[there])
        monkeypatch.setattr(
            subprocess, "run", lambda command, check: commands.append(command)
        )
        exec(bootstrap_cell("https://github.com/a/b"), {})
        return commands

    return run


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_first_cell_installs_the_package_in_colab(first_cell, there):
    (command,) = first_cell(there, colab=True)
    assert command[0] == sys.executable
    assert command[-1] == "attention-book @ git+https://github.com/a/b"


@pytest.mark.parametrize("there", ["nothing", "a folder"])
def test_first_cell_installs_nothing_elsewhere(first_cell, there):
    with pytest.raises(ModuleNotFoundError, match=r" lacks attention-book @ git.*/a/b"):
        first_cell(there, colab=False)


@pytest.mark.parametrize("colab", [True, False])
def test_first_cell_leaves_a_package_that_is_there(first_cell, colab):
    assert first_cell("the package", colab) == []


@pytest.mark.filterwarnings("ignore")  # papermill's and the Jupyter client's own
def test_figures_whatever_backend_is_inherited(monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = [
        bootstrap_cell("https://github.com/a/b"),
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, tmp_path / "in.ipynb")
    done = papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        progress_bar=False,
        **execution.PATIENCE,
    )
    shown = done.cells[-1].outputs[-1].data
    assert {"image/png", "image/svg+xml"} & shown.keys()


def test_the_wheel_has_every_file_of_the_package(tmp_path):
    # From a copy, because setuptools leaves a build folder behind.
    for folder in "src", "results":
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    done = call(*command, "--wheel-dir", tmp_path / "wheel", tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheel").iterdir()
    inside = zipfile.ZipFile(wheel).namelist()
    wanted = {
        str(path.relative_to(ROOT / "src")) for path in execution.files_of_package(ROOT)
    }
    assert wanted <= set(inside)
    # Where an installation puts them, records.results_folder() looks for them.
    records = {path.name for path in (ROOT / "results").glob("*.json")}
    assert records
    data = re.compile(r"attention_book-[^/]+\.data/data/share/attention_book/results/")
    assert records == {name.rpartition("/")[2] for name in inside if data.match(name)}

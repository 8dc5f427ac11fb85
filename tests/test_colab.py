"""The package in Colab, and a chapter with nothing but the package."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
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


@pytest.fixture(scope="module")
def plain_python(pytestconfig, tmp_path_factory):
    """The python of an environment that has what `pip install .` brings, no more."""
    pins = tmp_path_factory.mktemp("pins") / "pins.txt"
    pins.write_text(
        "\n".join(
            line
            for name in ("requirements.txt", "constraints.txt")
            for line in (ROOT / name).read_text("utf-8").splitlines()
            if "==" in line
        )
    )
    digest = hashlib.sha256(pins.read_bytes() + sys.version.encode())
    sources = sorted((ROOT / "src" / "attention_book").rglob("*.*"))
    for path in [ROOT / "pyproject.toml", *sources]:
        if path.suffix != ".pyc":
            digest.update(path.read_bytes())
    folder = Path(pytestconfig.cache.mkdir("plain-install"))
    python, stamp = folder / "bin" / "python", folder / "stamp"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        if not python.exists():
            call(sys.executable, "-m", "venv", "--clear", folder)
        stamp.unlink(missing_ok=True)
        # From a copy, because setuptools leaves a build folder behind.
        copy = tmp_path_factory.mktemp("source")
        shutil.copytree(ROOT / "src", copy / "src")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        install = [python, "-m", "pip", "install", "--quiet", copy]
        for options in (["--constraint", pins], ["--no-deps", "--force-reinstall"]):
            done = call(*install, *options)
            assert done.returncode == 0, done.stderr
        stamp.write_text(digest.hexdigest())
    return python


@pytest.mark.chapter
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_runs_on_the_package_alone(plain_python, path, tmp_path):
    short = {"epochs": 1, "limit": 200}
    notebook = parameterize_notebook(load_notebook_node(str(path)), short)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    script = tmp_path / "chapter.py"
    script.write_text("\n\n".join(cells), "utf-8")
    environ = {
        **os.environ,
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONSAFEPATH": "1",
    }
    done = call(plain_python, script, cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stderr[-2000:]

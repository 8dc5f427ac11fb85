"""The package in Colab, and as a wheel."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import execution

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


def test_the_wheel_has_every_file_of_the_package(tmp_path):
    # From a copy, because setuptools leaves a build folder behind.
    shutil.copytree(ROOT / "src", tmp_path / "src")
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

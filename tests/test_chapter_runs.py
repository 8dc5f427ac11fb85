"""Every chapter with other settings than its own, on the package alone.

As a plain script it needs no kernel, and a fifth of the time goes with it. nbval runs
the notebooks themselves.
"""

import functools
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from attention_book.data.downloads import is_here
from tools.execution import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
# Files that a full run needs and that are too large to be fetched for a test.
LARGE = {"soft_hard": "flickr8k/Flickr8k_Dataset.zip"}
SHORT = {"seed": 3, "epochs": 1, "limit": 32, "device": "cpu"}
FULL = {"preset": "full", "epochs": 1, "limit": 4, "device": "cpu"}
# Of many large systems some, where a run of the full preset trains all by itself.
SYSTEMS = {"global_local": "general, local-p with feeding"}
BETWEEN = "=== the end of a run ==="
# What a chapter needs besides the package: nothing but what runs it.
BESIDES = {"attention-book", "setuptools", "pip"}
# Hides what `pip install attention-book` would not have brought.
ALONE = """
import sys
from importlib.machinery import PathFinder

class Brought(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {others}:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Brought
"""

pytestmark = pytest.mark.chapter


def dependencies(name):
    """The distributions that an installation of this one brings along."""
    found, queue = set(), [name]
    while queue:
        package = canonicalize_name(queue.pop())
        if package in found:
            continue
        found.add(package)
        try:
            lines = importlib.metadata.requires(package) or []
        except importlib.metadata.PackageNotFoundError:  # of another system
            continue
        for line in lines:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                queue.append(needed.name)
    return found


@functools.cache
def others():
    """Top-level modules of this environment that the package does not depend on."""
    brought = dependencies("attention-book") | BESIDES
    return sorted(
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & brought
    )


def program(path, folder, *runs):
    """Write a chapter as a program that runs it with some parameters, then with others.

    Each run has names of its own; what it imports takes its time only once.
    """
    text = ALONE.format(others=others()) + "import contextlib, runpy\n"
    for number, parameters in enumerate(runs):
        notebook = parameterize_notebook(load_notebook_node(str(path)), parameters)
        cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        file = folder / f"run_{number}.py"
        file.write_text("\n\n".join(cells), "utf-8")
        # A run of some systems ends itself, with status 0.
        text += "with contextlib.suppress(SystemExit):\n"
        text += f"    runpy.run_path({str(file)!r})\n"
        text += f"print({BETWEEN!r})\n"
    (folder / "main.py").write_text(text, "utf-8")
    return folder / "main.py"


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def printed(request, tmp_path_factory):
    """What a chapter prints in a short run, and on the real files where they are."""
    path, runs = request.param, [SHORT]
    missing = None
    if "ATTENTION_BOOK_MIRROR" not in os.environ:
        missing = "ATTENTION_BOOK_MIRROR does not name a folder with the real files"
    elif path.stem in LARGE and not is_here(LARGE[path.stem]):
        missing = f"{LARGE[path.stem]} is neither in the mirror nor in the cache"
    else:
        # As little as the chapter can do with.
        least = re.search(r"least_limit=(\d+)", path.read_text("utf-8"))
        limit = max(FULL["limit"], int(least[1]) if least else 1)
        full = FULL | {"limit": limit}
        if path.stem in SYSTEMS:
            full["systems"] = SYSTEMS[path.stem]
        runs.append(full)
    folder = tmp_path_factory.mktemp(path.stem)
    kept = [str(tmp_path_factory.mktemp("kept")) for _ in runs]
    # With checkpoints: two training runs under one name would be an error.
    given = [own | {"checkpoints": at} for own, at in zip(runs, kept, strict=True)]
    script = program(path, folder, *given)
    before = set(folder.iterdir())
    environ = {
        **os.environ,
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONSAFEPATH": "1",
    }
    done = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert set(folder.iterdir()) == before  # no files left about
    return *done.stdout.split(BETWEEN)[:-1], missing or done.stderr[-2000:]


def test_other_packages_are_hidden():
    assert {"IPython", "beartype", "pytest", "sphinx"} <= set(others())
    assert not {"attention_book", "matplotlib", "numpy", "torch"} & set(others())
    text = ALONE.format(others=others()) + "import numpy\nimport sphinx.application"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True)
    assert b"No module named 'sphinx'" in done.stderr


def test_shortened_run_with_another_seed_leaves_the_claims_out(printed):
    *outputs, error = printed
    assert outputs, error
    assert "Skipped" in outputs[0]


def test_full_preset_on_the_real_files(printed):
    *outputs, error = printed
    if "neither in the mirror" in error or "does not name a folder" in error:
        pytest.skip(error)  # the real files are missing; the text says which
    assert len(outputs) == 2, error
    assert "Skipped" in outputs[1] or "so it ends here" in outputs[1]


# papermill and the Jupyter client warn of their own use of older interfaces.
@pytest.mark.filterwarnings("ignore")
def test_a_wrong_parameter_stops_papermill_at_the_next_cell(tmp_path):
    path = ROOT / "book" / "taxonomy.ipynb"
    with pytest.raises(PapermillExecutionError, match="preset must be") as caught:
        papermill.execute_notebook(
            path,
            tmp_path / path.name,
            {"preset": "fast"},
            progress_bar=False,
            **PATIENCE,
        )
    assert caught.value.exec_count == 4  # bootstrap, parameters, injected, settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("preset", "fast", 'preset must be "quick" or "full"'),
        ("device", "gpu", 'device must be "auto", "cpu", "cuda"'),
        ("seed", -1, "seed must be"),
        ("epochs", 0, "epochs must be"),
        ("limit", 0, "limit must be"),
    ],
)
def test_wrong_values_are_clear_errors_in_the_settings_cell(name, value, message):
    """On one chapter; that all call choose_settings, test_chapters.py checks."""
    notebook = nbformat.read(ROOT / "book" / "taxonomy.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    scope = {}
    exec(code[1].source, scope)
    scope[name] = value
    with pytest.raises((TypeError, ValueError), match=message):
        exec(code[2].source, scope)

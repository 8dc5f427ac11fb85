"""One execution of a notebook serves nbval and the built book.

nbval runs the notebooks, cell by cell; what they computed is put into the book's
jupyter-cache. Where the cache already holds a notebook, because neither its code nor
the package has changed, nbval is given the stored outputs in place of a kernel, and the
book is rendered from them without running anything.

A plugin of pytest: ``python -m pytest -p tools.execution --nbval-lax book``.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from queue import Empty

import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbval.plugin import IPyNbFile

ROOT = Path(__file__).resolve().parent.parent

# What a notebook must not inherit: a backend that draws no figures, `assert` without
# effect, kernels and settings of another installation.
KERNEL = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "OMP_NUM_THREADS": "1",
}
FOREIGN = ("JUPYTER_PATH", "MATPLOTLIBRC", "PYTHONOPTIMIZE")
# Seconds until a kernel is given up, and until its output is, by papermill's names: a
# busy machine is slow and not wrong.
PATIENCE = {"start_timeout": 600, "iopub_timeout": 300}
# Figures as SVG, of which tools/look.py makes a dark version. In a reader's own
# notebook they are images on white, which any program shows.
PROFILE = """\
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {
    "bbox_inches": "tight",
    "metadata": {"Date": None},  # the same figure, the same file
}
"""
# Where programs keep what they otherwise leave in the home folder.
FOLDERS = {
    "IPYTHONDIR": "ipython",
    "MPLCONFIGDIR": "matplotlib",
    "JUPYTER_DATA_DIR": "jupyter",
    "JUPYTER_CONFIG_DIR": "jupyter",
}


def kernel_environment(root: Path = ROOT) -> dict[str, str]:
    """The environment of a kernel: the present one, less what must not be inherited."""
    kept = {name: text for name, text in os.environ.items() if name not in FOREIGN}
    for name, folder in FOLDERS.items():
        kept[name] = str(root / "_build" / "home" / folder)
        Path(kept[name]).mkdir(parents=True, exist_ok=True)
    profile = Path(kept["IPYTHONDIR"], "profile_default", "ipython_kernel_config.py")
    profile.parent.mkdir(exist_ok=True)
    profile.write_text(PROFILE)
    return kept | KERNEL


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Replace the environment of this process for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def files_of_package(root: Path) -> Iterator[Path]:
    """The package's files, without those that other programs leave among them."""
    folder = root / "src" / "attention_book"
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__pycache__")) for part in inside)
        if path.is_file() and not hidden:
            yield path


def inputs(root: Path) -> Iterator[Path]:
    """The files, notebooks apart, that the chapters' results depend on."""
    for name in ("requirements.txt", "constraints.txt"):
        yield root / name
    yield from files_of_package(root)


def fingerprint(root: Path, files: Iterator[Path]) -> str:
    """One hash over the names and contents of all files, and over this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path in files:
        digest.update(f"\n{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def cache_folder(root: Path) -> Path:
    """Where jupyter-book looks for the outputs of notebooks."""
    return root / "_build" / ".jupyter_cache"


def drop_stale_cache(root: Path) -> bool:
    """Empty the cache where it was filled from other inputs; True where it was.

    jupyter-cache's key is the notebook alone. Where only records have changed, the
    chapters that show them are dropped.
    """
    stamp = root / "_build" / "inputs.sha256"
    wanted = fingerprint(root, inputs(root))
    if stamp.exists() and stamp.read_text() == wanted:
        drop_chapters_with_other_records(root)
        return False
    shutil.rmtree(cache_folder(root), ignore_errors=True)
    cache_folder(root).mkdir(parents=True)
    drop_chapters_with_other_records(root)
    stamp.write_text(wanted)
    return True


def drop_chapters_with_other_records(root: Path) -> None:
    """Drop the outputs of chapters whose records have changed since the last call.

    The code of a chapter reads no records but its own: tests/test_chapters.py.
    """
    files: dict[str, list[Path]] = {}
    for path in sorted((root / "results").glob("*.json")):
        files.setdefault(path.name.partition(".")[0], []).append(path)
    wanted = {slug: fingerprint(root, iter(paths)) for slug, paths in files.items()}
    stamp = root / "_build" / "records.json"
    known = json.loads(stamp.read_text()) if stamp.exists() else {}
    if wanted == known:
        return
    cache = get_cache(cache_folder(root))
    for entry in cache.list_cache_records():
        slug = Path(entry.uri).stem
        if wanted.get(slug) != known.get(slug):
            cache.remove_cache(entry.pk)
    stamp.write_text(json.dumps(wanted))


def stored(root: Path, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """The notebook with the outputs that the cache has for it, or None."""
    cache = get_cache(cache_folder(root))
    try:
        return cache.merge_match_into_notebook(notebook)[1]
    except KeyError:
        return None


def store(
    root: Path, path: Path, notebook: nbformat.NotebookNode, seconds: float
) -> None:
    """Put an executed notebook into the cache."""
    data = {"execution_seconds": seconds}
    bundle = CacheBundleIn(notebook, str(path), data=data)
    get_cache(cache_folder(root)).cache_notebook_bundle(
        bundle, check_validity=False, overwrite=True
    )


class StoredKernel:
    """Answers nbval as the kernel did that computed the stored outputs."""

    def __init__(self, notebook: nbformat.NotebookNode) -> None:
        self.outputs = iter(
            [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
        )
        self.messages: list[dict] = []

    def is_alive(self) -> bool:
        """It is there as long as it is asked."""
        return True

    def stop(self) -> None:
        """Nothing is running."""

    def await_reply(self, msg_id: str, timeout: float) -> None:
        """The cell has long been executed."""

    def execute_cell_input(self, source: str, allow_stdin: bool) -> str:
        """Line up the stored outputs of the next cell as a kernel's messages."""
        outputs = [
            (output.output_type, {"execution_count": None, **output})
            for output in next(self.outputs)
        ]
        outputs.append(("status", {"execution_state": "idle"}))
        self.messages = [
            {"msg_type": kind, "content": content, "parent_header": {"msg_id": ""}}
            for kind, content in outputs
        ]
        return ""

    def get_message(self, stream: str, timeout: float) -> dict:
        """The next message."""
        if not self.messages:
            raise Empty
        return self.messages.pop(0)


class Notebook(IPyNbFile):
    """nbval's notebook, executed once for the tests and for the book."""

    def collect(self) -> Iterator:
        """Yield nbval's cells."""
        self.cells = []
        for cell in super().collect():
            cell.output_timeout = PATIENCE["iopub_timeout"]
            cell.passed = False
            self.cells.append(cell)
            yield cell

    def setup(self) -> None:
        """Start a kernel, or take what the cache has."""
        self.start = None
        if found := stored(ROOT, self.nb):
            self.kernel = StoredKernel(found)
            self.setup_sanitize_files()
            return
        self.start = time.perf_counter()
        with environment(kernel_environment()):
            super().setup()

    def teardown(self) -> None:
        """Stop the kernel; keep what it computed if every cell ran through."""
        super().teardown()
        if self.start is None or not all(cell.passed for cell in self.cells):
            return
        code = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        for number, (cell, item) in enumerate(zip(code, self.cells, strict=True)):
            cell.outputs = item.test_outputs
            cell.execution_count = number + 1
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number + 1
        store(ROOT, self.path, self.nb, time.perf_counter() - self.start)


def pytest_configure(config: pytest.Config) -> None:
    """Be patient with kernels; empty a stale cache before anything runs."""
    config.option.nbval_kernel_startup_timeout = PATIENCE["start_timeout"]
    if not hasattr(config, "workerinput"):  # the process that starts all others
        drop_stale_cache(ROOT)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator:
    """Collect the notebooks that nbval collects."""
    return [
        Notebook.from_parent(parent, path=entry.path)
        if type(entry) is IPyNbFile
        else entry
        for entry in (yield)
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator:
    """Remember which cells ran through."""
    result = yield
    if isinstance(item.parent, Notebook):
        item.passed = True
    return result

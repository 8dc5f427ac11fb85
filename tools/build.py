"""Execute and render the book into _build/html.

The notebooks that have changed are executed side by side, then the pages are rendered
from what they computed. Where the tests have just run the notebooks, only the second
part is left.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

from tools.execution import (
    drop_stale_cache,
    fingerprint,
    inputs,
    kernel_environment,
    stored,
)

ROOT = Path(__file__).resolve().parent.parent
# Notebooks side by side, each whole in one process.
EXECUTE = ["-m", "pytest", "-p", "tools.execution", "--nbval-lax"]
EXECUTE += ["--nbval-current-env", "--numprocesses=logical", "--maxprocesses=4"]
EXECUTE += ["--dist=loadfile", "--quiet", "--no-header"]


def sources(root: Path) -> Iterator[Path]:
    """The files that the pages depend on: `inputs`, the book, records, what renders."""
    yield from inputs(root)
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md", "CITATION.cff"):
        yield root / name
    yield root / "pyproject.toml"
    for folder in ("book", "results", "tools"):
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root).parts
            if inside[:3] == ("book", "api", "modules"):  # written by the build itself
                continue
            hidden = any(part.startswith((".", "__pycache__")) for part in inside)
            if path.is_file() and not hidden:
                yield path


def new_notebooks(root: Path) -> list[str]:
    """The notebooks that the cache has no outputs for, as paths below the root."""
    paths = [
        path
        for path in sorted((root / "book").rglob("*.ipynb"))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    return [
        str(path.relative_to(root))
        for path in paths
        if stored(root, nbformat.read(path, as_version=4)) is None
    ]


def run(root: Path, arguments: list[str]) -> int:
    """Run this Python with the environment of the kernels; its exit status."""
    command = [sys.executable, *arguments]
    environ = kernel_environment(root)
    return subprocess.run(
        command, cwd=root, env=environ, stdin=subprocess.DEVNULL
    ).returncode


def build(root: Path) -> int:
    """Execute what is new and render everything; the exit status."""
    if notebooks := new_notebooks(root):
        print(f"Notebooks to execute, some minutes: {len(notebooks)}", flush=True)
        if status := run(root, [*EXECUTE, *notebooks]):
            return status
    # Every page is rendered again, so that none shows an old table of contents and
    # none is left of a chapter that is gone.
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    command = ["-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    command += ["--all", "-n", "-W", "--keep-going", "-q"]
    print("Rendering the pages, about a minute", flush=True)
    return run(root, command)


def main() -> int:
    """Build the book and say where it is, or that it failed."""
    drop_stale_cache(ROOT)
    stamp, index = ROOT / "_build" / "html.sha256", ROOT / "_build/html/index.html"
    wanted = fingerprint(ROOT, sources(ROOT))
    if index.exists() and stamp.exists() and stamp.read_text() == wanted:
        print(f"Nothing has changed. The book: {index}")
        return 0
    stamp.unlink(missing_ok=True)
    status = build(ROOT)
    if status:
        print("The book was not built: the messages above say why.", file=sys.stderr)
    else:
        stamp.write_text(wanted)
        print(f"The book: {index}")
    return status


if __name__ == "__main__":
    sys.exit(main())

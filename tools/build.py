"""Execute and render the book into _build/html.

jupyter-cache keeps the outputs of every notebook, keyed on the notebook alone. Here the
cache is emptied when something else changes that a notebook's results depend on: the
package, the requirements, the settings.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def inputs(root: Path) -> Iterator[Path]:
    """The files, notebooks apart, that the chapters' results depend on."""
    for name in ("requirements.txt", "constraints.txt", "_config.yml"):
        yield root / name
    for path in sorted((root / "src" / "attention_book").rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            yield path


def sources(root: Path) -> Iterator[Path]:
    """The files that the pages depend on: `inputs`, the book and what renders it."""
    yield from inputs(root)
    for name in ("_toc.yml", "CHANGELOG.md", "pyproject.toml"):
        yield root / name
    for folder in ("book", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path


def fingerprint(root: Path, files: Callable = inputs) -> str:
    """One hash over the names and contents of all files, and over this Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path in files(root):
        digest.update(f"\n{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def drop_stale_cache(root: Path) -> bool:
    """Empty the cache where it was filled from other inputs; True where it was."""
    cache, stamp = root / "_build" / ".jupyter_cache", root / "_build" / "inputs.sha256"
    wanted = fingerprint(root)
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    shutil.rmtree(cache, ignore_errors=True)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted)
    return True


def build(root: Path) -> int:
    """Run jupyter-book; its exit status."""
    # Every page is rendered again, so that none shows an old table of contents and
    # none is left of a chapter that is gone; what a notebook computed still comes from
    # the cache.
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", str(root), "--all"]
    command += ["-n", "-W", "--keep-going"]
    # One thread: two threads each on two busy cores are several times slower.
    environ = {"OMP_NUM_THREADS": "1"} | dict(os.environ)
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL).returncode


def main() -> int:
    """Build the book and say where it is, or that it failed."""
    if drop_stale_cache(ROOT):
        print("Every chapter is run: the package or the settings are new.", flush=True)
    stamp, index = ROOT / "_build" / "html.sha256", ROOT / "_build/html/index.html"
    wanted = fingerprint(ROOT, sources)
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

"""Where results come from: the code, the libraries and the machine."""

import hashlib
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

# The libraries whose versions can change a result.
DECISIVE = ("attention-book", "torch", "numpy", "scikit-learn", "sentencepiece")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a result, by name."""
    found = {"python": platform.python_version()}
    for name in DECISIVE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from its sources
            continue
    return found


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()


def fingerprint() -> str:
    """One hash over the package's files."""
    digest = hashlib.sha256()
    for path in _package_files(PACKAGE):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _package_files(folder: Path) -> Iterator[Path]:
    """The files of a package, without those that other programs leave among them."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__pycache__")) for part in inside)
        if path.is_file() and not hidden:
            yield path


def commit() -> str | None:
    """The checkout's commit, "+" at its end if the package or the book has changes.

    None where there is no git or no checkout.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        paths = str(PACKAGE), str(PACKAGE.parents[1] / "book")
        changes = git("status", "--porcelain", "--", *paths)
        return git("rev-parse", "HEAD") + ("+" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None

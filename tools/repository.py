"""Set the repository's address everywhere: `make repository URL=...`.

The address stands in _config.yml; the files in `FOLLOWERS` repeat it, and a test keeps
them equal.
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLLOWERS = (
    "_config.yml",
    "pyproject.toml",
    "README.md",
    "CITATION.cff",
    "CHANGELOG.md",
    "book/**/*.md",
    "book/**/*.ipynb",
)
ADDRESS = re.compile(r"https://github\.com/([\w-]+)/([\w.-]*[\w-])")

# The cell tagged `remove-input` near the top of every chapter. A mere folder of the
# package's name, which is no package, has no origin. Outside Colab nothing is
# installed: the kernel may be of an environment that is not the book's.
BOOTSTRAP_CELL = """
# Installs the book's package in Colab; at home `make lab` starts a kernel that has it.
import importlib.util, os, subprocess, sys

if getattr(importlib.util.find_spec("attention_book"), "origin", None) is None:
    package = "attention-book @ git+{url}"
    if not any(name.startswith("COLAB_") for name in os.environ):
        raise ModuleNotFoundError(f"{{sys.executable}} lacks {{package}}")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", package], check=True)
if "ipykernel" in sys.modules:  # figures on the page, whatever backend is inherited
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
"""


def address(root: Path) -> str:
    """The repository's address, from _config.yml."""
    settings = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    return settings["sphinx"]["config"]["html_theme_options"]["repository_url"]


def bootstrap_cell(url: str) -> str:
    """The code that installs the package from this address where it is missing."""
    return BOOTSTRAP_CELL.format(url=url).strip()


def forms(url: str) -> tuple[str, str, str]:
    """How an address is written: of the repository, of Colab, of the rendered book.

    Raises:
        ValueError: if ``url`` is not that of a GitHub repository.
    """
    match = ADDRESS.fullmatch(url)
    if match is None or url.endswith(".git"):
        raise ValueError(f"URL must be like https://github.com/OWNER/NAME, got {url!r}")
    owner, name = match.groups()
    path = f"{owner}/{name}"
    return f"github.com/{path}", f"/github/{path}", f"{owner.lower()}.github.io/{name}"


def followers(root: Path) -> list[Path]:
    """All files that hold the address."""
    return [path for pattern in FOLLOWERS for path in sorted(root.glob(pattern))]


def set_address(root: Path, url: str) -> list[Path]:
    """Put ``url`` where the present address stands; the files that changed."""
    pairs = list(zip(forms(address(root)), forms(url), strict=True))
    changed = []
    for path in followers(root):
        text = before = path.read_bytes().decode("utf-8")
        for old, new in pairs:
            text = re.sub(rf"{re.escape(old)}(?![\w-])", new, text)
        if text != before:
            path.write_bytes(text.encode("utf-8"))
            changed.append(path)
    return changed


def main() -> None:
    """Change the address as the command line says."""
    url = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else ""
    try:
        changed = set_address(ROOT, url)
    except ValueError as error:
        sys.exit(str(error))
    print("\n".join(f"changed {path.relative_to(ROOT)}" for path in changed))
    print(f"The repository's address is {url}")


if __name__ == "__main__":
    main()

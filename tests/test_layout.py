"""Where things live: import directions, no cycles, and a test for every module."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "attention_book"
MODULES = sorted(PACKAGE.rglob("*.py"))
# What each part may import besides itself.
BELOW = {
    "functional": set(),
    "exercises": set(),
    "taxonomy": set(),
    "observe": {"functional"},
    "attention": {"functional"},
    "data": {"functional"},
    "models": {"functional", "attention", "data"},
    "training": {"functional"},
    "figures": {"functional"},
}


def name(path):
    """The dotted name of a module below ``attention_book``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path):
    """The package's own modules that a module imports, by dotted name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by full path"
            found.add(node.module)
            # `from attention_book.data import vocab` imports a module too
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    own = {entry.removeprefix("attention_book.") for entry in found}
    return own & {name(module) for module in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_go_down_only(path):
    if path.name == "__init__.py":
        assert path.read_text("utf-8") == ""
        return
    part = name(path).split(".")[0]
    assert part in BELOW, f"no place for {path.relative_to(ROOT)} in the tree"
    others = {entry.split(".")[0] for entry in imports(path)} - {part}
    assert others <= BELOW[part]


def test_no_import_cycles():
    TopologicalSorter({name(path): imports(path) for path in MODULES}).prepare()


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name != "__init__.py"], ids=name
)
def test_every_module_has_its_test(path):
    test = path.relative_to(PACKAGE).with_name(f"test_{path.name}")
    assert (ROOT / "tests" / test).is_file()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_file_is_one_idea(path):
    assert len(path.read_text("utf-8").splitlines()) <= 250
    assert path.name != "utils.py"

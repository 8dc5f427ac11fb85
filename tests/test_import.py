"""The package itself: its parts, its version, and what importing it costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import attention_book
from tools import import_graph

ROOT = Path(__file__).resolve().parent.parent
# Counted instead of seconds, which depend on the machine: these take longer to import
# than the whole package.
HEAVY = {
    "IPython",
    "matplotlib",
    "networkx",
    "num2words",
    "pandas",
    "pooch",
    "sacrebleu",
    "sacremoses",
    "scipy",
    "sentencepiece",
    "sklearn",
}


def imported(program):
    """What a program imports beyond PyTorch: top-level names, and how many of ours."""
    program = f"""
import sys
import torch
before = set(sys.modules)
{program}
new = set(sys.modules) - before
print(*sorted({{name.partition(".")[0] for name in new}}))
print(sum(name.startswith("attention_book") for name in new))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    names, ours = done.stdout.splitlines()
    return set(names.split()), int(ours)


def test_parts_are_imported_when_they_are_used():
    parts = "attention", "models", "training", "decoding", "evaluation"
    program = "\n".join(f"import attention_book.{part}" for part in parts)
    names, ours = imported(program)
    assert ours == 6
    assert names <= {"attention_book", "lazy_loader", "ast"}


def test_using_everything_imports_nothing_heavy():
    parts = "attention", "models", "training", "decoding", "evaluation"
    program = "import attention_book\n" + "\n".join(
        f"for name in attention_book.{part}.__all__:\n"
        f"    getattr(attention_book.{part}, name)"
        for part in parts
    )
    program += "\nattention_book.attention.AdditiveAttention(2, 3, 5)"
    names, ours = imported(program)
    assert ours > 40
    assert not names & (HEAVY | {"torchvision"})


def test_reading_and_joining_import_nothing_heavy():
    names, _ = imported("import attention_book.recipes, attention_book.data.vocab")
    assert not names & HEAVY


def test_every_part_is_offered():
    found = {import_graph.part_of(name) for name in import_graph.modules() if name}
    assert set(attention_book.__all__) == found - {"taxonomy"}
    for name in attention_book.__all__:
        assert getattr(attention_book, name).__name__ == f"attention_book.{name}"
        assert name in dir(attention_book)


def test_version_is_that_of_the_installation():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert attention_book.__version__ == project["version"]
    assert "__version__" in dir(attention_book)


def test_an_unknown_part_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'attention_book' has no attribute 'nn'"):
        attention_book.nn  # noqa: B018 -- looking it up is what is tested

"""How to cite the book, and the licences of what it is built with."""

import importlib.metadata
from email.message import Message
from pathlib import Path

import pytest
import yaml

from tools import licences

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_every_pinned_package_names_its_licence(name):
    found = list(licences.pinned((ROOT / name).read_text("utf-8")))
    assert len(found) > 40
    for _, package, _ in found:
        text = licences.licence(package)
        assert 2 < len(text) < 150, (package, text)
        assert "|" not in text


def test_packages_stand_under_what_they_are_for():
    text = (ROOT / "requirements.txt").read_text("utf-8")
    uses = {name: use for use, name, _ in licences.pinned(text)}
    assert uses["torch"] == "the package"
    assert uses["myst-nb"] == "the book"
    assert uses["pypdf"] == "the book as one file"
    assert uses["ruff"] == "the tests"


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([("License-Expression", "MIT"), ("License", "other")], "MIT"),
        (
            [("Classifier", "License :: OSI Approved :: BSD License")],
            "BSD License",
        ),
        ([("License", "BSD\n\nRedistribution and use ...")], "BSD"),
    ],
)
def test_the_licence_is_the_one_that_the_metadata_name(monkeypatch, lines, shown):
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: message(lines))
    assert licences.licence("some") == shown


@pytest.mark.parametrize("lines", [[], [("License", "UNKNOWN")]])
def test_a_package_without_a_licence_is_an_error(monkeypatch, lines):
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: message(lines))
    with pytest.raises(LookupError, match="some does not name its licence"):
        licences.licence("some")


def message(lines):
    found = Message()
    for name, text in lines:
        found[name] = text
    return found


def test_citation_is_what_the_file_says():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    text = licences.bibtex(citation)
    assert text.startswith("@software{attention-book,\n")
    assert text.endswith("}\n}") or text.endswith(",\n}")
    assert "  author = {{The Attention Book authors}},\n" in text
    for name in ("title", "version", "url"):
        assert f"  {name} = {{{citation[name]}}}," in text
    assert f"  year = {{{citation['date-released'][:4]}}}," in text

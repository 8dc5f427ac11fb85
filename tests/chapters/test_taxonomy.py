"""The table of mechanisms: complete, without doubles, and nothing in it made up."""

import ast
import inspect
import re
import sys
import typing
from dataclasses import MISSING, FrozenInstanceError, asdict, fields, replace
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from torch import nn

from attention_book.chapters.taxonomy import (
    ARCHITECTURES,
    AXES,
    CALLS,
    DECISION,
    DECISIONS,
    LAWS,
    MECHANISMS,
    QUESTIONS,
    SYSTEMS,
    TRAITS,
    Mechanism,
    by_axis,
    facets,
    nearest,
    systems_table,
    table,
)
from attention_book.recipes.mechanisms import publications

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "src/attention_book"
FILES = [
    path
    for path in sorted((FOLDER / "attention").rglob("*.py"))
    if path.name != "__init__.py"
]
# What a paper is before its place in the bibliography gives a month of its own.
# The months of the workshop and of the conference.
WITHOUT_PREPRINT = {
    "he2016semeval": "2016-06",
    "yang2016": "2016-06",
    "wang2017": "2017-02",
    "zheng2017": "2017-10",
    "guo2019": "2019-01",
}


def entries():
    text = (ROOT / "book/references.bib").read_text("utf-8")
    return dict(re.findall(r"@\w+\{([\w-]+),(.*?)(?=\n@|\Z)", text, re.S))


def public_mechanisms():
    """All classes that return context and weights, all functions ..._attention."""
    for file in FILES:
        module = ".".join(file.relative_to(FOLDER).with_suffix("").parts)
        for node in ast.parse(file.read_text("utf-8")).body:
            name = getattr(node, "name", "_")
            if isinstance(node, ast.ClassDef):
                found = getattr(import_module(f"attention_book.{module}"), name)
                if not issubclass(found, nn.Module):
                    continue
                result = inspect.signature(found.forward).return_annotation
                named = "weights" in getattr(result, "_fields", ())
                is_one = typing.get_origin(result) is tuple or named
            else:
                is_one = name.endswith("_attention")
            if is_one and not name.startswith("_"):
                yield f"{module}.{name}"


def test_every_mechanism_of_the_package_is_in_the_table():
    found = set(public_mechanisms())
    assert "attention.bahdanau.AdditiveAttention" in found
    assert "attention.graph_attention.edges.edge_attention" in found
    assert "attention.soft_hard.HardAttention" in found
    assert "attention.global_local.scores.DotScore" not in found  # has no weights
    missing = found - {mechanism.path for mechanism in MECHANISMS}
    assert not missing, f"not in attention_book.chapters.taxonomy: {sorted(missing)}"


def test_a_mechanism_stands_in_the_chapter_of_its_slug():
    """Where a chapter has the name of a file or folder, it is that one's chapter."""
    chapters = {file.stem for file in (ROOT / "book").glob("*.ipynb")}
    explained = {mechanism.chapter for mechanism in MECHANISMS}
    for mechanism in MECHANISMS:
        slug = mechanism.path.split(".")[1]
        if slug in chapters:
            assert mechanism.chapter == slug, mechanism.name
    slugs = {file.relative_to(FOLDER).parts[1].removesuffix(".py") for file in FILES}
    assert chapters & slugs <= explained


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
def test_what_a_row_names_exists(mechanism):
    found = mechanism.load()
    assert found.__module__ == f"attention_book.{mechanism.path.rpartition('.')[0]}"
    assert (ROOT / f"book/{mechanism.chapter}.ipynb").exists()
    entry = entries()[mechanism.paper]
    assert f"year={{{mechanism.year}}}" in entry
    number = re.search(r"eprint=\{(\d\d)(\d\d)\.", entry)
    if number:
        assert mechanism.appeared == "20{}-{}".format(*number.groups())
    else:
        assert mechanism.appeared == WITHOUT_PREPRINT[mechanism.paper]


def code_of(path):
    """The source of a class's slug: of its file, or of its folder."""
    place = FOLDER.joinpath(*path.split(".")[:2])
    files = sorted(place.rglob("*.py")) or [place.with_suffix(".py")]
    return "\n".join(file.read_text("utf-8") for file in files)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_a_system_is_built_of_the_mechanisms_that_its_row_names(system):
    found = system.load()
    assert issubclass(found, nn.Module)
    assert found.__module__ == f"attention_book.{system.path.rpartition('.')[0]}"
    number = re.search(r"eprint=\{(\d\d)(\d\d)\.", entries()[system.paper])
    months = dict(WITHOUT_PREPRINT)
    if number:
        months[system.paper] = "20{}-{}".format(*number.groups())
    assert system.appeared == months[system.paper]
    classes = {mechanism.name: mechanism.load() for mechanism in MECHANISMS}
    for name in system.mechanisms:
        assert classes[name].__name__ in code_of(system.path), name
    rows = [m for m in MECHANISMS if m.name in system.mechanisms]
    assert set(system.sequences) <= {v for row in rows for v in row.sequences}
    assert bool(system.sequences) == bool(system.mechanisms)


def test_every_chapter_has_its_system_or_its_mechanisms():
    chapters = {file.stem for file in (ROOT / "book").glob("*.ipynb")}
    told = {entry.chapter for entry in (*MECHANISMS, *SYSTEMS)}
    assert chapters <= told <= {*chapters, "bert"}
    months = [system.appeared for system in SYSTEMS]
    assert months == sorted(months)
    header, rows = systems_table()
    assert [row[0] for row in rows] == [system.name for system in SYSTEMS]
    assert {len(row) for row in rows} == {len(header)}
    assert rows[0] == ["RNN encoder-decoder", "none", "none", "seq2seq"]


def test_the_time_lines_alternative_text_names_every_paper():
    notebook = nbformat.read(ROOT / "book/taxonomy.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if "plot_timeline(" in c.source]
    alt = cell.metadata["mystnb"]["image"]["alt"]
    for _, label, *_ in publications():
        assert label.split()[0] in alt, label


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
def test_values_are_of_the_axes(mechanism):
    for axis, allowed in AXES.items():
        values = getattr(mechanism, axis)
        assert values
        assert len(set(values)) == len(values)
        assert set(values) <= set(allowed), f"{axis}: {values}"
    assert mechanism.architecture in ARCHITECTURES
    assert mechanism.call in CALLS
    assert bool(mechanism.examples) == (mechanism.call != "block")
    columns = asdict(mechanism)
    del columns["examples"]
    assert all(columns.values())
    for example in mechanism.examples:
        assert example.breaks.keys() <= LAWS.keys()
        assert all(example.breaks.values())


def test_further_questions_agree_with_what_the_examples_show():
    for mechanism in MECHANISMS:
        values = (
            mechanism.asked_by,
            mechanism.scored_by,
            mechanism.distribution,
            mechanism.heads,
        )
        for given, allowed in zip(values, TRAITS.values(), strict=True):
            assert given
            assert set(given) <= set(allowed), mechanism.name
        heads = any(
            "heads" in example.sizes or "num_heads" in example.arguments
            for example in mechanism.examples
        )
        # Each shift of a kernel is a head of quadratic attention.
        assert ("several" in mechanism.heads) == (heads or mechanism.call == "image")
        feature = mechanism.representations == ("multi-dimensional",)
        assert (mechanism.heads == ("one per feature",)) == feature
        # Weights that are no softmax break the law of the sum, and no others do.
        broken = any("sum" in example.breaks for example in mechanism.examples)
        unusual = set(mechanism.distribution) - {"softmax", "one key drawn"}
        assert broken == bool(unusual) or mechanism.call == "block"
        arguments = inspect.signature(
            mechanism.load().forward
            if inspect.isclass(mechanism.load())
            else mechanism.load()
        ).parameters
        if mechanism.asked_by in (("learned",), ("none",)):
            assert "query" not in arguments
        for word in ("additive", "dot"):
            if word in mechanism.score and mechanism.call != "block":
                assert any(word in kind for kind in mechanism.scored_by)


def test_facets_find_each_row_at_all_its_values():
    found = facets()
    assert list(found) == [*AXES, *TRAITS, "architecture"]
    for axis in (*AXES, "architecture"):
        by_name = {
            value: [MECHANISMS[row].name for row in rows]
            for value, rows in found[axis].items()
        }
        expected = by_axis(axis)
        assert by_name == {k: [m.name for m in ms] for k, ms in expected.items()}
    for values in found.values():
        assert {row for rows in values.values() for row in rows} == set(
            range(len(MECHANISMS))
        )
        assert all(values.values()), "an answer that no mechanism gives"


def test_the_table_as_text_has_all_rows_and_columns():
    header, rows = table()
    assert [row[0] for row in rows] == [mechanism.name for mechanism in MECHANISMS]
    assert {len(row) for row in rows} == {len(header)}
    assert all(cell for row in rows for cell in row)
    first = dict(zip(header, rows[0], strict=True))
    assert first["sequences"] == "distinctive"
    assert first["year"] == "2015"
    hard = dict(zip(header, rows[2], strict=True))
    assert hard["positions"] == "hard and soft"


def test_the_chart_leads_to_every_mechanism():
    places = {
        "one sequence that attends to another": "distinctive",
        "two texts of equal standing": "co-attention",
        "one text, to be summarised": "self",
        "one sequence, each token to be changed": "self",
    }
    assert list(DECISIONS) == list(places)
    rows = {mechanism.name: mechanism for mechanism in MECHANISMS}
    led_to = set()
    for answer, (question, answers) in DECISIONS.items():
        assert question.endswith("?")
        for names in answers.values():
            for name in names:
                assert places[answer] in rows[name].sequences, name
            led_to |= set(names)
    assert led_to == set(rows)
    assert DECISION.endswith("?")


def test_the_nearest_mechanisms_agree_on_most_axes():
    assert nearest(["co-attention", "multi", "soft", "single"]) == ["ABCNN-3", "CMLA"]
    assert nearest(("self", "multi", "hard", "single")) == ["learned query", "CMLA"]
    for place in (["self"], ["self", "single", "single", "soft"]):
        with pytest.raises(ValueError, match=r"one value of each of .* got"):
            nearest(place)


def test_questions_are_about_rows_and_axes():
    names = {mechanism.name for mechanism in MECHANISMS}
    assert {axis for axis, *_ in QUESTIONS} == set(AXES)
    for axis, name, text in QUESTIONS:
        assert name in names
        assert text.endswith(f"umber of {axis}?")


def test_no_row_comes_twice():
    for column in ("name", "path"):
        values = [getattr(mechanism, column) for mechanism in MECHANISMS]
        assert len(set(values)) == len(values)


def test_what_a_class_can_tell_agrees_with_its_row():
    """Parts of the placement that do not depend on anybody's reading."""
    for mechanism in MECHANISMS:
        found = mechanism.load()
        call = found.forward if inspect.isclass(found) else found
        arguments = inspect.signature(call).parameters
        asked = {"query", "queries", "columns"} & set(arguments)
        # Two learned queries of one text make it co-attention as well.
        assert asked or "self" in mechanism.sequences
        assert ("views" in arguments) == (
            mechanism.representations == ("multi-representational",)
        )
        if inspect.isclass(found):
            assert issubclass(found, nn.Module)


def test_by_axis_finds_each_mechanism_at_all_its_values():
    for axis in AXES:
        found = by_axis(axis)
        assert tuple(found) == AXES[axis]
        assert sum(map(len, found.values())) == sum(
            len(getattr(mechanism, axis)) for mechanism in MECHANISMS
        )
    kinds = by_axis("architecture")
    assert sum(map(len, kinds.values())) == len(MECHANISMS)
    levels = [m.name for m in by_axis("levels")["multi"]]
    assert levels == ["ABCNN-3", "learned query", "CMLA"]
    for axis in AXES:  # an example from this book for each value
        assert all(by_axis(axis).values())
    with pytest.raises(ValueError, match=r"axis must be one of sequences, .*'depth'"):
        by_axis("depth")


def test_rows_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        MECHANISMS[0].name = "other"
    assert replace(MECHANISMS[0], paper="he2016semeval").year == 2016
    with pytest.raises(ValueError, match="paper must contain a year, got 'unknown'"):
        _ = replace(MECHANISMS[0], paper="unknown").year


def test_an_example_is_built_with_its_parts():
    alibi = next(m for m in MECHANISMS if m.name == "distance bias")
    rules = [type(alibi.build(example).rule).__name__ for example in alibi.examples]
    assert rules == ["ALiBi", "T5RelativeBias"]
    function = next(m for m in MECHANISMS if m.call == "edges")
    assert function.build(function.examples[0]) is function.load()


def test_rows_need_all_columns_that_have_no_default():
    row = {
        field.name: getattr(MECHANISMS[0], field.name) for field in fields(Mechanism)
    }
    assert Mechanism(**row) == MECHANISMS[0]
    for field in fields(Mechanism):
        rest = {name: value for name, value in row.items() if name != field.name}
        if field.default is MISSING:
            with pytest.raises(TypeError, match=f"argument: '{field.name}'"):
                Mechanism(**rest)
        else:
            assert getattr(Mechanism(**rest), field.name) == field.default


def test_the_table_alone_imports_nothing_of_the_package():
    file = sys.modules["attention_book.chapters.taxonomy"].__file__
    tree = ast.parse(Path(file).read_text("utf-8"))
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names == {"collections.abc", "re", "dataclasses", "importlib", "typing"}

"""Where things live: import directions, no cycles, one slug, a test for each file."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tools import import_graph

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = import_graph.PACKAGE
FIGURES = sorted((PACKAGE / "figures").glob("*.py"))
PLAIN = ("chapters", "figures", "sweeps")  # imported from their own files
SLUGS = sorted(path.stem for path in (ROOT / "book").glob("*.ipynb"))


@pytest.fixture(scope="module")
def graph():
    return import_graph.graph()


def exists(*parts):
    """Whether a module or a folder of this name is there."""
    path = PACKAGE.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_every_module_belongs_to_a_floor(graph):
    assert {import_graph.part_of(name) for name in graph} <= import_graph.FLOORS.keys()


def test_imports_go_down_only(graph):
    assert import_graph.upward(graph) == []


def test_an_arrow_upwards_is_seen():
    arrows = {"functional": {"data.vocab"}, "data.vocab": {"functional"}}
    assert import_graph.upward(arrows) == ["functional -> data.vocab"]


def test_no_import_cycles(graph):
    TopologicalSorter(graph).prepare()
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_the_graph_is_drawn(graph):
    drawn = import_graph.draw(graph)
    assert drawn.startswith("graph TD\n")
    assert "models -- " in drawn
    assert " --> functional" in drawn


def test_seeds_are_integers_of_any_library():
    """PyTorch's ``manual_seed`` refuses numpy's."""
    given = re.compile(r"manual_seed\((?!\s*(\d|operator\.index\())")
    found = {
        name
        for name, path in import_graph.modules().items()
        if given.search(path.read_text("utf-8"))
    }
    assert found == {"training.runtime"}  # whose check_seed gives a plain one


WRITE = {"text", "set_title", "set_xlabel", "set_ylabel", "suptitle", "annotate"}
WRITE |= {"draw_box", "draw_word"}
LABELS = {"xlabel", "ylabel", "title", "label"}


def words_written(tree):
    """Words that calls write on a figure, formulas left out."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [word.value for word in call.keywords if word.arg in LABELS]
        given += call.args if name in WRITE else []
        for text in given:
            for part in getattr(text, "values", [text]):  # of an f-string
                value = getattr(part, "value", None)
                if isinstance(value, str) and re.search(
                    "[A-Za-z]{2}", re.sub(r"\$[^$]*\$?", "", value)
                ):
                    yield value


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_words_on_figures_stand_at_the_top_of_the_file(path):
    """In ``TEXT``, where a translation finds them."""
    assert not list(words_written(ast.parse(path.read_text("utf-8"))))


def test_words_on_a_figure_are_seen():
    source = """ax.text(0, 1, f"layer {i}"); ax.set(xlabel="tokens", ylabel="$p_t$")
draw_box(ax, 0, 1, TEXT["query"], "#000000"); draw_box(ax, 0, 1, f"$h_{i}$")"""
    assert list(words_written(ast.parse(source))) == ["layer ", "tokens"]


def test_hidden_folders_are_no_part_of_the_package(tmp_path):
    (tmp_path / "vocab.py").touch()
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "vocab-checkpoint.py").touch()
    assert import_graph.modules(tmp_path).keys() == {"vocab"}


def test_an_import_by_dots_is_refused(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("from .vocab import Vocab\n")
    with pytest.raises(ValueError, match=r"module\.py:1: import by full path"):
        import_graph.imports(path, {})


def test_every_module_has_its_test():
    missing = []
    for path in import_graph.modules().values():
        test = path.relative_to(PACKAGE).with_name(f"test_{path.name}")
        if path.name != "__init__.py" and not (ROOT / "tests" / test).is_file():
            missing.append(str(test))
    assert missing == []


def test_no_file_is_a_drawer_for_odds_and_ends():
    names = {path.name for path in import_graph.modules().values()}
    assert not names & {"utils.py", "helpers.py", "misc.py", "common.py"}


def test_one_slug_a_chapter_everywhere():
    """A chapter's notebook, its code, its figures and their tests have one name."""
    for slug in SLUGS:
        places = ("attention", slug), ("models", slug), ("chapters", slug)
        assert any(exists(*place) for place in places), f"no code is named {slug}"
        assert exists("figures", slug), f"figures/{slug} is missing"
    for floor in "attention", "models":
        for folder in (PACKAGE / floor).iterdir():
            if folder.is_dir() and (folder / "__init__.py").exists():
                assert folder.name in SLUGS, f"{floor}/{folder.name}"


def test_a_folder_offers_the_public_names_of_its_files():
    """Slug folders import them; the floors above name them in their stub."""
    for path in import_graph.modules().values():
        folder = path.parent
        if path.name == "__init__.py" or folder.name in (
            "chapters",
            "figures",
            "sweeps",
        ):
            continue
        if folder.parent.name == "data" or folder in (PACKAGE, PACKAGE / "data"):
            continue  # readers of data are imported from their own files
        stub, init = folder / "__init__.pyi", folder / "__init__.py"
        names = public(path)
        offered = listed(stub if stub.exists() else init)
        if stub.exists():
            names = {name for name in names if not name.isupper()}
        assert names <= offered, f"{init} lacks {sorted(names - offered)}"


def test_floors_offer_what_their_slug_folders_offer():
    for floor in ("attention", "models", "training", "decoding", "evaluation"):
        offered = listed(PACKAGE / floor / "__init__.pyi")
        for init in (PACKAGE / floor).glob("*/__init__.py"):
            names = {name for name in listed(init) if not name.isupper()}
            assert names <= offered, f"{floor} lacks {sorted(names - offered)}"


def test_no_name_means_two_things():
    """A function named as its module would hide it, or be hidden by it."""
    for floor in ("attention", "models", "training", "decoding", "evaluation"):
        names = listed(PACKAGE / floor / "__init__.pyi")
        files = {path.stem for path in (PACKAGE / floor).iterdir()}
        assert not names & files


def public(path):
    """The public names that a module defines."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {name.id for name in node.targets if isinstance(name, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def listed(path):
    """The names in a file's ``__all__``."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no __all__")

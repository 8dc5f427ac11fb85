"""What every chapter owes its readers, checked on the notebook as a file."""

import ast
import functools
import inspect
import io
import pkgutil
import re
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

import nbformat
import pytest
import yaml

from tools.repository import address, bootstrap_cell

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
PARAMETERS = {
    "preset": "quick",
    "seed": 0,
    "device": "auto",
    "epochs": None,
    "limit": None,
    "checkpoints": None,
}  # of all chapters; further ones may follow
# The words that are looked for: a translation of the book changes them here.
BY_HAND, FAITHFUL = "By hand", "Faithful to the paper?"
HEADINGS = (
    "The problem",
    "The idea in one picture",
    BY_HAND,
    "What breaks without it",
    FAITHFUL,
    "Exercises",
    "What to read next",
)
KINDS = {BY_HAND, "Code", "Experiment"}
READERS = {
    "seeds_table",
    *(f"recorded_{what}" for what in ("bins", "curve", "results", "samples")),
}
ROLE = re.compile(r"\{py:(class|func|meth)\}`~(attention_book\.[\w.]+)`")
IN_PACKAGE = re.compile(
    r"\{eq\}`([\w-]+)` in the package: ([^;\n]+); checked by ([^\n]+)\."
)


@functools.cache
def load(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def only(notebook, tag):
    (cell,) = [cell for cell in notebook.cells if tag in tags(cell)]
    return cell


def prose(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


@functools.cache
def texts_of_tests():
    """For each test, and each test file, the texts of the files that have it."""
    found = defaultdict(list)
    for file in (ROOT / "tests").rglob("test_*.py"):
        text = file.read_text("utf-8")
        for name in (file.stem, *re.findall(r"^def (test_\w+)", text, re.M)):
            found[name].append(text)
    return found


def items(text):
    """The items of "a, b and c"."""
    return re.split(r", | and ", text)


def exercises(notebook):
    """Of each exercise the number of its cell, its label and its first line."""
    pattern = r"\{exercise\}.*\n:label: ([\w-]+)\n\n(.*)"
    for number, cell in enumerate(notebook.cells):
        for label, body in re.findall(pattern, cell.source):
            yield number, label, body


def solution(notebook, label):
    """The code of an exercise's folded solution."""
    sources, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            inside &= "{solution-end}" not in cell.source
            inside |= f"{{solution-start}} {label}\n" in cell.source
        elif inside:
            sources.append(cell.source)
    return "\n".join(sources)


def calls_of_verdict(tests):
    """(check, answer) of the calls of verdict among some expressions."""
    return [
        (ast.unparse(test.args[0]), ast.unparse(test.args[1]))
        for test in tests
        if isinstance(test, ast.Call) and ast.unparse(test.func) == "verdict"
    ]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_the_parameters_are_folded(path):
    assert "hide-input" in tags(only(load(path), "parameters"))


@pytest.fixture
def notebook(path):
    return load(path)


def test_there_are_chapters_and_the_toc_has_them():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = {c["file"] for part in toc["parts"] for c in part["chapters"]}
    assert NOTEBOOKS
    assert {f"book/{path.stem}" for path in NOTEBOOKS} <= listed
    for file in listed:
        assert list(ROOT.glob(f"{file}.*")), (
            f"_toc.yml lists {file}, which is not there"
        )


def test_the_slug_is_the_chapters_label(path, notebook):
    assert notebook.cells[0].source.startswith(f"({path.stem})=\n# ")


def test_is_a_valid_notebook_without_outputs(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code_cells(notebook):
        assert cell.execution_count is None
        if "nbval-check-output" not in tags(cell):
            assert cell.outputs == [], f"stored output: {cell.source[:60]}"


def test_first_code_cell_is_the_canonical_bootstrap(notebook):
    first = code_cells(notebook)[0]
    assert first.source == bootstrap_cell(address(ROOT))
    assert "remove-input" in tags(first)


def test_parameters_stand_one_a_line_and_are_checked_at_once(notebook):
    cells = code_cells(notebook)
    parameters = only(notebook, "parameters")
    lines = [line.split("#")[0] for line in parameters.source.splitlines()]
    found = {}
    for line in lines:
        name, value = line.split(" = ")
        found[name] = ast.literal_eval(value.strip())
    assert list(found.items())[: len(PARAMETERS)] == list(PARAMETERS.items())
    assert cells[1] is parameters
    assert "choose_settings(" in cells[2].source
    for name in found:  # a parameter that nobody reads would be set for nothing
        assert re.search(rf"\b{name}=|\"{name}\": {name}\b", cells[2].source), name
    # First the defaults, so that a reader's own matplotlibrc changes no figure.
    style = 'plt.style.use(["default", "attention_book.figures.book"])'
    assert style in cells[2].source


def test_all_settings_are_on_the_page(notebook):
    """Typed into the cell below the parameters, or displayed by it."""
    source = code_cells(notebook)[2].source
    presets = {
        word.arg: word.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "choose_settings"
        for word in node.keywords
        if word.arg in ("quick", "full")
    }
    typed = len(presets) == 2 and all(type(p) is ast.Dict for p in presets.values())
    assert typed or source.endswith("\nsettings")


def test_classes_live_in_the_package(notebook):
    for cell in code_cells(notebook):
        classes = [
            n for n in ast.walk(ast.parse(cell.source)) if type(n) is ast.ClassDef
        ]
        assert not classes, f"class {classes[0].name}: put it into src/"


def lines_of_code(source):
    """How many lines hold code: not blank, and more than a comment."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
    layout |= {tokenize.INDENT, tokenize.DEDENT}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return len(
        {
            line
            for token in tokens
            if token.type not in layout
            for line in range(token.start[0], token.end[0] + 1)
        }
    )


def test_a_chapter_is_prose_and_little_code(notebook):
    """What is longer is plumbing, and belongs into a recipe of the package."""
    cells = code_cells(notebook)
    assert sum(lines_of_code(cell.source) for cell in cells) <= 450
    for cell in cells:
        if not {"hide-input", "remove-input"} & set(tags(cell)):
            assert len(cell.source.splitlines()) <= 40, cell.source[:60]


def test_lines_of_code_are_counted():
    source = "x = [\n    1,\n\n    # one\n]  # two\n\n# three\ny = x"
    assert lines_of_code(source) == 4


def names_in(node):
    """The names that some code uses."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def test_the_packages_own_code_is_shown_and_fits_the_page(notebook):
    """Pieces that are too long are an error here, before a chapter is run for it."""
    scope, shown = {}, 0
    for cell in code_cells(notebook):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.ImportFrom) and "attention_book" in node.module:
                exec(ast.unparse(node), scope)
            elif isinstance(node, ast.Expr) and "show_source(" in ast.unparse(node):
                shown += 1
                if names_in(node) <= scope.keys():  # otherwise it shows a variable's
                    eval(ast.unparse(node), scope)
    assert shown


def test_no_two_chapters_define_the_same_function():
    owners = defaultdict(set)
    for path in NOTEBOOKS:
        for cell in code_cells(load(path)):
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.FunctionDef):
                    owners[node.name].add(path.stem)
    shared = {name: slugs for name, slugs in owners.items() if len(slugs) > 1}
    assert shared == {}, "define it once, in a recipe of the package"


def test_every_figure_has_caption_name_and_alternative_text(path, notebook):
    names = []
    for cell in code_cells(notebook):
        if not re.search(r"\bplot_\w+\(|plt\.show\(", cell.source):
            continue
        meta = cell.metadata.get("mystnb", {})
        assert meta, f"a figure without metadata: {cell.source[:60]}"
        assert len(meta["figure"]["caption"]) > 60, "a caption that can be read alone"
        assert len(meta["image"]["alt"]) > 60, "say what there is to see"
        assert meta["figure"]["name"].startswith("fig-")
        names.append(meta["figure"]["name"])
    assert names
    assert len(set(names)) == len(names)
    for other in NOTEBOOKS:
        if other != path:
            assert not set(names) & set(
                re.findall(r'"(fig-[\w-]+)"', other.read_text())
            )


def test_citations_resolve(notebook):
    bibliography = (ROOT / "book/references.bib").read_text("utf-8")
    entries = dict(re.findall(r"@\w+\{([\w-]+),(.*?)(?=\n@|\Z)", bibliography, re.S))
    cited = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose(notebook))
    keys = {key.strip() for group in cited for key in group.split(",")}
    assert keys
    for key in keys:
        assert key in entries, f"{key} is not in references.bib"
        assert re.search(r"\b(doi|url|eprint)\s*=", entries[key]), f"{key}: no link"


def test_sections_stand_in_the_agreed_order(notebook):
    found = re.findall(r"^## (.+)$", prose(notebook), re.M)
    assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)


def test_says_what_differs_from_the_paper_and_which_test_holds_it(notebook):
    section = prose(notebook).split(f"## {FAITHFUL}")[1].split("\n## ")[0]
    assert re.search(r"\| the paper says \| we do \| why \|", section)
    named = set(re.findall(r"`(test_\w+)(?:\.py)?`", section))
    assert named
    tests = texts_of_tests()
    assert named <= tests.keys(), f"no such test: {sorted(named - tests.keys())}"


def test_every_equation_names_its_code_and_the_test_that_checks_it(notebook):
    text, tests = prose(notebook), texts_of_tests()
    labels = re.findall(r"\{math\}\n(?::(?!label)\S+.*\n)*:label: (\S+)", text)
    labels += re.findall(r"\$\$ *\((\S+)\)", text)
    named = Counter()
    for paragraph in re.split(r"\n\s*\n", text):
        if "` in the package: " not in paragraph:
            continue
        match = IN_PACKAGE.fullmatch(paragraph.strip())
        assert match, f"not of the agreed form: {paragraph}"
        label, code, checks = match.groups()
        named[label] += 1
        names = set()
        for item in items(code):
            role = ROLE.fullmatch(item)
            assert role, f"{label}: not a role for a part of the package: {item}"
            kind, name = role.groups()
            assert not re.search(r"\._", name), f"{name} is private"
            found = pkgutil.resolve_name(name)
            owner = pkgutil.resolve_name(name.rpartition(".")[0])
            right = {
                "class": inspect.isclass(found),
                "func": inspect.isroutine(found) and inspect.ismodule(owner),
                "meth": inspect.isroutine(found) and inspect.isclass(owner),
            }
            assert right[kind], f"{name} is no py:{kind}"
            assert found.__doc__, f"{name} has no docstring"
            names.add(owner.__name__ if kind == "meth" else found.__name__)
        for item in items(checks):
            test = re.fullmatch(r"`(test_\w+)`", item)
            assert test, f"{label}: not the name of a test: {item}"
            texts = tests[test[1]]
            assert texts, f"{label}: no such test: {test[1]}"
            used = [name for name in names if any(name in text for text in texts)]
            assert used, f"{label}: {test[1]} knows nothing of {sorted(names)}"
    assert named == Counter(labels), "one paragraph for each numbered equation"


def test_claims_are_asserted_unless_the_run_was_shortened(notebook):
    claims = only(notebook, "claims").source
    assert "settings.shortened" in claims
    assert claims.count("assert ") >= 5


def test_exercises_have_folded_solutions_that_run(notebook):
    text = prose(notebook)
    exercises = re.findall(r"\{exercise\}.*\n:label: ([\w-]+)", text)
    solutions = re.findall(r"\{solution-start\} ([\w-]+)\n:class: dropdown", text)
    assert len(exercises) >= 5
    assert solutions == exercises
    inside, ran = False, 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ran += inside
            continue
        if "{solution-end}" in cell.source:
            assert inside
            assert ran, "a solution without code that runs"
            inside = False
        if "{solution-start}" in cell.source:
            inside, ran = True, 0
    assert not inside


def test_exercises_are_of_three_kinds(notebook):
    kinds = {label: body.split(":")[0] for _, label, body in exercises(notebook)}
    for label, kind in kinds.items():
        assert kind in KINDS, f"{label} must say which of {sorted(KINDS)} it is"
    missing = KINDS - set(kinds.values())
    assert not missing, f"no exercise of the kind {sorted(missing)}"


def test_answers_in_code_are_checked(notebook):
    """A stub, a check that it fails, and a solution that passes where others fail.

    That they do is seen when the notebook runs; here only that it is asked.
    """
    code = [e for e in exercises(notebook) if e[2].startswith("Code: ")]
    tagged = [n for n, cell in enumerate(notebook.cells) if "exercise" in tags(cell)]
    assert tagged == [number + 1 for number, _, _ in code], (
        "each exercise that asks for code ends its cell, and the next one has its stub"
    )
    for number, label, body in code:
        assert notebook.cells[number].source.rstrip().endswith("\n```")
        assert "{solution-start}" not in notebook.cells[number].source.split(label)[1]
        source = notebook.cells[number + 1].source
        parts = ast.parse(source).body
        assert len(parts) == 3, f"{label}: a stub, a check and a verdict, no more"
        stub, check, call = parts
        assert f"`{stub.name}(" in body, f"{label} does not ask for {stub.name}"
        assert [ast.unparse(line) for line in stub.body] == ["..."]
        assert check.name == f"check_{stub.name}"
        assert calls_of_verdict([call.value]) == [(check.name, stub.name)]
        assert source.endswith(";"), "or the page shows False below what is printed"
        on_none = [
            node
            for node in ast.walk(check)
            if isinstance(node, ast.Assert) and "is not None" in ast.unparse(node.test)
        ]
        assert on_none, f"{check.name} must say that a stub returns nothing"
        asserted = [
            node.test
            for node in ast.parse(solution(notebook, label)).body
            if isinstance(node, ast.Assert)
        ]
        answers = calls_of_verdict(asserted)
        assert answers == [(check.name, f"{stub.name}_answer")]
        mistakes = calls_of_verdict(
            test.operand for test in asserted if isinstance(test, ast.UnaryOp)
        )
        assert mistakes, f"{label}: which wrong answer does not pass?"
        assert {checked for checked, _ in mistakes} == {check.name}
        assert stub.name not in {answer for _, answer in mistakes}, (
            "this would fail as soon as a reader has answered"
        )


def test_results_are_glued_under_the_chapters_name(path, notebook):
    code = "\n".join(cell.source for cell in code_cells(notebook))
    roles = re.findall(r"\{glue:text\}`([^`]*)`", prose(notebook))
    assert roles
    for role in roles:
        assert re.fullmatch(r"\w+(:\+?[.,\d]*[df%])?", role), f"not a result: {role!r}"
    used = {role.split(":")[0] for role in roles}
    for name in used:
        assert name.startswith(f"{path.stem}_")
    for call in re.findall(r"\bglue\((.*?)\n?\)\n", code, re.S):
        for name in re.findall(r"^\s*(\w+)=", call, re.M):
            assert name.startswith(f"{path.stem}_"), f"glue({name}=...)"


def test_code_reads_no_records_but_the_chapters_own(path, notebook):
    """When a record changes, its own chapter is executed again: tools/execution.py."""
    for cell in code_cells(notebook):
        assert "load_record" not in cell.source
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in READERS:
                assert ast.literal_eval(node.args[1]) == path.stem


def test_time_and_memory_are_printed_at_the_end(notebook):
    assert code_cells(notebook)[-1].source == "report_run(meter, settings)"

"""Results in the prose of chapters come from this run or from a record, not from keys.

``{glue:text}`` shows what this run computed, ``{recorded}`` what a record says, a table
of records comes from ``seeds_table``. Here the numbers are found that were typed:
percentages, decimals, and counts of runs. What a paper reports stands in a sentence
that cites it or says that it is the paper's, or in a table or a list after one; what
follows from an equation is set as ``$...$``; a setting or a threshold stands in the
chapter's code as well.

``typed_numbers.json`` lists, for chapters that are older than this rule, the sentences
that still break it, by their first words. It only shrinks: a sentence that is mended
leaves the list, and none is added.
"""

import json
import re
import tokenize
from io import StringIO
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
KNOWN = json.loads((ROOT / "tests" / "typed_numbers.json").read_text("utf-8"))
WORDS = "no none one two three four five six seven eight nine ten eleven twelve"
WORDS += " thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
COUNT = rf"(?:\d[\d,]*|{'|'.join(WORDS.split())})"
MANY = rf"(?:\d\d+|{'|'.join(WORDS.split()[6:])})"

# What is no prose, or prose about something else than results.
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*$", re.M | re.S)
MATHS = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.S)
ROLE = re.compile(r"\{[\w:]+\}`[^`]*`")
CODE = re.compile(r"(`+)[^`]+\1")
LINK = re.compile(r"\]\([^)]*\)|https?://\S+")
PLACE = re.compile(  # a section, a table, a version, a number of arXiv
    r"\b(?:sections?|tables?|figures?|appendi(?:x|ces)|equations?|chapters?|rows?|Python"
    r"|PyTorch|CUDA|torch|version|arXiv:?)\s*[A-Z]?\d[\d.]*(?:(?:,| and| to) \d[\d.]*)*"
    r"|\b[A-Z]\.\d[\d.]*|\b\d+(?:\.\d+){2,}|\(\d\.\d(?:\.\d)?\)"
    r"|\b9\d\s?% (?:confidence )?interval",
    re.I,
)
SKIPPED = ("Exercises", "What to read next")

PERCENT = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)\s?(?:%|per ?cent\b)")
DECIMAL = re.compile(r"(?<![\w.])(\d*\.\d+)(?![\w.]*\w)")
SHARE = re.compile(rf"\b{COUNT} (?:out )?of (?:the |these |our |its )?{COUNT}\b", re.I)
RUN = re.compile(r"\b(?:runs?|seeds?|trials?|repetitions?)\b", re.I)
RUNS = re.compile(
    rf"\b{MANY} (?:[a-z]+ )?(?:runs|seeds|trials)\b"
    r"|\bseeds?`?\W{1,3}(?:from )?0 to \d+|\(0 to \d+\)",
    re.I,
)


def numbers_in_code(notebook):
    """The numbers that stand in a chapter's code."""
    found = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for token in tokenize.generate_tokens(StringIO(cell.source).readline):
                if token.type == tokenize.NUMBER and "j" not in token.string:
                    found.add(float(eval(token.string)))
    return found


def paragraphs(notebook):
    """The prose on results: a paragraph, a table or a caption at a time."""
    solution, heading = False, ""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            if not solution and heading not in SKIPPED:
                yield (
                    cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
                )
            continue
        text = FENCE.sub("", cell.source)
        if "{solution-end}" in cell.source:
            solution = False
        if "{solution-start}" in cell.source:
            solution = True
        for paragraph in re.split(r"\n\s*\n", text):
            if match := re.match(r"## (.+)", paragraph.strip()):
                heading = match[1].strip()
            if not solution and heading not in SKIPPED and paragraph.strip():
                yield paragraph.strip()


def sentences(paragraph):
    """The sentences of a paragraph, or the rows of a table."""
    if paragraph.startswith("|"):
        return paragraph.splitlines()[2:]
    text = " ".join(paragraph.split())
    return re.split(r"(?<=[.!?:;])\s+(?=[^a-z\d])", text)


def typed(sentence, settings):
    """The numbers of a sentence that nothing computes."""
    for pattern in (MATHS, ROLE, CODE, LINK, PLACE):
        sentence = pattern.sub(" ", sentence)
    found = []
    for match in PERCENT.finditer(sentence):
        number = float(match[1].replace(",", ""))
        if not {number, number / 100} & settings:
            found.append(match[0])
    rest = PERCENT.sub(" ", sentence)
    found += [m[0] for m in DECIMAL.finditer(rest) if float(m[1]) not in settings]
    if RUN.search(rest):
        found += [match[0] for match in SHARE.finditer(rest)]
        found += [match[0] for match in RUNS.finditer(SHARE.sub(" ", rest))]
    return found


def of_a_paper(text):
    """Whether the numbers of a sentence, or those that it announces, are a paper's."""
    return bool(re.search(r"\{cite|\bpapers?\b", text))


def typed_numbers(notebook):
    """By its first words, each sentence with typed numbers, and these numbers."""
    settings, found, announced = numbers_in_code(notebook), {}, False
    for paragraph in paragraphs(notebook):
        table, parts = paragraph.startswith("|"), sentences(paragraph)
        if table:  # it belongs to the paragraph above
            announced |= of_a_paper(paragraph)
        elif not paragraph.startswith(("- ", "* ")):
            announced = False
        for sentence in parts:
            cited = announced or of_a_paper(sentence)
            if not cited and (numbers := typed(sentence, settings)):
                found[sentence[:60]] = numbers
            announced |= cited and sentence.endswith(":")
        of_papers = "{cite" in paragraph or of_a_paper(parts[-1])
        announced = not table and (announced or of_papers)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_results_are_not_typed(path):
    found = typed_numbers(nbformat.read(path, as_version=4))
    known = KNOWN.get(path.stem, [])
    new = {start: numbers for start, numbers in found.items() if start not in known}
    assert not new, "results come from glue or from a record: see the top of this file"
    mended = [start for start in known if start not in found]
    assert not mended, "these are mended: take them out of tests/typed_numbers.json"


def test_the_list_has_no_other_chapters():
    assert KNOWN.keys() <= {path.stem for path in NOTEBOOKS}
    assert all(KNOWN.values()), "a chapter without such sentences leaves the list"


def chapter(text, code="x = 0.25"):
    cells = [nbformat.v4.new_code_cell(code), nbformat.v4.new_markdown_cell(text)]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It reaches 95 % of them. It stops.", ["95 %"]),
        ("It reaches 95.5% of them.", ["95.5%"]),
        ("The mean is 0.47, the median .12.", ["0.47", ".12"]),
        ("It came last in nine of the ten seeds.", ["nine of the ten"]),
        ("In 17 of 20 runs it did.", ["17 of 20"]),
        ("Over ten other seeds it did.", ["ten other seeds"]),
        ("It holds for every seed that we tried (0 to 9).", ["(0 to 9)"]),
        ("| a | b |\n| --- | --- |\n| x | 0.4 |", ["0.4"]),
        ("Ours:\n\n| a | b |\n| --- | --- |\n| x | 0.4 |", ["0.4"]),
        ("Vaswani {cite}`v` has 0.3.\n\nOurs is 0.4.", ["0.4"]),
        (
            "As in {cite}`v`:\n\n| a |\n| --- |\n| 1 |\n\n| b |\n| --- |\n| 0.4 |",
            ["0.4"],
        ),
    ],
)
def test_typed_results_are_found(text, numbers):
    assert list(typed_numbers(chapter(text)).values()) == [numbers]


@pytest.mark.parametrize(
    "text",
    [
        "It reaches {glue:text}`a_b:.1%` in {recorded}`a.quick a_b count>0.4` runs.",
        "The paper has 0.39 {cite}`luong2015`.",
        "As in {cite}`luong2015`:\n\n| a | b |\n| --- | --- |\n| x | 0.4 |",
        "The paper's numbers, over 100 runs: 0.39 for one; 0.4 for two.",
        "The paper has:\n\n- 0.39 for one;\n- 0.4 for two.",
        "| the paper says | we do | why |\n| --- | --- | --- |\n| 0.1 | 0.3 | |",
        "The threshold is 0.25, or 25 %.",
        "A half is $0.5$, and `0.3` is code.",
        "$$\n0.5\n$$",
        "```\n0.5\n```",
        "See section 3.2 and sections 3.2.2 and 5.4; tables 1 and 2; A.2.2; (5.4).",
        "One of the four axes; two of the 24 heads.",
        "The bars are 95 % intervals.",
        "PyTorch 2.13.0 and Python 3.11; arXiv:1409.0473.",
        "## Exercises\n\nIt is 0.4.",
        "```{solution-start} x\n```\n\nIt is 0.4.",
    ],
)
def test_other_numbers_are_left_alone(text):
    assert typed_numbers(chapter(text)) == {}


def test_captions_are_prose_on_results():
    notebook = chapter("")
    notebook.cells[0].metadata["mystnb"] = {"figure": {"caption": "It is 0.4."}}
    assert typed_numbers(notebook) == {"It is 0.4.": ["0.4"]}

"""The prose of one docstring: what a reader would read aloud."""

import inspect
import itertools
import re
from typing import NamedTuple

from attention_book.data.docstrings.words import sentences

# Headers of the Google style; in numpydoc a header is any line that is underlined.
GOOGLE = re.compile(
    r"(args|arguments|keyword args|keyword arguments|kwargs|parameters|inputs?|"
    r"outputs?|returns?|yields|raises|attributes|notes?|warnings?|examples?|"
    r"example usage|usage|shape|variables|references|see also)\s*:{1,2}$",
    re.IGNORECASE,
)
UNDERLINE = re.compile(r"\s*([-=~^])\1{2,}\s*$")
UNDERLINES = tuple("-=~^")
# Sections that describe parameters.
PARAMETER_SECTIONS = {
    *("parameters", "other parameters", "keyword parameters", "optional parameters"),
    *("args", "arguments", "keyword args", "keyword arguments", "kwargs", "variables"),
}
# Sections whose entries are a name, with its type, and an indented description.
ENTRY_SECTIONS = PARAMETER_SECTIONS | {
    *("input", "inputs", "output", "outputs", "attributes", "receives", "warns"),
    *("returns", "return", "yields", "raises"),
}
# Sections that hold no prose.
DROPPED_SECTIONS = {"references", "methods", "shape"}
# Directives whose body is prose; what stands below any other is no sentence.
PROSE_DIRECTIVES = ("note", "warning", "tip", "important", "caution")

PARAMETER = re.compile(r"[*`]*([A-Za-z_]\w*)`*")
GOOGLE_ENTRY = re.compile(r"\*{0,2}[\w.]+(, ?[\w.]+)*\s*(\([^()]*\))?\s*:(\s+|$)")
DIRECTIVE = re.compile(r"\.\.\s+([\w-]+)::")
BULLET = re.compile(r"([-*+•]|\(?\w{1,2}[.)])\s+\S")
SIGNATURE = re.compile(r"(?:\d+\.\s+)?[\w.]*?(\w+)\(")
TABLE = re.compile(r"[-=+|\s]{6,}$|\|.*\|$|\+[-=+]+\+")
CODE = re.compile(r"[\w.]+(\[.*\])?(, [\w.]+)* = |[\w.]+\([^()]*\)$|[$%#@]")
NAME = re.compile(r"[A-Za-z_][\w.]*")
PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z]+|\ba\b")

MATH = re.compile(r":math:`([^`]*)`")
TEXT_IN_FORMULA = re.compile(r"\\(?:text|mathrm|operatorname)\{([^{}]*)\}")
MARKUP = [  # in this order
    (re.compile(r":[\w:+.-]+:`~?([^`<]*?)\s*(?:<[^`>]*>)?`"), r"\1"),  # a role
    (re.compile(r"`+([^`<]*?)\s*<[^`>]*>`+_{0,2}"), r"\1"),  # a link
    (re.compile(r"`+[~.]?([^`]*)`+_{0,2}"), r"\1"),
    (re.compile(r"\\[a-zA-Z]+|\\(.)"), r"\1"),
]
INLINE = [
    (re.compile(r"\[[\w#*, -]{1,20}\]_"), ""),  # a footnote or a citation
    (re.compile(r"https?://\S+"), ""),
    (re.compile(r"\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*"), r"\1\2"),
    (re.compile(r"\s+"), " "),
    (re.compile(r" ([,.;:)])"), r"\1"),
]


class Prose(NamedTuple):
    """What is left of a docstring.

    Attributes:
        summary: its first sentence.
        paragraphs: all its prose, the summary included.
        described: for each paragraph the parameters that it describes, as "x" or
            "x, y"; empty for any other paragraph.
        see_also: the names that its section "See Also" lists, as written there.
    """

    summary: str
    paragraphs: tuple[str, ...]
    described: tuple[str, ...]
    see_also: tuple[str, ...]


def read_prose(docstring: str, name: str) -> Prose | None:
    r"""Take the prose out of a docstring in numpydoc or Google style.

    Left out are: signatures and directives before the first sentence; headers and
    underlines; the names and types in lists of parameters (their descriptions stay);
    doctest examples (the sentences between them stay); literal blocks after ``::``;
    directives such as ``.. math::``, ``.. code-block::`` and ``.. deprecated::``, but
    not notes and warnings; tables; the sections "References", "Methods" and "Shape";
    footnotes, addresses, and formulas of more than letters and signs; paragraphs that
    are one line of code or one word. Markup goes, the words in it stay.

    Args:
        docstring: as the object has it.
        name: last part of the object's name, to know a signature by.

    Returns:
        The prose; None if nothing is left.

    Example:
        >>> prose = read_prose("Sum of `a`. Fast.\n\nSee Also\n--------\nmean", "sum")
        >>> prose.summary, prose.see_also
        ('Sum of a.', ('mean',))
    """
    lines = _without_signature(inspect.cleandoc(docstring).splitlines(), name)
    blocks, see_also = [], []
    for section in _sections(lines):
        if section.title == "see also":
            see_also += _see_also(section.lines)
        elif section.title not in DROPPED_SECTIONS:
            blocks += _blocks(section)
    found = [(plain, names) for block, names in blocks if (plain := _plain(block))]
    if not found:
        return None
    paragraphs, described = zip(*found, strict=True)
    summary = sentences(paragraphs[0])[0]
    return Prose(summary, paragraphs, described, tuple(see_also))


def _without_signature(lines: list[str], name: str) -> list[str]:
    """Drop calls of the object itself, and remarks, that stand before the summary."""
    while lines:
        first = SIGNATURE.match(lines[0])
        if lines[0].startswith(".. "):
            body = itertools.takewhile(lambda x: not x or x[0] == " ", lines[1:])
            lines = lines[1 + len(list(body)) :]
        elif not lines[0].strip() or (first and first[1] == name):
            # without a blank line after it, the signature is one line
            lines = lines[(lines.index("") if first and "" in lines else 0) + 1 :]
        else:
            break
    return lines


class _Section(NamedTuple):
    title: str  # lower case; nothing before the first header
    is_underlined: bool
    lines: list[str]


def _sections(lines: list[str]) -> list[_Section]:
    """Cut at underlined headers and at those of the Google style."""
    sections = [_Section("", False, [])]
    google_indent = None
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text and google_indent is not None and indent <= google_indent:
            google_indent = None
            sections.append(_Section("", False, []))
        if text[:1] in UNDERLINES and UNDERLINE.match(text):
            continue
        if below.strip()[:1] in UNDERLINES and text and UNDERLINE.match(below):
            sections.append(_Section(text.lower().rstrip(":"), True, []))
            google_indent = None
        elif text.endswith(":") and (header := GOOGLE.match(text)):
            sections.append(_Section(header[1].lower(), False, []))
            google_indent = indent
        else:
            sections[-1].lines.append(line)
    return sections


def _blocks(section: _Section) -> list[tuple[str, str]]:
    """Paragraphs of a section, still with their markup, and what each describes."""
    lines, has_entries = section.lines, section.title in ENTRY_SECTIONS
    has_names = section.title in PARAMETER_SECTIONS
    names = ""  # of the parameters that are being described
    blocks: list[tuple[str, list[str]]] = [("", [])]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    # The column of the names in a list of parameters.
    names_at = next((i for i, line in zip(indents, lines, strict=True) if line), 0)
    skip_below, in_doctest = None, False
    for i, line in enumerate(lines):
        text, indent = line.strip(), indents[i]
        if not text:
            blocks.append((names, []))
            in_doctest = False
            continue
        if skip_below is not None and indent > skip_below:
            continue
        skip_below = None
        if in_doctest or text.startswith((">>>", "In [")):
            in_doctest = True
        elif text.startswith(".. "):
            blocks.append((names, []))
            directive = DIRECTIVE.match(text)
            if directive and directive[1].lower() in PROSE_DIRECTIVES:
                blocks[-1][1].append(text[directive.end() :].strip())
            else:  # no sentences: code, formulas, figures, comments, footnotes
                skip_below = indent
        elif TABLE.match(text):
            blocks.append((names, []))
        else:
            if has_entries and indent == names_at:
                names = _names(text) if has_names else ""
                blocks.append((names, []))
                if section.is_underlined:
                    deeper = lines[i + 1 : i + 2] != [""] and indents[i + 1 : i + 2]
                    if " : " in text or (deeper and deeper[0] > indent):
                        continue  # a name, or a type
                elif entry := GOOGLE_ENTRY.match(text):
                    text = text[entry.end() :]
            if BULLET.match(text):
                blocks.append((names, []))
                text = text.split(None, 1)[1]
            if text.endswith("::"):
                skip_below, text = indent, text[:-1]
            blocks[-1][1].append(text)
    return [(" ".join(block), names) for names, block in blocks if block]


def _names(entry: str) -> str:
    """The parameters at the start of an entry, as in "x, y : float"; "" if none."""
    parts = re.split(r"[:(]", entry, maxsplit=1)[0].split(",")
    names = [PARAMETER.fullmatch(part.strip()) for part in parts]
    return ", ".join(name[1] for name in names if name) if all(names) else ""


def _see_also(lines: list[str]) -> list[str]:
    """The names of a section "See Also": before the colon, at its left edge."""
    names = []
    edge = min((len(x) - len(x.lstrip()) for x in lines if x.strip()), default=0)
    for line in lines:
        if line[edge : edge + 1].strip():
            for part in line.split(" : ")[0].split(","):
                name = _without_markup(part)
                if NAME.fullmatch(name):
                    names.append(name)
    return names


def _plain(block: str) -> str:
    """A paragraph without markup; nothing if it has no two words, or is code."""
    block = _without_markup(block)
    if len(PLAIN_WORD.findall(block)) < 2 or CODE.match(block):
        return ""
    return block


def _without_markup(block: str) -> str:
    if "`" in block or "\\" in block:
        block = MATH.sub(lambda found: _formula(found[1]), block)
        for pattern, replacement in MARKUP:
            block = pattern.sub(replacement, block)
    for pattern, replacement in INLINE:
        block = pattern.sub(replacement, block)
    return block.strip()


def _formula(formula: str) -> str:
    """What can be read aloud of a formula: all of it, or nothing."""
    formula = TEXT_IN_FORMULA.sub(r"\1", formula)
    return " " if set(formula) & set("\\{}^_") else formula

"""Extract the prose of a docstring: the sentences that one could read aloud."""

import inspect
import itertools
import re
from typing import NamedTuple

from attention_book.data.docstrings.words import sentences

# Headers in Google style. In numpydoc, any underlined line is a header.
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
# Sections whose entries consist of a name, its type, and an indented description.
ENTRY_SECTIONS = PARAMETER_SECTIONS | {
    *("input", "inputs", "output", "outputs", "attributes", "receives", "warns"),
    *("returns", "return", "yields", "raises"),
}
# Sections without prose.
DROPPED_SECTIONS = {"references", "methods", "shape"}
# Directives whose body is prose; the bodies of all others are dropped.
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
    """The prose of a docstring.

    Attributes:
        summary: its first sentence.
        paragraphs: all its paragraphs, including the summary.
        described: for each paragraph the parameters that it describes, as "x" or
            "x, y"; empty for all other paragraphs.
        see_also: names listed in its "See Also" section, as written there.
    """

    summary: str
    paragraphs: tuple[str, ...]
    described: tuple[str, ...]
    see_also: tuple[str, ...]


def read_prose(docstring: str, name: str) -> Prose | None:
    r"""Extract the prose of a docstring in numpydoc or Google style.

    These parts are dropped:

    - signatures and directives before the first sentence, headers and underlines;
    - the sections "References", "Methods" and "Shape";
    - names and types in lists of parameters; the descriptions stay;
    - doctest examples; the sentences between them stay;
    - literal blocks after ``::``, tables, and directives such as ``.. math::``,
      ``.. code-block::`` and ``.. deprecated::``; notes and warnings stay;
    - footnotes, web addresses, and formulas that contain more than letters and signs;
    - paragraphs that consist of a line of code or a single word.

    Markup is removed, the marked words stay.

    Args:
        docstring: the object's ``__doc__``.
        name: last part of the object's name, by which a signature is recognised.

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
    """Drop signatures of the object and directives that precede the summary."""
    while lines:
        first = SIGNATURE.match(lines[0])
        if lines[0].startswith(".. "):
            body = itertools.takewhile(lambda x: not x or x[0] == " ", lines[1:])
            lines = lines[1 + len(list(body)) :]
        elif not lines[0].strip() or (first and first[1] == name):
            # A signature without a blank line after it is one line long.
            lines = lines[(lines.index("") if first and "" in lines else 0) + 1 :]
        else:
            break
    return lines


class _Section(NamedTuple):
    title: str  # lower case; nothing before the first header
    is_underlined: bool
    lines: list[str]


def _sections(lines: list[str]) -> list[_Section]:
    """Split at underlined headers and at those in Google style."""
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
    """Return a section's paragraphs with their markup, and what each describes."""
    lines, has_entries = section.lines, section.title in ENTRY_SECTIONS
    has_names = section.title in PARAMETER_SECTIONS
    names = ""  # the parameters that are being described
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
            else:  # code, formulas, figures, comments, footnotes
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
    """Return the parameters that an entry such as "x, y : float" starts with."""
    parts = re.split(r"[:(]", entry, maxsplit=1)[0].split(",")
    names = [PARAMETER.fullmatch(part.strip()) for part in parts]
    return ", ".join(name[1] for name in names if name) if all(names) else ""


def _see_also(lines: list[str]) -> list[str]:
    """Return the names in a "See Also" section: at its left margin, up to a colon."""
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
    """Remove markup; return "" for code and for fewer than two words."""
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
    """Return a formula if it can be read aloud, a space if it cannot."""
    formula = TEXT_IN_FORMULA.sub(r"\1", formula)
    return " " if set(formula) & set("\\{}^_") else formula

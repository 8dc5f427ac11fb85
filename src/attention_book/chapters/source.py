"""Show the package's own code on a chapter's page."""

import ast
import inspect
import textwrap
from typing import Any

LIMIT = 30
"""Lines of code that one piece may have: more cannot be read in one go."""

FENCE = "`" * 5


class Source:
    """The source of some objects, which notebooks and pages display highlighted.

    Attributes:
        pieces: for each object its dotted name, its code, and its docstrings.
    """

    def __init__(self, pieces: list[tuple[str, str, str]]) -> None:
        self.pieces = pieces

    def __repr__(self) -> str:
        """The code alone, for terminals."""
        return "\n\n".join(code for _, code, _ in self.pieces)

    def _repr_markdown_(self) -> str:
        """The code as Markdown, each docstring folded below its code."""
        blocks = []
        for name, code, doc in self.pieces:
            blocks += [f"`{name}`", f"{FENCE}python\n{code}\n{FENCE}"]
            if doc:
                blocks.append("<details><summary>Docstring</summary>")
                blocks += [f"{FENCE}text\n{doc}\n{FENCE}", "</details>"]
        return "\n\n".join(blocks)


def show_source(*objects: Any) -> Source:
    """Show functions, methods or classes of the package as they are in its files.

    The code is the running one, comments included; its docstrings are folded below it.
    A class that is too long is shown method by method:
    ``show_source(Layer.__init__, Layer.forward)``.

    Args:
        objects: functions, methods, properties or classes, in the order of the page.

    Raises:
        TypeError: if an object has no source: an instance, or code written in C.
        ValueError: if the code of an object has more than 30 lines without its
            docstrings, or nothing is asked for.

    Example:
        >>> from attention_book.chapters.exercises import verdict
        >>> print(str(show_source(verdict)).splitlines()[0])
        def verdict(check: Callable[[Any], object], answer: Any) -> bool:
    """
    if not objects:
        raise ValueError("show_source needs a function, method or class, got none")
    pieces = []
    for entry in objects:
        found = getattr(entry, "fget", entry)  # a property's function
        found = inspect.unwrap(getattr(found, "__func__", found))
        if not (inspect.isfunction(found) or inspect.isclass(found)):
            raise TypeError(
                "show_source needs functions, methods or classes written in Python, "
                f"got {type(entry).__name__}"
            )
        name = f"{found.__module__}.{found.__qualname__}"
        code, doc = without_docstrings(textwrap.dedent(inspect.getsource(found)))
        if (count := len(code.splitlines())) > LIMIT:
            raise ValueError(
                f"{name} has {count} lines of code, at most {LIMIT} are shown in one "
                "piece: show its methods one by one, or divide it"
            )
        pieces.append((name, code, doc))
    return Source(pieces)


def without_docstrings(source: str) -> tuple[str, str]:
    """Divide a definition's source into its code and its docstrings.

    A docstring that is the whole body stays where it is.

    Args:
        source: one class or function, not indented.

    Returns:
        The code without docstrings and the blank line below each, and the docstrings,
        those of methods under their names.
    """
    lines = source.rstrip().splitlines()
    docs, folded = [], set()
    (definition,) = ast.parse(source).body
    for node in ast.walk(definition):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        doc = ast.get_docstring(node)
        if doc is None or len(node.body) == 1:
            continue
        docs.append(doc if node is definition else f"{node.name}: {doc}")
        first = node.body[0].lineno - 1
        last = node.body[0].end_lineno or first + 1
        folded |= set(range(first, last + (not lines[last].strip())))
    code = [line for number, line in enumerate(lines) if number not in folded]
    return "\n".join(code), "\n\n".join(docs)

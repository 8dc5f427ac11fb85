"""Draw which part of the package imports which, from the imports themselves.

``python tools/import_graph.py`` prints the parts as a Mermaid graph, from the top floor
to the ground; ``tests/test_layout.py`` checks it.
"""

import ast
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "attention_book"

FLOORS = {
    "functional": set(),
    "taxonomy": set(),
    "attention": {"functional"},
    "data": {"functional"},
    "models": {"functional", "attention", "data"},
    "training": {"functional"},
    "decoding": {"functional", "training"},
    "evaluation": {"functional", "training"},
    "figures": {"functional"},
    "observe": {"functional", "taxonomy"},
    "recipes": {
        "functional",
        "taxonomy",
        "attention",
        "data",
        "models",
        "decoding",
        "training",
        "evaluation",
        "observe",
    },
    "chapters": {"functional", "taxonomy", "data", "evaluation", "training", "recipes"},
    "sweeps": {"data", "training", "recipes", "chapters"},
}
"""The parts from the ground up, and what each may import besides itself."""


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """The package's modules by their dotted names below it, hidden folders left out.

    JupyterLab leaves copies of the files it opens in hidden folders beside them.
    """
    found = {}
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if not any(part.startswith(".") for part in inside.parts):
            name = ".".join(inside.with_suffix("").parts)
            found[name.removesuffix("__init__").rstrip(".")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The package's own modules that a module imports, by their dotted names.

    Raises:
        ValueError: if it imports from its own folder by dots.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: import by full path")
            found.add(node.module)
            # `from attention_book.data import vocab` imports a module too.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {entry.removeprefix("attention_book.") for entry in found} & known.keys()


def part_of(name: str) -> str:
    """The part of the package that a module belongs to.

    The table of mechanisms stands in ``chapters``, but on the ground: whoever needs to
    know what a mechanism is reads it there, and it imports nothing.
    """
    return "taxonomy" if name == "chapters.taxonomy" else name.split(".")[0]


def graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """For each module those that it imports."""
    known = modules(package)
    return {name: imports(path, known) for name, path in known.items() if name}


def upward(arrows: dict[str, set[str]]) -> list[str]:
    """The arrows that do not lead down, each as ``importing -> imported``."""
    return [
        f"{name} -> {other}"
        for name, others in arrows.items()
        for other in sorted(others)
        if part_of(other) not in FLOORS[part_of(name)] | {part_of(name)}
    ]


def draw(arrows: dict[str, set[str]]) -> str:
    """The parts as a Mermaid graph; the numbers count imports of modules."""
    between = Counter(
        (part_of(name), part_of(other))
        for name, others in arrows.items()
        for other in others
        if part_of(name) != part_of(other)
    )
    order = list(FLOORS)
    lines = ["graph TD"]
    for (part, other), count in sorted(
        between.items(), key=lambda item: [-order.index(name) for name in item[0]]
    ):
        lines.append(f"    {part} -- {count} --> {other}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(draw(graph()))

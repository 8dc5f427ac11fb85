"""Attention, from the bottleneck to the Transformer: the book's package.

Its parts are imported when they are first used.
"""

import importlib
from typing import Any

__all__ = [
    "attention",
    "chapters",
    "data",
    "decoding",
    "evaluation",
    "figures",
    "functional",
    "models",
    "observe",
    "recipes",
    "sweeps",
    "training",
]


def __getattr__(name: str) -> Any:
    """Import a part of the package, or look up ``__version__``."""
    if name == "__version__":
        from importlib.metadata import version

        return version("attention-book")
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The package's parts, and what every module has."""
    return sorted({*globals(), *__all__, "__version__"})

"""Check a reader's answer to an exercise that asks for code."""

from collections.abc import Callable
from typing import Any


def require_asserts() -> None:
    """Refuse a Python that skips ``assert``, and with it every check of a notebook.

    Raises:
        RuntimeError: if Python was started with ``-O`` or with ``PYTHONOPTIMIZE``.
    """
    if not __debug__:
        raise RuntimeError(
            "Python runs optimised and skips every assert, so no claim and no answer "
            "would be checked: unset PYTHONOPTIMIZE, or start it without -O"
        )


def verdict(check: Callable[[Any], object], answer: Any) -> bool:
    """Say whether an answer passes a check; a wrong answer raises nothing.

    A chapter can therefore run from top to bottom before its exercises are answered.

    Args:
        check: a function that takes the answer and raises any exception if it is wrong.
        answer: the reader's answer, usually a function.

    Returns:
        True if the answer passed.

    Raises:
        RuntimeError: if Python skips ``assert``: a wrong answer would pass.

    Example:
        >>> def check(answer):
        ...     assert answer(2) == 4, f"answer(2) must be 4, got {answer(2)}"
        >>> verdict(check, lambda x: x * x)
        right
        True
        >>> verdict(check, lambda x: ...)
        not yet: answer(2) must be 4, got Ellipsis
        False
    """
    require_asserts()
    try:
        check(answer)
    except Exception as error:  # whatever a half-written answer may raise
        lines = str(error).strip().splitlines()
        print(f"not yet: {lines[0] if lines else type(error).__name__}")
        return False
    print("right")
    return True

"""Check a reader's answer to an exercise that asks for code."""

from collections.abc import Callable
from typing import Any


def verdict(check: Callable[[Any], object], answer: Any) -> bool:
    """Say whether an answer passes a check; an answer that does not stops nothing.

    So a chapter runs from top to bottom although its exercises are not yet answered.

    Args:
        check: takes the answer and raises any exception if it is wrong.
        answer: what the reader wrote, most often a function.

    Returns:
        True if the check went through.

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
    try:
        check(answer)
    except Exception as error:  # whatever a half-written answer may raise
        lines = str(error).strip().splitlines()
        print(f"not yet: {lines[0] if lines else type(error).__name__}")
        return False
    print("right")
    return True

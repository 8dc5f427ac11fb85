"""What is wrong with an output, word by word: skipped, repeated, stopped early."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple


class Edits(NamedTuple):
    """How many words of an output have to be changed, by kind.

    Attributes:
        substituted: wrong words in the place of right ones.
        skipped: words left out, with a later word that is there.
        stopped: words left out at the end.
        repeated: words too many that equal a neighbour.
        inserted: other words too many.
    """

    substituted: int = 0
    skipped: int = 0
    stopped: int = 0
    repeated: int = 0
    inserted: int = 0

    @property
    def total(self) -> int:
        """The edit distance."""
        return sum(self)


def count_edits(output: Sequence[Any], reference: Sequence[Any]) -> Edits:
    """Count the fewest changes that make an output right.

    A run of equal words leaves open which of them is missing: the earliest one is, so
    that a repeated word which was said once counts as skipped, not as stopped early.

    Args:
        output: the words that were written.
        reference: the right words.

    Example:
        >>> count_edits(["five", "four", "four"], ["five", "five", "four", "one"])
        Edits(substituted=1, skipped=1, stopped=0, repeated=0, inserted=0)
        >>> count_edits(["five"], ["five", "four", "one"]).stopped
        2
    """
    rows, columns = len(output), len(reference)
    # best[i][j]: fewest changes between the last i words and the last j words.
    best = [[max(i, j) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            wrong = output[-i] != reference[-j]
            best[i][j] = min(
                best[i - 1][j - 1] + wrong, best[i - 1][j] + 1, best[i][j - 1] + 1
            )
    i, j = rows, columns
    counts = dict.fromkeys(Edits._fields, 0)
    while i or j:  # from the first words to the last: what can be left out goes first
        if j and best[i][j] == best[i][j - 1] + 1:
            counts["skipped" if i else "stopped"] += 1
            j -= 1
        elif i and best[i][j] == best[i - 1][j] + 1:
            place = rows - i
            beside = [*output[place - 1 : place], *output[place + 1 : place + 2]]
            again = output[place] in beside
            counts["repeated" if again else "inserted"] += 1
            i -= 1
        else:
            counts["substituted"] += output[-i] != reference[-j]
            i, j = i - 1, j - 1
    return Edits(**counts)


def total_edits(
    outputs: Iterable[Sequence[Any]], references: Iterable[Sequence[Any]]
) -> Edits:
    """Sum the changes of many outputs, by kind.

    Args:
        outputs: what was written.
        references: what is right, in the same order.

    Example:
        >>> total_edits([["one"], []], [["one", "two"], ["two"]])
        Edits(substituted=0, skipped=0, stopped=2, repeated=0, inserted=0)
    """
    each = [count_edits(*pair) for pair in zip(outputs, references, strict=True)]
    return Edits(*map(sum, zip(*each, strict=True))) if each else Edits()

"""Edits: the fewest changes, by kind, against all ways of editing."""

from functools import cache

import pytest

from attention_book.evaluation.edits import Edits, count_edits, total_edits


@pytest.mark.parametrize(
    ("output", "reference", "wanted"),
    [
        ("abc", "abc", Edits()),
        ("axc", "abc", Edits(substituted=1)),
        ("ac", "abc", Edits(skipped=1)),
        ("ab", "abc", Edits(stopped=1)),
        ("", "abc", Edits(stopped=3)),
        ("abbc", "abc", Edits(repeated=1)),
        ("aabc", "abc", Edits(repeated=1)),
        ("abac", "abc", Edits(inserted=1)),
        ("abca", "abc", Edits(inserted=1)),
        ("a", "", Edits(inserted=1)),
        ("ab", "abb", Edits(skipped=1)),
        ("b", "aabc", Edits(skipped=2, stopped=1)),
    ],
)
def test_kinds(output, reference, wanted):
    assert count_edits(output, reference) == wanted
    assert count_edits(output, reference).total == sum(wanted)


def test_no_other_way_needs_fewer_changes():
    @cache
    def distance(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(
            distance(a[1:], b[1:]) + (a[0] != b[0]),
            distance(a[1:], b) + 1,
            distance(a, b[1:]) + 1,
        )

    words = [format(n, "b") for n in range(2, 40)]
    for a in words:
        for b in words[::3]:
            found = count_edits(a, b)
            assert found.total == distance(a, b)
            longer = found.repeated + found.inserted - found.skipped - found.stopped
            assert longer == len(a) - len(b)


def test_many_outputs():
    assert total_edits([], []) == Edits()
    assert total_edits(["ab", "b"], ["abc", "ab"]) == Edits(skipped=1, stopped=1)
    with pytest.raises(ValueError, match="shorter"):
        total_edits(["a"], [])

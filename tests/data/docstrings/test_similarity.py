"""Similarity: the cosine of TF-IDF vectors, by hand."""

from math import log, sqrt

import pytest

from attention_book.data.docstrings.similarity import Similarity

# Three texts. "a" is in two of them, the others in one:
# idf(a) = 1 + ln(4 / 3), idf(b) = idf(c) = idf(d) = 1 + ln(4 / 2).
TEXTS = ["a b", "a a c", "d"]
COMMON, RARE = 1 + log(4 / 3), 1 + log(4 / 2)


def test_cosine_by_hand():
    alike = Similarity(TEXTS)
    # "a" twice in the second text weighs 1 + ln 2 times as much
    first, second = (COMMON, RARE), ((1 + log(2)) * COMMON, RARE)
    expected = first[0] * second[0] / (sqrt(first[0] ** 2 + first[1] ** 2))
    expected /= sqrt(second[0] ** 2 + second[1] ** 2)
    assert alike(0, 1) == pytest.approx(expected)
    assert alike(0, 2) == 0
    assert alike(2, 2) == pytest.approx(1)


def test_nearest_orders_and_keeps_ties():
    alike = Similarity(["x y", "x z", "x z", "x y", "q"])
    assert alike.nearest(0, [4, 2, 1, 3]) == [3, 2, 1, 4]
    assert alike.nearest(0, []) == []

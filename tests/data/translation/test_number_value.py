"""evaluate: pieces of number words worked out by hand."""

import pytest

from attention_book.data.translation.number_value import CONNECTOR, evaluate


@pytest.mark.parametrize(
    ("words", "total"),
    [
        ([[0]], 0),
        ([[2], [100], [CONNECTOR], [40], [5]], 245),  # two hundred and forty-five
        ([[5, CONNECTOR, 40]], 45),  # fünfundvierzig
        ([[4], [20], [10], [7]], 97),  # quatre-vingt-dix-sept
        ([[60], [CONNECTOR], [11]], 71),  # soixante et onze
        ([[100], [1000]], 100_000),  # cent mille
        ([[1000], [100]], 1100),  # mille cent
        ([[2], [10**6], [300], [1000]], 2_300_000),
        ([[2], [100], [1000], [10**6]], 2 * 10**11),
        ([[20], [CONNECTOR], [10**6]], 20 * 10**6),  # douăzeci de milioane
        ([[2], [10], [5]], 25),  # hai mươi lăm
        ([[2, CONNECTOR], [20]], 22),  # a digit does not multiply over a connector
        ([[1], [20]], 21),
        ([[80], [20]], 100),  # nor does what is no digit
    ],
)
def test_total(words, total):
    assert evaluate(words).total == total


@pytest.mark.parametrize("word", [[3, 10], [100, 4, 20]])
def test_digit_right_before_ten_in_one_word_has_no_value(word):
    assert evaluate([word]) is None


def test_shares_of_a_long_number():
    value = evaluate([[3], [100], [CONNECTOR], [40], [1000], [2], [100]])
    assert value.shares == [300_000, 100_000, 0, 40_000, 1000, 200, 100]
    assert value.is_factor == [False, True, False, False, True, False, True]
    assert value.total == 340_200


def test_a_scale_that_stands_alone_is_no_factor():
    assert evaluate([[100], [1000]]).shares == [100_000, 1000]
    assert evaluate([[100], [1000]]).is_factor == [False, True]

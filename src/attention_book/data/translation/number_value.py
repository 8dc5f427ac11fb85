"""The number that the pieces of a number word express together."""

from typing import NamedTuple

# Hindi has names for 10^5 and 10^7, Chinese and Japanese for 10^4 and 10^8.
SCALES = tuple(10**exponent for exponent in (2, 3, 4, 5, 6, 7, 8, 9))
CONNECTOR = None  # the value of "and", a piece that stands for no digit


class Value(NamedTuple):
    """The value of several pieces together.

    Attributes:
        total: the number that they express.
        shares: contribution of each piece, its own value times all later factors; a
            scale that multiplies others counts as multiplied by 1.
        is_factor: whether a piece is a scale that multiplies others.
    """

    total: int
    shares: list[int]
    is_factor: list[bool]


def evaluate(words: list[list[int | None]]) -> Value | None:
    """Compute the number that the pieces of several words express.

    A scale (100, 1000, ...) multiplies all smaller numbers directly before it. 10 and
    20 multiply a digit in the previous word (French 4 x 20), but not across a connector
    (German 5 and 20). Everything else is added.

    Args:
        words: value of each piece of each word, ``CONNECTOR`` for a connector.

    Returns:
        The total and the contribution of each piece. None if a digit stands directly
        before 10 or 20 in one word: that is 13 in German (drei-zehn) but 50 in Swedish
        (fem-tio), so such a word must stay in one piece.

    Example:
        >>> evaluate([[4], [20], [10], [7]])  # quatre-vingt-dix-sept
        Value(total=97, shares=[80, 80, 10, 7], is_factor=[False, False, False, False])
        >>> evaluate([[3, 100, 5, None, 40, 1000]]).total  # a long German word
        345000
    """
    worths = [worth for word in words for worth in word]
    starts_word = [i == 0 for word in words for i in range(len(word))]
    shares = [worth or 0 for worth in worths]
    is_factor = [False] * len(worths)
    summands: list[tuple[int, list[int]]] = []  # value, its pieces
    for i, worth in enumerate(worths):
        if worth is CONNECTOR:
            continue
        factor, pieces = 0, [i]
        if worth in SCALES:
            while summands and summands[-1][0] < worth:
                value, earlier = summands.pop()
                factor, pieces = factor + value, earlier + pieces
        elif i and worth in (10, 20) and worths[i - 1] in range(2, 10):
            if not starts_word[i]:
                return None
            factor, earlier = summands.pop()
            pieces = earlier + pieces
        if factor:
            for piece in pieces[:-1]:
                shares[piece] *= worth
            is_factor[i] = worth in SCALES
            if not is_factor[i]:
                shares[i] = factor * worth
        summands.append(((factor or 1) * worth, pieces))
    return Value(sum(value for value, _ in summands), shares, is_factor)

"""Number words in two languages with a known alignment: synthetic sentence pairs."""

import itertools
from dataclasses import dataclass

import numpy as np

from attention_book.data.translation.number_lexicon import MAX_DIGITS
from attention_book.data.translation.numerals import Numeral, numeral
from attention_book.data.translation.pairs import Pair

# Largest part of the numbers of one length that goes to the test set, and to the dev
# set: there are few short numbers, and training needs most of them.
HELD_OUT = 1 / 5
# Numbers drawn in one round, and the largest number of rounds. Drawing ends when less
# than this part is needed even of the kind of number that is needed most.
ROUND, MAX_ROUNDS, MIN_NEEDED = 500, 100, 0.1


@dataclass(frozen=True)
class NumberSplits:
    """Number pairs in three parts that have no number in common.

    Attributes:
        train: pairs to train on.
        dev: pairs to select a model with.
        test: pairs to report results on.
    """

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]


def number_pair(number: int, source: str, target: str) -> Pair:
    """A number's words in two languages, with links between pieces of equal meaning.

    Args:
        number: from 0, with at most 12 digits.
        source: num2words' code of the source language.
        target: num2words' code of the target language.

    Returns:
        The pieces of both
        (:func:`attention_book.data.translation.numerals.numeral`), and as
        ``alignment`` a link wherever two of them stand for the same digit or the same
        power of ten. A piece such as "and" has no link.

    Raises:
        ValueError: as from :func:`attention_book.data.translation.numerals.numeral`.

    Example:
        >>> pair = number_pair(21, "en", "de")
        >>> pair.source, pair.target
        (('twenty', 'one'), ('ein', 'und', 'zwanzig'))
        >>> sorted(pair.alignment)
        [(0, 2), (1, 0)]
    """
    return _pair(numeral(number, source), numeral(number, target))


def _pair(source: Numeral, target: Numeral) -> Pair:
    links = itertools.product(enumerate(source.labels), enumerate(target.labels))
    alignment = frozenset((i, j) for (i, a), (j, b) in links if a & b)
    return Pair(source.tokens, target.tokens, alignment)


def number_pairs(
    source: str = "en",
    target: str = "de",
    *,
    train: int,
    test: int,
    dev: int = 0,
    max_digits: int = 9,
    seed: int = 0,
    limit: int | None = None,
) -> NumberSplits:
    """Pairs of number words, with source lengths spread as evenly as possible.

    The numbers have 1 to ``max_digits`` digits, and no number is in two parts. Each
    part has equally many numbers of each source length in tokens, except for lengths
    of which there are too few: only 28 English numbers have one word, for example. At
    most a fifth of the numbers of each length goes to ``test``, and another to ``dev``.

    Size: as requested; English numbers of up to 9 digits have 1 to 17 words.
    Source: num2words on the reader's machine; nothing is downloaded, and nobody owns
    number words.

    Args:
        source: num2words' code of the source language; "en", "de", "fr" and "sv" are
            tested most.
        target: code of the target language.
        train: number of pairs to train on.
        test: number of pairs to report results on.
        dev: number of pairs to select a model with.
        max_digits: largest number of digits, 1 to 12.
        seed: seed of the choice of numbers and of their order.
        limit: return only so many pairs of each part, the first; None: all.

    Returns:
        The three parts, each in random order.

    Raises:
        ValueError: if ``train`` or ``test`` is not positive, ``dev`` or ``limit`` is
            negative, there are too few numbers, ``max_digits`` is out of range, source
            and target are the same, or the words of a language cannot be cut into
            pieces.
    """
    for name, count, least in (("train", train, 1), ("test", test, 1), ("dev", dev, 0)):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
    if limit is not None and limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    if not 1 <= max_digits <= MAX_DIGITS:
        raise ValueError(f"max_digits must be from 1 to {MAX_DIGITS}, got {max_digits}")
    if source == target:
        raise ValueError(f"source and target must differ, got {source!r} twice")
    rng = np.random.default_rng(seed)
    pools = _numerals_by_length(source, max_digits, train + test + dev, rng)
    free = {length: len(pool) for length, pool in sorted(pools.items())}
    held_out = {length: int(HELD_OUT * count) for length, count in free.items()}
    parts: dict[str, list[Pair]] = {}
    for name, count in (("test", test), ("dev", dev), ("train", train)):
        shares = _even_shares(count, free if name == "train" else held_out)
        if sum(shares.values()) < count:
            raise ValueError(
                f"{name} ({count}) is more than the {sum(shares.values())} numbers of "
                f"up to {max_digits} digits that are left for it"
            )
        chosen = []
        for length, share in shares.items():
            chosen += [pools[length].pop() for _ in range(share)]
            free[length] -= share
        rng.shuffle(chosen)
        parts[name] = [
            _pair(words, numeral(words.number, target)) for words in chosen[:limit]
        ]
    return NumberSplits(**parts)


def _even_shares(count: int, limits: dict[int, int]) -> dict[int, int]:
    """Divide ``count`` as evenly as the limits allow; less of it if they do not."""
    shares = dict.fromkeys(limits, 0)
    # Those with the least room come first; the others divide what is left over.
    for left, key in zip(
        range(len(limits), 0, -1), sorted(limits, key=limits.__getitem__), strict=True
    ):
        shares[key] = min(limits[key], -(-count // left))
        count -= shares[key]
    return shares


def _numerals_by_length(
    language: str, max_digits: int, count: int, rng: np.random.Generator
) -> dict[int, list[Numeral]]:
    """Numerals by length, enough for ``count`` in even shares, in random order."""
    pools: dict[int, list[Numeral]] = {}
    seen: set[int] = set()
    enough = count  # numerals of one length

    def add(number: int) -> bool:
        """Put a number into its pool; return whether the pool needed it."""
        if number in seen:
            return False
        seen.add(number)
        words = numeral(number, language)
        pool = pools.setdefault(len(words.tokens), [])
        pool.append(words)
        return len(pool) <= enough

    # Numbers of few words have few nonzero digits: take all of those.
    for number in _sparse_numbers(max_digits):
        add(number)
    # The rest is drawn: first which digits are nonzero (the bits of a pattern), by how
    # often such numbers were needed lately; then these digits.
    num_patterns, places = 2**max_digits, np.arange(max_digits)
    drawn, needed = np.ones(num_patterns), np.ones(num_patterns)
    useful = [True]
    for _ in range(MAX_ROUNDS):
        shares = _even_shares(count, {key: len(pool) for key, pool in pools.items()})
        enough = max(shares.values())
        hopeless = not any(useful) or (needed / drawn).max() < MIN_NEEDED
        if sum(shares.values()) == count and hopeless:
            break
        chance = (needed / drawn) ** 3
        patterns = rng.choice(num_patterns, ROUND, p=chance / chance.sum())
        places = np.arange(max_digits)
        digits = rng.integers(1, 10, (ROUND, max_digits)) * (
            patterns[:, None] >> places & 1
        )
        useful = [add(number) for number in (digits @ 10**places).tolist()]
        drawn = drawn / 2 + np.bincount(patterns, minlength=num_patterns)
        needed = needed / 2 + np.bincount(patterns, useful, minlength=num_patterns)
    for _, pool in sorted(pools.items()):
        rng.shuffle(pool)
    return pools


def _sparse_numbers(max_digits: int) -> list[int]:
    """All numbers with at most two nonzero digits; all numbers if they are short."""
    if max_digits <= 4:
        return list(range(10**max_digits))
    ones = [digit * 10**place for place in range(max_digits) for digit in range(10)]
    return sorted({a + b for a in ones for b in ones if a + b < 10**max_digits})

"""Number pairs: the alignment by hand, disjoint parts, even lengths, repeatable."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from attention_book.data.translation.numbers import number_pair, number_pairs


def named_links(number, source, target):
    """The alignment as "word-word" strings, where each word occurs once."""
    pair = number_pair(number, source, target)
    return {f"{pair.source[i]}-{pair.target[j]}" for i, j in pair.alignment}


def test_english_german_every_link():
    pair = number_pair(345_678, "en", "de")
    assert " ".join(pair.source) == (
        "three hundred and forty five thousand six hundred and seventy eight"
    )
    assert " ".join(pair.target) == (
        "drei hundert fünf und vierzig tausend sechs hundert acht und siebzig"
    )
    assert pair.alignment == {
        (0, 0),  # three - drei
        (1, 1),  # hundred - hundert
        (3, 4),  # forty - vierzig
        (4, 2),  # five - fünf
        (5, 5),  # thousand - tausend
        (6, 6),  # six - sechs
        (7, 7),  # hundred - hundert
        (9, 10),  # seventy - siebzig
        (10, 8),  # eight - acht
    }


@pytest.mark.parametrize(
    ("number", "target", "links"),
    [
        (97, "fr", "ninety-quatre ninety-vingt ninety-dix seven-sept"),
        (71, "fr", "seventy-soixante seventy-onze one-onze"),
        (80, "fr", "eighty-quatre eighty-vingts"),
        (100, "fr", "one-cent hundred-cent"),
        (1000, "fr", "one-mille thousand-mille"),
        (13, "de", "thirteen-dreizehn"),
        (100, "de", "one-ein hundred-hundert"),
        (1000, "de", "one-ein thousand-tausend"),
        (0, "de", "zero-null"),
        (1_000_002, "de", "one-eine million-Million two-zwei"),
        (24, "de", "twenty-zwanzig four-vier"),
        (24, "sv", "twenty-tjugo four-fyra"),
    ],
)
def test_links_by_name(number, target, links):
    assert named_links(number, "en", target) == set(links.split())


def test_two_ones_are_told_apart_by_their_position():
    pair = number_pair(1_000_001, "en", "de")  # one million and one
    assert pair.target == ("eine", "Million", "eins")
    assert pair.alignment == {(0, 0), (1, 1), (3, 2)}


def is_monotone(pair):
    links = sorted(pair.alignment)
    targets = [j for _, j in links]
    return targets == sorted(targets)


def test_swedish_keeps_the_order_and_german_does_not():
    numbers = [random.randrange(10**5, 10**9) for _ in range(200)]
    swedish = [is_monotone(number_pair(number, "en", "sv")) for number in numbers]
    german = [is_monotone(number_pair(number, "en", "de")) for number in numbers]
    assert all(swedish)
    assert np.mean(german) < 0.1


def test_every_piece_but_connectors_has_a_link():
    for number in (random.randrange(10**9) for _ in range(200)):
        for target, connectors in (("de", {"und"}), ("fr", {"et"}), ("sv", set())):
            pair = number_pair(number, "en", target)
            linked = {pair.source[i] for i, _ in pair.alignment}
            assert set(pair.source) - linked <= {"and"}
            linked = {pair.target[j] for _, j in pair.alignment}
            assert set(pair.target) - linked <= connectors


@pytest.fixture(scope="module")
def splits():
    return number_pairs("en", "de", train=700, dev=110, test=130, seed=5)


def test_sizes_and_no_number_twice(splits):
    assert [len(part) for part in vars(splits).values()] == [700, 110, 130]
    sources = [pair.source for part in vars(splits).values() for pair in part]
    assert len(set(sources)) == 700 + 110 + 130


def test_lengths_are_even_but_for_the_short_ones(splits):
    for name, part in vars(splits).items():
        counts = Counter(len(pair.source) for pair in part)
        assert sorted(counts) == list(range(1, 18))
        many = [counts[length] for length in range(4, 18)]
        assert max(many) - min(many) <= 1, name
    # 28 English numbers of up to 9 digits have one word; a fifth of them is held out.
    parts = vars(splits).values()
    words = [sum(len(pair.source) == 1 for pair in part) for part in parts]
    assert words == [18, 5, 5]


def test_arguments_alone_decide_the_pairs(splits):
    np.random.seed(7)  # noqa: NPY002 -- the global state that must not matter
    random.seed(7)
    torch.manual_seed(7)
    assert number_pairs("en", "de", train=700, dev=110, test=130, seed=5) == splits
    assert number_pairs("en", "de", train=700, dev=110, test=130, seed=6) != splits


def test_a_limit_takes_the_first_of_the_same_pairs(splits):
    few = number_pairs("en", "de", train=700, dev=110, test=130, seed=5, limit=7)
    for part, whole in zip(vars(few).values(), vars(splits).values(), strict=True):
        assert part == whole[:7]


def test_global_random_numbers_are_left_alone():
    # Python's own are used by the checks of the annotations, so they say nothing here.
    states = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 -- as above
    number_pairs("fr", "sv", train=20, test=5, max_digits=2)
    assert np.array_equal(np.random.get_state()[1], states[0][1])  # noqa: NPY002 -- as above
    assert torch.equal(torch.get_rng_state(), states[1])


@pytest.mark.parametrize("max_digits", [1, 3, 5, 12])
def test_max_digits(max_digits):
    splits = number_pairs("de", "fr", train=5, test=1, max_digits=max_digits)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (5, 0, 1)


def test_all_numbers_can_be_used():
    splits = number_pairs(train=68, test=16, dev=16, max_digits=2)
    assert len({p.source for part in vars(splits).values() for p in part}) == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 0, "test": 1}, "train must be at least 1, got 0"),
        ({"train": 1, "test": 0}, "test must be at least 1, got 0"),
        ({"train": 1, "test": 1, "dev": -1}, "dev must be at least 0, got -1"),
        ({"train": 1, "test": 1, "max_digits": 0}, "from 1 to 12, got 0"),
        ({"train": 1, "test": 1, "max_digits": 13}, "from 1 to 12, got 13"),
        (
            {"train": 99, "test": 2, "max_digits": 2},
            r"train \(99\) .* the 98 ",
        ),
        (
            {"train": 9, "test": 50, "max_digits": 2},
            r"test \(50\) is more than ",
        ),
        ({"train": 1, "test": 1, "target": "en"}, "must differ, got 'en' twice"),
        ({"train": 1, "test": 1, "target": "xx"}, "got 'xx'"),
        ({"train": 50, "test": 1, "target": "id", "max_digits": 2}, "language 'id'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        number_pairs(**options)


def test_a_negative_limit():
    with pytest.raises(ValueError, match="limit must not be negative, got -1"):
        number_pairs("en", "de", train=1, test=1, limit=-1)

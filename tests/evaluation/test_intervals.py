"""Intervals: their formulas, their coverage, and scores by length."""

import math

import numpy as np
import pytest
from torch.testing import assert_close

from attention_book.evaluation.intervals import (
    BinScore,
    bootstrap_interval,
    proportion_interval,
    score_by_bin,
    student_interval,
)


def test_bootstrap_interval_is_near_the_normal_one():
    values = np.random.default_rng(3).normal(5.0, 2.0, size=700)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(700)
    assert_close(
        (low, high), (values.mean() - half, values.mean() + half), rtol=0.005, atol=0
    )
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval(values, seed=1) != (low, high)
    narrow = bootstrap_interval(values, level=0.5)
    assert low < narrow[0] < values.mean() < narrow[1] < high


@pytest.mark.parametrize("values", [[0.25], [0.25] * 7])
def test_values_without_spread(values):
    assert bootstrap_interval(values) == (0.25, 0.25)
    assert student_interval(values) == (0.25, 0.25)


def test_student_interval_by_a_printed_table():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]  # mean 3, standard deviation sqrt(2.5)
    half = 2.776445 * math.sqrt(2.5 / 5)  # t for 4 degrees of freedom, 0.975
    assert_close(student_interval(values), (3 - half, 3 + half))
    half = 2.131847 * math.sqrt(2.5 / 5)  # 0.95
    assert_close(student_interval(values, level=0.9), (3 - half, 3 + half))


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (3, 11), (13, 13)])
def test_wilson(successes, trials):
    z, p = 1.959964, successes / trials
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    half /= 1 + z**2 / trials
    low, high = proportion_interval(successes, trials)
    assert_close((low, high), (centre - half, centre + half), atol=1e-6, rtol=0)
    assert low < high
    assert proportion_interval(successes, trials, level=0.5)[1] <= high


def test_scores_by_bin():
    lengths = [3, 1, 2, 9, 3, 2, 11]
    scores = np.array([0.5, 1.0, 0.25, 0.0, 0.75, 0.5, 0.5])
    assert score_by_bin(lengths, scores, edges=[1, 3, 5, 8, 12]) == [
        BinScore(1, 2, 3, 1.75 / 3, bootstrap_interval([1.0, 0.25, 0.5])),
        BinScore(3, 4, 2, 0.625, bootstrap_interval([0.5, 0.75])),
        BinScore(8, 11, 2, 0.25, bootstrap_interval([0.0, 0.5])),
    ]


def test_yes_or_no_gets_an_interval_even_where_all_are_right():
    long, short = score_by_bin([1, 1, 5, 5, 5], [1, 0, 1, 1, 1], edges=[1, 5, 6])
    assert (long.count, long.interval) == (2, proportion_interval(1, 2))
    assert (short.mean, short.interval) == (1.0, proportion_interval(3, 3))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (bootstrap_interval, ([],), "values must not be empty"),
        (student_interval, ([],), "values must not be empty"),
        (bootstrap_interval, ([1, np.nan],), r"values must be finite, got \[nan\]"),
        (student_interval, ([np.inf, 2],), r"values must be finite, got \[inf\]"),
        (score_by_bin, ([1], [np.nan], [1, 3]), r"scores must be finite, got \[nan\]"),
        (
            proportion_interval,
            (3, 2),
            r"successes \(3\) must be from 0 to trials \(2\)",
        ),
        (proportion_interval, (-1, 2), r"successes \(-1\) must be from 0 to"),
        (proportion_interval, (0, 0), r"trials \(0\), and trials at least 1"),
        (score_by_bin, ([1, 2], [0.5], [1, 3]), r"lengths \(2\) and scores \(1\) must"),
        (score_by_bin, ([], [], [1, 3]), "lengths must not be empty"),
        (score_by_bin, ([1], [0.5], [1]), r"two rising numbers, got \[1\]"),
        (score_by_bin, ([1], [0.5], [3, 1]), r"two rising numbers, got \[3, 1\]"),
        (score_by_bin, ([1], [0.5], [1, 1, 3]), r"two rising numbers, got \[1, 1, 3\]"),
        (score_by_bin, ([1, 7], [0.5, 1], [1, 7]), r"from 1 to 6, .* got 7"),
        (score_by_bin, ([2, 0], [0.5, 1], [1, 7]), r"from 1 to 6, .* got 0"),
    ],
)
def test_wrong_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_level_is_a_fraction(level):
    for function, arguments in (
        (bootstrap_interval, ([1, 2],)),
        (student_interval, ([1, 2],)),
        (proportion_interval, (1, 2)),
    ):
        with pytest.raises(
            ValueError, match=f"level must be between 0 and 1, got {level}"
        ):
            function(*arguments, level=level)


@pytest.mark.parametrize("values", [[[1.0, 2.0, 3.0], [2.0, 3.0, 5.0]], 3.0])
def test_values_that_are_no_list(values, no_shape_checks):
    for interval in bootstrap_interval, student_interval:
        with pytest.raises(ValueError, match=r"values must be a list of numbers, got"):
            interval(values)


def test_scores_of_two_axes(no_shape_checks):
    with pytest.raises(ValueError, match=r"scores must be a list.*\(2, 3\)"):
        score_by_bin([1, 2], [[1.0, 2.0, 3.0], [2.0, 3.0, 5.0]], [1, 3])

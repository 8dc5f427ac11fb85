"""Pearson, Spearman and mean squared error, against their definitions."""

from itertools import permutations

import numpy as np
import pytest

from attention_book.evaluation.correlation import agreement


def ranks(values):
    """From 1; equal values share the mean of their ranks."""
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return below + (equal + 1) / 2


@pytest.mark.parametrize("ties", [False, True])
def test_definitions(ties):
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(2, 40))
    y += x
    if ties:
        x, y = x.round(), y.round()
    found = agreement(x, y)
    assert found.pearson == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.spearman == pytest.approx(np.corrcoef(ranks(x), ranks(y))[0, 1])
    assert found.mse == pytest.approx(np.mean((x - y) ** 2))


def test_equal_scores_have_their_mean_rank_over_all_orders():
    x, y = [1.0, 0.0, 1.0, 2.0, 1.0], [0.5, 0.1, 0.9, 0.7, 0.1]

    def mean_ranks(values):
        size = len(values)
        sorting = [
            order
            for order in permutations(range(size))
            if [values[i] for i in order] == sorted(values)
        ]
        return [np.mean([order.index(i) for order in sorting]) for i in range(size)]

    rho = np.corrcoef(mean_ranks(x), mean_ranks(y))[0, 1]
    assert agreement(x, y).spearman == pytest.approx(rho)


def test_scale_and_order():
    x = np.array([1.0, 2.0, 5.0])
    assert agreement(10 * x + 3, x).pearson == pytest.approx(1)
    assert agreement(-(x**3), x).spearman == pytest.approx(-1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1.0, 2.0]), r"equally many numbers, got shapes \(1,\) and \(2,\)"),
        (([1.0], [2.0]), "at least 2 scores, got 1"),
        (([1.0, np.inf], [1.0, 2.0]), r"predicted must be finite, got \[ 1. inf\]"),
        (([3.0, 3.0], [1.0, 2.0]), "predicted must not be all the same, got 3.0 only"),
        (([1.0, 2.0], [4.0, 4.0]), "wanted must not be all the same, got 4.0 only"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        agreement(*arguments)

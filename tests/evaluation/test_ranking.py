"""MAP and MRR: by hand, against scikit-learn and all orders of tied candidates."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from attention_book.evaluation.ranking import rank


def test_by_hand():
    # Right answers at ranks 1 and 3 of one question, at 2 of the other.
    found = rank([3.0, 2.0, 1.0, 0.5, 0.7], [1, 0, 1, 1, 0], [0, 0, 0, 1, 1])
    np.testing.assert_allclose(found.average_precision, [(1 + 2 / 3) / 2, 1 / 2])
    np.testing.assert_allclose(found.reciprocal_rank, [1, 1 / 2])
    assert found.mean_average_precision == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert found.mean_reciprocal_rank == pytest.approx(3 / 4)
    assert found.num_left_out == 0


def orders(scores):
    """Every order of the candidates that sorts their scores, as lists of indices."""
    for order in permutations(range(len(scores))):
        falling = [scores[i] for i in order]
        if falling == sorted(scores, reverse=True):
            yield list(order)


def precision(labels, order, last):
    """Share of right answers among the candidates up to index ``last`` of an order."""
    return sum(labels[i] for i in order[: last + 1]) / (last + 1)


def small_cases(count):
    """Questions of up to 6 candidates with few different scores."""
    draw = np.random.default_rng(2)
    while count:
        size = int(draw.integers(1, 7))
        scores = (draw.integers(0, 3, size) / 2).tolist()
        labels = draw.integers(0, 2, size).tolist()
        if any(labels):
            count -= 1
            yield scores, labels


def test_reciprocal_rank_is_that_of_the_worst_order():
    strict = 0
    for scores, labels in small_cases(60):
        values = [
            1 / (1 + min(at for at, i in enumerate(order) if labels[i]))
            for order in orders(scores)
        ]
        found = rank(scores, labels, [5] * len(scores)).reciprocal_rank
        assert found.tolist() == pytest.approx([min(values)])
        strict += min(values) < max(values)
    assert strict > 10  # the ties mattered


def test_average_precision_is_that_at_the_end_of_each_group_of_equal_scores():
    for scores, labels in small_cases(60):
        values = set()
        for order in orders(scores):
            falling = [scores[i] for i in order]
            ends = {s: at for at, s in enumerate(falling)}  # the last one stays
            right = [i for i in order if labels[i]]
            at_ends = [precision(labels, order, ends[scores[i]]) for i in right]
            values.add(round(sum(at_ends) / len(right), 9))
        assert len(values) == 1, "it depends on the order"
        found = rank(scores, labels, [5] * len(scores)).average_precision
        assert found.tolist() == pytest.approx([*values])


def test_average_precision_without_ties_is_that_of_the_only_order():
    scores, labels = [0.2, 0.9, 0.4, 0.7, 0.1], [1, 0, 1, 0, 1]
    (order,) = orders(scores)
    hits = [at for at, i in enumerate(order) if labels[i]]
    wanted = sum(precision(labels, order, at) for at in hits) / len(hits)
    assert rank(scores, labels, [0] * 5).mean_average_precision == pytest.approx(wanted)


def test_average_precision_with_ties_can_exceed_every_order():
    """The docstring's example."""
    scores, labels = [0.5, 0.0, 0.0], [0, 1, 1]
    for order in orders(scores):
        hits = [at for at, i in enumerate(order) if labels[i]]
        value = sum(precision(labels, order, at) for at in hits) / len(hits)
        assert value == pytest.approx(7 / 12)
    assert rank(scores, labels, [0] * 3).mean_average_precision == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scores", "labels", "wanted"),
    [([0.5, 0.5], [1, 1], 1.0), ([0.0, 0.0, 0.0], [0, 1, 1], 1 / 2)],
)
def test_tied_right_answers_do_not_hide_each_other(scores, labels, wanted):
    found = rank(scores, labels, [0] * len(scores))
    assert found.mean_reciprocal_rank == wanted


@pytest.mark.parametrize("levels", [3, 10, None], ids=["many ties", "ties", "no ties"])
def test_average_precision_is_that_of_scikit_learn(levels):
    draw = np.random.default_rng(0)
    groups = draw.integers(0, 60, size=500)
    labels = (draw.random(500) < 0.2).astype(int)
    scores = draw.normal(size=500)
    if levels:
        scores = draw.integers(0, levels, size=500) / levels
    found = rank(scores, labels, groups)
    wanted, left_out = [], 0
    for group in sorted(set(groups.tolist())):
        mine = groups == group
        if not labels[mine].any():
            left_out += 1
            continue
        wanted.append(average_precision_score(labels[mine], scores[mine]))
    assert left_out > 0
    assert found.num_left_out == left_out
    np.testing.assert_allclose(found.average_precision, wanted)
    assert found.mean_average_precision == pytest.approx(np.mean(wanted))


def test_a_constant_score_gains_nothing_by_the_order_of_the_file():
    for labels in [1, 0, 0, 0], [0, 0, 0, 1]:
        found = rank([0.5] * 4, labels, [9] * 4)
        assert found.mean_average_precision == found.mean_reciprocal_rank == 0.25


def test_the_order_of_the_candidates_plays_no_part():
    draw = np.random.default_rng(1)
    scores, groups = draw.integers(0, 4, 80), draw.integers(0, 7, 80)
    labels, order = draw.integers(0, 2, 80), draw.permutation(80)
    first, second = (
        rank(scores, labels, groups),
        rank(scores[order], labels[order], groups[order]),
    )
    np.testing.assert_allclose(first.average_precision, second.average_precision)
    np.testing.assert_allclose(first.reciprocal_rank, second.reciprocal_rank)


def test_questions_with_right_answers_only_have_1():
    for scores in [0.1, 0.7, 0.3], [0.5, 0.5, 0.5], [0.1, 0.7, 0.7]:
        found = rank(scores, [1, 1, 1], [0, 0, 0])
        assert found.mean_average_precision == found.mean_reciprocal_rank == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([0.1], [1, 0], [0, 0]),
            r"equally many, got shapes \(1,\), \(2,\) and \(2,\)",
        ),
        (([0.1, np.nan], [1, 0], [0, 0]), r"scores must be finite, got \[nan\]"),
        (([0.1, 0.2], [1, 2], [0, 0]), r"labels must be 0 or 1, got \[1 2\]"),
        (([0.1, 0.2], [0, 0], [0, 1]), "no question has a right answer"),
        (([], [], []), "no question has a right answer"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        rank(*arguments)

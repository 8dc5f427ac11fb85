"""MAP and MRR: by hand, against scikit-learn, ties and missing answers."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from attention_book.evaluation.ranking import rank


def test_by_hand():
    # Right answers at places 1 and 3 of one question, at 2 of the other.
    found = rank([3.0, 2.0, 1.0, 0.5, 0.7], [1, 0, 1, 1, 0], [0, 0, 0, 1, 1])
    np.testing.assert_allclose(found.average_precision, [(1 + 2 / 3) / 2, 1 / 2])
    np.testing.assert_allclose(found.reciprocal_rank, [1, 1 / 2])
    assert found.mean_average_precision == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert found.mean_reciprocal_rank == pytest.approx(3 / 4)
    assert found.num_left_out == 0


@pytest.mark.parametrize("levels", [3, 10, None], ids=["many ties", "ties", "no ties"])
def test_average_precision_is_that_of_scikit_learn(levels):
    draw = np.random.default_rng(0)
    groups = draw.integers(0, 60, size=500)
    labels = (draw.random(500) < 0.2).astype(int)
    scores = draw.normal(size=500)
    if levels:
        scores = draw.integers(0, levels, size=500) / levels
    found = rank(scores, labels, groups)
    wanted, places, left_out = [], [], 0
    for group in sorted(set(groups.tolist())):
        mine = groups == group
        if not labels[mine].any():
            left_out += 1
            continue
        wanted.append(average_precision_score(labels[mine], scores[mine]))
        best = scores[mine][labels[mine] == 1].max()
        places.append(1 / (scores[mine] >= best).sum())
    assert left_out > 0
    assert found.num_left_out == left_out
    np.testing.assert_allclose(found.average_precision, wanted)
    np.testing.assert_allclose(found.reciprocal_rank, places)
    assert found.mean_average_precision == pytest.approx(np.mean(wanted))
    assert found.mean_reciprocal_rank == pytest.approx(np.mean(places))


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
    found = rank([0.1, 0.7, 0.3], [1, 1, 1], [0, 0, 0])
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

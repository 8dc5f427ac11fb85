"""Measures of the three kinds, and paired gains with their intervals."""

import numpy as np
import pytest

from attention_book.evaluation.correlation import agreement
from attention_book.evaluation.intervals import bootstrap_interval, student_interval
from attention_book.evaluation.ranking import rank
from attention_book.recipes.sentence_pairs.comparison import (
    MEASURES,
    PairedGain,
    graded_samples,
    item_quality,
    main_measure,
    measure,
    paired_gain,
    ranked_samples,
    refit_scores,
    results_rows,
)

SCORES = np.array([0.5, -0.1, 0.2, -0.3, 0.7, -0.4, 0.9, 0.1, -0.6])  # 9 test pairs


def test_classes_by_hand(classes):
    found = measure(classes, SCORES)  # right ones are the pairs 0, 3 and 6
    assert tuple(found) == MEASURES["classes"]
    # 0 and 6 are found of three, and 2, 4 and 7 are taken for right
    assert found["accuracy"] == pytest.approx(5 / 9)
    assert found["F1"] == pytest.approx(2 * 2 / (3 + 5))
    assert item_quality(classes, SCORES).tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 1]


def test_grades_are_compared_with_those_of_people(graded):
    wanted = agreement(SCORES, [pair.score for pair in graded.pairs["test"]])
    found = measure(graded, SCORES)
    assert tuple(found) == MEASURES["grades"]
    assert found["r"] == wanted.pearson
    assert found["rho"] == wanted.spearman
    assert found["MSE"] == pytest.approx(-item_quality(graded, SCORES).mean())


def test_rankings_are_measured_question_by_question(ranking):
    wanted = rank(SCORES, ranking.labels("test"), ranking.groups("test"))
    found = measure(ranking, SCORES)
    assert tuple(found) == MEASURES["ranking"]
    assert found["MRR"] == wanted.mean_reciprocal_rank
    quality = item_quality(ranking, SCORES)
    assert quality.tolist() == [1, 1 / 2, 1]  # three questions
    assert found["MAP"] == pytest.approx(quality.mean())


def test_gains_of_groups_weigh_as_many_as_they_have():
    draw = np.random.default_rng(0)
    quality, other = draw.random((2, 3, 7))
    groups = np.array([5, 5, 2, 2, 2, 9, 9])
    gain = paired_gain(list(quality), list(other), groups)
    assert gain.mean == pytest.approx((quality - other).mean())
    by_run = (quality - other).mean(axis=1)
    np.testing.assert_allclose(gain.over_seeds, student_interval(by_run))
    totals = [
        sum(quality[run, i] - other[run, i] for run in range(3) for i in members)
        for members in ((2, 3, 4), (0, 1), (5, 6))
    ]
    shares = [total * 3 / 21 for total in totals]
    assert np.mean(shares) == pytest.approx(gain.mean)
    np.testing.assert_allclose(gain.over_groups, bootstrap_interval(shares))


def test_gains_without_groups_are_over_items():
    draw = np.random.default_rng(0)
    quality, other = draw.random((3, 7)), draw.random((1, 7))
    gain = paired_gain(list(quality), list(other))
    np.testing.assert_allclose(
        gain.over_groups, bootstrap_interval((quality - other).mean(axis=0))
    )


def test_runs_must_be_paired():
    runs = [np.zeros(4)] * 3
    with pytest.raises(ValueError, match=r"as many runs as quality \(3\) or 1, got 2"):
        paired_gain(runs, runs[:2])


def test_a_refit_finds_the_feature_that_tells(classes):
    draw = np.random.default_rng(0)
    features = {}
    for part in classes.pairs:
        labels = classes.labels(part)
        noise = draw.normal(size=(len(labels), 2))
        features[part] = np.column_stack([noise, 100 + labels])
    for part, scores in refit_scores(classes, features).items():
        assert measure(classes, scores, part)["accuracy"] == 1


def test_a_gain_is_written_with_its_interval_over_groups():
    gain = PairedGain(0.0123, (-1.0, 1.0), (-0.02, 0.04))
    assert str(gain) == "+0.012 (-0.020 to +0.040)"


def test_the_first_measure_is_the_main_one(classes, graded, ranking):
    for task in classes, graded, ranking:
        assert main_measure(task, SCORES) == next(iter(measure(task, SCORES).values()))


def test_rows_have_an_interval_where_there_are_several_runs():
    runs = [[0.5, 0.625], [0.625, 0.75], [0.75, 0.875]]
    rows = results_rows({"TF-IDF": [[0.25, 0.5]], "BCNN": runs})
    assert rows[0] == ["TF-IDF", "0.250", "0.500", ""]
    low, high = student_interval([0.5, 0.625, 0.75])
    assert rows[1] == ["BCNN", "0.625", "0.750", f"{low:.3f} to {high:.3f}"]


def test_samples_are_the_first_right_ones_and_the_first_wrong_ones(ranking, classes):
    samples = ranked_samples(ranking, SCORES)  # places by hand, as above: 1, 2 and 1
    assert [sample["place"] for sample in samples] == [1, 1, 2]
    assert [sample["candidates"] for sample in samples] == [3, 3, 3]
    pairs = ranking.pairs["test"]
    wrong = samples[2]  # the question of pairs 3 to 5: 3 is right, 4 is ranked first
    assert wrong["question"] == " ".join(pairs[3].first)
    assert wrong["first"] == " ".join(pairs[4].second)
    assert wrong["right"] == " ".join(pairs[3].second)
    assert samples[0]["first"] == samples[0]["right"] == " ".join(pairs[0].second)
    assert len(ranked_samples(ranking, SCORES, count=1)) == 2
    tied = ranked_samples(ranking, np.zeros(9))
    assert [sample["place"] for sample in tied] == [3, 3, 3]
    assert ranked_samples(classes, SCORES) == []


def test_graded_samples_are_good_ones_of_each_grade_and_the_worst(graded):
    pairs = graded.pairs["test"]
    truth = np.array([pair.score for pair in pairs])
    scores = truth + np.array([0.3, -0.1, 0.2, 2.0, -0.4, 0.5, -1.5, 0.05, 0.6])
    errors, grades = np.abs(scores - truth), np.round(truth)
    samples = graded_samples(graded, scores, count=2)
    best = [min(errors[grades == grade]) for grade in np.unique(grades)]
    found = [abs(one["predicted"] - one["score"]) for one in samples]
    assert found[: len(best)] == pytest.approx(best, abs=0.011)
    rest = sorted(set(errors) - set(best))
    assert found[len(best) :] == pytest.approx(rest[:-3:-1], abs=0.011)
    texts = [(" ".join(pair.first), " ".join(pair.second)) for pair in pairs]
    for one in samples:
        at = texts.index((one["first"], one["second"]))
        assert one["score"] == pytest.approx(truth[at], abs=0.01)


def test_only_grades_have_graded_samples(classes):
    assert graded_samples(classes, SCORES) == []


ALONE = "the one over seeds is of a single run, the one over functions"


@pytest.mark.parametrize(
    ("seeds", "groups", "said"),
    [
        ((-0.1, 0.1), (-0.2, 0.3), "both include 0"),
        ((0.1, 0.2), (-0.3, -0.2), "neither includes 0"),
        ((-0.1, 0.1), (0.2, 0.3), "only the one over seeds includes 0"),
        ((0.1, 0.2), (-0.2, 0.3), "only the one over functions includes 0"),
        ((0.1, 0.1), (-0.2, 0.3), f"{ALONE} includes 0"),
        ((0.1, 0.1), (0.05, 0.3), f"{ALONE} excludes 0"),
    ],
)
def test_which_intervals_include_0(seeds, groups, said):
    assert PairedGain(0.0, seeds, groups).certainty == said

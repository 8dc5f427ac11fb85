"""Baselines of sentence pairs: by hand, and against plain loops."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.recipes.sentence_pairs.baselines import (
    BASELINES,
    average_scores,
    baseline_scores,
    best_threshold,
    overlap_scores,
    tfidf_scores,
)


def cosine(x, y):
    product = sum(x[key] * y.get(key, 0.0) for key in x)
    lengths = [math.sqrt(sum(v * v for v in z.values())) for z in (x, y)]
    return product / math.prod(lengths) if all(lengths) else 0.0


def test_overlap_counts_different_words():
    pairs = [
        SentencePair(("a", "a", "cat"), ("a", "dog", "runs")),
        SentencePair(("a",), ("a",)),
        SentencePair((), ("a",)),
        SentencePair((), ()),
    ]
    np.testing.assert_allclose(overlap_scores(pairs), [1 / 4, 1, 0, 1])
    assert overlap_scores([]).shape == (0,)


def test_averages_one_pair_at_a_time(classes):
    pairs = classes.pairs["test"]
    for pair, score in zip(pairs, average_scores(pairs, classes.vectors), strict=True):
        means = []
        for side in pair.first, pair.second:
            known = [classes.vectors[w] for w in side if w in classes.vectors]
            means.append(np.mean(known, axis=0) if known else np.zeros(5))
        lengths = np.prod([np.linalg.norm(mean) for mean in means])
        wanted = means[0] @ means[1] / lengths if lengths else 0.0
        assert score == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("unseen_words", [True, False])
def test_tfidf_one_pair_at_a_time(unseen_words):
    sentences = [("a", "cat"), ("a", "dog", "dog"), ("a", "dog")]
    pairs = [
        SentencePair(("cat", "dog", "dog", "new"), ("a", "dog", "new")),
        SentencePair(("a",), ("cat",)),
        SentencePair(("new",), ("new",)),
    ]
    documents = Counter(word for side in sentences for word in set(side))

    def weigh(side):
        counts = Counter(w for w in side if unseen_words or w in documents)
        return {
            word: (1 + math.log(n)) * (1 + math.log(4 / (1 + documents[word])))
            for word, n in counts.items()
        }

    wanted = [cosine(weigh(p.first), weigh(p.second)) for p in pairs]
    found = tfidf_scores(pairs, sentences, unseen_words=unseen_words)
    np.testing.assert_allclose(found, wanted)


def test_no_other_threshold_is_right_more_often():
    scores = np.random.default_rng(0).normal(size=31)
    labels = (scores + np.random.default_rng(1).normal(size=31) > 0).astype(int)
    chosen = best_threshold(scores, labels)
    reached = ((scores > chosen) == labels).mean()
    for threshold in (-np.inf, *scores):
        assert ((scores > threshold) == labels).mean() <= reached


def test_of_equally_good_thresholds_the_lowest_in_any_order():
    # Right above 0.1 and above 0.5: three pairs of four; above the others: two.
    scores, labels = np.array([0.1, 0.3, 0.5, 0.7]), np.array([0, 1, 0, 1])
    for order in itertools.permutations(range(4)):
        chosen = list(order)
        assert best_threshold(scores[chosen], labels[chosen]) == 0.1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_everything_can_be_1(dtype):
    scores, labels = np.array([0.0, 0.3, 0.5], dtype=dtype), np.array([1, 0, 1])
    chosen = best_threshold(scores, labels)
    assert -1e-30 < chosen < 0
    assert (scores - chosen > 0).all()


def test_scores_of_classes_are_relative_to_the_threshold(classes, ranking):
    for task in classes, ranking:
        found = baseline_scores(task)
        assert tuple(found) == BASELINES
        plain = overlap_scores(task.pairs["test"])
        if task is classes:
            train = overlap_scores(task.pairs["train"])
            plain = plain - best_threshold(train, task.labels("train"))
        np.testing.assert_allclose(found["word overlap"], plain)


def test_counts_are_a_logistic_regression(classes):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(classes.counts("train"), classes.labels("train"))
    found = baseline_scores(classes, ["counts"], part="dev")["counts"]
    wanted = classes.counts("dev") @ model.coef_[0] + model.intercept_
    np.testing.assert_allclose(found, wanted)


def test_errors(classes, graded):
    with pytest.raises(ValueError, match=r"names must be among .*'bm25'"):
        baseline_scores(classes, ["bm25"])
    with pytest.raises(ValueError, match='"counts" needs labels'):
        baseline_scores(graded, ["counts"])

"""How good scores of sentence pairs are, and by how much one system is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attention_book.evaluation.correlation import agreement
from attention_book.evaluation.intervals import bootstrap_interval, student_interval
from attention_book.evaluation.ranking import rank
from attention_book.recipes.sentence_pairs.tasks import PairTask

# scikit-learn is imported where it is used: it takes longer than the whole package.

MEASURES = {
    "classes": ("accuracy", "F1"),
    "grades": ("r", "rho", "MSE"),
    "ranking": ("MAP", "MRR"),
}
"""For each kind of task the names of its measures, the main one first."""


def measure(task: PairTask, scores: np.ndarray, part: str = "test") -> dict[str, float]:
    """Measure the scores of a part's pairs by the :data:`MEASURES` of the task's kind.

    Accuracy and F1 are fractions, a positive score meaning class 1; r and rho are
    correlations with the grades, the squared error is in grades; MAP and MRR are from 0
    to 1.

    Args:
        task: the data.
        scores: one for each pair, in the order of the data.
        part: "train", "dev" or "test".
    """
    if task.kind == "ranking":
        ranking = rank(scores, task.labels(part), task.groups(part))
        return {
            "MAP": ranking.mean_average_precision,
            "MRR": ranking.mean_reciprocal_rank,
        }
    if task.kind == "grades":
        found = agreement(scores, _grades(task, part))
        return {"r": found.pearson, "rho": found.spearman, "MSE": found.mse}
    from sklearn.metrics import f1_score

    labels, chosen = task.labels(part), np.asarray(scores) > 0
    return {
        "accuracy": float((chosen == labels).mean()),
        "F1": float(f1_score(labels, chosen)),
    }


def main_measure(task: PairTask, scores: np.ndarray, part: str = "test") -> float:
    """Return the first of the task's :data:`MEASURES`: accuracy, r or MAP.

    Args:
        task: the data.
        scores: one for each pair, in the order of the data.
        part: "train", "dev" or "test".
    """
    return measure(task, scores, part)[MEASURES[task.kind][0]]


def item_quality(
    task: PairTask, scores: np.ndarray, part: str = "test"
) -> Float[np.ndarray, " items"]:
    """Say how well each pair, or question, is done: the higher the better.

    For classes 1 where a pair is classified right, otherwise 0; for grades minus the
    squared error; for a ranking the average precision of each question that has a right
    answer, in rising order of their numbers.

    Args:
        task: the data.
        scores: one for each pair, in the order of the data.
        part: "train", "dev" or "test".
    """
    if task.kind == "ranking":
        return rank(scores, task.labels(part), task.groups(part)).average_precision
    if task.kind == "grades":
        return -np.square(scores - _grades(task, part))
    return ((np.asarray(scores) > 0) == task.labels(part)).astype(float)


@dataclass(frozen=True)
class PairedGain:
    """By how much one system is better than another on the same items.

    Attributes:
        mean: over runs and items.
        over_seeds: 95 % interval of the mean over runs (Student's): would another seed
            give another result?
        over_groups: 95 % interval over items or their groups (bootstrap): would other
            questions, or functions, give another result?
    """

    mean: float
    over_seeds: tuple[float, float]
    over_groups: tuple[float, float]

    def __str__(self) -> str:
        """The mean, with its interval over groups in brackets."""
        low, high = self.over_groups
        return f"{self.mean:+.3f} ({low:+.3f} to {high:+.3f})"

    @property
    def certainty(self) -> str:
        """Which of the two intervals include 0, as a clause: "both include 0".

        Of a single run there is no interval over seeds, and the clause says so.

        Example:
            >>> PairedGain(0.1, (-0.1, 0.3), (0.05, 0.2)).certainty
            'only the one over seeds includes 0'
        """
        seeds, groups = (
            low <= 0 <= high for low, high in (self.over_seeds, self.over_groups)
        )
        if self.over_seeds[0] == self.over_seeds[1]:
            word = "includes" if groups else "excludes"
            return (
                "the one over seeds is of a single run, the one over functions "
                f"{word} 0"
            )
        if seeds == groups:
            return "both include 0" if seeds else "neither includes 0"
        return f"only the one over {'seeds' if seeds else 'functions'} includes 0"


def paired_gain(
    quality: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    groups: np.ndarray | None = None,
) -> PairedGain:
    """Compare two systems item by item, and run by run.

    Args:
        quality: for each run of the one system, its quality of each item, as
            :func:`item_quality` gives it.
        other: the same of the other system: as many runs, with the same seeds, or one.
        groups: number of each item's group; items of one group are resampled together.
            None: each item by itself.

    Raises:
        ValueError: if the numbers of runs do not fit.

    Example:
        >>> gain = paired_gain([np.array([1.0, 1.0, 0.0, 1.0])], [np.zeros(4)])
        >>> gain.mean, gain.over_seeds
        (0.75, (0.75, 0.75))
    """
    if len(other) not in (1, len(quality)):
        raise ValueError(
            f"other must have as many runs as quality ({len(quality)}) or 1, got "
            f"{len(other)}"
        )
    gains = np.stack(list(quality)) - np.stack(list(other))
    if groups is None:
        by_group = gains.mean(axis=0)
    else:
        members = [groups == group for group in np.unique(groups)]
        # A group's share in the mean is the larger the more items it has.
        sums = [gains[:, chosen].sum() for chosen in members]
        by_group = np.array([total * len(members) / gains.size for total in sums])
    return PairedGain(
        float(gains.mean()),
        student_interval(gains.mean(axis=1)),
        bootstrap_interval(by_group),
    )


def describe_runs(measures: Sequence[Mapping[str, float]]) -> str:
    """Write the mean of each measure over some runs, with its standard deviation.

    Args:
        measures: of each run, as :func:`measure` gives them.

    Example:
        >>> describe_runs([{"r": 0.8, "MSE": 0.3}, {"r": 0.9, "MSE": 0.1}])
        'r 0.850 ± 0.071, MSE 0.200 ± 0.141'
        >>> describe_runs([{"accuracy": 0.75}])
        'accuracy 0.750'
    """
    texts = []
    for name in measures[0]:
        values = [found[name] for found in measures]
        spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        texts.append(f"{name} {np.mean(values):.3f}{spread}")
    return ", ".join(texts)


def results_rows(results: Mapping[str, Sequence[Sequence[float]]]) -> list[list[str]]:
    """The rows of a table: of each system the means of its measures over its runs.

    The last cell has the 95 % interval (Student's) of the mean of the first measure
    over the runs; it is empty if there is one run.

    Args:
        results: for each system the measures of each of its runs.

    Example:
        >>> results_rows({"blind": [[0.2, 0.3]], "BCNN": [[0.5, 0.6]] * 3})[1]
        ['BCNN', '0.500', '0.600', '0.500 to 0.500']
    """
    rows = []
    for name, runs in results.items():
        row = [name, *(f"{value:.3f}" for value in np.mean(runs, axis=0))]
        if len(runs) > 1:
            low, high = student_interval([measures[0] for measures in runs])
            row.append(f"{low:.3f} to {high:.3f}")
        else:
            row.append("")
        rows.append(row)
    return rows


def ranked_samples(
    task: PairTask, scores: np.ndarray, *, part: str = "test", count: int = 3
) -> list[dict[str, str | int]]:
    """Choose questions to read: the first that are answered right, and wrongly.

    Args:
        task: of the kind "ranking"; others have no questions.
        scores: one for each pair, in the order of the data.
        part: "train", "dev" or "test".
        count: how many questions of either sort, in the order of their numbers.

    Returns:
        For each question its text, the candidate ranked ``first``, the ``right``
        answer that is ranked highest, the latter's ``place``, from 1, where
        candidates with its score all count as before it, and the number of
        ``candidates``. No question: an empty list.
    """
    if task.kind != "ranking":
        return []
    pairs, groups, labels = task.pairs[part], task.groups(part), task.labels(part)
    found: dict[bool, list[dict[str, str | int]]] = {True: [], False: []}
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        right = own[labels[own] == 1]
        if not len(right):
            continue
        first, best = (rows[np.argmax(scores[rows])] for rows in (own, right))
        place = int((scores[own] >= scores[best]).sum())
        sample: dict[str, str | int] = {
            "question": " ".join(pairs[best].first),
            "first": " ".join(pairs[first].second),
            "right": " ".join(pairs[best].second),
            "place": place,
            "candidates": len(own),
        }
        found[place == 1].append(sample)
    return found[True][:count] + found[False][:count]


def graded_samples(
    task: PairTask, scores: np.ndarray, *, part: str = "test", count: int = 3
) -> list[dict[str, str | float]]:
    """Choose graded pairs to read: a good prediction of each grade, and the worst.

    Args:
        task: of the kind "grades"; others have no such samples.
        scores: one for each pair, in the order of the data.
        part: "train", "dev" or "test".
        count: how many of the worst.

    Returns:
        The pair that is predicted best among those of each whole grade, the lowest
        grade first, then the pairs with the largest errors. Of each pair the texts of
        both sentences, ``first`` and ``second``, its ``score`` and what was
        ``predicted``. No grades: an empty list.
    """
    if task.kind != "grades":
        return []
    wanted = _grades(task, part)
    errors = np.abs(np.asarray(scores) - wanted)
    order = np.argsort(errors, kind="stable")
    nearest: dict[int, int] = {}
    for at in order.tolist():
        nearest.setdefault(round(float(wanted[at])), at)
    chosen = [nearest[grade] for grade in sorted(nearest)]
    chosen += [at for at in order[::-1].tolist() if at not in chosen][:count]
    return [
        {
            "first": " ".join(task.pairs[part][at].first),
            "second": " ".join(task.pairs[part][at].second),
            "score": round(float(wanted[at]), 2),
            "predicted": round(float(scores[at]), 2),
        }
        for at in chosen
    ]


def refit_scores(
    task: PairTask, features: Mapping[str, np.ndarray]
) -> dict[str, Float[np.ndarray, " pairs"]]:
    """Train a logistic regression on features of pairs, and score dev and test.

    The features are scaled to mean 0 and standard deviation 1 on the training part.

    Args:
        task: a ranking, or classes.
        features: of each part, a row for each pair.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    classifier.fit(features["train"], task.labels("train"))
    return {
        part: classifier.decision_function(features[part]) for part in ("dev", "test")
    }


def _grades(task: PairTask, part: str) -> Float[np.ndarray, " pairs"]:
    return np.array([pair.score for pair in task.pairs[part]])

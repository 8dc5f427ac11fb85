"""Confidence intervals of means, for all sentences and by length."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# scipy.stats is imported where it is used: it takes longer than the whole package.


@dataclass(frozen=True)
class BinScore:
    """The mean score of the sentences whose lengths are in one bin.

    Attributes:
        low: shortest length of the bin, in tokens.
        high: longest length of the bin, in tokens.
        count: number of sentences in the bin.
        mean: mean of their scores.
        interval: lower and upper end of the mean's 95 % interval.
    """

    low: int
    high: int
    count: int
    mean: float
    interval: tuple[float, float]


def bootstrap_interval(
    values: Sequence[float | int] | np.ndarray, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of a mean by the percentile bootstrap: from means of resampled values.

    If all values are equal, for instance because there is only one, they say nothing
    about the spread, and both ends are that value. For values 0 and 1 see
    :func:`proportion_interval`.

    Args:
        values: one score for each sentence, or for each seed.
        level: share of such intervals that contain the true mean.
        seed: seed of the resampling.

    Raises:
        ValueError: if the values are no list, there are none, one of them is not
            finite, or ``level`` is not between 0 and 1.

    Example:
        >>> low, high = bootstrap_interval([0.1, 0.5, 0.4, 0.3, 0.2])
        >>> 0.1 < low < 0.3 < high < 0.5
        True
    """
    from scipy.stats import bootstrap

    values = _check_values("values", values)
    _check_level(level)
    if (values == values[0]).all():  # scipy warns and returns NaN
        return float(values[0]), float(values[0])
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=1999,
        batch=100,  # copies of the values that are in memory at a time
        confidence_level=level,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def proportion_interval(
    successes: int, trials: int, *, level: float = 0.95
) -> tuple[float, float]:
    """Wilson's interval of a proportion, which has a width even at 0 and at 1.

    Args:
        successes: how often it was so.
        trials: out of how many.
        level: share of such intervals that hold the true proportion.

    Raises:
        ValueError: unless 0 <= ``successes`` <= ``trials`` and ``trials`` is at least
            1, or if ``level`` is not between 0 and 1.

    Example:
        >>> low, high = proportion_interval(10, 10)
        >>> round(low, 2), high
        (0.72, 1.0)
    """
    from scipy.stats import binomtest

    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(
            f"successes ({successes}) must be from 0 to trials ({trials}), and trials "
            "at least 1"
        )
    _check_level(level)
    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def student_interval(
    values: Sequence[float | int] | np.ndarray, *, level: float = 0.95
) -> tuple[float, float]:
    """Student's interval of the mean of a few values, such as one for each seed.

    A single value says nothing about the spread, so both ends are that value.

    Args:
        values: independent values that are roughly normally distributed.
        level: share of such intervals that contain the true mean.

    Raises:
        ValueError: if the values are no list, there are none, one of them is not
            finite, or ``level`` is not between 0 and 1.

    Example:
        >>> low, high = student_interval([1.0, 2.0, 3.0])
        >>> round(low, 2), round(high, 2)
        (-0.48, 4.48)
    """
    from scipy.stats import t

    values = _check_values("values", values)
    _check_level(level)
    mean = float(values.mean())
    if len(values) == 1:
        return mean, mean
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    half = float(t.ppf((1 + level) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def score_by_bin(
    lengths: Sequence[int] | np.ndarray,
    scores: Sequence[float | int] | np.ndarray,
    edges: Sequence[int],
) -> list[BinScore]:
    """Mean score by sentence length, with counts and 95 % intervals.

    The intervals are Wilson's if all scores are 0 or 1, otherwise bootstrapped.

    Args:
        lengths: length of each source sentence, in tokens.
        scores: score of each sentence, in the same order.
        edges: increasing; the first length of each bin, followed by the first length
            beyond the last bin.

    Returns:
        The bins in increasing order, without empty ones.

    Raises:
        ValueError: if the numbers of sentences differ or are 0, a score is not finite,
            ``edges`` do not increase, or a length is in no bin: nothing that was
            measured is dropped.

    Example:
        >>> for part in score_by_bin([1, 2, 5, 6], [1, 1, 0, 1], edges=[1, 3, 5, 7]):
        ...     print(part.low, part.high, part.count, part.mean)
        1 2 2 1.0
        5 6 2 0.5
    """
    if len(lengths) != len(scores):
        raise ValueError(
            f"lengths ({len(lengths)}) and scores ({len(scores)}) must be equally many"
        )
    if not len(lengths):
        raise ValueError("lengths must not be empty")
    edges = list(edges)
    if len(edges) < 2 or edges != sorted(set(edges)):
        raise ValueError(f"edges must be at least two rising numbers, got {edges}")
    lengths, scores = np.asarray(lengths), _check_values("scores", scores)
    outside = lengths[(lengths < edges[0]) | (lengths >= edges[-1])]
    if outside.size:
        raise ValueError(
            f"lengths must be from {edges[0]} to {edges[-1] - 1}, the bins' ends, got "
            f"{outside[0]}"
        )
    yes_or_no = bool(np.isin(scores, (0.0, 1.0)).all())
    bins = []
    for low, high in pairwise(edges):
        chosen = scores[(lengths >= low) & (lengths < high)]
        if not chosen.size:
            continue
        count = len(chosen)
        interval = (
            proportion_interval(int(chosen.sum()), count)
            if yes_or_no
            else bootstrap_interval(chosen)
        )
        bins.append(BinScore(low, high - 1, count, float(chosen.mean()), interval))
    return bins


def _check_values(name: str, values: Sequence[float | int] | np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"{name} must be a list of numbers, got shape {values.shape}")
    if not values.size:
        raise ValueError(f"{name} must not be empty")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {values[~np.isfinite(values)]}")
    return values


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")

"""How well predicted scores agree with human ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """Agreement of predicted and wanted scores.

    Attributes:
        pearson: Pearson's r, from -1 to 1: how close the points lie to a line.
        spearman: Spearman's rho, from -1 to 1: Pearson's r of the ranks. Equal scores
            get the mean of their ranks, which is also the mean rank of each over all
            orders that sort the scores.
        mse: mean squared error, in squared units of the scores.
    """

    pearson: float
    spearman: float
    mse: float


def agreement(
    predicted: Sequence[float] | np.ndarray, wanted: Sequence[float] | np.ndarray
) -> Agreement:
    """Pearson's r, Spearman's rho and the mean squared error, the measures of SICK.

    Args:
        predicted: a model's scores.
        wanted: human scores, in the same order.

    Raises:
        ValueError: if the numbers of scores differ or are below 2, a score is not
            finite, or all scores of one kind are equal: the correlation is then
            undefined.

    Example:
        >>> found = agreement([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
        >>> round(found.pearson, 4), round(found.spearman, 4), round(found.mse, 4)
        (0.982, 1.0, 0.3333)
    """
    # Imported here because it takes longer than the whole package.
    from scipy.stats import pearsonr, spearmanr

    predicted = np.asarray(predicted, dtype=float)
    wanted = np.asarray(wanted, dtype=float)
    if predicted.shape != wanted.shape or predicted.ndim != 1:
        raise ValueError(
            f"predicted and wanted must be equally many numbers, got shapes "
            f"{predicted.shape} and {wanted.shape}"
        )
    if len(predicted) < 2:
        raise ValueError(f"there must be at least 2 scores, got {len(predicted)}")
    for name, values in ("predicted", predicted), ("wanted", wanted):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got {values}")
        if (values == values[0]).all():
            raise ValueError(f"{name} must not be all the same, got {values[0]} only")
    return Agreement(
        float(pearsonr(predicted, wanted).statistic),
        float(spearmanr(predicted, wanted).statistic),
        float(np.square(predicted - wanted).mean()),
    )

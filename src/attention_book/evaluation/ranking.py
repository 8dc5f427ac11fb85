"""How well scores rank the answers to questions: MAP and MRR."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Ranking:
    """How well scores rank the candidates of each question.

    Attributes:
        mean_average_precision: MAP, from 0 to 1.
        mean_reciprocal_rank: MRR, from 0 to 1.
        average_precision: one value for each question, for intervals.
        reciprocal_rank: one value for each question, for intervals.
        num_left_out: questions without a right answer, which are not counted.
    """

    mean_average_precision: float
    mean_reciprocal_rank: float
    average_precision: Float[np.ndarray, " questions"]
    reciprocal_rank: Float[np.ndarray, " questions"]
    num_left_out: int


def rank(
    scores: Sequence[float] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    groups: Sequence[int] | np.ndarray,
) -> Ranking:
    r"""Average precision and reciprocal rank of each question, and their means.

    .. math::
        \mathrm{AP} = \frac{1}{|R|} \sum_{i \in R} \frac{\#\{j \in R: s_j \ge s_i\}}
                                                     {\#\{j: s_j \ge s_i\}}, \qquad
        \mathrm{RR} = \frac{1}{1 + \#\{j \notin R: s_j \ge \max_{i \in R} s_i\}}

    where :math:`R` are the right answers to a question and :math:`s` the scores.
    Without ties these are the usual definitions. With ties neither value depends on
    the order of the file:

    - RR is pessimistic: of all orders in which the scores may be sorted, it belongs to
      the worst, where the wrong answers come first among equal scores.
    - AP is scikit-learn's: each right answer gets the precision at the end of its
      group of equal scores, which is the same in every order. This is not the AP of
      any one order, and can exceed the AP of all of them: scores (0.5, 0, 0) with
      labels (0, 1, 1) give 2/3, the average of twice 2/3, while each order gives
      7/12, the average of 1/2 and 2/3.

    A question without a right answer has neither value. It is left out and counted in
    ``num_left_out``, as in the papers on WikiQA. One with right answers only has 1 in
    both, whatever the scores.

    Args:
        scores: score of each candidate; higher is better.
        labels: 1 for a right answer, otherwise 0.
        groups: number of each candidate's question, in any order.

    Returns:
        The measures; questions in rising order of their numbers.

    Raises:
        ValueError: if the lengths differ, a score is not finite, a label is neither 0
            nor 1, or no question has a right answer.

    Example:
        >>> ranking = rank([0.9, 0.5, 0.1, 0.3], [0, 1, 1, 1], [7, 7, 7, 8])
        >>> ranking.average_precision.round(4), ranking.reciprocal_rank
        (array([0.5833, 1.    ]), array([0.5, 1. ]))
    """
    scores = np.asarray(scores, dtype=float)
    labels, groups = np.asarray(labels), np.asarray(groups)
    if not scores.shape == labels.shape == groups.shape or scores.ndim != 1:
        raise ValueError(
            f"scores, labels and groups must be equally many, got shapes "
            f"{scores.shape}, {labels.shape} and {groups.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite, got {scores[~np.isfinite(scores)]}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1, got {np.unique(labels)}")
    precisions, reciprocals, num_left_out = [], [], 0
    for group in np.unique(groups):
        chosen = groups == group
        mine, right = scores[chosen], labels[chosen] == 1
        if not right.any():
            num_left_out += 1
            continue
        # For each right answer, the candidates that score at least as much.
        ahead = mine >= mine[right][:, None]
        ranks = ahead.sum(axis=1)
        precisions.append(float((ahead[:, right].sum(axis=1) / ranks).mean()))
        num_wrong_ahead = int((mine[~right] >= mine[right].max()).sum())
        reciprocals.append(1 / (1 + num_wrong_ahead))
    if not precisions:
        raise ValueError("no question has a right answer: there is nothing to rank")
    return Ranking(
        float(np.mean(precisions)),
        float(np.mean(reciprocals)),
        np.array(precisions),
        np.array(reciprocals),
        num_left_out,
    )

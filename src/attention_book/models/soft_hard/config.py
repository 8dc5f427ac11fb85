"""Show, Attend and Tell: its settings, its state and what a run of it gives."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.models.seq2seq.lstm import check_sizes

KINDS = ("soft", "hard", "gumbel", "mean")

CaptionState = tuple[
    Float[Tensor, "rows hidden_dim"],
    Float[Tensor, "rows hidden_dim"],
    Float[Tensor, "rows places annotation_dim"],
    Float[Tensor, "rows places attention_dim"] | None,
    Bool[Tensor, "rows places"] | None,
]
"""h and c of the LSTM; the annotations, what they are projected to as keys (None if
nothing attends), True where one may look (None: everywhere). Only h and c change."""


class DecoderOutput(NamedTuple):
    """What one run of the decoder over some words gives.

    Attributes:
        logits: scores of the words that come next.
        weights: of each step over the places; uniform where nothing attends.
        log_prob: log-probability of the place that each step drew; 0 if it drew none.
        state: after the last word.
    """

    logits: Float[Tensor, "rows tokens target_vocab"]
    weights: Float[Tensor, "rows tokens places"]
    log_prob: Float[Tensor, "rows tokens"]
    state: CaptionState


@dataclass(frozen=True, kw_only=True)
class ShowAttendTellConfig:
    r"""Sizes and terms of a :class:`ShowAttendTell`; every term can be switched off.

    Attributes:
        target_vocab: number of words of the captions' vocabulary.
        annotation_dim: size of an annotation vector, :math:`D` (the paper: 512).
        embed_dim: size of a word vector, :math:`m` (the authors' code: 512).
        hidden_dim: cells of the LSTM, :math:`n` (the authors' code: 1,800).
        attention_dim: size of the hidden layer that scores.
        kind: "soft": the weighted average of the annotations; "hard": one place drawn
            by its weight, trained by REINFORCE; "gumbel": the same, trained by the
            straight-through gradient; "mean": the plain average, no attention.
        gate: soft only: whether the average is multiplied by :math:`\beta_t`.
        penalty: soft only: :math:`\lambda` of the doubly stochastic penalty; 0: none.
        reward_scale: hard only: :math:`\lambda_r`; 0: scores learn from the expected
            rows and the entropy alone.
        entropy_weight: hard only: :math:`\lambda_e`; 0: none.
        expected_p: hard only: probability that a picture of a training batch gets the
            averages instead of drawn places, for all its words; 0: never.
        baseline: hard only: whether the moving average is taken off the reward.
        dropout: probability of dropping a number before the output layer.

    Raises:
        ValueError: if a size is not positive, ``kind`` is unknown, a weight of a term
            is negative, ``expected_p`` not in [0, 1], or ``dropout`` not in [0, 1).
    """

    target_vocab: int
    annotation_dim: int = 32
    embed_dim: int = 32
    hidden_dim: int = 64
    attention_dim: int = 32
    kind: str = "soft"
    gate: bool = True
    penalty: float = 1.0
    reward_scale: float = 0.1
    entropy_weight: float = 0.002
    expected_p: float = 0.5
    baseline: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.kind not in KINDS:
            raise ValueError(
                f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}"
            )
        for name in ("penalty", "reward_scale", "entropy_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        if not 0 <= self.expected_p <= 1:
            raise ValueError(f"expected_p must be in [0, 1], got {self.expected_p}")

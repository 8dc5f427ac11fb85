"""Show, Attend and Tell: its settings, its state and its output."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.models.checks import check_sizes

KINDS = ("soft", "hard", "gumbel", "mean")
BASELINES = ("none", "moving average", "other draws")


class CaptionState(NamedTuple):
    """The state of a :class:`ShowAttendTell`; only ``hidden`` and ``cell`` change.

    Attributes:
        hidden: :math:`h_t` of the LSTM.
        cell: :math:`c_t` of the LSTM.
        annotations: :math:`a_i`.
        keys: the annotations as the score reads them; None without attention.
        mask: True where the decoder may attend; None: everywhere.
    """

    hidden: Float[Tensor, "rows hidden_dim"]
    cell: Float[Tensor, "rows hidden_dim"]
    annotations: Float[Tensor, "rows locations annotation_dim"]
    keys: Float[Tensor, "rows locations attention_dim"] | None
    mask: Bool[Tensor, "rows locations"] | None


class DecoderOutput(NamedTuple):
    """What the decoder returns for a sequence of words.

    Attributes:
        logits: scores of the word after each.
        weights: of each step over the locations; uniform without attention.
        log_prob: log-probability of the location drawn at each step; 0 if none was
            drawn.
        state: after the last word.
    """

    logits: Float[Tensor, "rows tokens target_vocab"]
    weights: Float[Tensor, "rows tokens locations"]
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
        attention_dim: size of the hidden layer of the score.
        kind: "soft": the weighted average of the annotations; "hard": the annotation of
            one location, drawn with the weights as probabilities, trained by REINFORCE;
            "gumbel": the same, trained by the straight-through gradient; "mean": the
            plain average, no attention.
        glance: whether the decoder starts from the mean annotation, as in the paper;
            False: from zeros, so that it knows only what it has looked at.
        gate: soft only: whether the average is multiplied by :math:`\beta_t`.
        penalty: soft only: :math:`\lambda` of the doubly stochastic penalty; 0: none.
        reward_scale: hard only: :math:`\lambda_r`; with 0 the scores learn only from
            the rows with averages (``expected_p``) and from the entropy.
        entropy_weight: hard only: :math:`\lambda_e`; 0: none.
        expected_p: hard only: probability that an image of a training batch gets the
            averages instead of drawn locations, for all its words; 0: never.
        baseline: hard only: what is subtracted from the reward. "moving average": the
            paper's, one number for all images; "other draws": for each draw the mean
            reward of the other draws of the same image; "none": nothing.
        num_draws: hard only: how often the locations of each image of a training batch
            are drawn, the paper's :math:`N`.
        reward_start: hard only: optimizer steps before rewards train the scores. Until
            then the decoder learns to use what it sees where it happens to look.
        dropout: probability of setting a component to 0 before the output layer.

    Raises:
        ValueError: if a size is not positive, ``kind`` or ``baseline`` is unknown, a
            weight of a term is negative, ``expected_p`` not in [0, 1], ``dropout`` not
            in [0, 1), or there are no other draws to be the baseline.
    """

    target_vocab: int
    annotation_dim: int = 32
    embed_dim: int = 32
    hidden_dim: int = 64
    attention_dim: int = 32
    kind: str = "soft"
    glance: bool = True
    gate: bool = True
    penalty: float = 1.0
    reward_scale: float = 0.1
    entropy_weight: float = 0.002
    expected_p: float = 0.5
    baseline: str = "moving average"
    num_draws: int = 1
    reward_start: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.kind not in KINDS:
            raise ValueError(
                f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}"
            )
        if self.baseline not in BASELINES:
            raise ValueError(
                f"baseline must be one of {', '.join(BASELINES)}, got {self.baseline!r}"
            )
        if self.baseline == "other draws" and self.num_draws < 2:
            raise ValueError(
                'num_draws must be at least 2 for the baseline "other draws", got '
                f"{self.num_draws}"
            )
        for name in ("penalty", "reward_scale", "entropy_weight", "reward_start"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        if not 0 <= self.expected_p <= 1:
            raise ValueError(f"expected_p must be in [0, 1], got {self.expected_p}")

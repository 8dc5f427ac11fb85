"""Show, attend and tell (Xu et al., 2015)."""

from attention_book.models.soft_hard.config import (
    BASELINES,
    KINDS,
    CaptionState,
    DecoderOutput,
    ShowAttendTellConfig,
)
from attention_book.models.soft_hard.loss import (
    coverage_penalty,
    moving_average,
    other_draws,
    reinforce_surrogate,
    weights_entropy,
)
from attention_book.models.soft_hard.model import ShowAttendTell, mean_annotation

__all__ = [
    "BASELINES",
    "KINDS",
    "CaptionState",
    "DecoderOutput",
    "ShowAttendTell",
    "ShowAttendTellConfig",
    "coverage_penalty",
    "mean_annotation",
    "moving_average",
    "other_draws",
    "reinforce_surrogate",
    "weights_entropy",
]

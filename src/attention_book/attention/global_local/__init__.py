"""Global and local attention (Luong, Pham and Manning, 2015)."""

from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.attention.global_local.scores import (
    CONTENT_SCORES,
    ConcatScore,
    ContentScore,
    DotScore,
    GeneralScore,
    LocationScore,
    Score,
    compared_keys,
)
from attention_book.attention.global_local.window import (
    PredictedCentre,
    expand_mask,
    gather_window,
    gaussian,
    scatter_window,
    window_positions,
)

__all__ = [
    "CONTENT_SCORES",
    "ConcatScore",
    "ContentScore",
    "DotScore",
    "GeneralScore",
    "GlobalAttention",
    "LocalAttention",
    "LocationScore",
    "PredictedCentre",
    "Score",
    "compared_keys",
    "expand_mask",
    "gather_window",
    "gaussian",
    "scatter_window",
    "window_positions",
]

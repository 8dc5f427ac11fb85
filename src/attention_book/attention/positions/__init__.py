"""Encodings of positions: added to the tokens, or inside the attention."""

from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
    shift_matrix,
    sinusoid_frequencies,
    sinusoids,
    token_positions,
)
from attention_book.attention.positions.alibi import (
    ALiBi,
    DistanceBias,
    linear_slopes,
)
from attention_book.attention.positions.one_sided import OneSided
from attention_book.attention.positions.relative import (
    RelativePositions,
    relative_shift,
)
from attention_book.attention.positions.rotary import RotaryAttention, rotate
from attention_book.attention.positions.t5_bias import T5RelativeBias, distance_bucket

__all__ = [
    "ALiBi",
    "DistanceBias",
    "LearnedPositions",
    "OneSided",
    "RelativePositions",
    "RotaryAttention",
    "SinusoidalPositions",
    "T5RelativeBias",
    "distance_bucket",
    "linear_slopes",
    "relative_shift",
    "rotate",
    "shift_matrix",
    "sinusoid_frequencies",
    "sinusoids",
    "token_positions",
]

"""How attention learns where tokens stand."""

from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
    shift_matrix,
    sinusoid_frequencies,
    sinusoids,
    token_positions,
)
from attention_book.attention.positions.alibi import (
    DistanceBias,
    LinearBias,
    linear_slopes,
)
from attention_book.attention.positions.relative import (
    RelativePositions,
    relative_shift,
)
from attention_book.attention.positions.rotary import RotaryPositions, rotate
from attention_book.attention.positions.t5_bias import BucketedBias, distance_bucket

__all__ = [
    "BucketedBias",
    "DistanceBias",
    "LearnedPositions",
    "LinearBias",
    "RelativePositions",
    "RotaryPositions",
    "SinusoidalPositions",
    "distance_bucket",
    "linear_slopes",
    "relative_shift",
    "rotate",
    "shift_matrix",
    "sinusoid_frequencies",
    "sinusoids",
    "token_positions",
]

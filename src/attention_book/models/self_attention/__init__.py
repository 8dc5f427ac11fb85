"""Models in which only what mixes the tokens is changed."""

from attention_book.models.self_attention.block import (
    AskingMixer,
    CausalConvolution,
    MixingBlock,
    PixelConvolution,
    Recurrence,
    Tokens,
)
from attention_book.models.self_attention.model import (
    MIXERS,
    FarTokenAdder,
    MixingConfig,
    PixelClassifier,
)

__all__ = [
    "MIXERS",
    "AskingMixer",
    "CausalConvolution",
    "FarTokenAdder",
    "MixingBlock",
    "MixingConfig",
    "PixelClassifier",
    "PixelConvolution",
    "Recurrence",
    "Tokens",
]

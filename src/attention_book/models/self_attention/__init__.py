"""Models that differ only in the layer that mixes their tokens."""

from attention_book.models.self_attention.block import (
    CausalConvolution,
    MixingBlock,
    PixelConvolution,
    Recurrence,
    SelfAttentionMixer,
    Tokens,
)
from attention_book.models.self_attention.model import (
    MIXERS,
    AddingModel,
    MixingConfig,
    PixelClassifier,
)
from attention_book.models.self_attention.pronouns import PronounConfig, PronounModel

__all__ = [
    "MIXERS",
    "AddingModel",
    "CausalConvolution",
    "MixingBlock",
    "MixingConfig",
    "PixelClassifier",
    "PixelConvolution",
    "PronounConfig",
    "PronounModel",
    "Recurrence",
    "SelfAttentionMixer",
    "Tokens",
]

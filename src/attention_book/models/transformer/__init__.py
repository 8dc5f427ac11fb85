"""The Transformer (Vaswani et al., 2017)."""

from attention_book.models.transformer.config import (
    POSITIONS,
    SHARE,
    SIZES,
    TransformerConfig,
)
from attention_book.models.transformer.decoder import Decoder, DecoderLayer, KeyValue
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import (
    NORMS,
    FeedForward,
    Residual,
    ScaledEmbedding,
    TokenBatchNorm,
    apply_to_nonpad,
    layer_norm,
    make_norm,
    nonpad_indices,
)
from attention_book.models.transformer.model import Transformer, TransformerState

__all__ = [
    "NORMS",
    "POSITIONS",
    "SHARE",
    "SIZES",
    "Decoder",
    "DecoderLayer",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "KeyValue",
    "Residual",
    "ScaledEmbedding",
    "TokenBatchNorm",
    "Transformer",
    "TransformerConfig",
    "TransformerState",
    "apply_to_nonpad",
    "layer_norm",
    "make_norm",
    "nonpad_indices",
]

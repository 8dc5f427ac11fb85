"""The Transformer (Vaswani et al., 2017)."""

from attention_book.models.transformer.config import (
    POSITIONS,
    SHARE,
    SIZES,
    TransformerConfig,
)
from attention_book.models.transformer.decoder import Decoder, DecoderLayer, KeyValue
from attention_book.models.transformer.embedding import ScaledEmbedding
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import (
    AddAndNorm,
    FeedForward,
    nonpad_indices,
)
from attention_book.models.transformer.model import Transformer, TransformerState
from attention_book.models.transformer.norm import (
    NORMS,
    TokenBatchNorm,
    layer_norm,
    make_norm,
)

__all__ = [
    "NORMS",
    "POSITIONS",
    "SHARE",
    "SIZES",
    "AddAndNorm",
    "Decoder",
    "DecoderLayer",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "KeyValue",
    "ScaledEmbedding",
    "TokenBatchNorm",
    "Transformer",
    "TransformerConfig",
    "TransformerState",
    "layer_norm",
    "make_norm",
    "nonpad_indices",
]

"""Small models around the mechanisms of later papers."""

from attention_book.models.later.evolved import (
    EvolvedDecoderCell,
    EvolvedEncoderCell,
    SeparableConv,
)
from attention_book.models.later.ntm import (
    CONTROLLERS,
    NTM,
    LSTMCopier,
    LSTMCopierConfig,
    NTMConfig,
    NTMState,
    copy_loss,
)
from attention_book.models.later.parts import (
    PartNet,
    PartNetConfig,
)
from attention_book.models.later.taggers import (
    CoupledTagger,
    CoupledTaggerConfig,
    NearestTagger,
    NearestTaggerConfig,
)
from attention_book.models.later.transformer_xl import (
    TransformerXL,
    TransformerXLConfig,
    TransformerXLLayer,
)

__all__ = [
    "CONTROLLERS",
    "NTM",
    "CoupledTagger",
    "CoupledTaggerConfig",
    "EvolvedDecoderCell",
    "EvolvedEncoderCell",
    "LSTMCopier",
    "LSTMCopierConfig",
    "NTMConfig",
    "NTMState",
    "NearestTagger",
    "NearestTaggerConfig",
    "PartNet",
    "PartNetConfig",
    "SeparableConv",
    "TransformerXL",
    "TransformerXLConfig",
    "TransformerXLLayer",
    "copy_loss",
]

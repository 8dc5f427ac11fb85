"""Mechanisms that later papers built on attention, each small."""

from attention_book.attention.later.addressing import (
    Dial,
    NTMAddressing,
    sharpen,
    shift_weights,
    write_memory,
)
from attention_book.attention.later.coupled import (
    CoupledAttention,
    CoupledOutput,
)
from attention_book.attention.later.gaussian import (
    GaussianAttention,
)
from attention_book.attention.later.parts import (
    PartAttention,
    part_overlap,
    part_spread,
)
from attention_book.attention.later.segment_recurrence import (
    TransformerXLAttention,
)
from attention_book.attention.later.sparse import (
    PATTERNS,
    STEPS,
    SparseAttention,
    TwoSteps,
    fixed_masks,
    reach,
    strided_context,
    strided_masks,
)

__all__ = [
    "PATTERNS",
    "STEPS",
    "CoupledAttention",
    "CoupledOutput",
    "Dial",
    "GaussianAttention",
    "NTMAddressing",
    "PartAttention",
    "SparseAttention",
    "TransformerXLAttention",
    "TwoSteps",
    "fixed_masks",
    "part_overlap",
    "part_spread",
    "reach",
    "sharpen",
    "shift_weights",
    "strided_context",
    "strided_masks",
    "write_memory",
]

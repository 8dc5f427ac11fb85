"""MPCNN (He, Gimpel and Lin, 2015) with its attention layer (2016)."""

from attention_book.models.mpcnn.compare import com_u1, com_u2, horizontal, vertical
from attention_book.models.mpcnn.config import COMPARISONS, LIGHT, MPCNNConfig
from attention_book.models.mpcnn.filters import (
    POOLINGS,
    HolisticFilters,
    PerDimensionFilters,
    filter_and_pool,
    masked_pool,
    pool_windows,
    window_mask,
)
from attention_book.models.mpcnn.loss import (
    graded_loss,
    hinge_loss,
    sparse_target,
    squared_norm,
)
from attention_book.models.mpcnn.model import MPCNN

__all__ = [
    "COMPARISONS",
    "LIGHT",
    "MPCNN",
    "POOLINGS",
    "HolisticFilters",
    "MPCNNConfig",
    "PerDimensionFilters",
    "com_u1",
    "com_u2",
    "filter_and_pool",
    "graded_loss",
    "hinge_loss",
    "horizontal",
    "masked_pool",
    "pool_windows",
    "sparse_target",
    "squared_norm",
    "vertical",
    "window_mask",
]

"""Checks that the models share: sizes in a config, a batch of padded sources."""

from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor


def check_sizes(config: Any) -> None:
    """Check the sizes and the dropout in a model's config.

    Raises:
        ValueError: if a field that ends in ``_vocab`` or ``_dim``, or starts with
            ``num_``, is below 1, or ``dropout`` is not in [0, 1).
    """
    for name, value in vars(config).items():
        if name.endswith(("_vocab", "_dim")) or name.startswith("num_"):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        elif name == "dropout" and not 0 <= value < 1:
            raise ValueError(f"dropout must be in [0, 1), got {value}")


def check_source(
    source: Shaped[Tensor, "rows source_tokens *features"],
    source_mask: Bool[Tensor, "rows source_tokens"],
) -> None:
    """Check that a mask fits the sources, and that padding follows the real tokens.

    A mask with fewer columns would silently cut the sources short, and a source padded
    on the left would be read from its padding on.

    Args:
        source: token ids, or one vector for each token.
        source_mask: True at real tokens.

    Raises:
        ValueError: if the shapes differ; on a CPU, if a row has no real token, or has
            padding before one. On a GPU, reading the mask would stall the device.
        TypeError: if ``source_mask`` is not boolean.
    """
    if source.shape[:2] != source_mask.shape:
        raise ValueError(
            f"source_mask must have the shape of source, {tuple(source.shape[:2])}, "
            f"got {tuple(source_mask.shape)}"
        )
    if source_mask.dtype != torch.bool:
        raise TypeError(f"source_mask must be boolean, got {source_mask.dtype}")
    if source_mask.device.type == "cpu" and not torch.compiler.is_compiling():
        lengths = source_mask.sum(dim=1)
        check_lengths(lengths)
        positions = torch.arange(source_mask.shape[1])
        gaps = (source_mask & (positions >= lengths[:, None])).any(dim=1)
        if gaps.any():
            raise ValueError(
                "sources must be padded on the right: in row "
                f"{int(gaps.nonzero()[0])} of source_mask padding comes before a token"
            )


def check_lengths(lengths: Tensor) -> None:
    """Check that each source has a token.

    Args:
        lengths: number of real tokens in each row, on the CPU.

    Raises:
        ValueError: if a row has none; the message has its number, from 0.
    """
    if len(lengths) and not lengths.all():
        row = int((lengths == 0).nonzero()[0])
        raise ValueError(
            f"each source must have at least one token, but row {row} of source_mask "
            "is all padding"
        )

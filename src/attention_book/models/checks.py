"""Checks that the models share: of the sizes in a config, and of their inputs."""

from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from attention_book.functional import check_counts


def check_sizes(config: Any) -> None:
    """Check the sizes and the dropout in a model's config.

    Raises:
        TypeError: if a field that ends in ``_vocab``, ``_dim`` or ``_size``, or starts
            with ``num_``, is not an integer.
        ValueError: if such a field is below 1, ``dropout`` is not in [0, 1), or there
            are ``embed_dim`` and a ``num_heads`` that does not divide it.
    """
    for name, value in vars(config).items():
        if name.endswith(("_vocab", "_dim", "_size")) or name.startswith("num_"):
            check_counts(**{name: value})
        elif name == "dropout" and not 0 <= value < 1:
            raise ValueError(f"dropout must be in [0, 1), got {value}")
    num_heads = getattr(config, "num_heads", 1)
    embed_dim = getattr(config, "embed_dim", num_heads)
    if num_heads > 1 and embed_dim % num_heads:
        raise ValueError(
            f"embed_dim ({embed_dim}) must be divisible by num_heads ({num_heads})"
        )


def check_padding(
    name: str,
    tokens: Shaped[Tensor, "rows tokens *features"],
    mask: Bool[Tensor, "rows tokens"],
) -> None:
    """Check that a mask fits the tokens, and that padding follows the real ones.

    A mask with fewer columns would silently cut sentences short, and a sentence padded
    on the left would be read from its padding on.

    Args:
        name: of the tokens, for the message; the mask's ends in ``_mask``.
        tokens: ids, or one vector for each token.
        mask: True at real tokens.

    Raises:
        ValueError: if the shapes differ; on a CPU, if a row has no real token, or has
            padding before one. On a GPU, reading the mask would stall the device.
        TypeError: if ``mask`` is not boolean.
    """
    if tokens.shape[:2] != mask.shape:
        raise ValueError(
            f"{name}_mask must have the shape of {name}, {tuple(tokens.shape[:2])}, "
            f"got {tuple(mask.shape)}"
        )
    if mask.dtype != torch.bool:
        raise TypeError(f"{name}_mask must be boolean, got {mask.dtype}")
    if mask.device.type == "cpu" and not torch.compiler.is_compiling():
        lengths = mask.sum(dim=1)
        check_lengths(name, lengths)
        positions = torch.arange(mask.shape[1])
        gaps = (mask & (positions >= lengths[:, None])).any(dim=1)
        if gaps.any():
            row = int(gaps.nonzero()[0])
            raise ValueError(
                f"{name} must be padded on the right, but row {row} of {name}_mask has "
                "padding before a token"
            )


def check_lengths(name: str, lengths: Tensor) -> None:
    """Check that each sentence has a token.

    Args:
        name: as for :func:`check_padding`.
        lengths: number of real tokens in each row, on the CPU.

    Raises:
        ValueError: if a row has none; the message has its number, from 0.
    """
    if len(lengths) and not lengths.all():
        row = int((lengths == 0).nonzero()[0])
        raise ValueError(
            f"{name} must have at least one token in each row, but row {row} of "
            f"{name}_mask is all padding"
        )


def check_pair_rows(
    first: Shaped[Tensor, "rows ..."], second: Shaped[Tensor, "_ ..."]
) -> None:
    """Check that there are two sentences for each pair: one row would be broadcast.

    Raises:
        ValueError: if the numbers of rows differ.
    """
    if len(first) != len(second):
        raise ValueError(
            f"first and second must have one row for each pair, got {len(first)} and "
            f"{len(second)} rows"
        )


def check_range(
    name: str, values: Shaped[Tensor, " pairs"], low: int, high: int
) -> None:
    """Check labels or scores, which a loss would otherwise take at any value.

    Args:
        name: of the values, for the message.
        values: one for each pair.
        low: lowest value allowed.
        high: highest value allowed.

    Raises:
        ValueError: on a CPU, if a value is not in the range. On a GPU, reading the
            values would stall the device.
    """
    if values.device.type == "cpu" and not torch.compiler.is_compiling():
        inside = (values >= low) & (values <= high)  # False for NaN
        if not inside.all():
            pair = int(inside.int().argmin())
            raise ValueError(
                f"each {name} must be from {low} to {high}, got {values[pair].item()} "
                f"for pair {pair} of the batch"
            )


def check_rows(
    target: Shaped[Tensor, "rows ..."], source: Shaped[Tensor, "_ ..."]
) -> None:
    """Check that there is a target for each source: one row would be broadcast.

    Args:
        target: what the decoder reads, one row for each sentence.
        source: a tensor of the decoder's state, or of the encoder's inputs.

    Raises:
        ValueError: if the numbers of rows differ.
    """
    if len(target) != len(source):
        raise ValueError(
            f"there must be a target for each source, got {len(target)} targets and "
            f"{len(source)} sources"
        )

"""The loss of a batch, and of a whole data set."""

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.training.runtime import default_device


@torch.no_grad()
def evaluate(
    model: nn.Module, loader: Iterable[Any], *, device: str | torch.device = "auto"
) -> float:
    """Mean loss over all tokens of a data set, in nats per token; leaves eval mode.

    Args:
        model: as for :func:`fit`; it is moved to ``device``.
        loader: batches, with a length.
        device: "auto", "cpu", "cuda" or a device.

    Raises:
        ValueError: if the loader is empty.
        FloatingPointError: if the loss is not finite.
    """
    if not len(loader):
        raise ValueError("loader must have at least one batch, got none")
    if isinstance(device, str):
        device = default_device(device)
    model.to(device).eval()
    # Summed where the batches are: one wait for the GPU, not one a batch.
    total, num_tokens = torch.zeros((), dtype=torch.float64, device=device), 0
    for batch in loader:
        total += batch_loss(model, batch, device) * batch.num_tokens
        num_tokens += batch.num_tokens
    mean = total.item() / num_tokens
    if not math.isfinite(mean):
        raise FloatingPointError(f"the mean loss over {num_tokens} tokens is {mean}")
    return mean


def batch_loss(model: nn.Module, batch: Any, device: torch.device) -> Float[Tensor, ""]:
    """``model.loss`` of a batch on a device, under bfloat16 autocast where it pays.

    Args:
        model: a module with ``.loss(batch)``, on ``device``.
        batch: something with ``.to(device)``.
        device: where to compute; on a CPU there is no autocast.
    """
    with torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device)):
        return model.loss(batch.to(device))


@cache
def _has_bfloat16(device: torch.device) -> bool:
    # Older GPUs (Colab's T4) only emulate bfloat16, slower than float32.
    return device.type == "cuda" and torch.cuda.is_bf16_supported(
        including_emulation=False
    )

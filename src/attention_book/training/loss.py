"""The loss of a batch, and of a whole data set."""

import math
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.training.batches import Batch, Batches, require_batches
from attention_book.training.runtime import default_device


@torch.no_grad()
def evaluate(
    model: nn.Module, loader: Batches, *, device: str | torch.device = "auto"
) -> float:
    """Mean loss over all tokens of a data set, in nats per token.

    The model is left in eval mode.

    Args:
        model: a module with ``.loss(batch)``; it is moved to ``device``.
        loader: the batches.
        device: "auto" or a device, see
            :func:`~attention_book.training.runtime.default_device`.

    Raises:
        ValueError: if the loader is empty.
        FloatingPointError: if the loss is not finite.
    """
    require_batches("loader", loader)
    device = default_device(device)
    model.to(device).eval()
    losses, num_tokens = [], 0
    for batch in loader:
        losses.append(batch_loss(model, batch, device) * batch.num_tokens)
        num_tokens += batch.num_tokens
    # Read all at once, which waits for the GPU once; summed in double precision.
    mean = sum(torch.stack(losses).tolist()) / num_tokens
    if not math.isfinite(mean):
        raise FloatingPointError(f"the mean loss over {num_tokens} tokens is {mean}")
    return mean


def batch_loss(
    model: nn.Module, batch: Batch, device: torch.device
) -> Float[Tensor, ""]:
    """``model.loss`` of a batch on a device, under bfloat16 autocast where it pays.

    Args:
        model: a module with ``.loss(batch)``, on ``device``.
        batch: the batch, on any device.
        device: where to compute. Autocast is for GPUs with bfloat16 only.
    """
    loss: Any = model.loss  # whatever the model's class is
    autocast = torch.autocast(device.type, torch.bfloat16)
    with autocast if _has_bfloat16(device) else nullcontext():
        return loss(batch.to(device))


@cache
def _has_bfloat16(device: torch.device) -> bool:
    # Older GPUs (Colab's T4) only emulate bfloat16, slower than float32.
    return device.type == "cuda" and torch.cuda.is_bf16_supported(
        including_emulation=False
    )

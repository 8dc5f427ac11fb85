"""The scores that a model gives to the pairs of a data set."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from attention_book.training.runtime import default_device


@torch.no_grad()
def score_all(
    model: nn.Module, loader: Iterable[Any], *, device: str | torch.device = "auto"
) -> Float[np.ndarray, " pairs"]:
    """Score every pair of a data set; leaves the model in eval mode.

    Args:
        model: a module with ``.score(batch)``, one number a pair; moved to ``device``.
        loader: batches with ``.to(device)``, in the order that the result is to have.
        device: "auto", "cpu", "cuda" or a device.

    Raises:
        ValueError: if the loader is empty.
    """
    if not len(loader):
        raise ValueError("loader must have at least one batch, got none")
    if isinstance(device, str):
        device = default_device(device)
    model.to(device).eval()
    scores = torch.cat([model.score(batch.to(device)) for batch in loader])
    return scores.double().cpu().numpy()

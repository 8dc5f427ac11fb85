"""The scores that a model gives to the pairs of a data set."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from attention_book.training.batches import Batches, require_batches
from attention_book.training.runtime import default_device


@torch.no_grad()
def score_all(
    model: nn.Module, loader: Batches, *, device: str | torch.device = "auto"
) -> Float[np.ndarray, " pairs"]:
    """Score every pair of a data set.

    The model is left in eval mode.

    Args:
        model: a module with ``.score(batch)``, one number per pair; it is moved to
            ``device``.
        loader: the batches, in the order that the result has.
        device: "auto" or a device, see
            :func:`~attention_book.training.runtime.default_device`.

    Raises:
        ValueError: if the loader is empty.
        FloatingPointError: if a score is not finite.
    """
    require_batches("loader", loader)
    device = default_device(device)
    model.to(device).eval()
    score: Any = model.score  # whatever the model's class is
    scores = torch.cat([score(batch.to(device)) for batch in loader])
    scores = scores.cpu().double()  # in this order: not every device has float64
    if not scores.isfinite().all():
        worst = int(scores.isfinite().int().argmin())
        raise FloatingPointError(
            f"the score of pair {worst} (from 0) is {scores[worst].item()}"
        )
    return scores.numpy()

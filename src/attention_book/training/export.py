"""Trained models as small files that a browser can read: weights of 16 bits."""

import json
from typing import Any

import torch
from torch import Tensor, nn

from attention_book.training.checkpoint import describe_model, unwrap


def round_weights(model: nn.Module) -> None:
    """Round all weights of a model, in place, to values that 16-bit floats have.

    Rounding moves log-probabilities a little, so whoever exports a model rounds it
    first and scores the rounded one: what is measured is then what is exported.

    Args:
        model: its floating-point parameters and buffers are rounded and keep their
            type.

    Raises:
        ValueError: if a weight is too large for 16 bits or not finite; nothing is
            rounded then.

    Example:
        >>> layer = nn.Linear(1, 1)
        >>> _ = nn.init.constant_(layer.weight, 0.1)
        >>> round_weights(layer)
        >>> layer.weight.item()
        0.0999755859375
    """
    rounded = _halves(model)
    with torch.no_grad():
        for name, weight in unwrap(model).state_dict().items():
            if name in rounded:
                weight.copy_(rounded[name])


def export_weights(model: nn.Module, about: dict[str, Any]) -> bytes:
    """Return a model's weights as a safetensors file of 16-bit floats.

    The file's metadata have one entry, ``book``, in JSON: ``model``, the class and the
    config as :func:`attention_book.training.checkpoint.describe_model` gives them, and
    ``about``. Shared weights are there once for each name. The same weights give the
    same file. ``figures/web/forward-pass.js`` reads it.

    Args:
        model: a model with a dataclass as ``config``.
        about: what else a reader of the file must know, such as the vocabularies, as
            JSON can hold it.

    Raises:
        ValueError: as from :func:`round_weights`.
    """
    from safetensors.torch import save

    described = {"model": describe_model(model), "about": about}
    # One entry: several would come in a random order.
    return save(_halves(model), {"book": json.dumps(described, ensure_ascii=False)})


def _halves(model: nn.Module) -> dict[str, Tensor]:
    """The floating-point weights, as 16-bit floats on the CPU."""
    halves = {
        name: weight.detach().to("cpu", torch.float16, copy=True)
        for name, weight in unwrap(model).state_dict().items()
        if weight.is_floating_point()
    }
    wrong = [name for name, weight in halves.items() if not weight.isfinite().all()]
    if wrong:
        raise ValueError(
            f"weights must be finite as 16-bit floats, whose largest is 65,504: "
            f"{', '.join(wrong)}"
        )
    return halves

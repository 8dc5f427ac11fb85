"""The optimizers of the papers, by name."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    # Zeiler's rho, which Cho et al. and Bahdanau et al. use; PyTorch's is 0.9.
    "adadelta": partial(torch.optim.Adadelta, rho=0.95),
    "adagrad": torch.optim.Adagrad,
    # Vaswani et al., 5.3. Fused: one pass over the weights instead of one a term.
    "adam_transformer": partial(
        torch.optim.Adam, betas=(0.9, 0.98), eps=1e-9, fused=True
    ),
}


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], learning_rate: float
) -> torch.optim.Optimizer:
    """Make an optimizer for ``parameters``.

    Args:
        name: "adam", "adamw", "sgd" (no momentum), "adadelta" (rho 0.95), "adagrad" or
            "adam_transformer" (beta_2 0.98, epsilon 1e-9, fused); all else is PyTorch's
            default.
        parameters: what it changes.
        learning_rate: its step size.

    Raises:
        ValueError: if there is no such optimizer.

    Example:
        >>> weight = nn.Parameter(torch.zeros(1))
        >>> make_optimizer("adadelta", [weight], 1.0).defaults["rho"]
        0.95
    """
    if name not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}"
        )
    return OPTIMIZERS[name](parameters, lr=learning_rate)

"""The optimizers of the papers, by name."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    # Zeiler's rho, which Cho et al. and Bahdanau et al. use; PyTorch's is 0.9.
    "adadelta": partial(torch.optim.Adadelta, rho=0.95),
    "adagrad": torch.optim.Adagrad,
    # Vaswani et al., 5.3. Fused: one pass over the weights instead of one per term.
    "adam_transformer": partial(
        torch.optim.Adam, betas=(0.9, 0.98), eps=1e-9, fused=True
    ),
}


OptimizerFactory = Callable[[nn.Module, float], torch.optim.Optimizer]
"""Makes an optimizer for a model from the model and the learning rate."""


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    learning_rate: float,
    **options: Any,
) -> torch.optim.Optimizer:
    """Make an optimizer for ``parameters``.

    Args:
        name: "adam", "adamw", "sgd" (no momentum), "adadelta" (rho 0.95), "adagrad" or
            "adam_transformer" (beta_2 0.98, epsilon 1e-9, fused). Everything else is
            PyTorch's default.
        parameters: the parameters that it updates, or groups of them with options of
            their own, as PyTorch's optimizers take them.
        learning_rate: its step size.
        options: options of PyTorch's class, such as ``weight_decay``.

    Raises:
        ValueError: if there is no such optimizer, or an option is out of its range.
        TypeError: if the optimizer has no such option.

    Example:
        >>> weight = nn.Parameter(torch.zeros(1))
        >>> make_optimizer("adadelta", [weight], 1.0).defaults["rho"]
        0.95
        >>> make_optimizer("adamw", [weight], 1.0, weight_decay=0.1).defaults[
        ...     "weight_decay"
        ... ]
        0.1
    """
    if name not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}"
        )
    try:
        return OPTIMIZERS[name](parameters, lr=learning_rate, **options)
    except TypeError as error:
        raise TypeError(
            f"optimizer {name!r} cannot be made with options {options}: {error}"
        ) from error


def clip_each(
    optimizer: torch.optim.Optimizer, max_norm: float
) -> torch.optim.Optimizer:
    """Let an optimizer scale down the gradient of each parameter for itself.

    ``clip_norm`` of :func:`~attention_book.training.loop.fit` limits the norm over all
    parameters instead.

    Args:
        optimizer: the optimizer; before each of its steps, gradients that are longer
            than ``max_norm`` are scaled down to it.
        max_norm: largest norm, positive.

    Returns:
        The same optimizer.

    Raises:
        ValueError: if ``max_norm`` is not positive.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> sgd = clip_each(torch.optim.SGD([weight], lr=1.0), max_norm=5.0)
        >>> (weight @ torch.tensor([6.0, 8.0])).backward()
        >>> sgd.step()
        >>> weight.data.round()
        tensor([-3., -4.])
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be positive, got {max_norm}")

    def clip(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            gradients = [p.grad for p in group["params"] if p.grad is not None]
            if gradients:
                norms = torch.stack([gradient.norm() for gradient in gradients])
                factors = (max_norm / (norms + 1e-6)).clamp(max=1.0)
                for gradient, factor in zip(gradients, factors.unbind(), strict=True):
                    gradient.mul_(factor)

    optimizer.register_step_pre_hook(clip)
    return optimizer

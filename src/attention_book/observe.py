"""Read attention weights out of a model while it runs."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def record_weights(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Record the weights of every attention layer inside ``model``.

    Layers keep nothing between calls and mostly do not compute their weights at all;
    within the ``with`` block, hooks ask them to and take down what they return. An
    attention layer is a module whose ``forward`` takes a ``query`` and returns
    ``(context, weights)``: all of this package's, and
    :class:`torch.nn.MultiheadAttention`, whose heads are then not averaged.

    Args:
        model: the model, or a single layer (its name is then ``""``).

    Yields:
        For each layer, by its name in ``model.named_modules()``, the weights of its
        calls in their order: one entry for a layer that ran once, one a step for a
        layer inside a decoder's loop. They are detached from the graph.

    Raises:
        ValueError: if there is no attention layer in ``model``.

    Example:
        >>> import torch
        >>> layer = nn.MultiheadAttention(embed_dim=4, num_heads=2, batch_first=True)
        >>> x = torch.randn(1, 3, 4)
        >>> with record_weights(layer) as weights:
        ...     _ = layer(x, x, x, need_weights=False)
        >>> weights[""][0].shape  # batch, heads, queries, keys
        torch.Size([1, 2, 3, 3])
    """
    layers = {}
    for name, module in model.named_modules():
        parameters = inspect.signature(module.forward).parameters
        if "query" in parameters:
            layers[name] = (module, parameters)
    if not layers:
        raise ValueError(
            f"no attention layer in {type(model).__name__}: nothing to record"
        )
    recorded: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = []
    try:
        for name, (module, parameters) in layers.items():
            hooks.append(
                module.register_forward_pre_hook(_ask(parameters), with_kwargs=True)
            )
            hooks.append(module.register_forward_hook(_take(recorded[name])))
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _ask(parameters: Any) -> Any:
    """A hook that sets the arguments with which a layer returns all its weights."""
    wanted = {"need_weights": True, "average_attn_weights": False}
    wanted = {name: value for name, value in wanted.items() if name in parameters}
    order = list(parameters)

    def ask(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        # What was passed by position is passed by name, so that it can be replaced.
        named = dict(zip(order, args, strict=False))
        return (), {**named, **kwargs, **wanted}

    return ask


def _take(calls: list[Tensor]) -> Any:
    """A hook that appends a layer's second result to ``calls``."""

    def take(_module: nn.Module, _args: tuple, output: tuple) -> None:
        calls.append(output[1].detach())

    return take

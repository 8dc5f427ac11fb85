"""Read attention weights out of a model while it runs."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from attention_book.chapters.taxonomy import MECHANISMS
from attention_book.functional import run_uncompiled

_RECORDED = {f"attention_book.{m.path}" for m in MECHANISMS if m.call != "block"}
_RECORDED |= {"torch.nn.modules.activation.MultiheadAttention"}


@contextmanager
def record_weights(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Record the weights of every attention layer inside ``model``.

    Layers keep nothing between calls, and most do not compute their weights unless
    asked to. Within the ``with`` block, hooks ask for the weights and record them. An
    attention layer is an instance of a class in the table of mechanisms,
    :data:`attention_book.chapters.taxonomy.MECHANISMS`, or of
    :class:`torch.nn.MultiheadAttention`, whose heads are then not averaged. A mechanism
    inside another one, such as the scorer of hard attention, is part of the outer one
    and not recorded a second time.

    Args:
        model: the model, or a single layer (its name is then ``""``). A model that was
            compiled runs uncompiled inside the block, because its compiled code does
            not call hooks.

    Yields:
        For each layer, by its name in ``model.named_modules()``, the weights of its
        calls in order: one entry for a layer that ran once, one entry per step for a
        layer inside a decoder's loop. They are detached from the graph. The names are
        those of the model before compilation.

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
    layers = _attention_layers(model)
    if not layers:
        plain = getattr(model, "_orig_mod", model)  # not the wrapper of compilation
        raise ValueError(
            f"no attention layer in {type(plain).__name__}: nothing to record"
        )
    recorded: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = []
    try:
        for name, module in layers.items():
            hooks.append(
                module.register_forward_pre_hook(_request(module), with_kwargs=True)
            )
            hooks.append(module.register_forward_hook(_record(recorded[name])))
        with run_uncompiled():
            yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _attention_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The outermost attention layers by name, the wrappers of compilation left out."""
    layers: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        kinds = {
            f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).mro()
        }
        if kinds & _RECORDED:
            parts = [part for part in name.split(".") if part != "_orig_mod"]
            outer = {".".join(parts[:depth]) for depth in range(len(parts))}
            if not outer & layers.keys():
                layers[".".join(parts)] = module
    return layers


def _request(module: nn.Module) -> Callable[..., tuple[tuple, dict]]:
    """A hook that sets the arguments with which a layer returns all its weights."""
    order = list(inspect.signature(module.forward).parameters)
    wanted = {"need_weights": True, "average_attn_weights": False}
    wanted = {name: value for name, value in wanted.items() if name in order}

    def request(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        # PyTorch's layer takes need_weights by position too: all arguments get names.
        named = dict(zip(order, args, strict=False))
        return (), {**named, **kwargs, **wanted}

    return request


def _record(calls: list[Tensor]) -> Callable[..., None]:
    """A hook that appends a layer's second result to ``calls``."""

    def record(_module: nn.Module, _args: tuple, output: tuple) -> None:
        calls.append(output[1].detach())

    return record

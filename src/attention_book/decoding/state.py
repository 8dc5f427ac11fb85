"""The state of a decoder: a nest of tensors with one row for each hypothesis."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

State = Any
"""A nest of named tuples, dataclasses, tuples, lists and dicts. Its leaves are tensors,
whose first axis runs over the rows, or None."""


def select_rows(state: State, rows: Int[Tensor, " rows"]) -> State:
    """Select rows of every tensor in a state, with repetitions if need be.

    Args:
        state: the nest; named tuples and dataclasses keep their type.
        rows: indices on the first axis of its tensors, in the new order.

    Raises:
        TypeError: if a leaf is neither a tensor nor None.

    Example:
        >>> select_rows({"hidden": torch.tensor([[5], [7]])}, torch.tensor([1, 1, 0]))
        {'hidden': tensor([[7],
                [7],
                [5]])}
    """
    return _map(lambda tensor: tensor.index_select(0, rows), state)


def state_device(state: State, num_rows: int) -> torch.device | None:
    """Check the rows of a state; return the device of its first tensor.

    Args:
        state: the nest.
        num_rows: size that the first axis of each tensor must have.

    Returns:
        The device, or None if there is no tensor.

    Raises:
        ValueError: if a tensor has another number of rows.
        TypeError: if a leaf is neither a tensor nor None.
    """
    tensors: list[Tensor] = []

    def collect(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor  # so that a dataclass may check what it is made of

    _map(collect, state)
    for tensor in tensors:
        if tensor.ndim == 0 or tensor.shape[0] != num_rows:
            raise ValueError(
                f"each tensor of state must have {num_rows} rows (batch_size) on its "
                f"first axis, got shape {tuple(tensor.shape)}"
            )
    return tensors[0].device if tensors else None


def _map(function: Callable[[Tensor], Any], state: State) -> State:
    if state is None:
        return None
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, dict):
        return {name: _map(function, part) for name, part in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):  # a named tuple
        return type(state)(*(_map(function, part) for part in state))
    if isinstance(state, tuple | list):
        return type(state)(_map(function, part) for part in state)
    if is_dataclass(state) and not isinstance(state, type):
        parts = {f.name: _map(function, getattr(state, f.name)) for f in fields(state)}
        return replace(state, **parts)
    raise TypeError(
        f"state must hold tensors and None in tuples, lists, dicts and dataclasses, "
        f"got {type(state).__name__}"
    )

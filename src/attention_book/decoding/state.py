"""What a search carries along for each hypothesis."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

State = Any
"""A nest of tuples, lists and dicts of tensors whose first axis runs over the rows;
None in place of a tensor is allowed."""


def select_rows(state: State, rows: Int[Tensor, " rows"]) -> State:
    """Take rows of every tensor in a nest, some more than once, some not at all.

    Args:
        state: the nest.
        rows: indices on the first axis of its tensors, in the new order.

    Raises:
        TypeError: if there is something else than tensors and None in the nest.

    Example:
        >>> select_rows({"hidden": torch.tensor([[5], [7]])}, torch.tensor([1, 1, 0]))
        {'hidden': tensor([[7],
                [7],
                [5]])}
    """
    return _map(lambda tensor: tensor.index_select(0, rows), state)


def state_device(state: State, num_rows: int) -> torch.device | None:
    """The device of the first tensor in a nest; None if there is no tensor.

    Args:
        state: the nest.
        num_rows: size that the first axis of each tensor must have.

    Raises:
        ValueError: if a tensor has another number of rows.
        TypeError: if there is something else than tensors and None in the nest.
    """
    tensors: list[Tensor] = []
    _map(tensors.append, state)
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
    if isinstance(state, tuple | list):
        return type(state)([_map(function, part) for part in state])
    raise TypeError(
        f"state must hold tensors and None in tuples, lists and dicts, got "
        f"{type(state).__name__}"
    )

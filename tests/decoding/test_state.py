"""Rows of a nest of tensors."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch.testing import assert_close

from attention_book.decoding.state import select_rows, state_device


def test_rows_of_every_tensor_in_the_nest():
    first, second, third = torch.randn(3, 2), torch.randn(3), torch.randn(3, 5, 7)
    state = {"layers": [(first, second)], "nothing": None, "third": third}
    rows = torch.tensor([2, 0, 2, 1])
    chosen = select_rows(state, rows)
    assert_close(chosen["layers"], [(first[rows], second[rows])])
    assert_close(chosen["third"], third[rows])
    assert chosen["nothing"] is None
    assert select_rows(None, rows) is None


class Cell(NamedTuple):
    hidden: torch.Tensor
    fed: torch.Tensor | None


@dataclass(frozen=True, kw_only=True)
class Memory:
    cells: list[Cell]
    mask: torch.Tensor | None = None


def test_named_tuples_and_dataclasses_are_rebuilt():
    hidden, rows = torch.randn(3, 2), torch.tensor([1, 1, 0, 2])
    state = {"memory": Memory(cells=[Cell(hidden, None)], mask=hidden > 0)}
    chosen = select_rows(state, rows)["memory"]
    assert isinstance(chosen, Memory)
    assert isinstance(chosen.cells[0], Cell)
    assert chosen.cells[0].fed is None
    assert_close(chosen.cells[0].hidden, hidden[rows])
    assert torch.equal(chosen.mask, (hidden > 0)[rows])


def test_device_of_the_first_tensor():
    assert state_device((None, torch.zeros(3)), 3) == torch.device("cpu")
    assert state_device({}, 3) is None


@pytest.mark.parametrize("tensor", [torch.zeros(2, 3), torch.tensor(3.0)])
def test_another_number_of_rows(tensor):
    message = rf"must have 3 rows .*got shape \({', '.join(map(str, tensor.shape))}\)"
    with pytest.raises(ValueError, match=message):
        state_device((torch.zeros(3), tensor), 3)


def test_something_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"state must hold tensors and None .* got int"):
        state_device({"step": 1}, 3)
    with pytest.raises(TypeError, match=r"dicts and dataclasses, got type"):
        state_device((Memory,), 3)


@dataclass(frozen=True)
class Checked:
    hidden: torch.Tensor

    def __post_init__(self):
        if self.hidden.ndim != 2:
            raise ValueError("hidden must have two axes")


def test_dataclasses_may_check_their_parts():
    state = Checked(torch.zeros(3, 5))
    assert state_device(state, 3) == torch.device("cpu")
    assert select_rows(state, torch.tensor([1, 0])).hidden.shape == (2, 5)

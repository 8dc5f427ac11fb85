"""Reporting neighbours: the bound, layers that reach it, what training finds."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.recipes import neighbours

OFFSETS = (-4, -3, -2, -1, 1, 2, 3, 4)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_values_of_the_neighbours_are_wanted():
    at, values, wanted = neighbours.neighbour_values(3, 16, draw(), offsets=(-1, 2))
    assert at.shape == values.shape == (3, 12, 16)
    assert (values[..., 4:] == 0).all()
    for token in range(12):
        own = values[:, (token - 1) % 12, :4], values[:, (token + 2) % 12, :4]
        assert_close(wanted[:, token], torch.cat(own, dim=-1))


def unsaid(stack, token, wanted):
    """Share of the wanted values' variance that no linear map of a token can tell."""
    at, values, _ = neighbours.neighbour_values(1, stack.readout.in_features, draw())
    at, values = at.double(), values.double()

    def hold(own):
        tokens = torch.nn.functional.pad(own, (0, values.shape[-1] - 4))
        for layer in stack.layers:
            tokens = tokens + layer(at, at, tokens)[0]
        return tokens[0, token]

    heard = torch.autograd.functional.jacobian(hold, values[..., :4]).flatten(1)
    left = 0.0
    for position in wanted:
        for number in range(4):
            target = torch.zeros(12, 4, dtype=torch.float64)
            target[position, number] = 1.0
            target = target.flatten()
            best = torch.linalg.lstsq(
                heard.T, target[:, None], rcond=1e-9, driver="gelsd"
            ).solution[:, 0]
            left += (target - best @ heard).square().sum().item()
    return left / (4 * len(wanted))


@pytest.mark.parametrize(
    ("layers", "heads", "wanted"), [(1, 1, 2), (1, 2, 5), (2, 1, 4), (2, 2, 10)]
)
def test_no_stack_hears_more_than_the_bound_allows(layers, heads, wanted):
    """Whatever the weights are: here they are drawn, and sharp."""
    torch.manual_seed(layers * 10 + heads)
    stack = neighbours.NeighbourStack(layers, heads, 64, 3).double()
    for layer in stack.layers:
        layer.in_proj.weight.data[:128] *= 20  # queries and keys
    least = neighbours.least_neighbour_error(layers, heads, wanted)
    assert 0 < least < 1
    assert unsaid(stack, 0, range(1, 1 + wanted)) > least - 1e-6


def test_how_many_tokens_can_be_reached():
    for layers in (1, 2, 3):
        for heads in (1, 2, 4):
            held = 1
            for _ in range(layers):
                held += heads * held  # what is there stays, each head adds as much
            assert neighbours.reachable_tokens(layers, heads) == held - 1
    assert neighbours.least_neighbour_error(1, 2, 8) == 0.75
    assert neighbours.least_neighbour_error(2, 4, 8) == 0.0


@pytest.mark.parametrize(
    ("shifts", "width", "reached"),
    [
        ([[-1, 1]], 16, [0, -1, 1]),
        ([[-1], [-2]], 32, [0, -1, -2, -3]),
        ([[-1, 1], [-3, 3]], 64, [0, -1, 1, -3, -4, -2, 3, 2, 4]),
    ],
)
def test_heads_set_by_hand_bring_what_they_promise(shifts, width, reached):
    stack = neighbours.shifting_stack(shifts, width)
    at, values, wanted = neighbours.neighbour_values(3, width, draw(), reached)
    with torch.no_grad():
        found = stack(at, values)
    assert_close(found[..., : wanted.shape[-1]], wanted, atol=1e-5, rtol=0)


def test_a_stack_that_is_too_narrow_is_refused():
    with pytest.raises(ValueError, match=r"at least 36.*at least 12, got 32 and 16"):
        neighbours.shifting_stack([[-1, 1], [-3, 3]], 32)


def test_two_heads_learn_what_one_cannot(no_shape_checks):
    how = {"seed": 0, "steps": 250, "learning_rate": 2e-2}
    one, _ = neighbours.learn_neighbours(1, **how)
    two, weights = neighbours.learn_neighbours(2, **how)
    assert two < one
    assert weights.shape == (2, 12, 12)
    total = torch.cat([torch.eye(4), torch.eye(4)])
    summed, _ = neighbours.learn_neighbours(1, combine=total, **how)
    assert summed < one
    deep, _ = neighbours.learn_neighbours(
        2, 32, seed=0, steps=3, num_layers=2, offsets=OFFSETS
    )
    assert 0.2 < deep < 2
    error, of_numpy = (
        neighbours.learn_neighbours(1, seed=seed, steps=1)[0]
        for seed in (5, np.int64(5))
    )
    assert error == of_numpy

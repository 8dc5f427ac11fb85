"""Two marked digits and their sum."""

import pytest
import torch

from attention_book.data.sequences.adding_problem import adding_problem


@pytest.mark.parametrize("distance", [1, 5])
def test_the_ends_are_marked_and_added(distance):
    tokens, sums = adding_problem(200, distance, num_digits=3)
    assert tokens.shape == (200, distance + 1, 2)
    digits, marks = tokens.unbind(dim=-1)
    assert marks.sum(dim=1).tolist() == [2] * 200
    for row, (first, last) in enumerate(zip(digits[:, 0], digits[:, -1], strict=True)):
        assert sums[row] == first + last


def test_digits_are_equally_likely_and_say_nothing_of_each_other():
    tokens, _ = adding_problem(9000, 2, num_digits=3)
    first, between, last = tokens[..., 0].unbind(dim=1)
    for one, other in (first, last), (first, between), (between, last):
        table = torch.zeros(3, 3).index_put((one, other), torch.ones(9000), True)
        assert (table / 9000 - 1 / 9).abs().max() < 0.015  # five standard errors


def test_the_seed_decides():
    assert torch.equal(adding_problem(5, 4, seed=3)[0], adding_problem(5, 4, seed=3)[0])
    assert not torch.equal(
        adding_problem(5, 4, seed=3)[0], adding_problem(5, 4, seed=4)[0]
    )


def test_errors():
    with pytest.raises(ValueError, match="at least 1, got 0 and 3"):
        adding_problem(0, 3)
    with pytest.raises(ValueError, match="at least 1, got 2 and 0"):
        adding_problem(2, 0)
    with pytest.raises(ValueError, match="num_digits must be at least 2, got 1"):
        adding_problem(2, 3, num_digits=1)

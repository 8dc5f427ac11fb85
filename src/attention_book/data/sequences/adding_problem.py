"""Two marked digits, far from each other, that are to be added."""

import operator

import torch
from jaxtyping import Int
from torch import Tensor


def adding_problem(
    count: int, distance: int, *, num_digits: int = 4, seed: int = 0
) -> tuple[Int[Tensor, "count tokens 2"], Int[Tensor, " count"]]:
    """Draw sequences of digits of which the first and the last one are marked.

    The answer is the sum of the marked digits; what stands between them does not
    matter. Whoever knows one of the two only, or none, is right in one case of
    ``num_digits`` at best.

    Size: as asked for; sequences are no longer than they must be.
    Source: after the adding problem of Hochreiter and Schmidhuber (1997), which has
        real numbers, and marks at random positions.

    Args:
        count: number of sequences.
        distance: from the first token to the last one, so that there are ``distance``
            + 1 tokens.
        num_digits: digits are from 0 to ``num_digits`` - 1, all equally likely.
        seed: decides everything, together with the other arguments.

    Returns:
        The tokens, for each its digit and its mark (1 or 0), and the sums.

    Raises:
        ValueError: if ``count`` or ``distance`` is less than 1, or ``num_digits`` less
            than 2.

    Example:
        >>> tokens, sums = adding_problem(1, 3, seed=1)
        >>> tokens[0].T, sums
        (tensor([[1, 3, 0, 0],
                [1, 0, 0, 1]]), tensor([1]))
    """
    if count < 1 or distance < 1:
        raise ValueError(
            f"count and distance must be at least 1, got {count} and {distance}"
        )
    if num_digits < 2:
        raise ValueError(f"num_digits must be at least 2, got {num_digits}")
    generator = torch.Generator().manual_seed(operator.index(seed))
    digits = torch.randint(num_digits, (count, distance + 1), generator=generator)
    marks = torch.zeros_like(digits)
    marks[:, [0, -1]] = 1
    return torch.stack([digits, marks], dim=-1), digits[:, 0] + digits[:, -1]

"""What heads and layers can hand over: a task of neighbours whose bound is known."""

import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor, nn

from attention_book.attention.multi_head import MultiHeadAttention
from attention_book.training.optimizers import make_optimizer
from attention_book.training.runtime import seed_everything

TOKENS, VALUES = 12, 4
"""Tokens of a circle, and values of each token."""


def reachable_tokens(num_layers: int, num_heads: int) -> int:
    """How many other tokens' values can reach a token, if weights depend on positions.

    A layer of h heads averages h times what the tokens hold, and keeps what the token
    itself holds. So the number of different averages, the token's own values among
    them, grows by the factor 1 + h with each layer.

    Args:
        num_layers: layers of attention, one after the other.
        num_heads: heads of each of them, h.

    Example:
        >>> [reachable_tokens(1, 2), reachable_tokens(2, 1), reachable_tokens(2, 2)]
        [2, 3, 8]
    """
    return (1 + num_heads) ** num_layers - 1


def least_neighbour_error(num_layers: int, num_heads: int, wanted: int) -> float:
    """Smallest mean squared error with which a token can report other tokens' values.

    The values are independent with variance 1.

    Args:
        num_layers: as for :func:`reachable_tokens`.
        num_heads: as for :func:`reachable_tokens`.
        wanted: number of tokens whose values are to be reported.

    Example:
        >>> least_neighbour_error(1, 1, wanted=2), least_neighbour_error(2, 2, wanted=8)
        (0.5, 0.0)
    """
    return max(0.0, 1 - reachable_tokens(num_layers, num_heads) / wanted)


def neighbour_values(
    batch: int,
    width: int,
    generator: Generator,
    offsets: Sequence[int] = (-1, 1),
) -> tuple[
    Float[Tensor, "batch tokens width"],
    Float[Tensor, "batch tokens width"],
    Float[Tensor, "batch tokens wanted"],
]:
    """A task with a known bound: report the values of several neighbours.

    Twelve tokens stand in a circle, each with a position and four random values.

    Args:
        batch: number of circles.
        width: size of queries, keys and tokens, at least 12; filled up with zeros.
        generator: draws the values.
        offsets: of the neighbours: -1 is the token before, 1 the token after.

    Returns:
        The positions (one-hot, queries and keys of the task), the values, and for each
        token the values of its neighbours, side by side.
    """
    positions = torch.eye(TOKENS, width).expand(batch, TOKENS, width)
    values = torch.randn((batch, TOKENS, VALUES), generator=generator)
    wanted = torch.cat([values.roll(-offset, dims=1) for offset in offsets], dim=-1)
    return positions, F.pad(values, (0, width - VALUES)), wanted


class NeighbourStack(nn.Module):
    """Layers of attention whose weights depend on positions alone.

    A layer adds its context to the tokens. There is no norm and no feed-forward
    network, so the outputs are linear in the values.

    Args:
        num_layers: layers of attention.
        num_heads: heads of each.
        width: size of a token.
        outputs: numbers that are read from each token at the end.
    """

    def __init__(
        self, num_layers: int, num_heads: int, width: int, outputs: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MultiHeadAttention(width, num_heads) for _ in range(num_layers)
        )
        self.readout = nn.Linear(width, outputs)

    def forward(
        self,
        positions: Float[Tensor, "batch tokens width"],
        tokens: Float[Tensor, "batch tokens width"],
    ) -> Float[Tensor, "batch tokens outputs"]:
        """Return what is read at the end.

        Args:
            positions: queries and keys of every layer.
            tokens: values of the first layer.
        """
        for layer in self.layers:
            tokens = tokens + layer(positions, positions, tokens)[0]
        return self.readout(tokens)


def learn_neighbours(
    num_heads: int,
    width: int = 16,
    *,
    seed: int,
    num_layers: int = 1,
    offsets: Sequence[int] = (-1, 1),
    combine: Float[Tensor, "wanted outputs"] | None = None,
    steps: int = 400,
    learning_rate: float = 1e-2,
) -> tuple[float, Float[Tensor, "heads queries keys"]]:
    """Train a :class:`NeighbourStack` on :func:`neighbour_values`.

    Args:
        num_heads: heads of each layer.
        width: size of a token.
        seed: of the layers and of the values.
        num_layers: number of layers.
        offsets: of the neighbours.
        combine: what is asked for is ``wanted @ combine``; None: all values.
        steps: optimizer steps of 32 circles each.
        learning_rate: of Adam at the first step; it falls to 0.

    Returns:
        The mean squared error on 5,000 new circles, and the weights of the first layer
        on one of them.
    """
    seed_everything(seed)
    own = torch.eye(len(offsets) * VALUES) if combine is None else combine
    stack = NeighbourStack(num_layers, num_heads, width, own.shape[1])
    optimizer = make_optimizer("adam", stack.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    generator = torch.Generator().manual_seed(operator.index(seed))

    def error(batch: int) -> Tensor:
        at, values, wanted = neighbour_values(batch, width, generator, offsets)
        return (stack(at, values) - wanted @ own).square().mean()

    for _ in range(steps):
        optimizer.zero_grad()
        error(32).backward()
        optimizer.step()
        schedule.step()
    at, values, _ = neighbour_values(1, width, generator, offsets)
    first: Any = stack.layers[0]
    with torch.no_grad():
        _, weights = first(at, at, values, need_weights=True)
        return error(5000).item(), weights[0]


def shifting_stack(shifts: Sequence[Sequence[int]], width: int) -> NeighbourStack:
    """A stack, set by hand, in which each head copies one other token's vector.

    A head of layer l copies what a token at its offset holds at that time into
    features that are still free, so all that is held reaches the readout. With two
    layers of shifts (-1, 1) and (-3, 3) a token ends up with the values of the four
    tokens before it and of the four behind it.

    Args:
        shifts: for each layer the offset of each head: -1 is the token before.
        width: size of a token; each head's share must hold all that is copied.

    Returns:
        A stack whose readout is the identity.

    Raises:
        ValueError: if the width is too small.
    """
    heads, held = len(shifts[0]), VALUES
    share, most = width // heads, VALUES * (1 + heads) ** len(shifts)
    if most > width or most // (1 + heads) > share:
        raise ValueError(
            f"width must be at least {most}, and a head's share of it at least "
            f"{most // (1 + heads)}, got {width} and {share}"
        )
    stack = NeighbourStack(len(shifts), heads, width, width)
    with torch.no_grad():
        stack.readout.weight.copy_(torch.eye(width))
        stack.readout.bias.zero_()
        for layer, offsets in zip(stack.layers, shifts, strict=True):
            own: Any = layer
            W_Q, W_K, W_V = own.in_proj.weight.zero_().chunk(3)
            W_O = own.out_proj.weight.zero_()
            for head, offset in enumerate(offsets):
                rows = slice(share * head, share * head + 2)
                W_Q[rows, :TOKENS] = 1000 * _on_a_circle().roll(-offset, dims=1)
                W_K[rows, :TOKENS] = _on_a_circle()
                rows = slice(share * head, share * head + held)
                W_V[rows, :held] = torch.eye(held)
                free = held * (1 + head)
                W_O[free : free + held, rows] = torch.eye(held)
            held *= 1 + heads
    return stack


def _on_a_circle() -> Float[Tensor, "two tokens"]:
    """Points on a circle, one for each position: each fits itself best."""
    angles = 2 * torch.pi * torch.arange(TOKENS) / TOKENS
    return torch.stack([angles.cos(), angles.sin()])

"""A Neural Turing Machine that copies (Graves et al., 2014), and an LSTM beside it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.later.addressing import NTMAddressing, write_memory
from attention_book.data.sequences.memory_tasks import CopyBatch
from attention_book.models.checks import check_sizes

CONTROLLERS = ("feed-forward", "lstm")


@dataclass(frozen=True, kw_only=True)
class NTMConfig:
    """Sizes of an :class:`NTM`; the defaults are the paper's for the copy task.

    Attributes:
        num_bits: bits of a vector.
        hidden_dim: size of the controller.
        num_locations: rows of the memory.
        location_dim: size of a row.
        controller: "feed-forward" or "lstm".

    Raises:
        ValueError: if a size is below 1 or the controller unknown.
    """

    num_bits: int = 8
    hidden_dim: int = 100
    num_locations: int = 128
    location_dim: int = 20
    controller: str = "lstm"

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.controller not in CONTROLLERS:
            raise ValueError(
                f"controller must be one of {', '.join(CONTROLLERS)}, got "
                f"{self.controller!r}"
            )


class NTMState(NamedTuple):
    """What a machine knows between two steps.

    Attributes:
        memory: one row per location.
        weights: where the reading and the writing head were.
        read: what the reading head has read.
        hidden: of the controller, and of its cell; not used by a feed-forward one.
        cell: as ``hidden``.
    """

    memory: Float[Tensor, "batch locations location_dim"]
    weights: Float[Tensor, "batch 2 locations"]
    read: Float[Tensor, "batch location_dim"]
    hidden: Float[Tensor, "batch hidden_dim"]
    cell: Float[Tensor, "batch hidden_dim"]


class NTM(nn.Module):
    r"""A controller with a memory, one head that reads and one that writes.

    Each step, the controller reads the input and the last read vector. From its state
    come for both heads :math:`k, \beta, g, s, \gamma`, and :math:`e, a` for the writing
    head. Both heads address the old memory; the writing head changes it; the reading
    head reads the new one.

    Args:
        config: sizes.

    Source: arXiv:1410.5401. The order within a step is ours: the paper does not fix it,
        and three public programs have three. :math:`k` and :math:`a` go through tanh,
        as in Collier and Beel, arXiv:1807.08518, after whom the memory starts as a
        constant and the first weights are learned: something must tell the locations
        apart, or all get the same gradient for ever.

    Example:
        >>> model = NTM(NTMConfig(num_bits=3, num_locations=5))
        >>> model(torch.zeros(2, 7, 4)).shape
        torch.Size([2, 7, 3])
    """

    def __init__(self, config: NTMConfig) -> None:
        super().__init__()
        self.config = config
        size, width = config.hidden_dim, config.location_dim
        inputs = config.num_bits + 1 + width
        self.controller: nn.Module = (
            nn.LSTMCell(inputs, size)
            if config.controller == "lstm"
            else nn.Linear(inputs, size)
        )
        self.addressing = NTMAddressing()
        # For each head k, beta, g, three shifts, gamma; then e and a.
        self.head_proj = nn.Linear(size, 2 * (width + 6) + 2 * width)
        self.out_proj = nn.Linear(size + width, config.num_bits)
        self.first_weights = nn.Parameter(torch.randn(2, config.num_locations))
        self.first_read = nn.Parameter(torch.zeros(width))

    def start(self, batch_size: int) -> NTMState:
        """Return the state before the first step.

        Args:
            batch_size: number of sequences.
        """
        size = self.config
        like = self.first_read
        hidden = like.new_zeros(batch_size, size.hidden_dim)
        return NTMState(
            like.new_full((batch_size, size.num_locations, size.location_dim), 1e-6),
            self.first_weights.softmax(dim=-1).expand(batch_size, -1, -1),
            like.expand(batch_size, -1),
            hidden,
            hidden,
        )

    def step(
        self, inputs: Float[Tensor, "batch features"], state: NTMState
    ) -> tuple[Float[Tensor, "batch bits"], NTMState]:
        """Take one step; return the logits of the output's bits and the new state.

        Args:
            inputs: a vector of bits and the mark.
            state: from :meth:`start` or the step before.
        """
        seen = torch.cat([inputs, state.read], dim=-1)
        hidden, cell = state.hidden, state.cell
        if isinstance(self.controller, nn.LSTMCell):
            hidden, cell = self.controller(seen, (hidden, cell))
        else:
            hidden = self.controller(seen).tanh()
        width = self.config.location_dim
        heads, change = self.head_proj(hidden).split([2 * (width + 6), 2 * width], -1)
        look, dials = heads.unflatten(-1, (2, -1)).split([width, 6], dim=-1)
        _, weights = self.addressing(
            look.tanh(),
            state.memory,
            state.memory,
            scale=F.softplus(dials[..., 0]),
            previous_weights=state.weights,
            gate=dials[..., 1].sigmoid(),
            shift=dials[..., 2:5].softmax(dim=-1),
            sharpening=1 + F.softplus(dials[..., 5]),
        )
        erase, add = change.chunk(2, dim=-1)
        memory = write_memory(
            state.memory, weights[:, 1:], erase.sigmoid()[:, None], add.tanh()[:, None]
        )
        read = (weights[:, :1] @ memory).squeeze(1)
        logits = self.out_proj(torch.cat([hidden, read], dim=-1))
        return logits, NTMState(memory, weights, read, hidden, cell)

    def forward(
        self, inputs: Float[Tensor, "batch steps features"]
    ) -> Float[Tensor, "batch steps bits"]:
        """Return the logits of all steps.

        Args:
            inputs: bits and marks, from the first step to the last.
        """
        return torch.stack([logits for logits, _ in self.run(inputs)], dim=1)

    def run(
        self, inputs: Float[Tensor, "batch steps features"]
    ) -> list[tuple[Tensor, NTMState]]:
        """Return logits and state of each step.

        Args:
            inputs: bits and marks, from the first step to the last.
        """
        state, results = self.start(len(inputs)), []
        for one in inputs.unbind(dim=1):
            logits, state = self.step(one, state)
            results.append((logits, state))
        return results

    def loss(self, batch: CopyBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the bits to repeat, in nats per bit."""
        return copy_loss(self(batch.inputs), batch)


@dataclass(frozen=True, kw_only=True)
class LSTMCopierConfig:
    """Sizes of an :class:`LSTMCopier`; the defaults are the paper's.

    Attributes:
        num_bits: bits of a vector.
        hidden_dim: size of each layer.
        num_layers: number of layers.

    Raises:
        ValueError: if a size is below 1.
    """

    num_bits: int = 8
    hidden_dim: int = 256
    num_layers: int = 3

    def __post_init__(self) -> None:
        check_sizes(self)


class LSTMCopier(nn.Module):
    """The baseline of the copy task: an LSTM without a memory beside its state.

    Args:
        config: sizes.

    Source: arXiv:1410.5401, 4.6.

    Example:
        >>> LSTMCopier(LSTMCopierConfig(num_bits=3))(torch.zeros(2, 7, 4)).shape
        torch.Size([2, 7, 3])
    """

    def __init__(self, config: LSTMCopierConfig) -> None:
        super().__init__()
        self.config = config
        bits, size = config.num_bits, config.hidden_dim
        self.lstm = nn.LSTM(bits + 1, size, config.num_layers, batch_first=True)
        self.out_proj = nn.Linear(size, bits)

    def forward(
        self, inputs: Float[Tensor, "batch steps features"]
    ) -> Float[Tensor, "batch steps bits"]:
        """Return the logits of all steps.

        Args:
            inputs: bits and marks, from the first step to the last.
        """
        return self.out_proj(self.lstm(inputs)[0])

    def loss(self, batch: CopyBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the bits to repeat, in nats per bit."""
        return copy_loss(self(batch.inputs), batch)


def copy_loss(
    logits: Float[Tensor, "batch steps bits"], batch: CopyBatch
) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of the bits to repeat, in nats per bit.

    Args:
        logits: of all steps; the last ones count.
        batch: the bits.
    """
    answers = logits[:, -batch.target.shape[1] :]
    return F.binary_cross_entropy_with_logits(answers, batch.target)

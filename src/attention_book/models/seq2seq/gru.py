"""The RNN encoder-decoder with gated hidden units (Cho et al., 2014)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.data.translation.pairs import PairBatch
from attention_book.models.checks import check_padding, check_rows, check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.translation import teacher_forced_loss


class GatedRecurrentUnit(nn.Module):
    r"""The gated hidden unit of Cho et al., ancestor of the GRU.

    .. math::
        r &= \sigma(W_r x + U_r h), \qquad z = \sigma(W_z x + U_z h) \\
        \tilde h &= \tanh(W x + U (r \odot h)), \qquad
        h' = z \odot h + (1 - z) \odot \tilde h

    :math:`z` is the share of the *old* state. With a context :math:`c`, as in the
    decoder, both gates receive it too, and the reset gate multiplies every term except
    that of the input:

    .. math:: \tilde h = \tanh(W x + r \odot (U h + C c))

    Neither form is :class:`torch.nn.GRU`: it has no :math:`c`, and without :math:`c` it
    has the second form. Both are therefore written out here, as a loop over time.

    Args:
        input_dim: size of an input :math:`x`.
        hidden_dim: size of the state :math:`h`.
        context_dim: size of the context :math:`c`; None: a unit without a context.

    Source: arXiv:1406.1078, equations 5 to 8 and appendix A; the biases, which the
        paper leaves out of its notation, are in :math:`W x`. Recurrent matrices start
        orthogonal.
    """

    def __init__(
        self, input_dim: int, hidden_dim: int, context_dim: int | None = None
    ) -> None:
        super().__init__()
        self.input_proj = nn.Linear(input_dim, 3 * hidden_dim)  # W_r, W_z, W
        self.state_proj = nn.Linear(
            hidden_dim, 3 * hidden_dim, bias=False
        )  # U_r, U_z, U
        if context_dim is None:
            self.context_proj = None
        else:
            self.context_proj = nn.Linear(
                context_dim, 3 * hidden_dim, bias=False
            )  # C_r, C_z, C
        for block in self.state_proj.weight.data.chunk(3):
            nn.init.orthogonal_(block)

    def forward(
        self,
        inputs: Float[Tensor, "rows tokens input_dim"],
        state: Float[Tensor, "rows hidden_dim"],
        context: Float[Tensor, "rows context_dim"] | None = None,
        mask: Bool[Tensor, "rows tokens"] | None = None,
    ) -> tuple[
        Float[Tensor, "rows tokens hidden_dim"], Float[Tensor, "rows hidden_dim"]
    ]:
        """Return the state after each input, and the last one.

        Args:
            inputs: :math:`x`, all time steps.
            state: :math:`h` before the first step.
            context: :math:`c`, the same at all steps; needed with ``context_dim``.
            mask: True at real tokens; at padding the state does not change.

        Raises:
            ValueError: if ``context`` is missing, or given to a unit without one.
        """
        if (context is None) != (self.context_proj is None):
            raise ValueError(
                "context must be given to a unit that was made with context_dim, and "
                "to no other"
            )
        size = self.state_proj.in_features
        # Split once, outside the loop: each split of a weight costs a full gradient.
        weights = self.state_proj.weight.split([2 * size, size])
        fixed = None if self.context_proj is None else self.context_proj(context)
        states = []
        for t, projected in enumerate(self.input_proj(inputs).unbind(dim=1)):
            new = self.next_state(projected, state, weights, fixed)
            state = new if mask is None else torch.where(mask[:, t, None], new, state)
            states.append(state)
        return torch.stack(states, dim=1), state

    def next_state(
        self,
        projected: Float[Tensor, "rows three_hidden_dim"],
        state: Float[Tensor, "rows hidden_dim"],
        weights: tuple[
            Float[Tensor, "two_hidden_dim hidden_dim"],
            Float[Tensor, "hidden_dim hidden_dim"],
        ],
        fixed: Float[Tensor, "rows three_hidden_dim"] | None,
    ) -> Float[Tensor, "rows hidden_dim"]:
        """Return the state after one input.

        Args:
            projected: :math:`W_r x, W_z x, W x` side by side.
            state: :math:`h`.
            weights: :math:`U_r, U_z` one above the other, and :math:`U`.
            fixed: :math:`C_r c, C_z c, C c` side by side; None without a context.
        """
        size = state.shape[-1]
        x_gates, x = projected.split([2 * size, size], dim=-1)
        if fixed is None:
            gates = (x_gates + F.linear(state, weights[0])).sigmoid()
            reset, keep = gates.chunk(2, dim=-1)
            candidate = (x + F.linear(reset * state, weights[1])).tanh()
        else:
            inner = F.linear(state, self.state_proj.weight) + fixed
            gates, inner = inner.split([2 * size, size], dim=-1)
            reset, keep = (x_gates + gates).sigmoid().chunk(2, dim=-1)
            candidate = torch.addcmul(x, reset, inner).tanh()
        return torch.lerp(candidate, state, keep)


@dataclass(frozen=True, kw_only=True)
class RNNEncoderDecoderConfig:
    """Sizes of an :class:`RNNEncoderDecoder`; defaults are those of the quick runs.

    Attributes:
        source_vocab: number of words of the source vocabulary.
        target_vocab: number of words of the target vocabulary.
        embed_dim: size of a word vector (the paper: 100).
        hidden_dim: size of the states of encoder and decoder (the paper: 1,000).
        summary_dim: size of the summary :math:`c` (the paper: as ``hidden_dim``).
        maxout_dim: size of the maxout layer before the output (the paper: 500).
        dropout: probability of setting a component to 0 at each embedding and at the
            maxout layer (the paper: none).

    Raises:
        ValueError: if a size is not positive, or ``dropout`` not in [0, 1).
    """

    source_vocab: int
    target_vocab: int
    embed_dim: int = 64
    hidden_dim: int = 128
    summary_dim: int = 128
    maxout_dim: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)


class DecoderState(NamedTuple):
    """The state of an :class:`RNNEncoderDecoder`; only ``hidden`` changes.

    Attributes:
        hidden: :math:`h'`.
        summary: :math:`c`.
    """

    hidden: Float[Tensor, "rows hidden_dim"]
    summary: Float[Tensor, "rows summary_dim"]


class RNNEncoderDecoder(nn.Module):
    r"""Gated units whose decoder reads the summary at every step, not only at first.

    .. math::
        c &= \tanh(V h_T), \qquad h'_0 = \tanh(V' c) \\
        \tilde t &= O_h h'_t + O_y E y_{t-1} + O_c c, \qquad
        t_k = \max(\tilde t_{2k-1}, \tilde t_{2k}), \qquad p(y_t) \propto \exp(W t)

    with :math:`h'_t` from :class:`GatedRecurrentUnit` on input :math:`E y_{t-1}` and
    context :math:`c`. The source is read forwards. Here the size of :math:`c` is a
    setting of its own, so that the bottleneck can be made narrower and nothing else
    changes.

    Args:
        config: sizes; kept as ``self.config``.

    Source: arXiv:1406.1078, section 2 and appendix A.
    """

    def __init__(self, config: RNNEncoderDecoderConfig) -> None:
        super().__init__()
        self.config = config
        embed, hidden, summary = config.embed_dim, config.hidden_dim, config.summary_dim
        self.source_embedding = TokenEmbedding(config.source_vocab, embed)
        self.target_embedding = TokenEmbedding(config.target_vocab, embed)
        self.encoder = GatedRecurrentUnit(embed, hidden)
        self.summary_proj = nn.Linear(hidden, summary)  # V
        self.initial_proj = nn.Linear(summary, hidden)  # V'
        self.decoder = GatedRecurrentUnit(embed, hidden, context_dim=summary)
        self.maxout_proj = nn.Linear(
            hidden + embed + summary, 2 * config.maxout_dim
        )  # O
        self.output_proj = nn.Linear(config.maxout_dim, config.target_vocab)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        source: Int[Tensor, "rows source_tokens"],
        target: Int[Tensor, "rows target_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Float[Tensor, "rows target_tokens target_vocab"]:
        """Return the logits of the word after each word of ``target``."""
        return self.decode(target, self.start(source, source_mask))[0]

    def summarise(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Float[Tensor, "rows summary_dim"]:
        """Encode the sources as their summaries :math:`c`."""
        check_padding("source", source, source_mask)
        embedded = self.dropout(self.source_embedding(source))
        first = embedded.new_zeros(len(source), self.config.hidden_dim)
        _, last = self.encoder(embedded, first, mask=source_mask)
        return self.summary_proj(last).tanh()

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> DecoderState:
        """Encode the sources; return :math:`h'_0` and :math:`c`."""
        summary = self.summarise(source, source_mask)
        return DecoderState(self.initial_proj(summary).tanh(), summary)

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], DecoderState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        check_rows(inputs, state.hidden)
        embedded = self.dropout(self.target_embedding(inputs))
        states, hidden = self.decoder(embedded, state.hidden, state.summary)
        every_step = state.summary[:, None].expand(-1, inputs.shape[1], -1)
        pairs = self.maxout_proj(torch.cat([states, embedded, every_step], dim=-1))
        maxout = pairs.unflatten(-1, (-1, 2)).amax(dim=-1)
        logits = self.output_proj(self.dropout(maxout))
        return logits, state._replace(hidden=hidden)

    def step(
        self, ids: Int[Tensor, " rows"], state: DecoderState
    ) -> tuple[Float[Tensor, "rows target_vocab"], DecoderState]:
        """Read one word per row; return the logits of the next, and the state."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)

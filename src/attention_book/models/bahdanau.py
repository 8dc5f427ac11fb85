"""RNNsearch: translation that looks back at the source (Bahdanau et al., 2015)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attention_book.attention.bahdanau import AdditiveAttention, MultiplicativeAttention
from attention_book.data.translation.pairs import PairBatch
from attention_book.models.seq2seq.lstm import (
    check_sizes,
    check_source,
    teacher_forced_loss,
)

SearchState = tuple[
    Float[Tensor, "rows hidden_dim"],
    Float[Tensor, "rows source_tokens annotation_dim"],
    Float[Tensor, "rows source_tokens attention_dim"],
    Float[Tensor, "rows source_tokens value_dim"],
    Bool[Tensor, "rows source_tokens"],
]
"""The decoder's state, and what it searches: annotations, what they are projected to as
keys and as values, and True where there is a word. Only the first ever changes."""


class AttentionGRU(nn.Module):
    r"""A gated unit that chooses the context of each of its steps by itself.

    .. math::
        c_i &= \sum_j \alpha_{ij} h_j \quad \text{(asked for by } s_{i-1}) \\
        z_i &= \sigma(W_z x_i + U_z s_{i-1} + C_z c_i), \qquad
        r_i = \sigma(W_r x_i + U_r s_{i-1} + C_r c_i) \\
        \tilde s_i &= \tanh(W x_i + U (r_i \odot s_{i-1}) + C c_i), \qquad
        s_i = (1 - z_i) \odot s_{i-1} + z_i \odot \tilde s_i

    :math:`z` is the share of the *new* state, the opposite of
    :class:`attention_book.models.seq2seq.gru.GatedRecurrentUnit`, and :math:`r`
    multiplies the old state alone, not the context.

    Args:
        input_dim: size of an input :math:`x_i`.
        hidden_dim: size of the state :math:`s_i`.
        annotation_dim: size of an annotation :math:`h_j`, and so of a context.
        attention: what chooses the context, by queries of ``hidden_dim`` numbers.

    Source: arXiv:1409.0473, A.1.2 and A.2.2; the biases, which the paper leaves out of
        its notation, are in :math:`W x`.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        annotation_dim: int,
        attention: AdditiveAttention | MultiplicativeAttention,
    ) -> None:
        super().__init__()
        self.attention = attention
        gates = 3 * hidden_dim
        self.input_proj = nn.Linear(input_dim, gates)  # W_r, W_z, W
        self.state_proj = nn.Linear(hidden_dim, gates, bias=False)  # U_r, U_z, U
        self.context_proj = nn.Linear(annotation_dim, gates, bias=False)  # C_r, C_z, C
        for block in self.state_proj.weight.data.chunk(3):
            nn.init.orthogonal_(block)

    def project(
        self, annotations: Float[Tensor, "rows source_tokens annotation_dim"]
    ) -> tuple[
        Float[Tensor, "rows source_tokens attention_dim"],
        Float[Tensor, "rows source_tokens value_dim"],
    ]:
        """Return :math:`U_a h_j` and ``(C_r, C_z, C)`` times :math:`h_j`, as values.

        The weighted sum of the latter is :math:`C c_i`, since :math:`C` is linear: the
        loop then multiplies no annotation with a matrix.
        """
        return self.attention.project(annotations), self.context_proj(annotations)

    def forward(
        self, inputs: Float[Tensor, "rows tokens input_dim"], state: SearchState
    ) -> tuple[
        Float[Tensor, "rows tokens hidden_dim"],
        Float[Tensor, "rows tokens annotation_dim"],
        Float[Tensor, "rows hidden_dim"],
    ]:
        """Read all inputs :math:`x`.

        Returns:
            For each step the state :math:`s_{i-1}` that asked and the context
            :math:`c_i` that it got; and the state after the last step.
        """
        hidden, annotations, keys, values, source_mask = state
        mask = source_mask[:, None]
        size = hidden.shape[-1]
        # Cut once, outside the loop: each cut of a weight costs a full-sized gradient.
        gate_weight, weight = self.state_proj.weight.split([2 * size, size])
        asking, all_weights = [], []
        for projected in self.input_proj(inputs).unbind(dim=1):
            context, weights = self.attention(
                hidden[:, None], annotations, values, mask, projected_key=keys
            )
            asking.append(hidden)
            all_weights.append(weights)
            outer = projected + context[:, 0]
            outer_gates, outer = outer.split([2 * size, size], dim=-1)
            gates = (outer_gates + F.linear(hidden, gate_weight)).sigmoid()
            reset, new_share = gates.chunk(2, dim=-1)
            candidate = (outer + F.linear(reset * hidden, weight)).tanh()
            hidden = torch.lerp(hidden, candidate, new_share)
        contexts = torch.cat(all_weights, dim=1) @ annotations
        return torch.stack(asking, dim=1), contexts, hidden


@dataclass(frozen=True, kw_only=True)
class RNNSearchConfig:
    """Sizes of an :class:`RNNSearch`; the defaults are those of the book's quick runs.

    Attributes:
        source_vocab: number of words of the source vocabulary.
        target_vocab: number of words of the target vocabulary.
        embed_dim: size of a word vector, :math:`m` (the paper: 620).
        hidden_dim: size of the decoder's state, and of the encoder's in each direction,
            :math:`n` (the paper: 1,000).
        attention_dim: size of the attention's hidden layer, :math:`n'` (the paper:
            1,000).
        maxout_dim: size of the maxout layer before the output, :math:`l` (the paper:
            500).
        dropout: probability of dropping a number of a word vector or of the maxout
            layer (the paper: none).
        score: "additive" as in the paper, or "dot": :class:`MultiplicativeAttention`.
        uniform_start: whether :math:`v_a` of the additive score starts at 0, so that
            the first attention is uniform (the paper: yes).

    Raises:
        ValueError: if a size, ``dropout`` or ``score`` is out of its range, or a dot
            product is to start uniform.
    """

    source_vocab: int
    target_vocab: int
    embed_dim: int = 64
    hidden_dim: int = 128
    attention_dim: int = 128
    maxout_dim: int = 64
    dropout: float = 0.0
    score: str = "additive"
    uniform_start: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.score not in ("additive", "dot"):
            raise ValueError(f'score must be "additive" or "dot", got {self.score!r}')
        if self.score == "dot" and self.uniform_start:
            raise ValueError(
                "uniform_start is for the additive score: a dot has no v_a"
            )


class RNNSearch(nn.Module):
    r"""An encoder of both directions and a decoder that searches its annotations.

    .. math::
        h_j &= [\overrightarrow h_j ; \overleftarrow h_j], \qquad
        s_0 = \tanh(W_s \overleftarrow h_1) \\
        \tilde t_i &= U_o s_{i-1} + V_o E y_{i-1} + C_o c_i, \qquad
        t_{i,k} = \max(\tilde t_{i,2k-1}, \tilde t_{i,2k}), \qquad
        p(y_i) \propto \exp(W_o t_i)

    with :math:`c_i` and :math:`s_i` from :class:`AttentionGRU` on input
    :math:`E y_{i-1}`. No vector has to hold the whole sentence: the backward state at
    the first word only starts the decoder.

    The paper reads the word out of :math:`s_i` in section 3.1 and out of
    :math:`s_{i-1}` in A.2.2. Here it is :math:`s_{i-1}`, as in the only equation that
    is written out, and in the authors' program: the state that asked for :math:`c_i`.

    Args:
        config: sizes; kept as ``self.config``.

    Source: arXiv:1409.0473, section 3 and A.2. The encoder is :class:`torch.nn.GRU`,
        whose reset gate multiplies :math:`U h`, not :math:`h`, and whose :math:`z` is
        the share of the old state. Initial values are PyTorch's, but for orthogonal
        recurrent matrices and ``uniform_start``.
    """

    def __init__(self, config: RNNSearchConfig) -> None:
        super().__init__()
        self.config = config
        embed, hidden = config.embed_dim, config.hidden_dim
        self.source_embedding = nn.Embedding(config.source_vocab, embed)
        self.target_embedding = nn.Embedding(config.target_vocab, embed)
        self.encoder = nn.GRU(embed, hidden, batch_first=True, bidirectional=True)
        for name in ("weight_hh_l0", "weight_hh_l0_reverse"):
            for block in getattr(self.encoder, name).data.chunk(3):
                nn.init.orthogonal_(block)
        self.initial_proj = nn.Linear(hidden, hidden)  # W_s
        sizes = hidden, 2 * hidden, config.attention_dim
        if config.score == "dot":
            attention = MultiplicativeAttention(*sizes)
        else:
            attention = AdditiveAttention(*sizes, uniform_start=config.uniform_start)
        self.decoder = AttentionGRU(embed, hidden, 2 * hidden, attention)
        self.maxout_proj = nn.Linear(
            hidden + embed + 2 * hidden, 2 * config.maxout_dim
        )  # U_o, V_o, C_o
        self.output_proj = nn.Linear(config.maxout_dim, config.target_vocab)  # W_o
        self.dropout = nn.Dropout(config.dropout)

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> SearchState:
        """Read the sources; return the state in which decoding starts."""
        check_source(source, source_mask)
        embedded = self.dropout(self.source_embedding(source))
        # Packed, the backward direction starts at a sentence's own last word.
        packed = pack_padded_sequence(
            embedded,
            source_mask.sum(dim=1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        packed, (_, backward) = self.encoder(packed)
        annotations, _ = pad_packed_sequence(
            packed, batch_first=True, total_length=source.shape[1]
        )
        hidden = self.initial_proj(backward).tanh()
        return hidden, annotations, *self.decoder.project(annotations), source_mask

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: SearchState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], SearchState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        embedded = self.dropout(self.target_embedding(inputs))
        asking, contexts, hidden = self.decoder(embedded, state)
        pairs = self.maxout_proj(torch.cat([asking, embedded, contexts], dim=-1))
        maxout = pairs.unflatten(-1, (-1, 2)).amax(dim=-1)
        return self.output_proj(self.dropout(maxout)), (hidden, *state[1:])

    def step(
        self, ids: Int[Tensor, " rows"], state: SearchState
    ) -> tuple[Float[Tensor, "rows target_vocab"], SearchState]:
        """Read one more word of each row; return the logits of the next."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)

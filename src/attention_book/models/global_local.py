"""Stacked LSTMs with attention on top (Luong, Pham and Manning, 2015)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.data.translation.pairs import PairBatch
from attention_book.models.seq2seq.lstm import (
    check_sizes,
    check_source,
    reverse_words,
    teacher_forced_loss,
)

ATTENTIONS = ("global", "local-m", "local-p")

LuongState = tuple[
    tuple[
        Float[Tensor, "rows layers hidden_dim"], Float[Tensor, "rows layers hidden_dim"]
    ],
    Float[Tensor, "rows hidden_dim"] | None,
    Int[Tensor, " rows"],
    Float[Tensor, "rows source_tokens hidden_dim"],
    Float[Tensor, "rows source_tokens attention_dim"] | None,
    Bool[Tensor, "rows source_tokens"],
    Int[Tensor, " rows"],
]
"""What a step changes: ``(h, c)`` of each layer, the last attentional vector (None
without input feeding) and the number of words read. What it looks at: annotations, what
they are projected to (None where the score needs nothing), True where there is a word,
and how many words there are."""


@dataclass(frozen=True, kw_only=True)
class LuongConfig:
    """Sizes of a :class:`LuongTranslator`; the defaults are those of the quick runs.

    Attributes:
        source_vocab: number of words of the source vocabulary.
        target_vocab: number of words of the target vocabulary.
        embed_dim: size of a word vector (the paper: 1,000).
        hidden_dim: cells of each layer (the paper: 1,000).
        num_layers: layers of each of the two networks (the paper: 4).
        attention: "global", "local-m" or "local-p".
        score: "dot", "general", "concat", or for "global" also "location".
        window: for the local ones, :math:`D` in tokens (the paper: 10); None for the
            global one.
        max_source: for "location", the longest source in tokens with ``<eos>``; of a
            longer one the tail gets no attention. None for the other scores.
        input_feeding: whether the last attentional vector is part of the next input
            (the paper: both).
        dropout: probability of dropping a number of a word vector, between layers and
            before the output (the paper: none, and 0.2).

    Raises:
        ValueError: if a size is not positive, ``dropout`` not in [0, 1), there is no
            such attention, or ``window`` does not fit it.
    """

    source_vocab: int
    target_vocab: int
    embed_dim: int = 64
    hidden_dim: int = 64
    num_layers: int = 1
    attention: str = "global"
    score: str = "general"
    window: int | None = None
    max_source: int | None = None
    input_feeding: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.attention not in ATTENTIONS:
            raise ValueError(
                f"attention must be one of {', '.join(ATTENTIONS)}, "
                f"got {self.attention!r}"
            )
        if (self.attention == "global") != (self.window is None):
            raise ValueError(
                f"window is for local attention and needed there, got attention "
                f"{self.attention!r} and window {self.window}"
            )


class LuongTranslator(nn.Module):
    r"""Encoder and decoder of stacked LSTMs; the decoder's top state asks.

    .. math::
        \tilde h_t = \tanh(W_c [c_t ; h_t]), \qquad
        p(y_t \mid y_{<t}, x) = \mathrm{softmax}(W_s \tilde h_t)

    :math:`h_t` is the top state *after* the decoder has read :math:`y_{t-1}`, and
    :math:`c_t` the context that it asks for. With input feeding the decoder reads
    :math:`[y_{t-1} ; \tilde h_{t-1}]` (:math:`\tilde h_0 = 0`), one step after the
    other. Without, nothing that attention finds enters the recurrence: the LSTM runs
    over all words of a target at once, and all queries are asked at once.

    The source is read backwards, as in the paper, and the decoder starts from the
    encoder's last states. The annotations are put back into the order of the source, so
    that :math:`p_t = t` means the word at the same place.

    Args:
        config: sizes; kept as ``self.config``.

    Raises:
        ValueError: if score, window and ``max_source`` do not fit the attention.

    Source: arXiv:1508.04025, section 3. Initial values are PyTorch's, not uniform in
        [-0.1, 0.1].
    """

    def __init__(self, config: LuongConfig) -> None:
        super().__init__()
        self.config = config
        embed, hidden = config.embed_dim, config.hidden_dim
        between = config.dropout if config.num_layers > 1 else 0.0
        options = {"batch_first": True, "dropout": between}
        self.source_embedding = nn.Embedding(config.source_vocab, embed)
        self.target_embedding = nn.Embedding(config.target_vocab, embed)
        self.encoder = nn.LSTM(embed, hidden, config.num_layers, **options)
        fed = hidden if config.input_feeding else 0
        self.decoder = nn.LSTM(embed + fed, hidden, config.num_layers, **options)
        if config.attention == "global":
            self.attention = GlobalAttention(
                hidden, hidden, config.score, max_keys=config.max_source
            )
        else:
            self.attention = LocalAttention(
                hidden,
                hidden,
                config.score,
                window=config.window,
                predictive=config.attention == "local-p",
            )
        self.combine_proj = nn.Linear(2 * hidden, hidden, bias=False)  # W_c
        self.output_proj = nn.Linear(hidden, config.target_vocab, bias=False)  # W_s
        self.dropout = nn.Dropout(config.dropout)

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> LuongState:
        """Read the sources; return the state in which decoding starts."""
        check_source(source, source_mask)
        places = torch.arange(source.shape[1], device=source.device)
        order = reverse_words(places.expand_as(source), source_mask)
        embedded = self.dropout(self.source_embedding(source.gather(1, order)))
        length = source_mask.sum(dim=1)
        packed = pack_padded_sequence(
            embedded, length.cpu(), batch_first=True, enforce_sorted=False
        )
        packed, (hidden, cell) = self.encoder(packed)
        annotations, _ = pad_packed_sequence(
            packed, batch_first=True, total_length=source.shape[1]
        )
        # Turning round a second time restores the order of the source.
        annotations = annotations.gather(1, order[..., None].expand_as(annotations))
        top = hidden[-1]
        return (
            (hidden.transpose(0, 1), cell.transpose(0, 1)),
            torch.zeros_like(top) if self.config.input_feeding else None,
            torch.zeros_like(length),
            annotations,
            self.attention.project(annotations),
            source_mask,
            length,
        )

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: LuongState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], LuongState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        (hidden, cell), fed, step, *memory = state
        recurrent = (
            hidden.transpose(0, 1).contiguous(),
            cell.transpose(0, 1).contiguous(),
        )
        embedded = self.dropout(self.target_embedding(inputs))
        if fed is None:
            outputs, recurrent = self.decoder(embedded, recurrent)
            attentional = self._attentional(outputs, step, memory)
        else:
            found = []
            for t in range(inputs.shape[1]):
                both = torch.cat([embedded[:, t], fed], dim=-1)[:, None]
                outputs, recurrent = self.decoder(both, recurrent)
                found.append(self._attentional(outputs, step + t, memory))
                fed = found[-1][:, 0]
            attentional = torch.cat(found, dim=1)
        logits = self.output_proj(self.dropout(attentional))
        hidden, cell = (part.transpose(0, 1) for part in recurrent)
        return logits, ((hidden, cell), fed, step + inputs.shape[1], *memory)

    def _attentional(
        self,
        query: Float[Tensor, "rows queries hidden_dim"],
        step: Int[Tensor, " rows"],
        memory: list[Tensor | None],
    ) -> Float[Tensor, "rows queries hidden_dim"]:
        r"""Return :math:`\tilde h_t` of top states, the first of them at ``step``."""
        annotations, projected, source_mask, length = memory
        if isinstance(self.attention, LocalAttention):
            # By its length alone a sentence is cut in the cost of a window.
            steps = step[:, None] + torch.arange(query.shape[1], device=query.device)
            mask, place = None, {"length": length[:, None], "step": steps}
        else:
            mask, place = source_mask[:, None], {}
        context, _ = self.attention(
            query, annotations, annotations, mask, projected_key=projected, **place
        )
        return self.combine_proj(torch.cat([context, query], dim=-1)).tanh()

    def step(
        self, ids: Int[Tensor, " rows"], state: LuongState
    ) -> tuple[Float[Tensor, "rows target_vocab"], LuongState]:
        """Read one more word of each row; return the logits of the next."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)

"""Stacked LSTMs with attention on top (Luong, Pham and Manning, 2015)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.data.translation.pairs import PairBatch
from attention_book.models.checks import check_rows, check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.encoded import Encoded, LSTMState
from attention_book.models.encoders.text import StackedLSTM
from attention_book.models.seq2seq.lstm import reverse_words
from attention_book.models.translation import teacher_forced_loss

ATTENTIONS = ("global", "local-m", "local-p")


class LuongState(NamedTuple):
    r"""The state of a :class:`LuongDecoder`; the first three parts change.

    Attributes:
        lstm: ``(h, c)`` of each layer.
        attentional: the last :math:`\tilde h_t`; None without input feeding.
        step: number of words read.
        annotations: :math:`\bar h_s`.
        keys: the annotations as the score reads them; None where it reads them
            unchanged.
        mask: True where the decoder may attend; None: everywhere.
        length: number of positions where the decoder may attend.
    """

    lstm: LSTMState
    attentional: Float[Tensor, "rows hidden_dim"] | None
    step: Int[Tensor, " rows"]
    annotations: Float[Tensor, "rows positions annotation_dim"]
    keys: Float[Tensor, "rows positions attention_dim"] | None
    mask: Bool[Tensor, "rows positions"] | None
    length: Int[Tensor, " rows"]


class LuongDecoder(nn.Module):
    r"""Stacked LSTMs whose top state is the query, for any encoder's annotations.

    .. math::
        \tilde h_t = \tanh(W_c [c_t ; h_t]), \qquad
        p(y_t \mid y_{<t}, x) = \mathrm{softmax}(W_s \tilde h_t)

    :math:`h_t` is the top state *after* the decoder has read :math:`y_{t-1}`, and
    :math:`c_t` the context of the query :math:`h_t`. With input feeding the decoder
    reads :math:`[y_{t-1} ; \tilde h_{t-1}]` (:math:`\tilde h_0 = 0`), step by step.
    Without it no context enters the recurrence: the LSTM reads all words of a target in
    one call, and all queries attend in one call.

    Args:
        embed_dim: size of the vector of a word :math:`y_{t-1}`.
        hidden_dim: cells of each layer.
        annotation_dim: size of an annotation.
        attention: makes the attention layer, called as ``attention(query_dim,
            key_dim)``.
        num_layers: number of layers.
        target_vocab: number of words of the target vocabulary.
        input_feeding: whether the last attentional vector is part of the next input.
        dropout: probability of setting a component to 0 between layers and before the
            output.

    Source: arXiv:1508.04025, section 3.

    Example:
        >>> sizes = {"num_layers": 1, "target_vocab": 13}
        >>> decoder = LuongDecoder(2, 3, 4, GlobalAttention, **sizes)
        >>> state = decoder.start(torch.randn(1, 6, 4))
        >>> logits, state = decoder(torch.randn(1, 8, 2), state)
        >>> logits.shape, state.step
        (torch.Size([1, 8, 13]), tensor([8]))
    """

    def __init__(
        self,
        embed_dim: int,
        hidden_dim: int,
        annotation_dim: int,
        attention: Callable[[int, int], GlobalAttention | LocalAttention],
        *,
        num_layers: int,
        target_vocab: int,
        input_feeding: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_feeding = input_feeding
        self.lstm = nn.LSTM(
            embed_dim + (hidden_dim if input_feeding else 0),
            hidden_dim,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.attention = attention(hidden_dim, annotation_dim)
        self.combine_proj = nn.Linear(
            annotation_dim + hidden_dim, hidden_dim, bias=False
        )  # W_c
        self.output_proj = nn.Linear(hidden_dim, target_vocab, bias=False)  # W_s
        self.dropout = nn.Dropout(dropout)

    def start(
        self,
        annotations: Float[Tensor, "rows positions annotation_dim"],
        mask: Bool[Tensor, "rows positions"] | None = None,
        lstm: LSTMState | None = None,
    ) -> LuongState:
        """Return the state from which decoding starts.

        Args:
            annotations: of the source.
            mask: True where the decoder may attend; None: everywhere. Local attention
                reads only how many positions these are, and takes them for the first.
            lstm: the first state of the layers; None, for an encoder without one:
                zeros.
        """
        rows, positions, _ = annotations.shape
        if lstm is None:
            shape = rows, self.lstm.num_layers, self.lstm.hidden_size
            lstm = LSTMState(annotations.new_zeros(shape), annotations.new_zeros(shape))
        if mask is None:
            length = annotations.new_full((rows,), positions, dtype=torch.long)
        else:
            length = mask.sum(dim=1)
        return LuongState(
            lstm,
            torch.zeros_like(lstm.hidden[:, -1]) if self.input_feeding else None,
            torch.zeros_like(length),
            annotations,
            self.attention.project(annotations),
            mask,
            length,
        )

    def forward(
        self, inputs: Float[Tensor, "rows tokens embed_dim"], state: LuongState
    ) -> tuple[Float[Tensor, "rows tokens target_vocab"], LuongState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        check_rows(inputs, state.annotations)
        if state.attentional is None:
            attentional, state = self._read_at_once(inputs, state)
        else:
            attentional, state = self._read_with_feeding(
                inputs, state, state.attentional
            )
        state = state._replace(step=state.step + inputs.shape[1])
        return self.output_proj(self.dropout(attentional)), state

    def _read_at_once(
        self, inputs: Float[Tensor, "rows tokens embed_dim"], state: LuongState
    ) -> tuple[Float[Tensor, "rows tokens hidden_dim"], LuongState]:
        r"""Return :math:`\tilde h_t` of all words, and the state of the LSTM."""
        queries, lstm = self.lstm(inputs, state.lstm.layers_first())
        attentional = self._attentional(queries, state.step, state)
        return attentional, state._replace(lstm=LSTMState.rows_first(*lstm))

    def _read_with_feeding(
        self,
        inputs: Float[Tensor, "rows tokens embed_dim"],
        state: LuongState,
        fed: Float[Tensor, "rows hidden_dim"],
    ) -> tuple[Float[Tensor, "rows tokens hidden_dim"], LuongState]:
        r"""The same word by word; ``fed`` is the last :math:`\tilde h`."""
        lstm, vectors = state.lstm.layers_first(), []
        for t, word in enumerate(inputs.unbind(dim=1)):
            fed_word = torch.cat([word, fed], dim=-1)[:, None]
            query, lstm = self.lstm(fed_word, lstm)
            vectors.append(self._attentional(query, state.step + t, state))
            fed = vectors[-1][:, 0]
        state = state._replace(lstm=LSTMState.rows_first(*lstm), attentional=fed)
        return torch.cat(vectors, dim=1), state

    def _attentional(
        self,
        query: Float[Tensor, "rows queries hidden_dim"],
        step: Int[Tensor, " rows"],
        state: LuongState,
    ) -> Float[Tensor, "rows queries hidden_dim"]:
        r"""Return :math:`\tilde h_t` of top states, the first of them at ``step``."""
        options: dict[str, Any] = {"projected_key": state.keys}
        if isinstance(self.attention, LocalAttention):
            # The length alone masks the padding at the cost of a window; a mask of all
            # positions would cost as much as global attention.
            steps = step[:, None] + torch.arange(query.shape[1], device=query.device)
            mask = None
            options |= {"length": state.length[:, None], "step": steps}
        else:
            mask = None if state.mask is None else state.mask[:, None]
        context, _ = self.attention(
            query, state.annotations, state.annotations, mask, **options
        )
        return self.combine_proj(torch.cat([context, query], dim=-1)).tanh()


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
        max_source: for "location", the longest source in tokens with ``<eos>``; the
            tail of a longer one gets no attention. None for the other scores.
        input_feeding: whether the last attentional vector is part of the next input
            (the paper: both).
        dropout: probability of setting a component to 0 at each embedding, between
            layers and before the output (the paper: none, and 0.2).

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
    r"""Encoder and decoder of stacked LSTMs, with global or local attention.

    The encoder reads the source backwards, as in the paper, and the decoder,
    :class:`LuongDecoder`, starts from the encoder's last states. The annotations are
    put back into the order of the source, so that :math:`p_t = t` means the same
    position in source and target.

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
        embed, hidden, layers = config.embed_dim, config.hidden_dim, config.num_layers
        self.source_embedding = TokenEmbedding(config.source_vocab, embed)
        self.target_embedding = TokenEmbedding(config.target_vocab, embed)
        self.encoder = StackedLSTM(embed, hidden, layers, config.dropout)
        self.decoder = LuongDecoder(
            embed,
            hidden,
            hidden,
            _attention_layer(config),
            num_layers=layers,
            target_vocab=config.target_vocab,
            input_feeding=config.input_feeding,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        source: Int[Tensor, "rows source_tokens"],
        target: Int[Tensor, "rows target_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Float[Tensor, "rows target_tokens target_vocab"]:
        """Return the logits of the word after each word of ``target``."""
        return self.decode(target, self.start(source, source_mask))[0]

    def encode(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Encoded:
        """Return the annotations of the sources, in the order of the source."""
        positions = torch.arange(source.shape[1], device=source.device)
        order = reverse_words(positions.expand_as(source), source_mask)
        embedded = self.dropout(self.source_embedding(source.gather(1, order)))
        encoded = self.encoder(embedded, source_mask)
        # Reversing a second time restores the order.
        index = order[..., None].expand_as(encoded.annotations)
        return encoded._replace(annotations=encoded.annotations.gather(1, index))

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> LuongState:
        """Encode the sources; return the state from which decoding starts."""
        return self.decoder.start(*self.encode(source, source_mask))

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: LuongState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], LuongState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        return self.decoder(self.dropout(self.target_embedding(inputs)), state)

    def step(
        self, ids: Int[Tensor, " rows"], state: LuongState
    ) -> tuple[Float[Tensor, "rows target_vocab"], LuongState]:
        """Read one word per row; return the logits of the next, and the state."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)


def _attention_layer(
    config: LuongConfig,
) -> Callable[[int, int], GlobalAttention | LocalAttention]:
    if config.window is None:
        return partial(GlobalAttention, score=config.score, max_keys=config.max_source)
    return partial(
        LocalAttention,
        score=config.score,
        window=config.window,
        predictive=config.attention == "local-p",
    )

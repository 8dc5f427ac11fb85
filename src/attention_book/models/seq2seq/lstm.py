"""Sequence to sequence with LSTMs and one vector between them (Sutskever et al., 2014).

Every model of translation in this package has the same methods: ``start`` reads the
source, ``decode`` reads target words and scores the next ones; ``step`` does so for one
word, for :mod:`attention_book.decoding.search`, and ``loss`` for a whole batch.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from attention_book.data.translation.pairs import PairBatch
from attention_book.functional import token_cross_entropy

LSTMState = tuple[
    Float[Tensor, "rows layers hidden_dim"], Float[Tensor, "rows layers hidden_dim"]
]


def reverse_words(
    source: Int[Tensor, "batch source_tokens"],
    source_mask: Bool[Tensor, "batch source_tokens"],
) -> Int[Tensor, "batch source_tokens"]:
    """Turn the words of each right-padded sentence round.

    The ``<eos>`` at the end of a sentence stays there, and padding stays behind it:
    reversing the padded row as a whole would make the encoder start on padding.

    Args:
        source: token ids; the last real one of each sentence is ``<eos>``.
        source_mask: True at real tokens.

    Raises:
        ValueError: if the shapes differ.
        TypeError: if ``source_mask`` is not boolean.

    Example:
        >>> a_b_eos_pad = torch.tensor([[7, 8, 2, 0]])
        >>> reverse_words(a_b_eos_pad, a_b_eos_pad != 0)
        tensor([[8, 7, 2, 0]])
    """
    check_source(source, source_mask)
    positions = torch.arange(source.shape[1], device=source.device).expand_as(source)
    last_word = source_mask.sum(dim=1, keepdim=True) - 2
    return source.gather(
        1, torch.where(positions <= last_word, last_word - positions, positions)
    )


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """Sizes of a :class:`Seq2Seq`; the defaults are those of the book's quick runs.

    Attributes:
        source_vocab: number of words of the source vocabulary.
        target_vocab: number of words of the target vocabulary.
        embed_dim: size of a word vector (the paper: 1,000).
        hidden_dim: cells of each layer (the paper: 1,000).
        num_layers: layers of each of the two networks (the paper: 4).
        reverse_source: whether the encoder reads the source backwards.
        dropout: probability of dropping a number between layers (the paper: none).
        init_range: all initial values are uniform in [-init_range, init_range] (the
            paper: 0.08); None: PyTorch's, with which Adam learns much faster.

    Raises:
        ValueError: if a size or range is not positive, or ``dropout`` not in [0, 1).
    """

    source_vocab: int
    target_vocab: int
    embed_dim: int = 64
    hidden_dim: int = 128
    num_layers: int = 2
    reverse_source: bool = True
    dropout: float = 0.0
    init_range: float | None = None

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.init_range is not None and self.init_range <= 0:
            raise ValueError(f"init_range must be positive, got {self.init_range}")

    @property
    def summary_dim(self) -> int:
        """Numbers that pass from encoder to decoder: h and c of every layer."""
        return 2 * self.num_layers * self.hidden_dim


class Seq2Seq(nn.Module):
    r"""Two stacks of LSTMs: one reads the source, the other writes the target.

    .. math:: p(y_1 \ldots y_{T'} \mid x) = \prod_t p(y_t \mid v, y_1 \ldots y_{t-1})

    where the summary :math:`v` is the encoder's last ``(h, c)`` in every layer, from
    which the decoder starts. The two networks share no parameters.

    Args:
        config: sizes; kept as ``self.config``.

    Source: arXiv:1409.3215, sections 2 and 3. The paper's figure feeds ``<eos>`` as the
        first input of the decoder; here it is a ``<bos>`` of its own.
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.embed_dim, config.hidden_dim, config.num_layers
        between = config.dropout if config.num_layers > 1 else 0.0
        self.source_embedding = nn.Embedding(config.source_vocab, config.embed_dim)
        self.target_embedding = nn.Embedding(config.target_vocab, config.embed_dim)
        self.encoder = nn.LSTM(*sizes, batch_first=True, dropout=between)
        self.decoder = nn.LSTM(*sizes, batch_first=True, dropout=between)
        self.output_proj = nn.Linear(config.hidden_dim, config.target_vocab)
        self.dropout = nn.Dropout(config.dropout)
        if config.init_range is not None:
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -config.init_range, config.init_range)

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> LSTMState:
        """Read the sources; return their summaries, in which decoding starts."""
        check_source(source, source_mask)
        if self.config.reverse_source:
            source = reverse_words(source, source_mask)
        embedded = self.dropout(self.source_embedding(source))
        # Packed, the state stops at a sentence's own last word, not at its padding.
        packed = pack_padded_sequence(
            embedded,
            source_mask.sum(dim=1).cpu(),
            batch_first=True,
            enforce_sorted=False,
        )
        _, (hidden, cell) = self.encoder(packed)
        return hidden.transpose(0, 1), cell.transpose(0, 1)

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: LSTMState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], LSTMState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        embedded = self.dropout(self.target_embedding(inputs))
        outputs, (hidden, cell) = self.decoder(embedded, (hidden, cell))
        logits = self.output_proj(self.dropout(outputs))
        return logits, (hidden.transpose(0, 1), cell.transpose(0, 1))

    def step(
        self, ids: Int[Tensor, " rows"], state: LSTMState
    ) -> tuple[Float[Tensor, "rows target_vocab"], LSTMState]:
        """Read one more word of each row; return the logits of the next."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)


def teacher_forced_loss(model: nn.Module, batch: PairBatch) -> Float[Tensor, ""]:
    r"""Mean of :math:`-\log p(y_t \mid x, y_{<t})` over a batch, in nats per token.

    The decoder reads the right words ``<bos> y_1 ... y_T`` whatever it would have
    written itself (teacher forcing), and is to predict ``y_1 ... y_T <eos>``.

    Args:
        model: has ``start(source, source_mask)`` and ``decode(inputs, state)``.
        batch: padded sentence pairs.
    """
    state = model.start(batch.source, batch.source_mask)
    logits, _ = model.decode(batch.target[:, :-1], state)
    return token_cross_entropy(logits, batch.target[:, 1:], batch.target_mask[:, 1:])


def free_running_loss(model: nn.Module, batch: PairBatch) -> Float[Tensor, ""]:
    """The loss when the decoder reads the words that it has written itself.

    At each step it reads its own most probable last word instead of the right one, and
    is scored on the right next word, position by position. After a word left out or put
    in it is wrong to the end, so this is no likelihood of anything: it only tells how
    far the decoder strays from a path that training never let it leave.

    Args:
        model: has ``start(source, source_mask)`` and ``step(ids, state)``.
        batch: padded sentence pairs.

    Returns:
        The mean negative log-probability of the right words, in nats per token.
    """
    state = model.start(batch.source, batch.source_mask)
    ids, logits = batch.target[:, 0], []
    for _ in range(batch.target.shape[1] - 1):
        next_logits, state = model.step(ids, state)
        logits.append(next_logits)
        ids = next_logits.argmax(dim=-1)
    return token_cross_entropy(
        torch.stack(logits, dim=1), batch.target[:, 1:], batch.target_mask[:, 1:]
    )


def check_sizes(config: Any) -> None:
    """Check what every model's config has: sizes of at least 1 and a dropout.

    Raises:
        ValueError: if a field that ends in ``_vocab`` or ``_dim``, or starts with
            ``num_``, is below 1, or ``dropout`` is not in [0, 1).
    """
    for name, value in vars(config).items():
        if name.endswith(("_vocab", "_dim")) or name.startswith("num_"):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        elif name == "dropout" and not 0 <= value < 1:
            raise ValueError(f"dropout must be in [0, 1), got {value}")


def check_source(source: Tensor, source_mask: Tensor) -> None:
    """Check that a mask fits the sources: a narrower one would cut them silently.

    Raises:
        ValueError: if the shapes differ.
        TypeError: if ``source_mask`` is not boolean.
    """
    if source.shape != source_mask.shape:
        raise ValueError(
            f"source_mask must have the shape of source, {tuple(source.shape)}, "
            f"got {tuple(source_mask.shape)}"
        )
    if source_mask.dtype != torch.bool:
        raise TypeError(f"source_mask must be boolean, got {source_mask.dtype}")

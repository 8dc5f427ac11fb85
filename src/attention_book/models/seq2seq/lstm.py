"""Sequence to sequence with two stacks of LSTMs (Sutskever et al., 2014)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.data.translation.pairs import PairBatch
from attention_book.models.checks import check_padding, check_rows, check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.encoded import LSTMState
from attention_book.models.encoders.text import StackedLSTM
from attention_book.models.translation import teacher_forced_loss


def reverse_words(
    source: Int[Tensor, "batch source_tokens"],
    source_mask: Bool[Tensor, "batch source_tokens"],
) -> Int[Tensor, "batch source_tokens"]:
    """Reverse the words of each right-padded sentence.

    The ``<eos>`` at the end of a sentence stays at the end, and so does the padding.
    If the padded row were reversed as a whole, the encoder would start on padding.

    Args:
        source: token ids; the last real one of each sentence is ``<eos>``.
        source_mask: True at real tokens.

    Raises:
        ValueError: as :func:`attention_book.models.checks.check_padding`.
        TypeError: if ``source_mask`` is not boolean.

    Example:
        >>> a_b_eos_pad = torch.tensor([[7, 8, 2, 0]])
        >>> reverse_words(a_b_eos_pad, a_b_eos_pad != 0)
        tensor([[8, 7, 2, 0]])
    """
    check_padding("source", source, source_mask)
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
        dropout: probability of setting a component to 0 at each embedding, between
            layers and before the output (the paper: none).
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
        """Size of the summary that passes to the decoder: h and c of every layer."""
        return 2 * self.num_layers * self.hidden_dim


class Seq2Seq(nn.Module):
    r"""Two stacks of LSTMs: the first encodes the source, the second writes the target.

    .. math:: p(y_1 \ldots y_{T'} \mid x) = \prod_t p(y_t \mid v, y_1 \ldots y_{t-1})

    where the summary :math:`v` is the encoder's last ``(h, c)`` in every layer, from
    which the decoder starts. The two networks share no parameters.

    Args:
        config: sizes; kept as ``self.config``.

    Source: arXiv:1409.3215, sections 2 and 3. The paper's figure feeds ``<eos>`` as the
        first input of the decoder; here a separate ``<bos>`` takes its place.
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        self.config = config
        embed, hidden, layers = config.embed_dim, config.hidden_dim, config.num_layers
        between = config.dropout if layers > 1 else 0.0
        self.source_embedding = TokenEmbedding(config.source_vocab, embed)
        self.target_embedding = TokenEmbedding(config.target_vocab, embed)
        self.encoder = StackedLSTM(embed, hidden, layers, config.dropout)
        self.decoder = nn.LSTM(embed, hidden, layers, batch_first=True, dropout=between)
        self.output_proj = nn.Linear(hidden, config.target_vocab)
        self.dropout = nn.Dropout(config.dropout)
        if config.init_range is not None:
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -config.init_range, config.init_range)

    def forward(
        self,
        source: Int[Tensor, "rows source_tokens"],
        target: Int[Tensor, "rows target_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Float[Tensor, "rows target_tokens target_vocab"]:
        """Return the logits of the word after each word of ``target``."""
        return self.decode(target, self.start(source, source_mask))[0]

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> LSTMState:
        """Encode the sources; return their summaries, from which decoding starts."""
        if self.config.reverse_source:
            source = reverse_words(source, source_mask)
        embedded = self.dropout(self.source_embedding(source))
        return self.encoder(embedded, source_mask).final

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: LSTMState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], LSTMState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        check_rows(inputs, state.hidden)
        embedded = self.dropout(self.target_embedding(inputs))
        outputs, last = self.decoder(embedded, state.layers_first())
        return self.output_proj(self.dropout(outputs)), LSTMState.rows_first(*last)

    def step(
        self, ids: Int[Tensor, " rows"], state: LSTMState
    ) -> tuple[Float[Tensor, "rows target_vocab"], LSTMState]:
        """Read one word per row; return the logits of the next, and the state."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)

"""Cloze readers that point into the document (Kadlec 2016; Cui et al., 2017)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.attention_over_attention import (
    AttentionOverAttention,
    AttentionOverAttentionOutput,
    pointer_sum,
)
from attention_book.data.cloze.questions import ClozeBatch
from attention_book.models.checks import check_rows, check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.text import BidirectionalGRU

READERS = ("attention-sum", "average", "attention-over-attention")
"""One vector for the whole question; one attention for each of its words, all counted
alike; the same, weighed by a second attention. All three have the same parameters."""


@dataclass(frozen=True, kw_only=True)
class ClozeReaderConfig:
    """Sizes of a :class:`ClozeReader`, and how it reads the question.

    Attributes:
        vocab_size: number of words.
        embed_dim: size of a word's vector.
        hidden_dim: size of the state of each direction.
        reader: one of :data:`READERS`.
        dropout: probability of setting a component of a word's vector to 0.
        embed_range: the vectors start uniform between minus and plus this.

    Raises:
        ValueError: if a size is below 1, ``embed_range`` is not positive, ``dropout``
            is not in [0, 1), or ``reader`` is none of :data:`READERS`.
    """

    vocab_size: int
    embed_dim: int = 384
    hidden_dim: int = 384
    reader: str = "attention-over-attention"
    dropout: float = 0.1
    embed_range: float = 0.05

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.embed_range > 0:
            raise ValueError(f"embed_range must be positive, got {self.embed_range}")
        if self.reader not in READERS:
            raise ValueError(
                f"reader must be one of {', '.join(READERS)}, got {self.reader!r}"
            )


class ClozeReader(nn.Module):
    r"""Read a document and a question, and point at the missing word.

    .. math::
        h_{doc} = \mathrm{BiGRU}_D(W_e D), \qquad
        h_{query} = \mathrm{BiGRU}_Q(W_e Q), \qquad
        P(w \mid D, Q) = \sum_{i \in I(w, D)} s_i

    with :math:`s` from
    :class:`~attention_book.attention.attention_over_attention.AttentionOverAttention`.
    The attention is the answer: there is no further layer. The attention-sum reader
    gives that attention one query, :math:`[\overrightarrow g_{|Q|};
    \overleftarrow g_1]`, the last state of each direction.

    Args:
        config: sizes, and how the question is read.

    Source: arXiv:1607.04423, section 3; arXiv:1603.01547, section 4.

    Example:
        >>> config = ClozeReaderConfig(vocab_size=13, embed_dim=3, hidden_dim=5)
        >>> document, question = torch.ones(2, 7).long(), torch.ones(2, 4).long()
        >>> masks = document == 1, question == 1
        >>> ClozeReader(config)(document, question, *masks).weights.shape
        torch.Size([2, 1, 7])
    """

    def __init__(self, config: ClozeReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config.vocab_size, config.embed_dim)  # W_e
        nn.init.uniform_(self.embedding.weight, -config.embed_range, config.embed_range)
        self.dropout = nn.Dropout(config.dropout)
        self.document_encoder = BidirectionalGRU(config.embed_dim, config.hidden_dim)
        self.question_encoder = BidirectionalGRU(config.embed_dim, config.hidden_dim)
        merge = "mean" if config.reader == "average" else "learned"
        self.attention = AttentionOverAttention(merge)

    def forward(
        self,
        document: Int[Tensor, "batch document_words"],
        question: Int[Tensor, "batch question_words"],
        document_mask: Bool[Tensor, "batch document_words"],
        question_mask: Bool[Tensor, "batch question_words"],
    ) -> AttentionOverAttentionOutput:
        """Return the attention :math:`s` as ``weights``, and what it is made of.

        Args:
            document: ids, padded on the right.
            question: ids, padded on the right.
            document_mask: True at real words.
            question_mask: True at real words.
        """
        check_rows(question, document)
        words = self.dropout(self.embedding(document))
        key, _, _ = self.document_encoder(words, document_mask)
        query = self.read_question(question, question_mask)
        if self.config.reader == "attention-sum":
            return self.attention(query, key, document_mask[:, None])
        both = question_mask[:, :, None] & document_mask[:, None]
        return self.attention(query, key, both)

    def read_question(
        self,
        question: Int[Tensor, "batch question_words"],
        question_mask: Bool[Tensor, "batch question_words"],
    ) -> Float[Tensor, "batch queries dim"]:
        r"""Return the queries: one for each word, or a single one.

        Args:
            question: ids, padded on the right.
            question_mask: True at real words.
        """
        words = self.dropout(self.embedding(question))
        states, _, first = self.question_encoder(words, question_mask)
        if self.config.reader != "attention-sum":
            return states
        rows = torch.arange(len(states), device=states.device)
        last = states[rows, question_mask.sum(dim=1) - 1, : self.config.hidden_dim]
        return torch.cat([last, first], dim=1)[:, None]  # q

    def answer(self, batch: ClozeBatch) -> Float[Tensor, "batch candidates"]:
        """Return :math:`P` of each candidate; 0 where it is not in the document."""
        sides = batch.document, batch.question
        found = self(*sides, batch.document_mask, batch.question_mask)
        return pointer_sum(found.weights[:, 0], batch.occurrences)

    def loss(self, batch: ClozeBatch) -> Float[Tensor, ""]:
        r"""Mean of :math:`-\log P(\text{answer})`, in nats per question.

        :math:`P` is not divided by its sum over the candidates, so weight on any other
        word costs something too. An answer that is not in the document has a loss
        without a gradient: leave such questions out of training.
        """
        found = self.answer(batch).gather(1, batch.answer[:, None])
        # The logarithm of 0 would end the training.
        return -found.clamp_min(torch.finfo(found.dtype).tiny).log().mean()

"""A model that remembers its last segments: Transformer-XL (Dai et al., 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.later.segment_recurrence import TransformerXLAttention
from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.data.sequences.sequence_tasks import SequenceBatch
from attention_book.functional import token_cross_entropy
from attention_book.models.checks import check_sizes
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    ScaledEmbedding,
)


@dataclass(frozen=True, kw_only=True)
class TransformerXLConfig:
    """Sizes of a :class:`TransformerXL`.

    Attributes:
        vocab_size: number of tokens, and of answers.
        embed_dim: size of a token.
        num_heads: heads of each attention.
        hidden_dim: size of the feed-forward networks' hidden layer.
        num_layers: number of layers.
        segment: tokens that are read at once.
        memory: tokens before the segment whose states are kept, 0 for none.

    Raises:
        ValueError: if a size is below 1, ``memory`` is negative, or ``num_heads`` does
            not divide ``embed_dim``.
    """

    vocab_size: int
    embed_dim: int = 32
    num_heads: int = 2
    hidden_dim: int = 64
    num_layers: int = 1
    segment: int = 8
    memory: int = 8

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.segment < 1 or self.memory < 0:
            raise ValueError(
                "segment must be at least 1 and memory not negative, got "
                f"{self.segment} and {self.memory}"
            )


class TransformerXLLayer(nn.Module):
    """Causal attention to a segment and the memory in front of it, then feed-forward.

    Args:
        config: sizes.

    Source: arXiv:1901.02860, 3.2: post-norm, with ReLU between the linear maps.
    """

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__()
        size, heads = config.embed_dim, config.num_heads
        self.attention = MultiHeadAttention(
            size,
            heads,
            bias=False,
            attention_fn=TransformerXLAttention(heads, size // heads),
        )
        self.attention_residual = Residual(nn.LayerNorm(size))
        self.feed_forward = FeedForward(size, config.hidden_dim)
        self.feed_forward_residual = Residual(nn.LayerNorm(size))

    def forward(
        self,
        tokens: Float[Tensor, "batch segment embed_dim"],
        memory: Float[Tensor, "batch memory embed_dim"],
    ) -> Float[Tensor, "batch segment embed_dim"]:
        r"""Return the states of the segment.

        .. math:: \tilde z = [\mathrm{SG}(m); z], \qquad
            q = W_q z,\; k = W_{k,E} \tilde z,\; v = W_v \tilde z

        Args:
            tokens: :math:`z`, states of the layer below.
            memory: :math:`m`, states of the layer below in the segments before; they
                get no gradient.
        """

        def attend(segment: Tensor) -> Tensor:
            extended = torch.cat([memory.detach(), segment], dim=1)
            query, *_ = self.attention.project_qkv(segment)
            projected = query, *self.attention.project_kv(extended, extended)
            return self.attention(
                segment, extended, extended, causal=True, projected_kv=projected
            )[0]

        tokens = self.attention_residual(tokens, attend)
        return self.feed_forward_residual(tokens, self.feed_forward)


class TransformerXL(nn.Module):
    """Read a long sequence segment by segment, and keep states of the last segments.

    There are no positions at the input: distances enter in each layer's scores.

    Args:
        config: sizes.

    Source: arXiv:1901.02860, 3.2 and 3.3. There the segments of a corpus come in
        different optimizer steps; here a batch holds all segments of its sequences, and
        the memory is cut off from the gradient all the same.

    Example:
        >>> model = TransformerXL(TransformerXLConfig(vocab_size=5))
        >>> model(torch.zeros(2, 24, dtype=torch.long)).shape
        torch.Size([2, 24, 5])
    """

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = ScaledEmbedding(config.vocab_size, config.embed_dim)
        self.layers = nn.ModuleList(
            TransformerXLLayer(config) for _ in range(config.num_layers)
        )
        self.out_proj = nn.Linear(config.embed_dim, config.vocab_size)

    def start(self, batch_size: int) -> list[Tensor]:
        """Return a memory without tokens, one for each layer.

        Args:
            batch_size: number of sequences.
        """
        empty = self.embedding.weight.new_zeros(batch_size, 0, self.config.embed_dim)
        return [empty for _ in self.layers]

    def read(
        self, ids: Int[Tensor, "batch segment"], memory: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "batch segment vocab"], list[Tensor]]:
        """Read one segment; return its logits and the memory for the next one.

        Args:
            ids: tokens of the segment.
            memory: for each layer the states of the tokens before, which it reads.
        """
        tokens, after = self.embedding(ids), []
        for layer, before in zip(self.layers, memory, strict=True):
            kept = torch.cat([before, tokens.detach()], dim=1)
            after.append(kept[:, max(0, kept.shape[1] - self.config.memory) :])
            tokens = layer(tokens, before)
        return self.out_proj(tokens), after

    def forward(
        self, ids: Int[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens vocab"]:
        """Return the logits of all tokens, read segment by segment.

        Args:
            ids: tokens of long sequences.
        """
        memory, logits = self.start(len(ids)), []
        for segment in ids.split(self.config.segment, dim=1):
            part, memory = self.read(segment, memory)
            logits.append(part)
        return torch.cat(logits, dim=1)

    def loss(self, batch: SequenceBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the answers, in nats per answer."""
        return token_cross_entropy(self(batch.ids), batch.target, batch.target_mask)

"""A small encoder that answers at every token, and a choice of where order enters."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
)
from attention_book.attention.positions.alibi import ALiBi, DistanceBias
from attention_book.attention.positions.relative import RelativePositions
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.attention.positions.t5_bias import T5RelativeBias
from attention_book.data.sequences.sequence_tasks import SequenceBatch
from attention_book.functional import token_cross_entropy
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    ScaledEmbedding,
)

POSITIONS = (
    "none",
    "sinusoidal",
    "learned",
    "relative",
    "bucketed",
    "rotary",
    "linear",
)
"""Nothing; added to the tokens: sinusoids, a learned table; within the heads: Shaw's
vectors, T5's buckets, rotary positions, ALiBi's straight lines."""


@dataclass(frozen=True, kw_only=True)
class TokenClassifierConfig:
    """Sizes of a :class:`TokenClassifier`, and how it knows where tokens stand.

    Attributes:
        vocab_size: number of tokens.
        num_answers: number of different answers.
        positions: one of ``POSITIONS``.
        embed_dim: size of a token.
        num_heads: heads of each attention.
        hidden_dim: size of the feed-forward networks' hidden layer.
        num_layers: number of encoder layers.
        max_positions: longest sequence in tokens, marks and padding included, with
            sinusoids or a learned table.
        max_distance: of Shaw's vectors, in tokens; what is further away is treated
            alike.

    Raises:
        ValueError: if a size is less than 1, or there are no such positions.
    """

    vocab_size: int
    num_answers: int
    positions: str = "sinusoidal"
    embed_dim: int = 32
    num_heads: int = 2
    hidden_dim: int = 64
    num_layers: int = 2
    max_positions: int = 64
    max_distance: int = 16

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "positions" and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.positions not in POSITIONS:
            raise ValueError(
                f"positions must be one of {', '.join(POSITIONS)}, got "
                f"{self.positions!r}"
            )


class TokenClassifier(nn.Module):
    """Read a sequence with a Transformer's encoder, and answer at every token.

    Whatever of the encoder's work depends on order goes through ``positions``: the
    rest, :class:`attention_book.models.transformer.encoder.Encoder` and a linear layer,
    is the same for all.

    Args:
        config: sizes and positions.

    Raises:
        ValueError: if the sizes do not fit each other; from a call, if a token stands
            beyond the table of added positions.

    Source: arXiv:1706.03762, 3.1, with norms before the sub-layers, so that it can be
        trained without warm-up (arXiv:2002.04745). T5's one table serves all layers
        (arXiv:1910.10683, 2.1); Shaw's vectors are each layer's own.

    Example:
        >>> import torch
        >>> config = TokenClassifierConfig(vocab_size=13, num_answers=10)
        >>> ids = torch.tensor([[1, 6, 10, 2]])
        >>> TokenClassifier(config)(ids, ids > 0).shape
        torch.Size([1, 4, 10])
    """

    def __init__(self, config: TokenClassifierConfig) -> None:
        super().__init__()
        self.config = config
        size = config.embed_dim
        self.embedding = ScaledEmbedding(config.vocab_size, size)
        self.added = _added_positions(config)
        self.encoder = Encoder(
            (
                EncoderLayer(
                    MultiHeadAttention(size, config.num_heads, attention_fn=inside),
                    FeedForward(size, config.hidden_dim),
                    lambda: Residual(nn.LayerNorm(size), pre_norm=True),
                )
                for inside in _inside_positions(config)
            ),
            nn.LayerNorm(size),
        )
        self.out_proj = nn.Linear(size, config.num_answers)

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        mask: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch tokens answers"]:
        """Return the logits of each token's answer.

        Args:
            ids: of padded sequences.
            mask: True at real tokens.
        """
        tokens = self.embedding(ids)
        if self.added is not None:
            tokens = self.added(tokens)
        return self.out_proj(self.encoder(tokens, mask[:, None]))

    def loss(self, batch: SequenceBatch) -> Float[Tensor, ""]:
        """Return the mean negative log-likelihood of an answer, in nats."""
        logits = self(batch.ids, batch.mask)
        return token_cross_entropy(logits, batch.target, batch.target_mask)


def _added_positions(config: TokenClassifierConfig) -> nn.Module | None:
    """What is added to the tokens."""
    sizes = config.max_positions, config.embed_dim
    if config.positions == "sinusoidal":
        return SinusoidalPositions(*sizes)
    return LearnedPositions(*sizes) if config.positions == "learned" else None


def _inside_positions(config: TokenClassifierConfig) -> list[nn.Module | None]:
    """What attends within the heads of each layer; None: a plain dot product."""
    heads, layers = config.num_heads, range(config.num_layers)
    if config.positions == "relative":
        head_dim = config.embed_dim // heads
        return [RelativePositions(head_dim, config.max_distance) for _ in layers]
    if config.positions == "bucketed":
        shared = T5RelativeBias(heads)
        return [DistanceBias(shared) for _ in layers]
    if config.positions == "rotary":
        return [RotaryAttention() for _ in layers]
    if config.positions == "linear":
        return [DistanceBias(ALiBi(heads)) for _ in layers]
    return [None for _ in layers]

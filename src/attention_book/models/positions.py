"""A small encoder that classifies every token, with a choice of position encodings."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
)
from attention_book.attention.positions.alibi import ALiBi, DistanceBias
from attention_book.attention.positions.one_sided import OneSided
from attention_book.attention.positions.relative import RelativePositions
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.attention.positions.t5_bias import T5RelativeBias
from attention_book.data.sequences.sequence_tasks import SequenceBatch
from attention_book.functional import check_counts, token_cross_entropy
from attention_book.models.checks import check_sizes
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
"""None; added to the tokens: sinusoids, a learned table; within the heads: Shaw's
vectors, T5's buckets, rotary positions, the straight lines of ALiBi."""
WITH_BIAS = ("none", "bucketed", "linear")
"""Those whose heads can be made to look to one side."""


@dataclass(frozen=True, kw_only=True)
class TokenClassifierConfig:
    """Sizes of a :class:`TokenClassifier`, and its encoding of positions.

    Attributes:
        vocab_size: number of tokens.
        num_answers: number of classes.
        positions: one of ``POSITIONS``.
        embed_dim: size of a token.
        num_heads: heads of each attention.
        hidden_dim: size of the feed-forward networks' hidden layer.
        num_layers: number of encoder layers.
        max_positions: longest sequence in tokens, marks and padding included, with
            sinusoids or a learned table.
        max_distance: largest distance, in tokens, that Shaw's vectors tell apart; all
            larger ones share a vector.
        one_sided: whether every other head attends to the left only and the rest to the
            right. For positions that add a bias to the scores, or none.

    Raises:
        ValueError: if a size is below 1, ``num_heads`` does not divide ``embed_dim``,
            ``positions`` is none of ``POSITIONS``, or ``one_sided`` is set with
            positions that add no bias.
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
    one_sided: bool = False

    def __post_init__(self) -> None:
        for name in ("max_positions", "max_distance"):
            check_counts(**{name: getattr(self, name)})
        check_sizes(self)
        if self.positions not in POSITIONS:
            raise ValueError(
                f"positions must be one of {', '.join(POSITIONS)}, got "
                f"{self.positions!r}"
            )
        if self.one_sided and self.positions not in WITH_BIAS:
            raise ValueError(
                f"one_sided needs positions to be one of {', '.join(WITH_BIAS)}, got "
                f"{self.positions!r}"
            )


class TokenClassifier(nn.Module):
    """Read a sequence with a Transformer's encoder and classify every token.

    Only the encoding of positions differs between two models of equal sizes. The rest,
    :class:`attention_book.models.transformer.encoder.Encoder` and a linear layer, does
    not depend on the order of the tokens.

    Args:
        config: sizes and positions.

    Raises:
        ValueError: if the sizes do not fit each other; from a call, if a sequence is
            longer than ``max_positions`` or, on a CPU, an id is not below
            ``vocab_size``.

    Source: arXiv:1706.03762, 3.1, but pre-norm, which trains without warm-up
        (arXiv:2002.04745). All layers share one table of T5's (arXiv:1910.10683, 2.1);
        each has its own vectors of Shaw's.

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
                    MultiHeadAttention(
                        size, config.num_heads, attention_fn=attention_fn
                    ),
                    FeedForward(size, config.hidden_dim),
                    lambda: Residual(nn.LayerNorm(size), pre_norm=True),
                )
                for attention_fn in _attention_fns(config)
            ),
            nn.LayerNorm(size),
        )
        self.out_proj = nn.Linear(size, config.num_answers)

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        mask: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch tokens answers"]:
        """Return the logits of the classes for each token.

        Args:
            ids: token ids of padded sequences.
            mask: True at real tokens.
        """
        tokens = self.embedding(ids)
        if self.added is not None:
            tokens = self.added(tokens)
        return self.out_proj(self.encoder(tokens, mask[:, None]))

    def loss(self, batch: SequenceBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the answers, in nats per answer."""
        logits = self(batch.ids, batch.mask)
        return token_cross_entropy(logits, batch.target, batch.target_mask)


def _added_positions(config: TokenClassifierConfig) -> nn.Module | None:
    """Make the layer that adds positions to the tokens."""
    sizes = config.max_positions, config.embed_dim
    if config.positions == "sinusoidal":
        return SinusoidalPositions(*sizes)
    return LearnedPositions(*sizes) if config.positions == "learned" else None


def _attention_fns(config: TokenClassifierConfig) -> list[nn.Module | None]:
    """Make the attention within the heads of each layer; None: a plain dot product."""
    heads, layers = config.num_heads, range(config.num_layers)
    if config.positions == "relative":
        head_dim = config.embed_dim // heads
        return [RelativePositions(head_dim, config.max_distance) for _ in layers]
    if config.positions == "rotary":
        return [RotaryAttention() for _ in layers]
    shared = T5RelativeBias(heads) if config.positions == "bucketed" else None
    rules: list[nn.Module | None] = []
    for _ in layers:
        rule = ALiBi(heads) if config.positions == "linear" else shared
        rules.append(OneSided(heads, rule) if config.one_sided else rule)
    return [None if rule is None else DistanceBias(rule) for rule in rules]

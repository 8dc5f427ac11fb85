"""Small models around one attention each, which label every token of a sequence."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.later.coupled import CoupledAttention
from attention_book.attention.later.gaussian import GaussianAttention
from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.data.sequences.memory_tasks import ASPECT, OPINION
from attention_book.data.sequences.sequence_tasks import SequenceBatch
from attention_book.functional import token_cross_entropy
from attention_book.models.checks import check_sizes
from attention_book.models.embedding import TokenEmbedding


@dataclass(frozen=True, kw_only=True)
class CoupledTaggerConfig:
    """Sizes of a :class:`CoupledTagger`.

    Attributes:
        vocab_size: number of words.
        embed_dim: size of a word vector.
        num_slices: matrices of each comparison.
        num_layers: how often the attentions read a sentence.
        coupled: whether they know of each other.

    Raises:
        ValueError: if a size is below 1.
    """

    vocab_size: int
    embed_dim: int = 16
    num_slices: int = 4
    num_layers: int = 2
    coupled: bool = True

    def __post_init__(self) -> None:
        check_sizes(self)


class CoupledTagger(nn.Module):
    """Label aspect terms and opinion terms by two attentions that inform each other.

    Args:
        config: sizes.

    Source: Wang et al., AAAI 2017. There a GRU reads the words before the attentions
        do, and labels are begin, inside and outside; here the attentions read word
        vectors and labels are yes or no, because every term is one word.

    Example:
        >>> model = CoupledTagger(CoupledTaggerConfig(vocab_size=7))
        >>> ids = torch.tensor([[1, 6, 2]])
        >>> model(ids, ids > 0).shape
        torch.Size([1, 2, 3])
    """

    def __init__(self, config: CoupledTaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config.vocab_size, config.embed_dim)
        self.attention = CoupledAttention(
            config.embed_dim,
            config.num_slices,
            num_layers=config.num_layers,
            coupled=config.coupled,
        )
        self.out_proj = nn.Parameter(torch.zeros(2, self.attention.feature_dim))  # W
        self.out_bias = nn.Parameter(torch.zeros(2, 1))

    def forward(
        self, ids: Int[Tensor, "batch tokens"], mask: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch 2 tokens"]:
        """Return the logits of being an aspect term, and of being an opinion term.

        Args:
            ids: words.
            mask: True at real words.
        """
        features = self.attention(self.embedding(ids), mask[:, None]).features
        return torch.einsum("bmnf,mf->bmn", features, self.out_proj) + self.out_bias

    def loss(self, batch: SequenceBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the real words' labels, in nats per label."""
        logits = self(batch.ids, batch.mask)
        wanted = torch.stack([batch.target == ASPECT, batch.target == OPINION], dim=1)
        losses = F.binary_cross_entropy_with_logits(
            logits, wanted.to(logits.dtype), reduction="none"
        )
        real = batch.mask[:, None].expand_as(losses)
        return losses.masked_fill(~real, 0.0).sum() / real.sum()


@dataclass(frozen=True, kw_only=True)
class NearestTaggerConfig:
    """Sizes of a :class:`NearestTagger`.

    Attributes:
        vocab_size: number of tokens, and of answers.
        embed_dim: size of a token.
        num_heads: heads of the attention.
        gaussian: whether the attention has the prior.

    Raises:
        ValueError: if a size is below 1, or ``num_heads`` does not divide
            ``embed_dim``.
    """

    vocab_size: int
    embed_dim: int = 16
    num_heads: int = 1
    gaussian: bool = True

    def __post_init__(self) -> None:
        check_sizes(self)


class NearestTagger(nn.Module):
    """One layer of attention without positions, with or without a Gaussian prior.

    Args:
        config: sizes.

    Example:
        >>> model = NearestTagger(NearestTaggerConfig(vocab_size=5))
        >>> model(torch.tensor([[0, 3, 0]])).shape
        torch.Size([1, 3, 5])
    """

    def __init__(self, config: NearestTaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config.vocab_size, config.embed_dim)
        self.attention = MultiHeadAttention(
            config.embed_dim,
            config.num_heads,
            attention_fn=GaussianAttention() if config.gaussian else None,
        )
        self.out_proj = nn.Linear(config.embed_dim, config.vocab_size)

    def forward(
        self, ids: Int[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens vocab"]:
        """Return the logits of the tags for each token.

        Args:
            ids: tokens of equally long sequences.
        """
        tokens = self.embedding(ids)
        return self.out_proj(self.attention(tokens, tokens, tokens)[0])

    def loss(self, batch: SequenceBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the answers, in nats per answer."""
        return token_cross_entropy(self(batch.ids), batch.target, batch.target_mask)

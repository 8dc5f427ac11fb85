"""The Transformer's encoder: the tokens look at each other, layer after layer."""

from collections.abc import Iterable

from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.functional import Mask
from attention_book.models.transformer.layers import AddAndNorm, FeedForward


class EncoderLayer(nn.Module):
    """Let the tokens look at each other, then let each one think over what it saw.

    Args:
        embed_dim: size of a token.
        num_heads: heads of the attention.
        hidden_dim: size of the feed-forward network's hidden layer.
        attention_fn: what attends within the heads and knows where tokens stand, as for
            :class:`attention_book.attention.multi_head.layer.MultiHeadAttention`; None:
            nothing does.
        dropout: this and the rest are those of
            :class:`attention_book.models.transformer.layers.AddAndNorm`.
        norm: "layer", "batch" or "none".
        pre_norm: whether norms stand before the sub-layers.
        residual: whether a sub-layer's input is added to its output.

    Raises:
        ValueError: if the sizes do not fit each other, or there is no such norm.

    Source: arXiv:1706.03762, 3.1. Equal to :class:`torch.nn.TransformerEncoderLayer`
        but for dropout, which that one has inside the sub-layers too.

    Example:
        >>> import torch
        >>> layer = EncoderLayer(8, 2, 16)
        >>> layer(torch.randn(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        *,
        attention_fn: nn.Module | None = None,
        dropout: float = 0.0,
        norm: str = "layer",
        pre_norm: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        around = {"dropout": dropout, "norm": norm}
        around |= {"pre_norm": pre_norm, "residual": residual}
        self.self_attention = MultiHeadAttention(
            embed_dim, num_heads, attention_fn=attention_fn
        )
        self.around_self = AddAndNorm(embed_dim, **around)
        self.feed_forward = FeedForward(embed_dim, hidden_dim)
        self.around_feed_forward = AddAndNorm(embed_dim, **around)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        mask: Mask | None = None,
        real: Int[Tensor, " real"] | None = None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens that the next layer reads.

        Args:
            tokens: of padded sentences.
            mask: True where a token may attend, (batch, tokens, tokens) with axes of
                full size or 1, ``token_mask[:, None]`` for padding. None: everywhere.
            real: the places of the real tokens, as for
                :class:`attention_book.models.transformer.layers.FeedForward`.
        """
        x = self.around_self.before(tokens)
        found, _ = self.self_attention(x, x, x, mask)
        tokens = self.around_self.after(tokens, found)
        found = self.feed_forward(self.around_feed_forward.before(tokens), real)
        return self.around_feed_forward.after(tokens, found)


class Encoder(nn.Module):
    """A stack of layers, and a norm at its end where the layers are pre-norm.

    Args:
        layers: from the first to the last.
        final_norm: what the last layer's tokens go through; None: nothing, as in the
            paper. Pre-norm layers need one: their sums leave the stack as they are.

    Source: arXiv:1706.03762, 3.1.

    Example:
        >>> import torch
        >>> encoder = Encoder(EncoderLayer(8, 2, 16) for _ in range(3))
        >>> encoder(torch.randn(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self, layers: Iterable[EncoderLayer], final_norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.final_norm = final_norm

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        mask: Mask | None = None,
        real: Int[Tensor, " real"] | None = None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens after all layers; ``mask``, ``real`` as for a layer."""
        for layer in self.layers:
            tokens = layer(tokens, mask, real)
        return tokens if self.final_norm is None else self.final_norm(tokens)

"""The Transformer's encoder: layers of self-attention and feed-forward networks."""

from collections.abc import Callable, Iterable

from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.functional import Mask
from attention_book.models.transformer.layers import Residual, apply_to_nonpad


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward network, each in a residual wrapper.

    The sub-layers are passed in, so that other attention, another activation or another
    norm needs no option here.

    Args:
        self_attention: called with ``(query, key, value, mask)``, returns ``(context,
            weights)``, such as
            :class:`attention_book.attention.multi_head.layer.MultiHeadAttention`.
        feed_forward: treats each token by itself, such as
            :class:`attention_book.models.transformer.layers.FeedForward`.
        make_residual: makes a wrapper; called once for each of the two sub-layers.

    Source: arXiv:1706.03762, 3.1. Equal to :class:`torch.nn.TransformerEncoderLayer`
        except for dropout, which that one has inside the sub-layers as well.

    Example:
        >>> import torch
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> from attention_book.models.transformer.layers import FeedForward
        >>> layer = EncoderLayer(
        ...     MultiHeadAttention(8, 2),
        ...     FeedForward(8, 16),
        ...     lambda: Residual(nn.LayerNorm(8), dropout=0.1),
        ... )
        >>> layer(torch.randn(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        self_attention: nn.Module,
        feed_forward: nn.Module,
        make_residual: Callable[[], Residual],
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.self_residual = make_residual()
        self.feed_forward = feed_forward
        self.feed_forward_residual = make_residual()

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        mask: Mask | None = None,
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens that the next layer reads.

        Args:
            tokens: of padded sentences.
            mask: True where a token may attend, (batch, tokens, tokens) with axes of
                full size or 1, ``token_mask[:, None]`` for padding. None: everywhere.
            nonpad: what
                :func:`attention_book.models.transformer.layers.nonpad_indices` returned
                for the tokens: the feed-forward network then skips the padding. None:
                it computes all tokens.
        """
        tokens = self.self_residual(
            tokens, lambda x: self.self_attention(x, x, x, mask)[0]
        )
        return self.feed_forward_residual(
            tokens, lambda x: apply_to_nonpad(self.feed_forward, x, nonpad)
        )


class Encoder(nn.Module):
    """A stack of layers, followed by a norm if the layers are pre-norm.

    Args:
        layers: from the first to the last.
        final_norm: applied to the output of the last layer; None: nothing is, as in the
            paper. Pre-norm layers need one, because nothing else normalises the sums
            that leave them.

    Source: arXiv:1706.03762, 3.1.
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
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the output of the last layer.

        Args:
            tokens: of padded sentences.
            mask: as for a layer.
            nonpad: as for a layer.
        """
        for layer in self.layers:
            tokens = layer(tokens, mask, nonpad)
        return tokens if self.final_norm is None else self.final_norm(tokens)

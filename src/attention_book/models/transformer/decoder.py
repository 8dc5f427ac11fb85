"""The Transformer's decoder: words look at the words before them, and at the source."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.functional import Mask
from attention_book.models.transformer.layers import AddAndNorm, FeedForward

KeyValue = tuple[
    Float[Tensor, "batch heads _ head_dim"], Float[Tensor, "batch heads _ head_dim"]
]
"""Keys and values of some tokens, as the heads of one layer see them."""


class DecoderLayer(nn.Module):
    """Look at the words so far, then at the source, then think over what was seen.

    Args:
        embed_dim: size of a token.
        num_heads: heads of each attention.
        hidden_dim: size of the feed-forward network's hidden layer.
        attention_fn: what attends within the heads of self-attention and knows where
            tokens stand, as for
            :class:`attention_book.attention.multi_head.layer.MultiHeadAttention`; None:
            nothing does.
        causal: whether a word sees no later one.
        dropout: this and the rest are those of
            :class:`attention_book.models.transformer.layers.AddAndNorm`.
        norm: "layer", "batch" or "none".
        pre_norm: whether norms stand before the sub-layers.
        residual: whether a sub-layer's input is added to its output.

    Raises:
        ValueError: if the sizes do not fit each other, or there is no such norm.

    Source: arXiv:1706.03762, 3.1. Equal to :class:`torch.nn.TransformerDecoderLayer`
        but for dropout, which that one has inside the sub-layers too.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        *,
        attention_fn: nn.Module | None = None,
        causal: bool = True,
        dropout: float = 0.0,
        norm: str = "layer",
        pre_norm: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        around = {"dropout": dropout, "norm": norm}
        around |= {"pre_norm": pre_norm, "residual": residual}
        self.causal = causal
        self.self_attention = MultiHeadAttention(
            embed_dim, num_heads, attention_fn=attention_fn
        )
        self.around_self = AddAndNorm(embed_dim, **around)
        self.cross_attention = MultiHeadAttention(embed_dim, num_heads)
        self.around_cross = AddAndNorm(embed_dim, **around)
        self.feed_forward = FeedForward(embed_dim, hidden_dim)
        self.around_feed_forward = AddAndNorm(embed_dim, **around)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        source: KeyValue,
        source_mask: Mask | None = None,
        past: KeyValue | None = None,
        real: Int[Tensor, " real"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens embed_dim"], KeyValue | None]:
        """Return the tokens that the next layer reads, and what is now past.

        Args:
            tokens: target words, those of ``past`` left out.
            source: what ``cross_attention.project`` makes of the encoder's tokens.
            source_mask: True where a word may attend to the source, (batch, tokens,
                source_tokens) with axes of full size or 1. None: everywhere.
            past: keys and values of the words before, as ``self_attention`` made them,
                none at first; these come back with the new ones behind them. None:
                there are none, and nothing is kept, as in training.
            real: the places of the real tokens, as for
                :class:`attention_book.models.transformer.layers.FeedForward`.
        """
        x = self.around_self.before(tokens)
        projected = None
        if past is not None:
            query, *new = self.self_attention.project_qkv(x)
            past = tuple(torch.cat(both, dim=2) for both in zip(past, new, strict=True))
            projected = query, *past
        # The last word alone may see all that is there: no mask is needed.
        causal = self.causal and (past is None or tokens.shape[1] > 1)
        found, _ = self.self_attention(x, x, x, causal=causal, projected_kv=projected)
        tokens = self.around_self.after(tokens, found)

        x = self.around_cross.before(tokens)
        found, _ = self.cross_attention(x, x, x, source_mask, projected_kv=source)
        tokens = self.around_cross.after(tokens, found)

        found = self.feed_forward(self.around_feed_forward.before(tokens), real)
        return self.around_feed_forward.after(tokens, found), past


class Decoder(nn.Module):
    """A stack of layers, and a norm at its end where the layers are pre-norm.

    Args:
        layers: from the first to the last.
        final_norm: as for :class:`attention_book.models.transformer.encoder.Encoder`.

    Source: arXiv:1706.03762, 3.1.

    Example:
        >>> decoder = Decoder(DecoderLayer(8, 2, 16) for _ in range(3))
        >>> source = decoder.project(torch.randn(3, 7, 8))
        >>> tokens, _ = decoder(torch.randn(3, 5, 8), source)
        >>> tokens.shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self, layers: Iterable[DecoderLayer], final_norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.final_norm = final_norm

    def project(
        self, source: Float[Tensor, "batch source_tokens embed_dim"]
    ) -> tuple[KeyValue, ...]:
        """Return keys and values of the encoder's tokens for each layer: once a source.

        Args:
            source: the encoder's tokens; all layers look at the last layer's.
        """
        return tuple(
            layer.cross_attention.project_kv(source, source) for layer in self.layers
        )

    def empty_cache(
        self, source: Float[Tensor, "batch source_tokens embed_dim"]
    ) -> tuple[KeyValue, ...]:
        """Return keys and values of no words, for each layer: to start from.

        Args:
            source: the encoder's tokens, for batch size, type and device.
        """
        nothing = source[:, :0]
        return tuple(
            layer.self_attention.project_kv(nothing, nothing) for layer in self.layers
        )

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        source: Sequence[KeyValue],
        source_mask: Mask | None = None,
        past: Sequence[KeyValue] | None = None,
        real: Int[Tensor, " real"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens embed_dim"], tuple[KeyValue | None, ...]]:
        """Return the tokens after all layers, and what is now past, for each layer.

        Args:
            tokens: target words, those of ``past`` left out.
            source: what :meth:`project` returned.
            source_mask: as for a layer.
            past: what the call before returned, :meth:`empty_cache` at first; None:
                there is none, and none is kept.
            real: as for a layer.
        """
        pasts = []
        for number, layer in enumerate(self.layers):
            before = None if past is None else past[number]
            tokens, now = layer(tokens, source[number], source_mask, before, real)
            pasts.append(now)
        if self.final_norm is not None:
            tokens = self.final_norm(tokens)
        return tokens, tuple(pasts)

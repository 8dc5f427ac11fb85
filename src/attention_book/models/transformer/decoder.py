"""The Transformer's decoder: causal self-attention, and attention to the source."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.functional import Mask
from attention_book.models.transformer.layers import Residual, apply_to_nonpad


class KeyValue(NamedTuple):
    """The keys and values of some tokens, projected for the heads of one layer.

    Attributes:
        key: what the queries of every head are scored against.
        value: what every head averages.
    """

    key: Float[Tensor, "batch heads keys head_dim"]
    value: Float[Tensor, "batch heads keys head_dim"]


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and a feed-forward network, each with a residual.

    Args:
        self_attention: attention among the tokens of the target.
        cross_attention: attention of the target's tokens to those of the source.
        feed_forward: treats each token by itself, such as
            :class:`attention_book.models.transformer.layers.FeedForward`.
        make_residual: makes a wrapper; called once for each of the three sub-layers.
        causal: whether self-attention is masked, so that a token attends to itself and
            the tokens before it only.

    Source: arXiv:1706.03762, 3.1. Equal to :class:`torch.nn.TransformerDecoderLayer`
        except for dropout, which that one has inside the sub-layers as well.
    """

    def __init__(
        self,
        self_attention: MultiHeadAttention,
        cross_attention: MultiHeadAttention,
        feed_forward: nn.Module,
        make_residual: Callable[[], Residual],
        *,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.self_attention = self_attention
        self.self_residual = make_residual()
        self.cross_attention = cross_attention
        self.cross_residual = make_residual()
        self.feed_forward = feed_forward
        self.feed_forward_residual = make_residual()

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        source: KeyValue,
        source_mask: Mask | None = None,
        past_key_values: KeyValue | None = None,
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens embed_dim"], KeyValue | None]:
        """Return the tokens that the next layer reads, and the extended cache.

        Args:
            tokens: of the target, without those whose keys and values are cached.
            source: keys and values of the encoder's tokens, as
                ``cross_attention.project_kv`` returns them.
            source_mask: True where a token may attend to the source, (batch, tokens,
                source_tokens) with axes of full size or 1. None: everywhere.
            past_key_values: cache of self-attention: keys and values of the tokens so
                far, none at the start of decoding. None: nothing is cached, as in
                training.
            nonpad: as for
                :class:`attention_book.models.transformer.encoder.EncoderLayer`.
        """
        extended: list[KeyValue] = []  # the cache that self-attention leaves here
        tokens = self.self_residual(
            tokens, lambda x: self._attend_to_target(x, past_key_values, extended)
        )
        tokens = self.cross_residual(
            tokens, lambda x: self._attend_to_source(x, source, source_mask)
        )
        tokens = self.feed_forward_residual(
            tokens, lambda x: apply_to_nonpad(self.feed_forward, x, nonpad)
        )
        return tokens, extended[0] if extended else None

    def _attend_to_target(
        self,
        x: Float[Tensor, "batch tokens embed_dim"],
        past_key_values: KeyValue | None,
        extended: list[KeyValue],
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        if past_key_values is None:
            return self.self_attention(x, x, x, causal=self.causal)[0]
        query, *new = self.self_attention.project_qkv(x)
        pairs = zip(past_key_values, new, strict=True)
        extended.append(KeyValue(*(torch.cat(pair, dim=2) for pair in pairs)))
        # A single token may attend to all of the cache: it needs no mask.
        causal = self.causal and x.shape[1] > 1
        projected = query, *extended[0]
        return self.self_attention(x, x, x, causal=causal, projected_kv=projected)[0]

    def _attend_to_source(
        self,
        x: Float[Tensor, "batch tokens embed_dim"],
        source: KeyValue,
        source_mask: Mask | None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        return self.cross_attention(x, x, x, source_mask, projected_kv=source)[0]


class Decoder(nn.Module):
    """A stack of layers, followed by a norm if the layers are pre-norm.

    Args:
        layers: from the first to the last.
        final_norm: as for :class:`attention_book.models.transformer.encoder.Encoder`.

    Source: arXiv:1706.03762, 3.1.
    """

    def __init__(
        self, layers: Iterable[DecoderLayer], final_norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.layers = cast(Sequence[DecoderLayer], nn.ModuleList(layers))
        self.final_norm = final_norm

    def project_source(
        self, source: Float[Tensor, "batch source_tokens embed_dim"]
    ) -> tuple[KeyValue, ...]:
        """Return keys and values of the source for each layer, computed once.

        Args:
            source: the output of the encoder, which all layers attend to.
        """
        return tuple(
            KeyValue(*layer.cross_attention.project_kv(source, source))
            for layer in self.layers
        )

    def empty_cache(
        self, source: Float[Tensor, "batch source_tokens embed_dim"]
    ) -> tuple[KeyValue, ...]:
        """Return the cache in which decoding starts: no tokens yet, for each layer.

        Args:
            source: the output of the encoder, for batch size, dtype and device.
        """
        nothing = source[:, :0]
        return tuple(
            KeyValue(*layer.self_attention.project_kv(nothing, nothing))
            for layer in self.layers
        )

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        source: Sequence[KeyValue],
        source_mask: Mask | None = None,
        past_key_values: Sequence[KeyValue] | None = None,
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens embed_dim"], tuple[KeyValue, ...] | None]:
        """Return the output of the last layer, and the extended cache of each layer.

        Args:
            tokens: of the target, without those whose keys and values are cached.
            source: what :meth:`project_source` returned.
            source_mask: as for a layer.
            past_key_values: the cache that the call before returned, at first
                :meth:`empty_cache`. None: nothing is cached, and None comes back.
            nonpad: as for a layer.
        """
        caches = (
            [None] * len(self.layers) if past_key_values is None else past_key_values
        )
        extended = []
        for layer, keys_values, cache in zip(self.layers, source, caches, strict=True):
            tokens, cache = layer(tokens, keys_values, source_mask, cache, nonpad)
            extended.append(cache)
        if self.final_norm is not None:
            tokens = self.final_norm(tokens)
        return tokens, None if past_key_values is None else tuple(extended)

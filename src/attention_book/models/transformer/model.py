"""The Transformer (Vaswani et al., 2017): translation by attention alone."""

from collections.abc import Iterator
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
)
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.data.translation.pairs import PairBatch
from attention_book.models.checks import check_padding, check_rows
from attention_book.models.transformer.config import TransformerConfig
from attention_book.models.transformer.decoder import Decoder, DecoderLayer, KeyValue
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    ScaledEmbedding,
    make_norm,
    nonpad_indices,
)


class TransformerState(NamedTuple):
    """What decoding keeps from one token to the next; only the cache grows.

    Attributes:
        past_key_values: the cache: keys and values of the target so far, for the
            self-attention of each decoder layer.
        source_key_values: keys and values of the source, for the cross-attention of
            each decoder layer.
        source_mask: True at the real tokens of the source.
    """

    past_key_values: tuple[KeyValue, ...]
    source_key_values: tuple[KeyValue, ...]
    source_mask: Bool[Tensor, "rows source_tokens"]


class Transformer(nn.Module):
    r"""An encoder and a decoder of attention and feed-forward layers; no recurrence.

    .. math::
        x_t &= \mathrm{Dropout}(\sqrt{d}\, E_{w_t} + PE_t), \qquad
        H = \mathrm{Encoder}(x_1 \ldots x_T) \\
        p(y_i \mid y_{<i}, w) &= \mathrm{softmax}(
            E\, \mathrm{Decoder}(y_1 \ldots y_{i-1}; H)_i)

    In training all tokens of a target are predicted in one pass: the decoder reads the
    target shifted by one position, ``<bos> y_1 ... y_T``, and causal self-attention
    hides the later ones. Decoding takes one token at a time and caches the keys and
    values of those before it.

    Args:
        config: sizes and parts; kept as ``self.config``.

    Raises:
        ValueError: if ``embed_dim`` is odd or not divisible by ``num_heads``, or there
            is no such norm; from a call, if a sentence is longer than
            ``max_positions`` or an id is outside the vocabulary.

    Source: arXiv:1706.03762, section 3. The output layer has no bias. The paper does
        not give the initial values; they are those of the parts. The authors' code also
        has dropout inside attention and feed-forward networks, and, in later versions,
        norms before the sub-layers.

    Example:
        >>> import torch
        >>> model = Transformer(TransformerConfig(source_vocab=11, target_vocab=13))
        >>> source, target = torch.tensor([[5, 7, 2]]), torch.tensor([[1, 9]])
        >>> model(source, target, source != 0).shape
        torch.Size([1, 2, 13])
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        embed = config.embed_dim
        self.target_embedding = ScaledEmbedding(config.target_vocab, embed)
        self.output_proj = nn.Linear(embed, config.target_vocab, bias=False)
        nn.init.normal_(self.output_proj.weight, std=embed**-0.5)
        if config.share != "none":
            self.output_proj.weight = self.target_embedding.weight
        if config.share == "all":
            self.source_embedding = self.target_embedding
        else:
            self.source_embedding = ScaledEmbedding(config.source_vocab, embed)
        self.source_positions = _added_positions(config)
        self.target_positions = _added_positions(config)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = Encoder(_encoder_layers(config), _final_norm(config))
        self.decoder = Decoder(_decoder_layers(config), _final_norm(config))

    def forward(
        self,
        source: Int[Tensor, "rows source_tokens"],
        target: Int[Tensor, "rows target_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
        *,
        source_nonpad: Int[Tensor, " source_nonpad"] | None = None,
        target_nonpad: Int[Tensor, " target_nonpad"] | None = None,
    ) -> Float[Tensor, "*positions target_vocab"]:
        """Return the logits of the token after each target token: teacher forcing.

        Args:
            source: token ids, padded on the right.
            target: token ids that the decoder reads, ``<bos> y_1 ... y_T``.
            source_mask: True at real tokens.
            source_nonpad: what
                :func:`attention_book.models.transformer.layers.nonpad_indices` returned
                for ``source_mask``: saves the work on the padding and changes nothing
                else.
            target_nonpad: indices into ``target.flatten()`` of the tokens whose logits
                are needed, which saves the work on the others.

        Returns:
            Logits of shape (rows, target_tokens, target_vocab); with ``target_nonpad``
            of shape (target_nonpad, target_vocab).

        Raises:
            ValueError: if the shapes do not fit each other, a sentence is longer than
                ``max_positions`` or, on a CPU, an id is outside the vocabulary.
            TypeError: if ``source_mask`` is not boolean.
        """
        memory = self.encode(source, source_mask, source_nonpad)
        check_rows(target, source_mask)
        tokens, _ = self.decoder(
            self._embed(self.target_embedding, self.target_positions, target),
            self.decoder.project_source(memory),
            source_mask[:, None],
            nonpad=target_nonpad,
        )
        if target_nonpad is not None:
            tokens = tokens.flatten(0, 1)[target_nonpad]
        return self.output_proj(tokens)

    def encode(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
        nonpad: Int[Tensor, " source_nonpad"] | None = None,
    ) -> Float[Tensor, "rows source_tokens embed_dim"]:
        """Return the output of the encoder.

        Args:
            source: token ids, padded on the right.
            source_mask: True at real tokens.
            nonpad: ``source_nonpad`` of :meth:`forward`.
        """
        check_padding("source", source, source_mask)
        tokens = self._embed(self.source_embedding, self.source_positions, source)
        return self.encoder(tokens, source_mask[:, None], nonpad)

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> TransformerState:
        """Encode the sources; return the state in which decoding starts."""
        nonpad = nonpad_indices(source_mask, int(source_mask.sum()))
        memory = self.encode(source, source_mask, nonpad)
        # Every step will read them again, which is faster without gaps.
        projected = tuple(
            KeyValue(key.contiguous(), value.contiguous())
            for key, value in self.decoder.project_source(memory)
        )
        return TransformerState(
            self.decoder.empty_cache(memory), projected, source_mask
        )

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: TransformerState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], TransformerState]:
        """Return the logits of the token after each of ``inputs``, and the new state.

        Args:
            inputs: target tokens that follow those in the cache.
            state: from :meth:`start` or the call before.

        Raises:
            ValueError: if there are more or fewer rows than in ``state``, or the target
                grows longer than ``max_positions``.
        """
        past_key_values, source_key_values, source_mask = state
        check_rows(inputs, source_mask)
        num_past = past_key_values[0].key.shape[2]
        tokens, past_key_values = self.decoder(
            self._embed(self.target_embedding, self.target_positions, inputs, num_past),
            source_key_values,
            source_mask[:, None],
            past_key_values,
        )
        return self.output_proj(tokens), TransformerState(
            past_key_values, source_key_values, source_mask
        )

    def step(
        self, ids: Int[Tensor, " rows"], state: TransformerState
    ) -> tuple[Float[Tensor, "rows target_vocab"], TransformerState]:
        """Advance decoding by one token per row; return the logits of the next one."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        r"""Mean negative log-likelihood under teacher forcing, in nats per token.

        In training mode the target distribution is smoothed, as by
        :func:`attention_book.training.label_smoothing.smoothed_targets`.

        Raises:
            ValueError: if there is no token to predict, or as :meth:`forward`.
        """
        if batch.num_tokens < 1:
            raise ValueError(
                "target must have a token to predict after <bos>, got shape "
                f"{tuple(batch.target.shape)} and num_tokens {batch.num_tokens}"
            )
        # At padding nothing is predicted: no logits are needed there.
        nonpad = nonpad_indices(batch.target_mask[:, 1:], batch.num_tokens)
        logits = self(
            batch.source,
            batch.target[:, :-1],
            batch.source_mask,
            source_nonpad=nonpad_indices(batch.source_mask, batch.num_source_tokens),
            target_nonpad=nonpad,
        )
        return F.cross_entropy(
            logits,
            batch.target[:, 1:].flatten()[nonpad],
            label_smoothing=self.config.label_smoothing if self.training else 0.0,
        )

    def _embed(
        self,
        embedding: nn.Module,
        positions: nn.Module | None,
        ids: Int[Tensor, "rows tokens"],
        first: int = 0,
    ) -> Float[Tensor, "rows tokens embed_dim"]:
        """Embed tokens of one language that stand from position ``first`` on."""
        tokens = embedding(ids)
        if positions is not None:
            tokens = positions(tokens, first)
        return self.dropout(tokens)


def _added_positions(config: TransformerConfig) -> nn.Module | None:
    """Make the layer that adds positions to the embeddings of one language."""
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.max_positions, config.embed_dim)
    if config.positions == "learned":
        return LearnedPositions(config.max_positions, config.embed_dim)
    return None


def _encoder_layers(config: TransformerConfig) -> Iterator[EncoderLayer]:
    for _ in range(config.num_layers):
        yield EncoderLayer(
            _self_attention(config),
            FeedForward(config.embed_dim, config.hidden_dim),
            lambda: _residual(config),
        )


def _decoder_layers(config: TransformerConfig) -> Iterator[DecoderLayer]:
    for _ in range(config.num_layers):
        yield DecoderLayer(
            _self_attention(config),
            MultiHeadAttention(config.embed_dim, config.num_heads),
            FeedForward(config.embed_dim, config.hidden_dim),
            lambda: _residual(config),
            causal=config.causal,
        )


def _self_attention(config: TransformerConfig) -> MultiHeadAttention:
    rotary = RotaryAttention() if config.positions == "rotary" else None
    return MultiHeadAttention(config.embed_dim, config.num_heads, attention_fn=rotary)


def _residual(config: TransformerConfig) -> Residual:
    return Residual(
        make_norm(config.norm, config.embed_dim),
        dropout=config.dropout,
        pre_norm=config.pre_norm,
        residual=config.residual,
    )


def _final_norm(config: TransformerConfig) -> nn.Module | None:
    return make_norm(config.norm, config.embed_dim) if config.pre_norm else None

"""The Transformer (Vaswani et al., 2017): translation by attention alone."""

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
)
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.data.translation.pairs import PairBatch
from attention_book.models.checks import check_source
from attention_book.models.transformer.config import TransformerConfig
from attention_book.models.transformer.decoder import Decoder, DecoderLayer, KeyValue
from attention_book.models.transformer.embedding import ScaledEmbedding
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import nonpad_indices
from attention_book.models.transformer.norm import make_norm

TransformerState = tuple[
    tuple[KeyValue, ...],
    tuple[KeyValue, ...],
    Bool[Tensor, "rows source_tokens"],
]
"""Keys and values of the words so far, for each layer of the decoder; those of the
source; and True where the source has a word. Only the first ever changes: it grows."""


class Transformer(nn.Module):
    r"""An encoder and a decoder of attention and feed-forward layers; no recurrence.

    .. math::
        x_t &= \mathrm{Dropout}(\sqrt{d}\, E_{w_t} + PE_t), \qquad
        H = \mathrm{Encoder}(x_1 \ldots x_T) \\
        p(y_i \mid y_{<i}, w) &= \mathrm{softmax}(
            E\, \mathrm{Decoder}(y_1 \ldots y_{i-1}; H)_i)

    In training all words of a target are predicted at once: the decoder reads the
    target shifted by one place, ``<bos> y_1 ... y_T``, and its self-attention looks at
    no later word. In decoding a word comes at a time, and the keys and values of those
    before are kept.

    Args:
        config: sizes and parts; kept as ``self.config``.

    Raises:
        ValueError: if ``embed_dim`` is odd, does not fit ``num_heads``, or there is no
            such norm; from a call, if a sentence is longer than ``max_positions``.

    Source: arXiv:1706.03762, section 3. The output layer has no bias. Initial values,
        of which the paper says nothing, are those of the parts. The authors' program
        has dropout inside attention and feed-forward too, and later norms before the
        sub-layers.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        embed, layers = config.embed_dim, range(config.num_layers)
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
        self.encoder = Encoder(
            (EncoderLayer(**_layer_options(config)) for _ in layers),
            make_norm(config.norm, embed) if config.pre_norm else None,
        )
        self.decoder = Decoder(
            (
                DecoderLayer(**_layer_options(config), causal=config.causal)
                for _ in layers
            ),
            make_norm(config.norm, embed) if config.pre_norm else None,
        )

    def encode(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
        num_real: int | None = None,
    ) -> Float[Tensor, "rows source_tokens embed_dim"]:
        """Read the sources; return the encoder's tokens.

        Args:
            source: token ids, padded on the right.
            source_mask: True at real tokens.
            num_real: how many these are, where it is known: less is then computed for
                padding.
        """
        check_source(source, source_mask)
        real = None if num_real is None else nonpad_indices(source_mask, num_real)
        tokens = self.source_embedding(source)
        if self.source_positions is not None:
            tokens = self.source_positions(tokens)
        return self.encoder(self.dropout(tokens), source_mask[:, None], real)

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> TransformerState:
        """Read the sources; return the state in which decoding starts."""
        memory = self.encode(source, source_mask, int(source_mask.sum()))
        # Each word will read them again: then better without gaps.
        source = tuple(
            (keys.contiguous(), values.contiguous())
            for keys, values in self.decoder.project(memory)
        )
        return self.decoder.empty_cache(memory), source, source_mask

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: TransformerState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], TransformerState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        past, source, source_mask = state
        tokens, past = self._read(inputs, source, source_mask, past)
        return self.output_proj(tokens), (past, source, source_mask)

    def step(
        self, ids: Int[Tensor, " rows"], state: TransformerState
    ) -> tuple[Float[Tensor, "rows target_vocab"], TransformerState]:
        """Read one more word of each row; return the logits of the next."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        r"""Mean negative log-likelihood under teacher forcing, in nats per token.

        In training the distribution that is aimed at is smoothed, as by
        :func:`attention_book.training.label_smoothing.smoothed_targets`.

        Raises:
            ValueError: if there is no word to predict, or not a target for each source.
        """
        rows, length = batch.target.shape
        if length < 2 or batch.num_tokens < 1:
            raise ValueError(
                "targets must have a word to predict behind <bos>, got shape "
                f"{(rows, length)} and {batch.num_tokens} real ones"
            )
        memory = self.encode(batch.source, batch.source_mask, batch.num_source_tokens)
        source = self.decoder.project(memory)
        # Where there is padding nothing is predicted, and no logits are needed.
        real = nonpad_indices(batch.target_mask[:, 1:], batch.num_tokens)
        tokens, _ = self._read(
            batch.target[:, :-1], source, batch.source_mask, real=real
        )
        return F.cross_entropy(
            self.output_proj(tokens.flatten(0, 1)[real]),
            batch.target[:, 1:].flatten()[real],
            label_smoothing=self.config.label_smoothing if self.training else 0.0,
        )

    def _read(
        self,
        inputs: Int[Tensor, "rows target_tokens"],
        source: tuple[KeyValue, ...],
        source_mask: Bool[Tensor, "rows source_tokens"],
        past: tuple[KeyValue, ...] | None = None,
        real: Int[Tensor, " real"] | None = None,
    ) -> tuple[
        Float[Tensor, "rows target_tokens embed_dim"],
        tuple[KeyValue | None, ...],
    ]:
        """Return the decoder's tokens and what is now past."""
        if len(inputs) != len(source_mask):
            raise ValueError(
                f"there must be a target for each source, got {len(inputs)} targets "
                f"and {len(source_mask)} sources"
            )
        tokens = self.target_embedding(inputs)
        if self.target_positions is not None:
            num_past = 0 if past is None else past[0][0].shape[2]
            tokens = self.target_positions(tokens, num_past)
        tokens = self.dropout(tokens)
        return self.decoder(tokens, source, source_mask[:, None], past, real)


def _added_positions(config: TransformerConfig) -> nn.Module | None:
    """What adds positions to the embeddings of one language."""
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.max_positions, config.embed_dim)
    if config.positions == "learned":
        return LearnedPositions(config.max_positions, config.embed_dim)
    return None


def _layer_options(config: TransformerConfig) -> dict:
    """What the layers of encoder and decoder are made with."""
    return {
        "embed_dim": config.embed_dim,
        "num_heads": config.num_heads,
        "hidden_dim": config.hidden_dim,
        "attention_fn": RotaryAttention() if config.positions == "rotary" else None,
        "dropout": config.dropout,
        "norm": config.norm,
        "pre_norm": config.pre_norm,
        "residual": config.residual,
    }

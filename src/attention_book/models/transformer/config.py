"""The settings of a Transformer: its sizes, and its parts, for ablations."""

from dataclasses import dataclass
from typing import Any

from attention_book.functional import check_counts
from attention_book.models.checks import check_sizes
from attention_book.models.transformer.layers import NORMS

POSITIONS = ("sinusoidal", "learned", "rotary", "none")
SHARE = ("none", "target", "all")

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "embed_dim": 64,
        "num_heads": 4,
        "hidden_dim": 256,
        "num_layers": 2,
        "dropout": 0.1,
    },
    "multi30k": {
        "embed_dim": 128,
        "num_heads": 4,
        "hidden_dim": 256,
        "num_layers": 4,
        "dropout": 0.3,
        "share": "all",
    },
    "base": {
        "embed_dim": 512,
        "num_heads": 8,
        "hidden_dim": 2048,
        "num_layers": 6,
        "dropout": 0.1,
        "share": "all",
    },
    "big": {
        "embed_dim": 1024,
        "num_heads": 16,
        "hidden_dim": 4096,
        "num_layers": 6,
        "dropout": 0.3,
        "share": "all",
    },
}
"""Settings by name, for ``TransformerConfig(**SIZES["base"], source_vocab=...)``.

"base" and "big" are the paper's (table 3). "tiny" is that of the book's quick runs and
the default, "multi30k" a small model that is common on that data set."""


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    r"""Sizes and parts of a :class:`Transformer`; the defaults are ``SIZES["tiny"]``.

    Attributes:
        source_vocab: number of words of the source vocabulary.
        target_vocab: number of words of the target vocabulary.
        embed_dim: size of a token everywhere, :math:`d` (base: 512).
        num_heads: :math:`h` of every attention (base: 8).
        hidden_dim: size of the feed-forward networks' hidden layer, :math:`d_{ff}`
            (base: 2,048).
        num_layers: :math:`N`, of the encoder and of the decoder (base: 6).
        dropout: dropout probability of each sub-layer's output, and of the sum of
            embedding and position (base: 0.1).
        label_smoothing: :math:`\epsilon`, in training only (the paper: 0.1).
        norm: "layer", "batch" or "none" (the paper: layer).
        pre_norm: whether the norms come before the sub-layers, with a final one after
            the last layer (the paper: after each sub-layer).
        residual: whether a sub-layer's input is added to its output (the paper: yes).
        positions: "sinusoidal" or "learned", added to the embeddings; "rotary", within
            the heads of self-attention; or "none" (the paper: sinusoidal).
        max_positions: length of the longest sentence in tokens, special ones included,
            with sinusoidal or learned positions.
        share: which weights are shared: "all" for source embedding, target embedding
            and output layer (the paper), which needs one vocabulary; "target" for the
            last two; or "none".
        causal: whether the decoder's self-attention is masked, so that no token sees a
            later one (the paper: yes).

    Raises:
        ValueError: if a size or a probability is out of range, a name is unknown,
            ``num_heads`` does not divide ``embed_dim``, the size of a head is odd with
            rotary positions, or ``share="all"`` comes with vocabularies of different
            sizes.
    """

    source_vocab: int
    target_vocab: int
    embed_dim: int = 64
    num_heads: int = 4
    hidden_dim: int = 256
    num_layers: int = 2
    dropout: float = 0.1
    label_smoothing: float = 0.1
    norm: str = "layer"
    pre_norm: bool = False
    residual: bool = True
    positions: str = "sinusoidal"
    max_positions: int = 512
    share: str = "target"
    causal: bool = True

    def __post_init__(self) -> None:
        check_sizes(self)
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing must be in [0, 1), got {self.label_smoothing}"
            )
        for name, known in ("norm", NORMS), ("positions", POSITIONS), ("share", SHARE):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got "
                    f"{getattr(self, name)!r}"
                )
        check_counts(max_positions=self.max_positions)
        if self.positions == "rotary" and self.embed_dim // self.num_heads % 2:
            raise ValueError(
                "embed_dim / num_heads must be even with rotary positions, got "
                f"{self.embed_dim} / {self.num_heads}"
            )
        if self.share == "all" and self.source_vocab != self.target_vocab:
            raise ValueError(
                'share="all" needs one vocabulary for both languages, got source_vocab '
                f"{self.source_vocab} and target_vocab {self.target_vocab}"
            )

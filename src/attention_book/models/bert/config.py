"""The settings of BERT, and the sizes in which it has been published."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from attention_book.functional import check_counts
from attention_book.models.checks import check_sizes

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
}
r"""GELU, :math:`x\,\Phi(x)` with the normal distribution :math:`\Phi`, exact and by a
tanh. The two differ by less than 0.0005 at every :math:`x`."""

BERT_SIZES: dict[str, dict[str, int]] = {
    "tiny": {"num_layers": 2, "embed_dim": 128, "num_heads": 2, "hidden_dim": 512},
    "mini": {"num_layers": 4, "embed_dim": 256, "num_heads": 4, "hidden_dim": 1024},
    "small": {"num_layers": 4, "embed_dim": 512, "num_heads": 8, "hidden_dim": 2048},
    "medium": {"num_layers": 8, "embed_dim": 512, "num_heads": 8, "hidden_dim": 2048},
    "base": {"num_layers": 12, "embed_dim": 768, "num_heads": 12, "hidden_dim": 3072},
    "large": {"num_layers": 24, "embed_dim": 1024, "num_heads": 16, "hidden_dim": 4096},
}
"""Settings by name, for ``BertConfig(vocab_size=30522, **BERT_SIZES["base"])``.

"base" and "large" are the paper's; the authors published the others in 2020."""


@dataclass(frozen=True, kw_only=True)
class BertConfig:
    r"""Sizes and parts of BERT; the defaults are ``BERT_SIZES["tiny"]``.

    Attributes:
        vocab_size: number of word pieces, special tokens included (paper: 30,522).
        embed_dim: size of a token everywhere, :math:`H` (base: 768).
        num_heads: :math:`A` (base: 12).
        hidden_dim: size of the feed-forward networks' hidden layer, :math:`4H` in the
            paper.
        num_layers: :math:`L` (base: 12).
        max_positions: length of the longest input in tokens, special ones included.
        num_segments: number of segments that have an embedding (paper: 2).
        dropout: dropout probability of the embeddings' sum and of each sub-layer's
            output (paper: 0.1).
        attention_dropout: dropout probability of the attention weights (paper: 0.1).
        activation: a name in ``ACTIVATIONS``, for the feed-forward networks and for the
            head that predicts words.
        norm_epsilon: :math:`\epsilon` of each layer norm; PyTorch's default is another.
        next_sentence: whether the loss of pre-training has the term for the next
            sentence (paper: yes; without it in table 5).
        initial_std: standard deviation with which matrices and embeddings start (0.02
            in the authors' code). It suits a width of 768, about
            :math:`0.55 / \sqrt{H}`; in a model of 64 features the layers would hardly
            add anything at first.
        embedding_std: another one for the three embeddings; None: ``initial_std``. The
            norm after their sum hides their size from the layers, but the word
            embedding is the output's matrix too: the larger it starts, the larger are
            the first, random logits.
        causal: whether a token attends to itself and to earlier tokens only: the
            left-to-right model of the paper's table 5.

    Raises:
        ValueError: if a size or a probability is out of range, ``num_heads`` does not
            divide ``embed_dim``, or the activation is unknown.
        TypeError: if a size is not an integer.
    """

    vocab_size: int
    embed_dim: int = 128
    num_heads: int = 2
    hidden_dim: int = 512
    num_layers: int = 2
    max_positions: int = 512
    num_segments: int = 2
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    next_sentence: bool = True
    initial_std: float = 0.02
    embedding_std: float | None = None
    causal: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        check_counts(max_positions=self.max_positions)
        if not 0 <= self.attention_dropout < 1:
            raise ValueError(
                f"attention_dropout must be in [0, 1), got {self.attention_dropout}"
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, got "
                f"{self.activation!r}"
            )
        for name in "norm_epsilon", "initial_std", "embedding_std":
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


@dataclass(frozen=True, kw_only=True)
class BertClassifierConfig:
    """Settings of a classifier that is fine-tuned from BERT.

    Attributes:
        bert: sizes and parts of the encoder.
        num_classes: number of classes.
        dropout: dropout probability of the vector that is classified (paper: 0.1).

    Raises:
        ValueError: if ``num_classes`` is below 1, or ``dropout`` is not in [0, 1).
        TypeError: if ``num_classes`` is not an integer.
    """

    bert: BertConfig
    num_classes: int
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_sizes(self)

"""Two small models that differ only in the layer that mixes their tokens."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.positions.absolute import LearnedPositions
from attention_book.data.sequences.labelled import LabelledBatch
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.self_attention.block import (
    CausalConvolution,
    MixingBlock,
    PixelConvolution,
    Recurrence,
    SelfAttentionMixer,
)

MIXERS = "self-attention", "convolution", "GRU"


@dataclass(frozen=True, kw_only=True)
class MixingConfig:
    """Settings of the two models; with each mixer they have as many parameters.

    Attributes:
        mixer: "self-attention", "convolution" or, for sequences, "GRU".
        num_classes: number of classes.
        embed_dim: size of a token.
        block_parameters: number of parameters of mixer and hidden layer together.
        kernel_size: size of the convolution's kernel: tokens of a sequence, or pixels
            on each side of a square in an image.
        score: "dot" or "additive", for self-attention.
        normaliser: "softmax" or "relu", for self-attention.

    Raises:
        ValueError: if ``mixer`` is none of ``MIXERS``.
    """

    mixer: str
    num_classes: int
    embed_dim: int = 16
    block_parameters: int = 3000
    kernel_size: int
    score: str = "dot"
    normaliser: str = "softmax"

    def __post_init__(self) -> None:
        if self.mixer not in MIXERS:
            raise ValueError(
                f"mixer must be one of {', '.join(MIXERS)}, got {self.mixer!r}"
            )


class AddingModel(nn.Module):
    """Add the marked digits of a sequence; the answer is read at the last token.

    The embeddings of a digit and of its mark are added. Self-attention gets no
    positions: the marks tell it which tokens matter.

    Args:
        config: sizes and mixer; kept as ``self.config``.

    Raises:
        ValueError: from a call on a CPU, if a digit is not below ``num_classes`` or a
            mark is neither 0 nor 1.

    Example:
        >>> import torch
        >>> config = MixingConfig(mixer="GRU", num_classes=7, kernel_size=9)
        >>> AddingModel(config)(torch.zeros(2, 5, 2, dtype=torch.long)).shape
        torch.Size([2, 7])
    """

    def __init__(self, config: MixingConfig) -> None:
        super().__init__()
        self.config = config
        self.digit_embedding = TokenEmbedding(config.num_classes, config.embed_dim)
        self.mark_embedding = TokenEmbedding(2, config.embed_dim)
        mixer: nn.Module
        if config.mixer == "GRU":
            mixer = Recurrence(config.embed_dim)
        elif config.mixer == "convolution":
            mixer = CausalConvolution(config.embed_dim, config.kernel_size)
        else:
            mixer = SelfAttentionMixer(
                config.embed_dim, config.score, config.normaliser
            )
        self.block = MixingBlock(mixer, config.embed_dim, config.block_parameters)
        self.class_proj = nn.Linear(config.embed_dim, config.num_classes)

    def forward(
        self, tokens: Int[Tensor, "batch tokens 2"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the sum.

        Args:
            tokens: for each token a digit and its mark, 1 or 0.
        """
        digits, marks = tokens.unbind(dim=-1)
        embedded = self.digit_embedding(digits) + self.mark_embedding(marks)
        return self.class_proj(self.block(embedded)[:, -1])

    def loss(self, batch: LabelledBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the labels, in nats."""
        return F.cross_entropy(self(batch.inputs), batch.labels)


class PixelClassifier(nn.Module):
    """Classify an image whose tokens are its pixels.

    A token is the brightness of a pixel times a learned vector, plus a learned vector
    for its position. The classes are read from the means of the image's four quarters
    after the block.

    Args:
        config: sizes and mixer; kept as ``self.config``.
        side: pixels on each side of an image, even.

    Raises:
        ValueError: if ``side`` is odd, or the mixer is a GRU, which needs an order of
            the pixels.

    Example:
        >>> import torch
        >>> config = MixingConfig(mixer="convolution", num_classes=10, kernel_size=3)
        >>> PixelClassifier(config, side=8)(torch.zeros(2, 64)).shape
        torch.Size([2, 10])
    """

    def __init__(self, config: MixingConfig, side: int) -> None:
        super().__init__()
        if side < 2 or side % 2:
            raise ValueError(f"side must be even and at least 2, got {side}")
        if config.mixer == "GRU":
            raise ValueError(
                "mixer must not be GRU: the pixels of an image have no order"
            )
        self.config = config
        self.side = side
        self.pixel_proj = nn.Linear(1, config.embed_dim)
        self.positions = LearnedPositions(side**2, config.embed_dim)
        # As large as the pixels: at first, only these tell one position from another.
        nn.init.normal_(self.positions.table)
        mixer: nn.Module
        if config.mixer == "convolution":
            mixer = PixelConvolution(config.embed_dim, config.kernel_size, side)
        else:
            mixer = SelfAttentionMixer(
                config.embed_dim, config.score, config.normaliser
            )
        self.block = MixingBlock(mixer, config.embed_dim, config.block_parameters)
        self.class_proj = nn.Linear(4 * config.embed_dim, config.num_classes)

    def forward(
        self, pixels: Float[Tensor, "batch pixels"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes.

        Args:
            pixels: brightness of each pixel, row by row.
        """
        tokens = self.block(self.positions(self.pixel_proj(pixels[..., None])))
        image = tokens.mT.unflatten(2, (self.side, self.side))
        quarters = F.avg_pool2d(image, self.side // 2)
        return self.class_proj(quarters.flatten(1))

    def loss(self, batch: LabelledBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the labels, in nats."""
        return F.cross_entropy(self(batch.inputs), batch.labels)

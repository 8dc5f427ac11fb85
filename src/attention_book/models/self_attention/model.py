"""Two small models in which only what mixes the tokens is changed."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.positions.absolute import LearnedPositions
from attention_book.data.sequences.labelled import LabelledBatch
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
    """Settings of the two models; all mixers get equally many parameters.

    Attributes:
        mixer: "self-attention", "convolution" or, for sequences, "GRU".
        num_classes: number of answers.
        embed_dim: size of a token.
        block_parameters: of mixer and hidden layer together.
        kernel_size: tokens that the convolution sees in a sequence, or pixels on each
            side of what it sees of an image.
        score: "dot" or "additive"; for self-attention.
        normaliser: "softmax" or "relu"; for self-attention.

    Raises:
        ValueError: if there is no such mixer.
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
    """Read digits and marks; answer at the last token.

    Digit and mark have an embedding each, which are added. Self-attention is told
    nothing of positions: the mark says which tokens matter.

    Args:
        config: sizes and mixer; kept as ``self.config``.

    Example:
        >>> import torch
        >>> config = MixingConfig(mixer="GRU", num_classes=7, kernel_size=9)
        >>> AddingModel(config)(torch.zeros(2, 5, 2, dtype=torch.long)).shape
        torch.Size([2, 7])
    """

    def __init__(self, config: MixingConfig) -> None:
        super().__init__()
        self.config = config
        self.digit_embedding = nn.Embedding(config.num_classes, config.embed_dim)
        self.mark_embedding = nn.Embedding(2, config.embed_dim)
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
        """Return the logits of the sums."""
        digits, marks = tokens.unbind(dim=-1)
        embedded = self.digit_embedding(digits) + self.mark_embedding(marks)
        return self.class_proj(self.block(embedded)[:, -1])

    def loss(self, batch: LabelledBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the labels, in nats."""
        return F.cross_entropy(self(batch.inputs), batch.labels)


class PixelClassifier(nn.Module):
    """Tell what an image shows from its pixels, each of which is a token.

    A pixel is its brightness times a learned vector, plus a learned vector for its
    place. After the block the means of the image's four quarters are read.

    Args:
        config: sizes and mixer; kept as ``self.config``.
        side: pixels on each side of an image, even.

    Raises:
        ValueError: if ``side`` is odd, or the mixer is a GRU: pixels have no first and
            no last one.

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
                "mixer must not be GRU: pixels have no order to be read in"
            )
        self.config = config
        self.side = side
        self.pixel_proj = nn.Linear(1, config.embed_dim)
        self.positions = LearnedPositions(side**2, config.embed_dim)
        # As large as the pixels are: at first, only by these can places be told apart.
        nn.init.normal_(self.positions.table)
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
        """Return the logits of the classes."""
        tokens = self.block(self.positions(self.pixel_proj(pixels[..., None])))
        image = tokens.mT.unflatten(2, (self.side, self.side))
        quarters = F.avg_pool2d(image, self.side // 2)
        return self.class_proj(quarters.flatten(1))

    def loss(self, batch: LabelledBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the labels, in nats."""
        return F.cross_entropy(self(batch.inputs), batch.labels)

"""A small convolutional network with part attention (after Zheng et al., 2017)."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.later.parts import (
    PartAttention,
    part_overlap,
    part_spread,
)
from attention_book.data.sequences.labelled import LabelledBatch
from attention_book.functional import check_counts


@dataclass(frozen=True, kw_only=True)
class PartNetConfig:
    """Sizes of a :class:`PartNet`.

    Attributes:
        num_classes: number of classes.
        num_channels: channels of the feature map.
        num_parts: maps of the attention, at least two; 0: the map is averaged instead.
        spread_weight: factor of the loss Dis.
        overlap_weight: factor of the loss Div.
        gain: of the attention, larger than in the paper, whose features are larger.

    Raises:
        ValueError: if a size is below 1, or there is one part only.
    """

    num_classes: int
    num_channels: int = 16
    num_parts: int = 2
    spread_weight: float = 0.0
    overlap_weight: float = 0.0
    gain: float = 4.0

    def __post_init__(self) -> None:
        check_counts(num_classes=self.num_classes, num_channels=self.num_channels)
        if self.num_parts != 0:
            check_counts(num_parts=self.num_parts)
        if self.num_parts == 1:
            raise ValueError("num_parts must be 0 or at least 2, got 1")


class PartNet(nn.Module):
    """Two convolutions, part attention or an average, and a linear classifier.

    Args:
        config: sizes.

    Source: after Zheng et al., ICCV 2017, whose network is VGG-19 with a classifier for
        each part, and whose channels are grouped by clustering first.

    Example:
        >>> import torch
        >>> PartNet(PartNetConfig(num_classes=16))(torch.rand(2, 1, 24, 24)).shape
        torch.Size([2, 16])
    """

    def __init__(self, config: PartNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, parts = config.num_channels, config.num_parts
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.attention = (
            PartAttention(channels, parts, channels, gain=config.gain)
            if parts
            else None
        )
        self.out_proj = nn.Linear(channels * max(parts, 1), config.num_classes)

    def look(
        self, images: Float[Tensor, "images 1 size size"]
    ) -> tuple[
        Float[Tensor, "images parts channels"],
        Float[Tensor, "images parts locations"] | None,
    ]:
        """Return what each part has read and where; without attention the average.

        Args:
            images: brightness.
        """
        key = self.features(images).flatten(2).mT
        if self.attention is None:
            return key.mean(dim=1, keepdim=True), None
        return self.attention(key)

    def forward(
        self, images: Float[Tensor, "images 1 size size"]
    ) -> Float[Tensor, "images classes"]:
        """Return the logits of the classes.

        Args:
            images: brightness.
        """
        return self.out_proj(self.look(images)[0].flatten(1))

    def loss(self, batch: LabelledBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood in nats per image, plus Dis and Div."""
        context, weights = self.look(batch.inputs)
        loss = F.cross_entropy(self.out_proj(context.flatten(1)), batch.labels)
        if weights is not None:
            width = batch.inputs.shape[-1] // 2
            loss = loss + self.config.spread_weight * part_spread(weights, width)
            loss = loss + self.config.overlap_weight * part_overlap(weights)
        return loss

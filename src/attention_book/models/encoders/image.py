"""A small convolutional network from a picture to a grid of annotation vectors."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.captions.captions import CaptionBatch


class GridEncoder(nn.Module):
    """Turn a picture into one annotation vector for each place of a grid.

    Convolutions and pooling: a place stands for 4 x 4 pixels and sees 18 x 18. The last
    two numbers of an annotation are the row and the column of its place: a convolution
    treats all places alike, and without these no annotation, and no average of some,
    could tell where something stands. (The encoder of Xu et al. has none; its 19 layers
    see nearly the whole picture, edges included, from every place.) The other numbers
    have mean 0 and variance 1 over the training pictures; the two run from -4 to 4,
    since decoders then learned sooner where to look than with -2 to 2.

    Args:
        annotation_dim: size of an annotation vector, coordinates included; at least 3.
        hidden_dim: channels of the first convolution; the other two have two and three
            times as many.

    Raises:
        ValueError: if a size is too small; from a call, if height or width is not a
            multiple of 4.

    Source: coordinates as in arXiv:1807.03247 (CoordConv), but after the convolutions:
        before them, digits were learned more slowly when we tried both.

    Example:
        >>> GridEncoder(5, 4)(torch.zeros(2, 32, 32)).shape
        torch.Size([2, 64, 5])
    """

    def __init__(self, annotation_dim: int, hidden_dim: int) -> None:
        super().__init__()
        if annotation_dim < 3:
            raise ValueError(
                f"annotation_dim must be at least 3, two of them for the place, got "
                f"{annotation_dim}"
            )
        if hidden_dim < 1:
            raise ValueError(f"hidden_dim must be at least 1, got {hidden_dim}")
        small, middle, large = hidden_dim, 2 * hidden_dim, 3 * hidden_dim
        self.layers = nn.Sequential(
            # Pooled before the normalisation, which then has a quarter of the work.
            nn.Conv2d(1, small, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(small),
            nn.ReLU(),
            nn.Conv2d(small, middle, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, large, 3, padding=1),
            nn.BatchNorm2d(large),
            nn.ReLU(),
            nn.Conv2d(large, annotation_dim - 2, 1),
            nn.BatchNorm2d(annotation_dim - 2),
        )

    def forward(
        self, image: Float[Tensor, "batch height width"]
    ) -> Float[Tensor, "batch places annotation_dim"]:
        """Return the annotations, row by row of the grid."""
        height, width = image.shape[1:]
        if height % 4 or width % 4:
            raise ValueError(
                f"height and width must be multiples of 4, got {height} and {width}"
            )
        features = self.layers(image[:, None])
        rows, columns = (
            torch.linspace(-4, 4, size, device=image.device, dtype=features.dtype)
            for size in features.shape[-2:]
        )
        shape = len(image), len(rows), len(columns)
        places = rows[:, None].expand(shape), columns.expand(shape)
        together = torch.cat([features, torch.stack(places, dim=1)], dim=1)
        return together.flatten(2).transpose(1, 2)


class PictureClassifier(nn.Module):
    """What an encoder is trained with before anybody captions: what is in the picture?

    The annotations' largest numbers over all places go into a linear layer. Nobody
    says where the thing is. Xu et al. take an encoder trained to classify photographs.

    Args:
        encoder: from pictures to annotations (batch, places, annotation_dim).
        annotation_dim: size of an annotation.
        target_vocab: number of words that can be the answer.
    """

    def __init__(
        self, encoder: nn.Module, annotation_dim: int, target_vocab: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.output_proj = nn.Linear(annotation_dim, target_vocab)

    def forward(
        self, image: Float[Tensor, "batch height width"]
    ) -> Float[Tensor, "batch target_vocab"]:
        """Return the logits of the words."""
        return self.output_proj(self.encoder(image).amax(dim=1))

    def loss(self, batch: CaptionBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the captions' first words, in nats."""
        return F.cross_entropy(self(batch.source), batch.target[:, 1])

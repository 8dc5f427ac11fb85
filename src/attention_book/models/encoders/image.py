"""Small convolutional encoders: from an image to a grid of annotations."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.data.captions.captions import CaptionBatch
from attention_book.data.captions.frames import FrameBatch
from attention_book.functional import check_counts
from attention_book.models.encoders.encoded import Encoded


class GridEncoder(nn.Module):
    """Encode an image as one annotation for each location of a grid.

    The layers are convolutions and pooling: a location stands for 4 x 4 pixels and its
    receptive field is 18 x 18. The last two features of an annotation are the row and
    the column of its location. A convolution treats all locations alike, so without
    these two no annotation, and no average of annotations, could tell where something
    stands. (The encoder of Xu et al. has none; its 19 layers see nearly the whole
    image, edges included, from every location.) The other features have mean 0 and
    variance 1 over the training images; the coordinates run from -4 to 4, because
    decoders learned sooner where to attend than with -2 to 2.

    Args:
        annotation_dim: size of an annotation, coordinates included; at least 3.
        hidden_dim: channels of the first convolution; the other two have two and three
            times as many.

    Raises:
        ValueError: if a size is too small; from a call, if height or width is not a
            multiple of 4, or the mask does not fit the grid.

    Source: coordinates as in arXiv:1807.03247 (CoordConv), but after the convolutions.
        With coordinates before them, digits were learned more slowly in our runs.

    Example:
        >>> GridEncoder(5, 4)(torch.zeros(2, 32, 32)).annotations.shape
        torch.Size([2, 64, 5])
    """

    def __init__(self, annotation_dim: int, hidden_dim: int) -> None:
        super().__init__()
        _check_annotation(annotation_dim)
        check_counts(hidden_dim=hidden_dim)
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
        self,
        image: Float[Tensor, "rows height width"],
        mask: Bool[Tensor, "rows locations"] | None = None,
    ) -> Encoded:
        """Return the annotations, row by row of the grid, and the mask.

        Args:
            image: grey values.
            mask: True at locations that a decoder may attend to; None: all of them.
        """
        _check_grid(image, mask, 4)
        features = self.layers(image[:, None].to(next(self.parameters()).dtype))
        return Encoded(_with_coordinates(features, 4.0), mask)


class CellEncoder(nn.Module):
    """Encode an image as one annotation per square cell, which sees this cell only.

    Nothing outside of a cell can influence its annotation, so that a decoder which
    looks at one location sees no more than what is there. The patches of vision
    transformers are made in the same way. As with :class:`GridEncoder`, the last two
    features are row and column of the cell, here from -1 to 1. The others have mean 0
    and standard deviation 1/4 over all cells of the training images. Most cells are
    empty, so those of a digit, which are rare, have features of about 1.

    Args:
        annotation_dim: size of an annotation, coordinates included; at least 3.
        hidden_dim: size of the hidden layer.
        cell_size: height and width of a cell in pixels.

    Raises:
        ValueError: if a size is too small; from a call, if height or width is not a
            multiple of ``cell_size``, or the mask does not fit the grid.

    Source: cells as in arXiv:2010.11929, 3.1.

    Example:
        >>> CellEncoder(5, 4)(torch.zeros(2, 32, 32)).annotations.shape
        torch.Size([2, 16, 5])
    """

    def __init__(
        self, annotation_dim: int, hidden_dim: int, cell_size: int = 8
    ) -> None:
        super().__init__()
        _check_annotation(annotation_dim)
        check_counts(hidden_dim=hidden_dim, cell_size=cell_size)
        self.cell_size = cell_size
        self.layers = nn.Sequential(
            nn.Conv2d(1, hidden_dim, cell_size, stride=cell_size),
            nn.BatchNorm2d(hidden_dim),
            nn.ReLU(),
            nn.Conv2d(hidden_dim, annotation_dim - 2, 1),
            nn.BatchNorm2d(annotation_dim - 2),
        )

    def forward(
        self,
        image: Float[Tensor, "rows height width"],
        mask: Bool[Tensor, "rows locations"] | None = None,
    ) -> Encoded:
        """Return the annotations, row by row of the grid, and the mask.

        Args:
            image: grey values.
            mask: True at locations that a decoder may attend to; None: all of them.
        """
        _check_grid(image, mask, self.cell_size)
        features = self.layers(image[:, None].to(next(self.parameters()).dtype))
        return Encoded(_with_coordinates(features / 4, 1.0), mask)


class ImageClassifier(nn.Module):
    """Pre-train an encoder before any captions: which object is in the image?

    A linear layer reads the largest value of each annotation feature over all
    locations; where the object stands is not part of the supervision. Xu et al. take an
    encoder that was trained to classify photographs.

    Args:
        encoder: from images, or from clips of frames, to an :class:`Encoded`.
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
        self, image: Float[Tensor, "rows *frames height width"]
    ) -> Float[Tensor, "rows target_vocab"]:
        """Return the logits of the words."""
        return self.output_proj(self.encoder(image).annotations.amax(dim=1))

    def loss(self, batch: CaptionBatch | FrameBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the captions' first words, in nats."""
        return F.cross_entropy(self(batch.source), batch.target[:, 1])


def _check_annotation(annotation_dim: int) -> None:
    if annotation_dim < 3:
        raise ValueError(
            "annotation_dim must be at least 3, two for the coordinates, got "
            f"{annotation_dim}"
        )


def _check_grid(
    image: Float[Tensor, "rows height width"],
    mask: Bool[Tensor, "rows locations"] | None,
    cell: int,
) -> None:
    height, width = image.shape[1:]
    if height % cell or width % cell:
        raise ValueError(
            f"height and width must be multiples of {cell}, got {height} and {width}"
        )
    fitting = len(image), height // cell * (width // cell)
    if mask is not None and mask.shape != fitting:
        raise ValueError(
            f"mask must have shape {fitting}, one entry for each location of an "
            f"image, got {tuple(mask.shape)}"
        )


def _with_coordinates(
    features: Float[Tensor, "rows features height width"], most: float
) -> Float[Tensor, "rows locations annotation_dim"]:
    """Append row and column, from -most to most; list the locations row by row."""
    down, across = (
        torch.linspace(-most, most, size, device=features.device, dtype=features.dtype)
        for size in features.shape[-2:]
    )
    shape = len(features), len(down), len(across)
    coordinates = down[:, None].expand(shape), across.expand(shape)
    together = torch.cat([features, torch.stack(coordinates, dim=1)], dim=1)
    return together.flatten(2).transpose(1, 2)

"""Handwritten digits, pixel by pixel: which digit is it?"""

import operator
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

SIDE = 8  # pixels of an image, in both directions
CLASSES = 10


@dataclass(frozen=True)
class Digits:
    """Images as rows of pixels, and the digits that they show."""

    pixels: Float[Tensor, "images pixels"]
    labels: Int[Tensor, " images"]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)


@dataclass(frozen=True)
class DigitSplits:
    """Parts that share no image.

    Attributes:
        train: images to learn from. The first so many of them are a training set of
            their own: larger sets hold the smaller ones.
        dev: images to choose settings by.
        test: images to report.
    """

    train: Digits
    dev: Digits
    test: Digits


def digit_pixels(
    *, dev: int, test: int, seed: int = 0, order: Int[Tensor, " pixels"] | None = None
) -> DigitSplits:
    """Split scikit-learn's handwritten digits; pixels have mean 0 and variance 1.

    Size: 1,797 images; what is in neither ``dev`` nor ``test`` is for training.
    Source: scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits"
        (8 x 8 pixels, CC BY 4.0), installed with it; no download.

    Args:
        dev: number of images to choose settings by.
        test: number of images to report.
        seed: decides which image goes to which part.
        order: the pixel that comes to each place, the same one for all images; None:
            row by row, as they are.

    Raises:
        ValueError: if ``dev`` or ``test`` is less than 1, or nothing is left to learn
            from, or ``order`` is no order of all pixels.

    Example:
        >>> splits = digit_pixels(dev=100, test=400)
        >>> len(splits.train), splits.test.pixels.shape
        (1297, torch.Size([400, 64]))
    """
    pixels, labels = _load()
    left = len(labels) - dev - test
    if dev < 1 or test < 1 or left < 1:
        raise ValueError(
            f"dev and test must be at least 1, and fewer than {len(labels)} together, "
            f"got {dev} and {test}"
        )
    if order is not None:
        if order.sort().values.tolist() != list(range(SIDE**2)):
            raise ValueError(
                f"order must hold each pixel from 0 to {SIDE**2 - 1} once, got "
                f"{order.tolist()}"
            )
        pixels = pixels[:, order]
    rows = torch.randperm(
        len(labels), generator=torch.Generator().manual_seed(operator.index(seed))
    )
    parts = rows.split([left, dev, test])
    # By the training images: the others are not looked at before they are needed.
    mean, spread = pixels[parts[0]].mean(), pixels[parts[0]].std()
    pixels = (pixels - mean) / spread
    return DigitSplits(*(Digits(pixels[part], labels[part]) for part in parts))


@cache
def _load() -> tuple[Tensor, Tensor]:
    # Imported here because it takes a second, and few need it.
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float).flatten(1)
    return images, torch.tensor(data.target)

"""Images with two small signs on clutter: where they are is known."""

import operator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attention_book.functional import check_counts

_CORNER = ["#....", "#....", "#....", "#....", "#####"]
_TEE = ["#####", "..#..", "..#..", "..#..", "..#.."]
SIDE = len(_CORNER)


class GlyphPairs(NamedTuple):
    """Images with two signs each.

    Attributes:
        images: brightness, 0 to about 1, with one channel.
        labels: 4 times the rotation of the corner plus that of the T: 16 classes.
        centres: row and column of the middle pixel of the corner, then of the T.
    """

    images: Float[Tensor, "images 1 size size"]
    labels: Int[Tensor, " images"]
    centres: Int[Tensor, "images 2 2"]


def glyph_pairs(
    count: int, *, size: int = 24, clutter: int = 12, seed: int
) -> GlyphPairs:
    """Draw images with a corner and a T, each in one of four rotations.

    The two do not touch. Clutter, strokes of three pixels, may lie over them.

    Args:
        count: number of images.
        size: of an image in pixels, at least three times that of a sign.
        clutter: strokes in each image.
        seed: decides everything, together with the other arguments.

    Raises:
        ValueError: if ``count`` is less than 1, ``clutter`` negative or ``size`` too
            small.

    Example:
        >>> pairs = glyph_pairs(3, seed=0)
        >>> pairs.images.shape, pairs.labels.tolist()
        (torch.Size([3, 1, 24, 24]), [0, 7, 10])
    """
    check_counts(count=count)
    if size < 3 * SIDE or clutter < 0:
        raise ValueError(
            f"size must be at least {3 * SIDE} and clutter not negative, got {size} "
            f"and {clutter}"
        )
    generator = torch.Generator().manual_seed(operator.index(seed))

    def draw(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    images = 0.2 * torch.rand(count, size, size, generator=generator)
    turns = draw(4, count, 2)
    starts, strokes = draw(size - 3, count, clutter, 2), draw(2, count, clutter)
    for number, image in enumerate(images):
        for kind, (row, column) in zip(strokes[number], starts[number], strict=True):
            high, wide = (1, 3) if kind else (3, 1)
            image[row : row + high, column : column + wide] += 0.8
    signs = _pixels(_CORNER), _pixels(_TEE)
    corners = draw(size - SIDE + 1, count, 2, 2)
    for number, image in enumerate(images):
        while (corners[number, 0] - corners[number, 1]).abs().max() <= SIDE:
            corners[number] = draw(size - SIDE + 1, 2, 2)
        for kind, sign in enumerate(signs):
            row, column = corners[number, kind].tolist()
            there = image[row : row + SIDE, column : column + SIDE]
            there += 0.8 * sign.rot90(int(turns[number, kind]))
    labels = 4 * turns[:, 0] + turns[:, 1]
    return GlyphPairs(images.clamp(max=1.2)[:, None], labels, corners + SIDE // 2)


def _pixels(rows: list[str]) -> Tensor:
    return torch.tensor([[float(pixel == "#") for pixel in row] for row in rows])

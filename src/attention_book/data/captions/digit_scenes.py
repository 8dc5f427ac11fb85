"""Images of a few handwritten digits, with captions that say where each digit is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

DIGITS = tuple(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
)
ROWS, COLUMNS = ("top", "bottom"), ("left", "right")
SIDE = 8  # pixels of a digit, in both directions
# Parts of the 1,797 digit images that only test scenes and only dev scenes show.
HELD_OUT = {"test": 0.2, "dev": 0.1}


@dataclass(frozen=True)
class Box:
    """A square of an image: rows and columns from 0 at the top left, in pixels."""

    top: int
    left: int
    side: int = SIDE


@dataclass(frozen=True)
class DigitScene:
    """An image, its caption, and what each word of the caption is about.

    Attributes:
        image: brightness from 0 to 1.
        caption: words of the caption.
        boxes: where the digits are, in the order in which the caption names them.
        owners: for each word of the caption the number of the digit that it describes,
            from 0; None for a word between two digits.
        digit_words: positions in the caption of the words that name a digit.

    Raises:
        ValueError: if there is no digit, or not one owner for each word.
    """

    image: Float[Tensor, "height width"]
    caption: tuple[str, ...]
    boxes: tuple[Box, ...]
    owners: tuple[int | None, ...]
    digit_words: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.boxes:
            raise ValueError("a scene must have at least one digit, got none")
        if len(self.owners) != len(self.caption):
            raise ValueError(
                f"a caption of {len(self.caption)} words needs as many owners, "
                f"got {len(self.owners)}"
            )


@dataclass(frozen=True)
class SceneSplits:
    """Scenes in three parts that have no image of a digit in common.

    Attributes:
        train: scenes to train on.
        dev: scenes to select a model with.
        test: scenes to report results on.
    """

    train: list[DigitScene]
    dev: list[DigitScene]
    test: list[DigitScene]


def digit_scenes(
    *,
    train: int,
    test: int,
    dev: int = 0,
    min_digits: int = 1,
    max_digits: int = 3,
    size: int = 32,
    step: int = 1,
    seed: int = 0,
) -> SceneSplits:
    """Scenes with real handwritten digits at random locations, and their captions.

    Each digit lies somewhere inside its own quarter of the image, so that digits never
    overlap and there is no doubt about the quarter that the caption names. The caption
    lists the quarters row by row, so each scene has exactly one right caption.

    Size: as requested; a caption has 4 words per digit and an "and" between two digits.
    Source: scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits"
        (1,797 images of 8 x 8 pixels, CC BY 4.0), installed with it; no download.

    Args:
        train: number of scenes to train on.
        test: number of scenes to report results on.
        dev: number of scenes to select a model with.
        min_digits: smallest number of digits in a scene.
        max_digits: largest number of digits in a scene; all counts are equally likely.
        size: height and width of an image in pixels, even.
        step: distance between the positions that a digit can have inside its quarter,
            in pixels, in both directions.
        seed: seed of all random choices, also of which images go to which part.

    Raises:
        ValueError: if ``train`` or ``test`` is not positive or ``dev`` is negative, if
            ``min_digits`` is below 1 or above ``max_digits``, if there are more digits
            than quarters, if a quarter is smaller than a digit, or if ``step`` is not
            positive.

    Example:
        >>> scene = digit_scenes(train=1, test=1, seed=8).train[0]
        >>> " ".join(scene.caption)
        'a nine top left and a seven top right'
    """
    for name, count, least in (("train", train, 1), ("test", test, 1), ("dev", dev, 0)):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
    if not 1 <= min_digits <= max_digits:
        raise ValueError(
            f"min_digits must be from 1 to max_digits ({max_digits}), got {min_digits}:"
            " a scene without a digit has no caption"
        )
    quarters = len(ROWS) * len(COLUMNS)
    if max_digits > quarters:
        raise ValueError(
            f"max_digits must be at most {quarters}, one per quarter of the image, "
            f"got {max_digits}"
        )
    if size % 2 or size // 2 < SIDE:
        raise ValueError(
            f"size must be even and at least {2 * SIDE}, so that a digit of {SIDE} "
            f"pixels fits into each quarter, got {size}"
        )
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    images, labels = digit_images()
    rng = np.random.default_rng(seed)
    pools = assign_digits(rng)
    parts = {}
    for name, count in (("train", train), ("dev", dev), ("test", test)):
        scenes = []
        for _ in range(count):
            number = rng.integers(min_digits, max_digits + 1)
            where = np.sort(rng.permutation(quarters)[:number])
            which = rng.choice(pools[name], number, replace=False)
            shifts = step * rng.integers(0, (size // 2 - SIDE) // step + 1, (number, 2))
            scenes.append(_scene(images[which], labels[which], where, shifts, size))
        parts[name] = scenes
    return SceneSplits(**parts)


def scene_images(scenes: Sequence[DigitScene]) -> Float[Tensor, "scenes height width"]:
    """Stack the images of scenes.

    Raises:
        ValueError: if there are no scenes.
    """
    if not scenes:
        raise ValueError("scenes must hold at least one scene, got none")
    return torch.stack([scene.image for scene in scenes])


def named_locations(
    scenes: Sequence[DigitScene], grid: int
) -> tuple[Bool[Tensor, "scenes words locations"], Bool[Tensor, "scenes words"]]:
    """For each word, the locations of a grid that lie on the digit it describes.

    A location stands for a square of the image, and lies on a digit if the centre of
    its square is inside the digit's box. Locations are counted row by row.

    Args:
        scenes: scenes of one size; captions are padded to the longest.
        grid: locations on each side of the grid.

    Returns:
        True at the locations on the word's digit, nowhere for a word without one; and
        True at the words that name a digit.

    Raises:
        ValueError: if there are no scenes, or ``grid`` is not positive.

    Example:
        >>> scenes = digit_scenes(train=1, test=1, seed=8).train
        >>> locations, is_digit = named_locations(scenes, grid=8)
        >>> locations.shape, is_digit[0].nonzero().flatten().tolist()
        (torch.Size([1, 9, 64]), [1, 6])
        >>> locations[0].sum(-1).tolist()  # a digit covers 2 x 2
        [4, 4, 4, 4, 0, 4, 4, 4, 4]
    """
    if grid < 1:
        raise ValueError(f"grid must be at least 1, got {grid}")
    height, width = scene_images(scenes).shape[1:]
    words = max(len(scene.caption) for scene in scenes)
    # Top and left; a word without a digit has a box of no size.
    corners, sides = torch.zeros(2, len(scenes), words, 2, dtype=torch.long)
    is_digit = torch.zeros(len(scenes), words, dtype=torch.bool)
    for row, scene in enumerate(scenes):
        is_digit[row, list(scene.digit_words)] = True
        for word, owner in enumerate(scene.owners):
            if owner is not None:
                box = scene.boxes[owner]
                corners[row, word] = torch.tensor([box.top, box.left])
                sides[row, word] = box.side
    middles = (torch.arange(grid) + 0.5) / grid * torch.tensor([[height], [width]])
    starts = corners[..., None]
    inside = (middles >= starts) & (middles < starts + sides[..., None])
    rows, columns = inside.unbind(dim=-2)
    return (rows[..., :, None] & columns[..., None, :]).flatten(-2), is_digit


@cache
def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """The images of single digits, brightness from 0 to 1, and what each shows.

    Size: 1,797 images of 8 x 8 pixels.
    Source: as for :func:`digit_scenes`.

    Returns:
        Arrays that cannot be written to, because all scenes share them.

    Example:
        >>> images, labels = digit_images()
        >>> images.shape, labels[:4].tolist()
        ((1797, 8, 8), [0, 1, 2, 3])
    """
    # Imported here because it takes a second, and few need it.
    from sklearn.datasets import load_digits

    data = load_digits()
    images = (data.images / data.images.max()).astype(np.float32)
    for array in images, data.target:
        array.setflags(write=False)
    return images, data.target


def assign_digits(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Split the images of digits among "test", "dev" and "train", at random.

    Args:
        rng: source of randomness.

    Returns:
        For each part the numbers of its images, shares as in :data:`HELD_OUT`.

    Example:
        >>> parts = assign_digits(np.random.default_rng(0))
        >>> {part: len(numbers) for part, numbers in parts.items()}
        {'test': 359, 'dev': 179, 'train': 1259}
    """
    order = rng.permutation(len(digit_images()[0]))
    parts, start = {}, 0
    for name, share in (*HELD_OUT.items(), ("train", 1.0)):
        stop = min(len(order), start + int(share * len(order)))
        parts[name], start = order[start:stop], stop
    return parts


def _scene(
    images: np.ndarray,
    labels: np.ndarray,
    quarters: np.ndarray,
    shifts: np.ndarray,
    size: int,
) -> DigitScene:
    canvas = np.zeros((size, size), np.float32)
    caption: list[str] = []
    owners: list[int | None] = []
    boxes, digit_words = [], []
    for number, (image, label, quarter, shift) in enumerate(
        zip(images, labels, quarters, shifts, strict=True)
    ):
        row, column = divmod(int(quarter), len(COLUMNS))
        top, left = (int(x) for x in np.array([row, column]) * (size // 2) + shift)
        canvas[top : top + SIDE, left : left + SIDE] = image
        boxes.append(Box(top, left))
        if number:
            caption.append("and")
            owners.append(None)
        digit_words.append(len(caption) + 1)
        article = "an" if DIGITS[label] == "eight" else "a"
        caption += [article, DIGITS[label], ROWS[row], COLUMNS[column]]
        owners += [number] * 4
    return DigitScene(
        torch.from_numpy(canvas),
        tuple(caption),
        tuple(boxes),
        tuple(owners),
        tuple(digit_words),
    )

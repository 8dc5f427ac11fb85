"""Clips in which handwritten digits move past one after the other, and captions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.data.captions.captions import Caption
from attention_book.data.captions.digit_scenes import (
    DIGITS,
    SIDE,
    Box,
    assign_digits,
    digit_images,
)
from attention_book.data.captions.frames import marked_spans


@dataclass(frozen=True)
class Appearance:
    """When and where one digit is in a clip.

    Attributes:
        start: the first frame that shows it, from 0.
        boxes: where it is, in this frame and in each of the next.

    Raises:
        ValueError: if it is in no frame.
    """

    start: int
    boxes: tuple[Box, ...]

    def __post_init__(self) -> None:
        if not self.boxes:
            raise ValueError("boxes must hold one box for each frame, got none")

    @property
    def stop(self) -> int:
        """The frame after the last that shows the digit."""
        return self.start + len(self.boxes)


@dataclass(frozen=True)
class DigitClip:
    """A clip, its caption, and when and where each digit of the caption is.

    Attributes:
        frames: brightness from 0 to 1.
        caption: names of the digits, in the order in which they appear.
        appearances: one for each word of the caption.

    Raises:
        ValueError: if there is no word, not one appearance for each word, or if one
            starts before the last has ended or ends after the clip.
    """

    frames: Float[Tensor, "frames height width"]
    caption: Caption
    appearances: tuple[Appearance, ...]

    def __post_init__(self) -> None:
        if not self.caption or len(self.caption) != len(self.appearances):
            raise ValueError(
                "a clip needs at least one digit and one appearance for each word, "
                f"got {len(self.appearances)} for {len(self.caption)} words"
            )
        free = 0
        for number, appearance in enumerate(self.appearances):
            if appearance.start < free or appearance.stop > len(self.frames):
                raise ValueError(
                    f"digit {number} must appear from frame {free} to "
                    f"{len(self.frames) - 1}, got {appearance.start} to "
                    f"{appearance.stop - 1}"
                )
            free = appearance.stop


@dataclass(frozen=True)
class ClipSplits:
    """Clips in three parts that have no image of a digit in common.

    Attributes:
        train: clips to train on.
        dev: clips to select a model with.
        test: clips to report results on.
    """

    train: list[DigitClip]
    dev: list[DigitClip]
    test: list[DigitClip]


def moving_digits(
    *,
    train: int,
    test: int,
    dev: int = 0,
    min_digits: int = 1,
    max_digits: int = 3,
    min_shown: int = 2,
    max_shown: int = 4,
    max_gap: int = 2,
    size: int = 16,
    noise: float = 0.1,
    seed: int = 0,
) -> ClipSplits:
    """Clips in which real handwritten digits appear one after the other.

    A digit enters at a random position, moves by the same step of up to two pixels each
    way from frame to frame, turned back at the border, and is gone. Before, between and
    after the digits there may be frames of noise alone. A digit that follows an equal
    one is another image, and starts elsewhere; with no frame between the two, nothing
    but the jump tells them apart. The caption names the digits in order, so each clip
    has exactly one right caption.

    Size: as requested; a clip has at most ``max_digits * max_shown + (max_digits + 1) *
        max_gap`` frames, and a caption one word for each digit.
    Source: images as for
        :func:`attention_book.data.captions.digit_scenes.digit_scenes`; no download.

    Args:
        train: number of clips to train on.
        test: number of clips to report results on.
        dev: number of clips to select a model with.
        min_digits: smallest number of digits in a clip.
        max_digits: largest number of digits in a clip; all counts are equally likely.
        min_shown: smallest number of frames that show a digit.
        max_shown: largest number of frames that show a digit.
        max_gap: largest number of frames of noise alone, before, between and after the
            digits; the smallest is 0.
        size: height and width of a frame in pixels.
        noise: largest brightness of the noise, from 0 to 1; it is uniform and covered
            by what is brighter.
        seed: seed of all random choices, also of which images go to which part.

    Raises:
        ValueError: if ``train`` or ``test`` is not positive, ``dev`` or ``max_gap`` is
            negative, a smallest number is below 1 or above its largest, a frame is
            smaller than a digit, or ``noise`` is not from 0 to 1.

    Example:
        >>> clip = moving_digits(train=1, test=1, seed=2).train[0]
        >>> len(clip.frames), clip.caption
        (8, ('six', 'three'))
        >>> [(seen.start, seen.stop) for seen in clip.appearances]
        [(0, 2), (3, 7)]
    """
    for name, count, least in (
        ("train", train, 1),
        ("test", test, 1),
        ("dev", dev, 0),
        ("max_gap", max_gap, 0),
        ("size", size, SIDE),
    ):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
    for name, low, high in (
        ("digits", min_digits, max_digits),
        ("shown", min_shown, max_shown),
    ):
        if not 1 <= low <= high:
            raise ValueError(
                f"min_{name} must be from 1 to max_{name} ({high}), got {low}"
            )
    if not 0 <= noise <= 1:
        raise ValueError(f"noise must be from 0 to 1, got {noise}")
    rng = np.random.default_rng(seed)
    pools = assign_digits(rng)
    parts = {}
    for part, count in (("train", train), ("dev", dev), ("test", test)):
        clips = []
        for _ in range(count):
            number = int(rng.integers(min_digits, max_digits + 1))
            which = rng.choice(pools[part], number, replace=False)
            shown = rng.integers(min_shown, max_shown + 1, number)
            gaps = rng.integers(0, max_gap + 1, number + 1)
            clips.append(_clip(rng, which, shown, gaps, size, noise))
        parts[part] = clips
    return ClipSplits(**parts)


def shown_frames(
    clips: Sequence[DigitClip],
) -> Bool[Tensor, "clips words frames"]:
    """For each word of the captions, the frames that show its digit.

    Args:
        clips: padded to the longest caption and to the longest clip.

    Returns:
        True at these frames; nowhere for a padded word.

    Raises:
        ValueError: if there are no clips.

    Example:
        >>> clips = moving_digits(train=2, test=1).train
        >>> shown = shown_frames(clips)
        >>> first = clips[0].appearances[0]
        >>> first.start, first.stop, shown[0, 0].nonzero().flatten().tolist()
        (0, 3, [0, 1, 2])
    """
    return marked_spans(
        [[(seen.start, seen.stop) for seen in clip.appearances] for clip in clips],
        [len(clip.frames) for clip in clips],
    )


def _clip(
    rng: np.random.Generator,
    which: np.ndarray,
    shown: np.ndarray,
    gaps: np.ndarray,
    size: int,
    noise: float,
) -> DigitClip:
    images, labels = digit_images()
    count = int(shown.sum() + gaps.sum())
    frames = (noise * rng.random((count, size, size))).astype(np.float32)
    start, appearances = 0, []
    for image, length, gap in zip(which, shown, gaps[:-1], strict=True):
        start += int(gap)
        boxes = []
        for frame, (top, left) in enumerate(
            _path(rng, int(length), size - SIDE), start
        ):
            patch = frames[frame, top : top + SIDE, left : left + SIDE]
            np.maximum(patch, images[image], out=patch)
            boxes.append(Box(top, left))
        appearances.append(Appearance(start, tuple(boxes)))
        start += int(length)
    return DigitClip(
        torch.from_numpy(frames),
        tuple(DIGITS[label] for label in labels[which]),
        tuple(appearances),
    )


def _path(rng: np.random.Generator, length: int, most: int) -> list[tuple[int, int]]:
    """Positions from 0 to ``most``: straight on, reflected at both ends."""
    place = rng.integers(0, most + 1, 2)
    step = rng.integers(-2, 3, 2)
    straight = place + step * np.arange(length)[:, None]
    if not most:
        return [(0, 0)] * length
    turned = np.abs((straight + most) % (2 * most) - most)
    return [(int(top), int(left)) for top, left in turned]

"""Clips of digits: frames, caption and appearances say the same; parts share none."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.captions.digit_scenes import DIGITS, SIDE, Box, digit_images
from attention_book.data.captions.moving_digits import (
    Appearance,
    DigitClip,
    moving_digits,
    shown_frames,
)


@pytest.fixture(scope="module")
def splits():
    return moving_digits(train=120, dev=20, test=60, noise=0.0, seed=3)


@pytest.fixture(scope="module")
def images():
    """The images by their pixels: number and label."""
    pixels, labels = digit_images()
    return {x.tobytes(): (i, labels[i]) for i, x in enumerate(pixels)}


def patches(clip, appearance):
    for frame, box in enumerate(appearance.boxes, appearance.start):
        rows = slice(box.top, box.top + SIDE), slice(box.left, box.left + SIDE)
        yield clip.frames[frame][rows]


def test_frames_caption_and_appearances_say_the_same(splits, images):
    for clip in splits.train:
        left = clip.frames.clone()
        for word, appearance in zip(clip.caption, clip.appearances, strict=True):
            seen = {images[p.numpy().tobytes()] for p in patches(clip, appearance)}
            assert len(seen) == 1  # one image all along
            assert DIGITS[seen.pop()[1]] == word
            for frame, box in enumerate(appearance.boxes, appearance.start):
                left[frame, box.top : box.top + SIDE, box.left : box.left + SIDE] = 0
        assert (left == 0).all()  # nothing else is in the clip


def test_a_digit_moves_straight_on_and_turns_back_at_the_border(splits):
    moved = Counter()
    for clip in splits.train:
        for appearance in clip.appearances:
            for axis in ("top", "left"):
                steps = [getattr(box, axis) for box in appearance.boxes]
                assert min(steps) >= 0
                assert max(steps) <= 16 - SIDE
                sizes = {abs(b - a) for a, b in pairwise(steps)}
                inside = all(2 <= x <= 16 - SIDE - 2 for x in steps)
                if inside:
                    assert len({b - a for a, b in pairwise(steps)}) == 1
                moved[max(sizes)] += 1
    assert set(moved) == {0, 1, 2}


def test_no_image_of_a_digit_is_in_two_parts(splits, images):
    used = [
        {
            images[patch.numpy().tobytes()][0]
            for clip in part
            for appearance in clip.appearances
            for patch in patches(clip, appearance)
        }
        for part in (splits.train, splits.dev, splits.test)
    ]
    assert not used[0] & used[1] | used[0] & used[2] | used[1] & used[2]


def test_counts_lengths_and_gaps_are_spread(splits):
    clips = splits.train
    assert set(Counter(len(clip.caption) for clip in clips)) == {1, 2, 3}
    shown = Counter(len(a.boxes) for clip in clips for a in clip.appearances)
    assert set(shown) == {2, 3, 4}
    gaps = Counter()
    for clip in clips:
        ends = [0, *(a.stop for a in clip.appearances)]
        starts = [*(a.start for a in clip.appearances), len(clip.frames)]
        gaps.update(b - a for a, b in zip(ends, starts, strict=True))
    assert set(gaps) == {0, 1, 2}
    repeats = [a == b for clip in clips for a, b in pairwise(clip.caption)]
    assert any(repeats)


def test_a_seed_gives_the_same_clips_and_noise_is_bounded():
    first, again, other = (
        moving_digits(train=3, test=1, noise=0.25, seed=seed).train
        for seed in (5, 5, 6)
    )
    for a, b in zip(first, again, strict=True):
        assert_close(a.frames, b.frames, rtol=0, atol=0)
        assert (a.caption, a.appearances) == (b.caption, b.appearances)
    assert first[0].appearances != other[0].appearances
    for clip in first:
        background = torch.ones_like(clip.frames, dtype=torch.bool)
        for appearance in clip.appearances:
            for frame, box in enumerate(appearance.boxes, appearance.start):
                rows = slice(box.top, box.top + SIDE), slice(box.left, box.left + SIDE)
                background[frame][rows] = False
        assert 0.2 < clip.frames[background].max() <= 0.25
        assert clip.frames.max() <= 1


def test_shown_frames_are_padded(splits):
    clips = splits.train[:7]
    shown = shown_frames(clips)
    assert shown.shape[1:] == (3, max(len(clip.frames) for clip in clips))
    for clip, row in zip(clips, shown, strict=True):
        want = np.zeros(row.shape, bool)
        for word, appearance in enumerate(clip.appearances):
            for frame in range(appearance.start, appearance.stop):
                want[word, frame] = True
        assert np.array_equal(row.numpy(), want)


def test_a_frame_of_the_size_of_a_digit():
    clip = moving_digits(train=1, test=1, size=SIDE).train[0]
    assert {box for a in clip.appearances for box in a.boxes} == {Box(0, 0)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": 0}, "train must be at least 1, got 0"),
        ({"dev": -1}, "dev must be at least 0, got -1"),
        ({"max_gap": -1}, "max_gap must be at least 0, got -1"),
        ({"size": 7}, "size must be at least 8, got 7"),
        ({"min_digits": 4}, r"min_digits must be from 1 to max_digits \(3\), got 4"),
        ({"min_shown": 0}, r"min_shown must be from 1 to max_shown \(4\), got 0"),
        ({"noise": 1.5}, r"noise must be from 0 to 1, got 1\.5"),
    ],
)
def test_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        moving_digits(**{"train": 1, "test": 1, **wrong})


def test_a_clip_that_contradicts_itself_is_an_error():
    with pytest.raises(ValueError, match="one box for each frame, got none"):
        Appearance(0, ())
    with pytest.raises(ValueError, match="there must be some: got 0 for 0 rows"):
        shown_frames([])
    frames, two = torch.zeros(4, SIDE, SIDE), (Box(0, 0), Box(0, 0))
    with pytest.raises(ValueError, match="one appearance for each word, got 1 for 2"):
        DigitClip(frames, ("one", "two"), (Appearance(0, two),))
    with pytest.raises(ValueError, match=r"digit 1 must appear from frame 2 .* got 1"):
        DigitClip(frames, ("one", "two"), (Appearance(0, two), Appearance(1, two)))
    with pytest.raises(ValueError, match=r"digit 0 must appear .* to 3, got 3"):
        DigitClip(frames, ("one",), (Appearance(3, two),))

"""Digit scenes: image, caption and boxes say the same; parts share no digit."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.testing import assert_close

from attention_book.data.captions.digit_scenes import (
    DIGITS,
    SIDE,
    Box,
    DigitScene,
    digit_images,
    digit_scenes,
    named_locations,
    scene_images,
)


@pytest.fixture(scope="module")
def splits():
    return digit_scenes(train=200, dev=30, test=100, max_digits=4, seed=3)


@pytest.fixture(scope="module")
def images():
    """scikit-learn's images by their pixels: number and label."""
    data = load_digits()
    pixels = (data.images / 16).astype(np.float32)
    return {x.tobytes(): (i, data.target[i]) for i, x in enumerate(pixels)}


def patches(scene):
    for box in scene.boxes:
        assert box.side == SIDE
        yield scene.image[box.top : box.top + SIDE, box.left : box.left + SIDE].numpy()


def test_caption_boxes_and_image_say_the_same(splits, images):
    for scene in splits.train:
        left = scene.image.clone()
        parts = " ".join(scene.caption).split(" and ")
        assert len(parts) == len(scene.boxes) == len(scene.digit_words)
        for number, (part, patch, box) in enumerate(
            zip(parts, patches(scene), scene.boxes, strict=True)
        ):
            row = "top" if box.top + SIDE <= 16 else "bottom"
            column = "left" if box.left + SIDE <= 16 else "right"
            _, label = images[patch.tobytes()]
            article = "an" if label == 8 else "a"
            assert part == f"{article} {DIGITS[label]} {row} {column}"
            word = scene.digit_words[number]
            assert scene.caption[word] == DIGITS[label]
            assert scene.owners[word - 1 : word + 3] == (number,) * 4
            left[box.top : box.top + SIDE, box.left : box.left + SIDE] = 0
        assert (left == 0).all()  # nothing else is in the image
        ands = [i for i, word in enumerate(scene.caption) if word == "and"]
        assert all(scene.owners[i] is None for i in ands)


def test_reading_order_makes_the_caption_unique(splits):
    for scene in splits.train:
        quarters = [(box.top >= 16, box.left >= 16) for box in scene.boxes]
        assert quarters == sorted(set(quarters))


def test_no_image_of_a_digit_is_in_two_parts(splits, images):
    used = [
        {images[patch.tobytes()][0] for scene in part for patch in patches(scene)}
        for part in (splits.train, splits.dev, splits.test)
    ]
    assert not used[0] & used[1] | used[0] & used[2] | used[1] & used[2]


def test_counts_and_positions_are_spread_evenly(splits):
    counts = Counter(len(scene.boxes) for scene in splits.train)
    assert set(counts) == {1, 2, 3, 4}
    assert min(counts.values()) > 30
    tops = Counter(box.top for scene in splits.train for box in scene.boxes)
    assert set(tops) == {*range(9), *range(16, 25)}


def test_the_seed_decides(splits):
    sizes = {"train": 4, "dev": 2, "test": 3}
    a, b, c = (digit_scenes(**sizes, seed=seed) for seed in (5, 5, 6))
    assert [s.caption for s in a.test] == [s.caption for s in b.test]
    assert_close(scene_images(a.train), scene_images(b.train))
    assert not torch.equal(scene_images(a.train), scene_images(c.train))


def test_digits_stand_at_multiples_of_a_step():
    scenes = digit_scenes(train=60, test=1, max_digits=4, size=48, step=8).train
    corners = {(box.top, box.left) for scene in scenes for box in scene.boxes}
    assert {top % 8 for top, _ in corners} == {left % 8 for _, left in corners} == {0}
    assert {top for top, _ in corners} == {0, 8, 16, 24, 32, 40}
    locations, is_digit = named_locations(scenes, grid=6)
    assert (locations[is_digit].sum(-1) == 1).all(), "each in a cell of its own"


def test_other_sizes():
    scene = digit_scenes(train=1, test=1, min_digits=4, max_digits=4, size=16).train[0]
    assert [(b.top, b.left) for b in scene.boxes] == [(0, 0), (0, 8), (8, 0), (8, 8)]


@pytest.mark.parametrize("grid", [4, 8])
def test_named_positions_one_position_at_a_time(splits, grid):
    scenes = splits.test[:20]
    positions, is_digit = named_locations(scenes, grid)
    for s, scene in enumerate(scenes):
        assert is_digit[s].nonzero().flatten().tolist() == list(scene.digit_words)
        for w in range(positions.shape[1]):
            owner = scene.owners[w] if w < len(scene.owners) else None
            for position in range(grid * grid):
                y, x = ((n + 0.5) * 32 / grid for n in divmod(position, grid))
                inside = False
                if owner is not None:
                    box = scene.boxes[owner]
                    inside = box.top <= y < box.top + 8 and box.left <= x < box.left + 8
                assert positions[s, w, position] == inside


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": 0}, "train must be at least 1, got 0"),
        ({"test": 0}, "test must be at least 1, got 0"),
        ({"dev": -1}, "dev must be at least 0, got -1"),
        ({"min_digits": 0}, "got 0: a scene without a digit"),
        ({"min_digits": 4}, r"min_digits must be from 1 to max_digits \(3\), got 4"),
        ({"max_digits": 5}, "max_digits must be at most 4.*got 5"),
        ({"step": 0}, "step must be at least 1, got 0"),
        ({"size": 14}, "size must be even and at least 16.*got 14"),
        ({"size": 33}, "size must be even.*got 33"),
    ],
)
def test_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        digit_scenes(**{"train": 1, "test": 1} | wrong)


def test_other_errors(splits):
    scene = splits.train[0]
    with pytest.raises(ValueError, match="must have at least one digit, got none"):
        replace(scene, boxes=())
    with pytest.raises(ValueError, match="needs as many owners, got 1"):
        replace(scene, owners=(0,))
    with pytest.raises(ValueError, match="at least one scene, got none"):
        scene_images([])
    with pytest.raises(ValueError, match="grid must be at least 1, got 0"):
        named_locations([scene], 0)


def test_locations_on_boxes_of_another_size_in_an_image_that_is_no_square():
    image = torch.zeros(12, 24)
    scene = DigitScene(image, ("one", "dot"), (Box(6, 12, side=4),), (0, None), (0,))
    locations, is_digit = named_locations([scene], grid=6)  # squares of 2 by 4 pixels
    assert is_digit.tolist() == [[True, False]]
    inside = torch.zeros(6, 6, dtype=torch.bool)
    inside[3:5, 3] = True
    assert torch.equal(locations[0, 0], inside.flatten())
    assert not locations[0, 1].any()


def test_shared_images_cannot_be_changed():
    for array in digit_images():
        with pytest.raises(ValueError, match="read-only"):
            array += 1

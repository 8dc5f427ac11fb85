"""Pixels of handwritten digits: parts, their scale, another order."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.digit_pixels import digit_pixels


@pytest.fixture(scope="module")
def splits():
    return digit_pixels(dev=97, test=211)


def rows(part):
    return {tuple(row) for row in part.pixels.tolist()}


def test_parts_share_no_image(splits):
    sizes = [len(splits.train), len(splits.dev), len(splits.test)]
    assert sizes == [1797 - 97 - 211, 97, 211]
    parts = rows(splits.train), rows(splits.dev), rows(splits.test)
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1797


def test_every_part_has_all_digits(splits):
    for part in (splits.train, splits.dev, splits.test):
        assert part.labels.unique().tolist() == list(range(10))


def test_scale_is_that_of_the_training_images(splits):
    assert_close(splits.train.pixels.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    assert_close(splits.train.pixels.std(), torch.tensor(1.0))


def test_images_belong_to_their_labels(splits):
    from sklearn.datasets import load_digits

    data = load_digits()
    known = {
        tuple(i.flatten()): d for i, d in zip(data.images, data.target, strict=True)
    }
    low, high = splits.train.pixels.min(), splits.train.pixels.max()
    images = ((splits.test.pixels - low) / (high - low) * 16).round()
    for image, label in zip(images.tolist(), splits.test.labels, strict=True):
        assert known[tuple(image)] == label


def test_another_order_moves_pixels_and_nothing_else(splits):
    order = torch.randperm(64)
    moved = digit_pixels(dev=97, test=211, order=order)
    for part in ("train", "dev", "test"):
        assert_close(
            getattr(moved, part).pixels, getattr(splits, part).pixels[:, order]
        )
        assert_close(getattr(moved, part).labels, getattr(splits, part).labels)


def test_the_seed_decides_the_parts(splits):
    again, other = (digit_pixels(dev=97, test=211, seed=seed) for seed in (0, 1))
    assert torch.equal(again.train.pixels, splits.train.pixels)
    assert not torch.equal(other.train.labels, splits.train.labels)


def test_errors():
    with pytest.raises(ValueError, match="fewer than 1797 together, got 0 and 3"):
        digit_pixels(dev=0, test=3)
    with pytest.raises(ValueError, match="got 3 and 0"):
        digit_pixels(dev=3, test=0)
    with pytest.raises(ValueError, match="got 1000 and 797"):
        digit_pixels(dev=1000, test=797)
    with pytest.raises(ValueError, match=r"each pixel from 0 to 63 once, got \[1, 0\]"):
        digit_pixels(dev=1, test=1, order=torch.tensor([1, 0]))

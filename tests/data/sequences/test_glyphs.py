"""Images with two signs: they are where the centres say, and of the labels' kinds."""

import pytest
import torch

from attention_book.data.sequences.glyphs import SIDE, glyph_pairs

CORNER = {(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1), (4, 2), (4, 3), (4, 4)}


def test_signs_are_drawn_around_their_centres():
    pairs = glyph_pairs(30, size=20, clutter=0, seed=0)
    images, labels, centres = pairs
    assert images.shape == (30, 1, 20, 20)
    for image, label, (corner, tee) in zip(images[:, 0], labels, centres, strict=True):
        assert (corner - tee).abs().max() > SIDE
        row, column = (corner - SIDE // 2).tolist()
        bright = image[row : row + SIDE, column : column + SIDE] > 0.5
        upright = bright.rot90(-(int(label) // 4))
        seen = {tuple(at) for at in upright.nonzero().tolist()}
        assert seen == CORNER
        assert int((image > 0.5).sum()) == 2 * len(CORNER)
    assert set(labels.tolist()) <= set(range(16))


def test_clutter_lies_over_the_image_and_a_seed_gives_the_same():
    first, again = (glyph_pairs(5, seed=3).images for _ in range(2))
    assert torch.equal(first, again)
    assert (first > 0.5).sum() > (glyph_pairs(5, clutter=0, seed=3).images > 0.5).sum()


def test_numbers_out_of_range_are_errors():
    with pytest.raises(ValueError, match="size must be at least 15 and clutter not"):
        glyph_pairs(1, size=14, seed=0)
    with pytest.raises(ValueError, match="count must be at least 1"):
        glyph_pairs(0, seed=0)

"""PartNet: parts read the feature map, and the extra losses count."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.attention.later.parts import part_overlap, part_spread
from attention_book.data.sequences.glyphs import glyph_pairs
from attention_book.data.sequences.labelled import LabelledBatch
from attention_book.models.later.parts import PartNet, PartNetConfig


@pytest.fixture
def batch():
    pairs = glyph_pairs(4, seed=0)
    return LabelledBatch(pairs.images, pairs.labels)


def test_what_is_classified(batch):
    model = PartNet(PartNetConfig(num_classes=16, num_channels=5))
    context, weights = model.look(batch.inputs)
    features = model.features(batch.inputs)
    assert features.shape == (4, 5, 12, 12)
    assert weights.shape == (4, 2, 144)
    maps = weights.unflatten(-1, (12, 12))
    read = torch.einsum("bpij,bcij->bpc", maps, features)
    assert_close(context, read)
    assert_close(model(batch.inputs), model.out_proj(read.flatten(1)))
    average = PartNet(PartNetConfig(num_classes=16, num_channels=5, num_parts=0))
    mean, nothing = average.look(batch.inputs)
    assert nothing is None
    assert_close(mean[:, 0], average.features(batch.inputs).mean(dim=(2, 3)))


def test_the_losses_are_added(batch):
    fields = {"spread_weight": 0.3, "overlap_weight": 0.7}
    model = PartNet(PartNetConfig(num_classes=16, **fields))
    _, weights = model.look(batch.inputs)
    plain = F.cross_entropy(model(batch.inputs), batch.labels)
    extra = 0.3 * part_spread(weights, 12) + 0.7 * part_overlap(weights)
    assert_close(model.loss(batch), plain + extra)


def test_loss_falls(batch, loss_falls):
    torch.manual_seed(0)
    model = PartNet(PartNetConfig(num_classes=16))
    loss_falls(model, batch, rate=0.01)


def test_one_part_alone_is_an_error():
    with pytest.raises(ValueError, match="num_parts must be 0 or at least 2, got 1"):
        PartNetConfig(num_classes=16, num_parts=1)


@pytest.mark.parametrize("num_parts", [0, 2])
@pytest.mark.parametrize("size", ["num_channels", "num_classes"])
def test_sizes_are_checked(num_parts, size):
    sizes = {"num_classes": 16, "num_parts": num_parts} | {size: 0}
    with pytest.raises(ValueError, match=f"{size} must be at least 1, got 0"):
        PartNetConfig(**sizes)

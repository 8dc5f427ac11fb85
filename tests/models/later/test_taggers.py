"""Taggers: what their logits are made of, and that they learn."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.sequences.memory_tasks import mutual_words, nearest_marker
from attention_book.models.later.taggers import (
    CoupledTagger,
    CoupledTaggerConfig,
    NearestTagger,
    NearestTaggerConfig,
)


def test_labels_are_read_out_of_each_attentions_features():
    model = CoupledTagger(CoupledTaggerConfig(vocab_size=15, embed_dim=6))
    with torch.no_grad():
        model.out_proj.normal_()
        model.out_bias.normal_()
    batch, _ = mutual_words(3, num_tokens=7, num_words=5, seed=0)
    features = model.attention(model.embedding(batch.ids)).features
    logits = model(batch.ids, batch.mask)
    for m in (0, 1):
        want = features[:, m] @ model.out_proj[m] + model.out_bias[m]
        assert_close(logits[:, m], want)
    aspect, opinion = ((batch.target == label).float() for label in (1, 2))
    parts = [
        F.binary_cross_entropy_with_logits(logits[:, m], wanted)
        for m, wanted in enumerate((aspect, opinion))
    ]
    assert_close(model.loss(batch), sum(parts) / 2)


def test_padding_does_not_change_the_labels():
    model = CoupledTagger(CoupledTaggerConfig(vocab_size=15, embed_dim=6))
    ids = torch.randint(15, (2, 7))
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    together = model(ids, mask)
    assert_close(together[1:, :, :4], model(ids[1:, :4], mask[1:, :4]))


def test_padding_does_not_change_the_loss():
    model = CoupledTagger(CoupledTaggerConfig(vocab_size=15))
    with torch.no_grad():
        model.out_proj.normal_()
    batch, _ = mutual_words(3, num_tokens=7, num_words=5, seed=0)
    padded = {
        name: F.pad(getattr(batch, name), (0, 4))
        for name in ("ids", "mask", "target", "target_mask")
    }
    longer = dataclasses.replace(batch, **padded)
    assert_close(model.loss(longer), model.loss(batch))


def test_without_positions_the_order_of_the_tokens_does_not_matter():
    ids = torch.tensor([[0, 3, 0, 0, 1, 0]])
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    for gaussian in (False, True):
        model = NearestTagger(NearestTaggerConfig(vocab_size=5, gaussian=gaussian))
        before, after = model(ids)[:, order], model(ids[:, order])
        assert torch.allclose(before, after, atol=1e-6) == (not gaussian)


@pytest.mark.parametrize("kind", ["coupled", "nearest"])
def test_loss_falls(kind, loss_falls):
    torch.manual_seed(0)
    if kind == "coupled":
        model = CoupledTagger(CoupledTaggerConfig(vocab_size=15))
        batch, _ = mutual_words(10, num_words=5, seed=0)
    else:
        model = NearestTagger(NearestTaggerConfig(vocab_size=5))
        batch = nearest_marker(12, batch_size=10, seed=0)
    loss_falls(model, batch, rate=0.02, steps=40)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="num_slices must be at least 1"):
        CoupledTaggerConfig(vocab_size=3, num_slices=0)
    with pytest.raises(ValueError, match="must be divisible by num_heads"):
        NearestTaggerConfig(vocab_size=3, embed_dim=9, num_heads=2)

"""PartAttention: the released network's maps, location by location, and its losses."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.later.parts import (
    PartAttention,
    part_overlap,
    part_spread,
)

B, X, C, PARTS, HIDDEN = 2, 6, 5, 3, 4


def softplus(x):
    return math.log1p(math.exp(x))


def test_equations_one_location_at_a_time():
    layer = PartAttention(C, PARTS, HIDDEN, gain=0.7).double()
    key = torch.randn(B, X, C, dtype=torch.float64)
    layer.requires_grad_(False)
    context, weights = layer(key)
    for b in range(B):
        average = sum(key[b]) / X
        for i in range(PARTS):
            hidden = torch.tanh(average @ layer.hidden[i])
            d = torch.sigmoid(hidden @ layer.out[i])
            z = [float(d @ row) / C for row in key[b]]
            powers = [softplus(math.tanh(0.7 * value)) ** 4 for value in z]
            for x in range(X):
                assert_close(weights[b, i, x].item(), powers[x] / sum(powers))
            read = sum(w * k for w, k in zip(weights[b, i], key[b], strict=True))
            assert_close(context[b, i], read)


def test_maps_are_bounded():
    """However large the features, no location gets more than 309 times another's."""
    layer = PartAttention(C, PARTS, HIDDEN).double()
    _, weights = layer(1e4 * torch.randn(B, X, C, dtype=torch.float64))
    ratio = weights.amax(dim=-1) / weights.amin(dim=-1)
    most = (softplus(1) / softplus(-1)) ** 4
    assert 308 < most < 310
    assert ratio.max() <= most + 1e-6


def test_channels_are_chosen_by_the_average_of_the_real_locations():
    layer, key = PartAttention(C, PARTS, HIDDEN), torch.randn(B, X, C)
    mask = torch.tensor([True] * 4 + [False] * 2).expand(B, 1, X)
    assert_close(layer.channel_weights(key, mask), layer.channel_weights(key[:, :4]))


@pytest.mark.parametrize("shape", [(B, 1, 1), (1, 1, X), (1, PARTS, 1), (1, 1, 1)])
def test_axes_of_a_mask_may_be_1(shape):
    layer, key = PartAttention(C, PARTS, HIDDEN), torch.randn(B, X, C)
    assert_close(layer(key, torch.ones(shape, dtype=torch.bool)), layer(key))


def test_spread_is_the_mean_squared_distance_from_the_peak():
    weights = torch.rand(B, PARTS, 12).double().softmax(dim=-1)
    total = 0.0
    for one in weights.flatten(0, 1):
        peak = int(one.argmax())
        for x in range(12):
            rows, columns = x // 4 - peak // 4, x % 4 - peak % 4
            total += one[x] * (rows**2 + columns**2)
    assert_close(part_spread(weights, 4), total / (B * PARTS))
    with pytest.raises(ValueError, match=r"width \(5\) must divide the 12 locations"):
        part_spread(weights, 5)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        part_spread(weights, 0)


def test_overlap_is_weight_times_the_largest_weight_of_another_part():
    weights = torch.rand(B, PARTS, X).double().softmax(dim=-1)
    total = 0.0
    for b in range(B):
        for i in range(PARTS):
            for x in range(X):
                others = [weights[b, k, x] for k in range(PARTS) if k != i]
                total += weights[b, i, x] * max(others)
    assert_close(part_overlap(weights), total / (B * PARTS))
    with pytest.raises(ValueError, match="at least two parts, got 1"):
        part_overlap(weights[:, :1])


def test_a_margin_would_have_no_gradient():
    """The paper's margin is taken off weights that sum to 1."""
    raw = torch.randn(B, PARTS, X, requires_grad=True)
    weights = raw.softmax(dim=-1)
    (0.02 * weights.sum(dim=-1)).sum().backward()
    assert raw.grad.abs().max() < 1e-8

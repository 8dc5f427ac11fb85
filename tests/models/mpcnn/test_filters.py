"""MPCNN's filters: loops over filters and positions, PyTorch's layers, padding."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.mpcnn.filters import (
    POOLINGS,
    HolisticFilters,
    PerDimensionFilters,
    masked_pool,
    window_mask,
)

B, N, DIM, FILTERS, WIDTHS = 3, 7, 5, 2, (1, 2, 4)
LENGTHS = [7, 5, 2]


@pytest.fixture
def words():
    return torch.randn(B, N, DIM, dtype=torch.float64)


@pytest.fixture
def mask():
    return token_mask(torch.tensor(LENGTHS), N)


@pytest.fixture(params=[HolisticFilters, PerDimensionFilters])
def block(request):
    return request.param(DIM, FILTERS, WIDTHS, POOLINGS).double()


def pool(values, pooling):
    values = torch.stack(values)
    return {"max": values.max, "min": values.min, "mean": values.mean}[pooling]()


def windows(sentence, width):
    """The positions of a filter; zeros after the last word of a sentence too short."""
    missing = max(0, width - len(sentence))
    padded = torch.cat([sentence, torch.zeros(missing, DIM).double()])
    return [padded[i : i + width] for i in range(len(padded) - width + 1)]


def test_holistic_filters_one_position_at_a_time(words, mask):
    block = HolisticFilters(DIM, FILTERS, WIDTHS, POOLINGS).double()
    found = block(words, mask)
    assert found.shape == (B, len(POOLINGS), len(WIDTHS), FILTERS)
    for b, length in enumerate(LENGTHS):
        for w, (width, conv) in enumerate(zip(WIDTHS, block.convs, strict=True)):
            weight = conv.weight.view(len(POOLINGS), FILTERS, DIM, width)
            bias = conv.bias.view(len(POOLINGS), FILTERS)
            for p, pooling in enumerate(POOLINGS):
                for f in range(FILTERS):
                    out = [
                        torch.tanh((weight[p, f].T * part).sum() + bias[p, f])
                        for part in windows(words[b, :length], width)
                    ]
                    assert_close(found[b, p, w, f], pool(out, pooling))


def test_per_dimension_filters_one_position_at_a_time(words, mask):
    poolings = ("max", "min")
    block = PerDimensionFilters(DIM, FILTERS, WIDTHS, poolings).double()
    found = block(words, mask)
    assert found.shape == (B, 2, len(WIDTHS), FILTERS, DIM)
    for b, length in enumerate(LENGTHS):
        for w, (width, conv) in enumerate(zip(WIDTHS, block.convs, strict=True)):
            weight = conv.weight.view(DIM, 2, FILTERS, width)
            bias = conv.bias.view(DIM, 2, FILTERS)
            for p, pooling in enumerate(poolings):
                for f in range(FILTERS):
                    for k in range(DIM):
                        out = [
                            torch.tanh(weight[k, p, f] @ part[:, k] + bias[k, p, f])
                            for part in windows(words[b, :length], width)
                        ]
                        assert_close(found[b, p, w, f, k], pool(out, pooling))


def test_parity_with_convolutions_of_groups(words, mask):
    """The gradients too: they pass through the largest and smallest outputs alone."""
    block = PerDimensionFilters(DIM, FILTERS, (2,), ("max", "min")).double()
    words.requires_grad_()
    clean = words.masked_fill(~mask[..., None], 0.0)
    outputs = block.convs[0](clean.transpose(1, 2)).tanh()
    outputs = outputs.view(B, DIM, 2, FILTERS, N - 1)
    windows = window_mask(mask, 2)[:, None, None]
    largest = outputs[:, :, 0].masked_fill(~windows, -torch.inf).amax(dim=-1)
    smallest = outputs[:, :, 1].masked_fill(~windows, torch.inf).amin(dim=-1)
    wanted = torch.stack([largest, smallest], dim=1).transpose(2, 3)
    found = block(words, mask)[:, :, 0]
    assert_close(found, wanted)
    given = (words, *block.parameters())
    grads = (torch.autograd.grad(x.square().sum(), given) for x in (found, wanted))
    assert_close(*grads)


def test_nothing_is_shared(block):
    # One set of numbers for each pooling, width and filter; block B: and dimension.
    filters = len(POOLINGS) * FILTERS
    per_dimension = isinstance(block, PerDimensionFilters)
    wanted = sum(filters * (DIM * w + (DIM if per_dimension else 1)) for w in WIDTHS)
    assert sum(p.numel() for p in block.parameters()) == wanted


def test_parity_with_convolution_and_pooling_of_pytorch(words):
    block = HolisticFilters(DIM, FILTERS, (3,), ("max", "mean")).double()
    found = block(words, torch.ones(B, N, dtype=torch.bool))
    outputs = block.convs[0](words.transpose(1, 2)).tanh()
    largest, means = nn.AdaptiveMaxPool1d(1), nn.AdaptiveAvgPool1d(1)
    assert_close(found[:, 0, 0], largest(outputs[:, :FILTERS]).squeeze(-1))
    assert_close(found[:, 1, 0], means(outputs[:, FILTERS:]).squeeze(-1))


@pytest.mark.parametrize("garbage", [0.0, 1e6, torch.nan])
def test_padding_changes_nothing(block, words, mask, garbage):
    words = words.masked_fill(~mask[..., None], garbage)
    found = block(words, mask)
    for b, length in enumerate(LENGTHS):
        alone = block(words[b, None, :length], mask[b, None, :length])
        assert_close(found[b], alone[0])


def test_one_word_has_finite_gradients(block):
    words = torch.randn(2, 1, DIM, dtype=torch.float64, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        found = block(words, torch.ones(2, 1, dtype=torch.bool))
        found.square().sum().backward()
    assert words.grad.isfinite().all()


@pytest.mark.parametrize("width", [1, 2, 4, 7])
def test_window_mask_one_sentence_at_a_time(mask, width):
    found = window_mask(mask, width)
    assert found.shape == (B, N - width + 1)
    for row, length in zip(found, LENGTHS, strict=True):
        wanted = [i == 0 or i + width <= length for i in range(N - width + 1)]
        assert row.tolist() == wanted


@pytest.mark.parametrize("pooling", POOLINGS)
def test_masked_pool_one_sentence_at_a_time(words, mask, pooling):
    found = masked_pool(words.transpose(1, 2), mask, pooling)
    for b, length in enumerate(LENGTHS):
        for k in range(DIM):
            wanted = pool(list(words[b, :length, k]), pooling)
            assert_close(found[b, k], wanted)


def test_no_such_pooling(words, mask):
    with pytest.raises(ValueError, match="one of max, min, mean, got 'median'"):
        masked_pool(words.transpose(1, 2), mask, "median")


def test_compiles_to_one_graph(block, words, mask, no_shape_checks):
    compiled = torch.compile(block, backend="eager", fullgraph=True)
    assert_close(compiled(words, mask), block(words, mask))

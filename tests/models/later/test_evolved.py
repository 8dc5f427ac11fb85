"""The Evolved Transformer's cells: their equations, causality, padding and sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.models.later.evolved import (
    EvolvedDecoderCell,
    EvolvedEncoderCell,
    SeparableConv,
)

B, N, M, DIM, HEADS = 2, 13, 5, 8, 2


def matrices(cell):
    """Number of weights in matrices and filters; norms and biases left out."""
    return sum(p.numel() for p in cell.parameters() if p.ndim > 1)


@pytest.mark.parametrize("causal", [False, True])
def test_a_separable_convolution_one_token_at_a_time(causal):
    layer = SeparableConv(3, 5, 4 if causal else 3, causal=causal)
    x = torch.randn(B, N, 3)
    width = layer.filters.kernel_size[0]
    before = width - 1 if causal else (width - 1) // 2
    filters, found = layer.filters.weight[:, 0], layer(x)
    for t in range(N):
        total = torch.zeros(B, 3)
        for k in range(width):
            at = t - before + k
            if 0 <= at < N:
                total = total + filters[:, k] * x[:, at]
        assert_close(found[:, t], total @ layer.out_proj.weight.T)


def test_equations_of_the_encoder_cell():
    cell, x = EvolvedEncoderCell(DIM, HEADS), torch.randn(B, N, DIM)
    want = x
    y = cell.residuals[0].norm(want)
    one, two = cell.gate(y).chunk(2, dim=-1)
    want = want + one * two.sigmoid()
    y = cell.residuals[1].norm(want)
    right = F.conv1d(y.mT, cell.right.weight, padding=1).mT.relu()
    joined = cell.left(y).relu()
    joined = joined + torch.cat([right, torch.zeros(B, N, 28)], dim=-1)
    halves = cell.separable(cell.middle_norm(joined))
    want = want + torch.cat([halves, torch.zeros(B, N, 4)], dim=-1)
    y = cell.residuals[2].norm(want)
    want = want + cell.attention(y, y, y)[0]
    want = want + cell.feed_forward(cell.residuals[3].norm(want))
    assert_close(cell(x), want)


def test_padding_changes_nothing():
    cell, x = EvolvedEncoderCell(DIM, HEADS), torch.randn(B, N, DIM)
    real = torch.arange(N) < torch.tensor([N, 6])[:, None]
    together = cell(x, real)
    assert_close(together[1:, :6], cell(x[1:, :6]))
    decoder, source_mask = EvolvedDecoderCell(DIM, HEADS), real[:, :M]
    source_mask = torch.arange(M) < torch.tensor([M, 2])[:, None]
    source = torch.randn(B, M, DIM)
    both = decoder(x, source, source_mask)
    assert_close(both[1:], decoder(x[1:], source[1:, :2]))


def test_the_decoder_cell_never_looks_ahead():
    cell, source = EvolvedDecoderCell(DIM, HEADS), torch.randn(B, M, DIM)
    x = torch.randn(B, N, DIM)
    changed = x.clone()
    changed[:, 7] += 1.0
    before, after = cell(x, source), cell(changed, source)
    assert_close(after[:, :7], before[:, :7])
    assert not torch.allclose(after[:, 7:], before[:, 7:])
    longer = torch.cat([x, torch.randn(B, 4, DIM)], dim=1)
    assert_close(cell(longer, source)[:, :N], before)


def test_cells_are_nearly_twice_a_layer():
    with torch.device("meta"):
        encoder, decoder = EvolvedEncoderCell(512, 8), EvolvedDecoderCell(512, 8)
    assert round(matrices(encoder) / 1e6, 2) == 5.65
    assert round(matrices(decoder) / 1e6, 2) == 7.49
    layer = 4 * 512**2 + 2 * 512 * 2048  # attention and feed-forward
    assert 1.79 < matrices(encoder) / layer < 1.81


def test_the_first_attention_of_the_decoder_has_more_heads():
    for heads, more in ((2, 4), (8, 16), (16, 16), (32, 32)):
        with torch.device("meta"):
            cell = EvolvedDecoderCell(64, heads)
        assert cell.wide_attention.num_heads == more
        assert cell.attention.num_heads == heads


def test_sizes_are_checked():
    for cell in (EvolvedEncoderCell, EvolvedDecoderCell):
        with pytest.raises(ValueError, match="embed_dim must be even, got 9"):
            cell(9, 3)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        SeparableConv(3, 3, 0)

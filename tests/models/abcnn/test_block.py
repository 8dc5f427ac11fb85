"""A block of ABCNN: wide convolution and poolings against PyTorch's, and masks."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.abcnn.block import ABCNNBlock, all_ap, wide_mask
from attention_book.models.abcnn.config import VARIANTS, ABCNNConfig

B, DIM, FILTERS, WIDTH = 2, 5, 3, 4
LENGTHS = ([6, 2], [1, 7])


def make(variant):
    config = ABCNNConfig(
        embed_dim=DIM, variant=variant, num_filters=FILTERS, width=WIDTH, max_tokens=11
    )
    return ABCNNBlock(DIM, config).double()


@pytest.fixture
def masks():
    return tuple(token_mask(torch.tensor(n), max(n)) for n in LENGTHS)


@pytest.fixture
def columns(masks):
    return tuple(
        torch.randn(*mask.shape, DIM, dtype=torch.float64) * mask[..., None]
        for mask in masks
    )


def test_bcnn_is_convolution_and_average_pooling_of_pytorch(columns):
    block = make("BCNN")
    full = tuple(torch.ones(c.shape[:2], dtype=torch.bool) for c in columns)
    pooled, summary = block(columns, full)
    for sentence, w_ap, top in zip(columns, pooled, summary, strict=True):
        padded = F.pad(sentence.transpose(1, 2), (WIDTH - 1, WIDTH - 1))
        found = F.conv1d(padded, block.conv.weight, block.conv.bias).tanh()
        assert found.shape[2] == sentence.shape[1] + WIDTH - 1
        assert_close(w_ap, F.avg_pool1d(found, WIDTH, stride=1).transpose(1, 2))
        assert_close(top, found.mean(dim=2))


@pytest.mark.parametrize("variant", VARIANTS)
def test_padding_changes_nothing(columns, masks, variant):
    block = make(variant)
    pooled, summary = block(columns, masks)
    for b in range(B):
        alone = tuple(c[b, None, : n[b]] for c, n in zip(columns, LENGTHS, strict=True))
        real = tuple(torch.ones(c.shape[:2], dtype=torch.bool) for c in alone)
        for i, (w_ap, top) in enumerate(zip(*block(alone, real), strict=True)):
            assert_close(pooled[i][b, None, : LENGTHS[i][b]], w_ap)
            assert (pooled[i][b, LENGTHS[i][b] :] == 0).all()
            assert_close(summary[i][b, None], top)


@pytest.mark.parametrize("variant", VARIANTS)
def test_number_of_parameters(variant):
    before = variant in ("ABCNN-1", "ABCNN-3")
    weights = FILTERS * WIDTH * DIM * (2 if before else 1) + FILTERS
    maps = 2 * 11 * DIM if before else 0
    assert sum(p.numel() for p in make(variant).parameters()) == weights + maps


@pytest.mark.parametrize("width", [1, 2, 5])
def test_wide_mask_one_sentence_at_a_time(width):
    lengths = [3, 1, 4]
    found = wide_mask(token_mask(torch.tensor(lengths), 4), width)
    assert found.shape == (3, 4 + width - 1)
    for row, length in zip(found, lengths, strict=True):
        positions = length + width - 1
        assert row.tolist() == [i < positions for i in range(len(row))]


def test_all_ap(columns, masks):
    found = all_ap(columns[0], masks[0])
    for b, length in enumerate(LENGTHS[0]):
        assert_close(found[b], columns[0][b, :length].mean(dim=0))


@pytest.mark.parametrize("variant", VARIANTS)
def test_compiles_to_one_graph(columns, masks, variant, no_shape_checks):
    torch.compiler.reset()  # or the variants count as one function that changes
    block = make(variant)
    compiled = torch.compile(block, backend="eager", fullgraph=True)
    assert_close(compiled(columns, masks), block(columns, masks))


def test_all_ap_is_the_mean_of_the_real_columns():
    columns = torch.tensor([[[3.0], [0.0]], [[2.0], [6.0]], [[0.0], [0.0]]])
    mask = torch.tensor([[True, False], [True, True], [False, False]])
    assert_close(all_ap(columns, mask), torch.tensor([[3.0], [4.0], [0.0]]))

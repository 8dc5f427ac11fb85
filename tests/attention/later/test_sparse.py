"""Sparse patterns: the paper's sets, what two steps reach, and the gathered form."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.testing import assert_close

from attention_book.attention.later.sparse import (
    SparseAttention,
    fixed_masks,
    reach,
    strided_context,
    strided_masks,
)

B, HEADS, N, DIM, V_DIM = 2, 3, 12, 4, 5
SIZES = [(64, 8), (60, 8), (100, 10)]


def draw(tokens=N):
    shapes = (DIM,), (DIM,), (V_DIM,)
    sizes = [(B, HEADS, tokens, *shape) for shape in shapes]
    return [torch.randn(size, dtype=torch.float64) for size in sizes]


def test_sets_one_pair_at_a_time():
    for n, stride, c in ((12, 3, 1), (13, 5, 2)):
        strided, fixed = strided_masks(n, stride), fixed_masks(n, stride, c)
        for i in range(n):
            for j in range(n):
                past = j <= i
                want = past and j >= max(0, i - stride)
                assert strided.first[0, i, j].item() == want
                assert strided.second[0, i, j].item() == (
                    past and (i - j) % stride == 0
                )
                assert fixed.first[0, i, j].item() == (
                    past and j // stride == i // stride
                )
                want = past and j % stride in range(stride - c, stride)
                assert fixed.second[0, i, j].item() == want


@pytest.mark.parametrize(("n", "stride"), SIZES)
def test_two_strided_steps_reach_everything_before_in_either_order(n, stride):
    everything = torch.ones(1, n, n, dtype=torch.bool).tril()
    masks = strided_masks(n, stride)
    assert torch.equal(reach(*masks), everything)
    assert torch.equal(reach(*masks[::-1]), everything)


@pytest.mark.parametrize(("n", "stride"), SIZES)
def test_two_fixed_steps_need_a_residual_path_and_their_order(n, stride):
    everything = torch.ones(1, n, n, dtype=torch.bool).tril()
    masks = fixed_masks(n, stride)
    missing = everything & ~reach(*masks)
    if n == 64:
        assert int(missing.sum()) == 224
    assert missing.any()
    assert torch.equal(reach(*masks, residual=True), everything)
    assert not torch.equal(reach(*masks[::-1], residual=True), everything)
    merged = masks.first | masks.second
    assert torch.equal(reach(merged, merged), everything)


def test_reach_is_a_walk_along_the_masks():
    masks = fixed_masks(9, 3, 2)
    for residual in (False, True):
        found = reach(*masks, residual=residual)
        for i in range(9):
            at = {i}  # from the last layer back to the first
            for mask in masks[::-1]:
                seen = {j for k in at for j in range(9) if mask[0, k, j]}
                at = seen | at if residual else seen
            assert {j for j in range(9) if found[0, i, j]} == at


def test_the_first_rows_of_the_fixed_summaries_are_empty():
    masks = fixed_masks(12, 4, 1)
    assert not masks.second[0, :3].any()
    layer = SparseAttention(4, "fixed", step="second").double()
    context, weights = layer(*draw(), need_weights=True)
    assert (context[:, :, :3] == 0).all()
    assert (weights[:, :, :3] == 0).all()


@pytest.mark.parametrize("pattern", ["strided", "fixed"])
@pytest.mark.parametrize("step", ["first", "second", "both"])
def test_equation_one_pair_at_a_time(pattern, step):
    layer = SparseAttention(3, pattern, step=step)
    query, key, value = draw()
    context, weights = layer(query, key, value, need_weights=True)
    masks = (strided_masks if pattern == "strided" else fixed_masks)(N, 3)
    chosen = {"first": masks[:1], "second": masks[1:], "both": masks}[step]
    for i in range(N):
        seen = [j for j in range(N) if any(mask[0, i, j] for mask in chosen)]
        scores = query[:, :, i, None] @ key[:, :, seen].mT / math.sqrt(DIM)
        alpha = scores.softmax(dim=-1)
        assert_close(weights[:, :, i, seen], alpha[:, :, 0])
        assert_close(context[:, :, i], (alpha @ value[:, :, seen])[:, :, 0])
        assert int((weights[0, 0, i] > 0).sum()) == len(seen)


@pytest.mark.parametrize("step", ["first", "second"])
@pytest.mark.parametrize("stride", [2, 3, 12])
def test_gathered_keys_give_what_masks_give(step, stride):
    inputs = draw()
    want = SparseAttention(stride, step=step)(*inputs)[0]
    assert_close(strided_context(*inputs, stride, step), want)


def test_queries_are_the_last_of_the_keys():
    query, key, value = draw()
    layer = SparseAttention(3)
    whole = layer(query, key, value)[0]
    assert_close(layer(query[:, :, -2:], key, value)[0], whole[:, :, -2:])


def test_masks_fit_pytorchs_own_kernel():
    query, key, value = draw()
    mask = SparseAttention(3).allowed(N)
    want = F.scaled_dot_product_attention(query, key, value, mask[:, None])
    assert_close(SparseAttention(3)(query, key, value, need_weights=True)[0], want)


# PyTorch says that it is slow when it is not compiled.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stride", [3, 5])
def test_masks_are_those_of_pytorchs_flexible_kernel(stride):
    def allowed(b, h, i, j):
        back = i - j
        return (back >= 0) & ((back <= stride) | (back % stride == 0))

    inputs = [x.float() for x in draw()]
    blocks = create_block_mask(allowed, None, None, N, N, device="cpu")
    want = flex_attention(*inputs, block_mask=blocks)
    assert_close(SparseAttention(stride)(*inputs)[0], want)


def test_number_of_scores():
    """About n stride + n^2 / 2l: fewest where stride is the root of n / 2."""
    n = 1024
    count = {
        stride: int(sum(m.sum() for m in strided_masks(n, stride)))
        for stride in (8, 23, 32, 256)
    }
    assert min(count, key=count.get) == 23
    for stride, scores in count.items():
        assert_close(
            scores / (n * stride + n * n / (2 * stride)), 1.0, rtol=0.15, atol=0
        )


def test_arguments_out_of_range_are_errors(no_shape_checks):
    query, key, value = draw()
    with pytest.raises(ValueError, match="pattern must be one of strided, fixed"):
        SparseAttention(3, "random")
    with pytest.raises(ValueError, match=r"num_summary \(4\) must not exceed stride"):
        SparseAttention(3, "fixed", num_summary=4)
    with pytest.raises(ValueError, match="stride must be at least 1"):
        strided_masks(4, 0)
    with pytest.raises(ValueError, match=r"stride \(5\) must divide 12 tokens"):
        strided_context(query, key, value, 5, "first")
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        strided_context(query, key, value, 0, "first")
    with pytest.raises(ValueError, match="must be the last of the keys, got 12"):
        SparseAttention(3)(query, key[:, :, 1:], value[:, :, 1:])

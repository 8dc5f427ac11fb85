"""Products with sparse matrices: the equation, gradients, and what is kept."""

import gc

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.graph_attention import pattern as module
from attention_book.attention.graph_attention.pattern import (
    SparsePattern,
    head_products,
    pattern_of,
)

ROWS, COLUMNS, HEADS, DIM = 5, 4, 3, 7
# Row 3 and column 2 are empty.
PLACES = torch.tensor([[4, 0, 1, 0, 2, 4], [1, 0, 3, 3, 3, 0]])
ORDERS = {"sorted": PLACES[0].argsort(), "as they come": torch.arange(6)}


def make_pattern(order):
    row, column = PLACES[:, ORDERS[order]]
    return SparsePattern(row, column, ROWS, COLUMNS)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("heads", [(), (HEADS,)])
def test_equation_one_row_at_a_time(order, heads):
    pattern = make_pattern(order)
    entries = torch.randn(6, *heads, dtype=torch.float64)
    vectors = torch.randn(COLUMNS, *heads, DIM, dtype=torch.float64)
    product = pattern.product(entries, vectors)
    for i in range(ROWS):
        total = torch.zeros(*heads, DIM, dtype=torch.float64)
        for e in range(6):
            if pattern.row[e] == i:
                total += entries[e][..., None] * vectors[pattern.column[e]]
        assert_close(product[i], total)


@pytest.mark.parametrize("order", ORDERS)
def test_gradients(order):
    entries = torch.randn(6, HEADS, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(COLUMNS, HEADS, DIM, dtype=torch.float64, requires_grad=True)
    product = make_pattern(order).product
    assert torch.autograd.gradcheck(product, (entries, vectors))
    turned = entries.detach().t().contiguous().t().requires_grad_()  # heads first
    grads = [
        torch.autograd.grad(product(x, vectors).square().sum(), (x, vectors))
        for x in (entries, turned)
    ]
    assert_close(*grads)


@pytest.mark.parametrize("sizes", [(0, 0, 0), (0, 2, 3), (3, 2, 0)])
def test_nothing_to_add(sizes):
    entries, rows, columns = sizes
    row = torch.zeros(entries, dtype=torch.long)
    pattern = SparsePattern(row, row, rows, max(columns, 1))
    vectors = torch.ones(max(columns, 1), DIM)
    found = pattern.product(torch.ones(entries), vectors)
    assert found.shape == (rows, DIM)
    assert found.sum() == entries * DIM


def test_a_pattern_is_kept_until_its_owner_changes():
    edges = PLACES.clone()
    kept = pattern_of(edges, lambda: edges, ROWS, COLUMNS)
    assert pattern_of(edges, lambda: edges, ROWS, COLUMNS) is kept
    assert pattern_of(edges, lambda: edges, ROWS + 1, COLUMNS) is not kept
    kept = pattern_of(edges, lambda: edges, ROWS, COLUMNS)
    edges[0, 0] = 3
    changed = pattern_of(edges, lambda: edges, ROWS, COLUMNS)
    assert changed is not kept
    assert changed.row[0] == 3


def test_a_pattern_goes_with_its_owner():
    gc.collect()
    before = len(module._patterns)
    edges = PLACES.clone()
    pattern_of(edges, PLACES.clone, ROWS, COLUMNS)
    assert len(module._patterns) == before + 1
    del edges
    gc.collect()
    assert len(module._patterns) == before


def test_inference_keeps_nothing():
    with torch.inference_mode():
        edges = PLACES.clone()
        found = pattern_of(edges, lambda: edges, ROWS, COLUMNS)
    assert found.row.equal(PLACES[0])


def test_products_within_heads():
    vectors = torch.randn(2, HEADS, DIM, dtype=torch.float64)
    weight = torch.randn(HEADS, DIM, dtype=torch.float64)
    want = torch.einsum("nhd,hd->nh", vectors, weight)
    assert_close(head_products(vectors, weight), (want,))
    both = head_products(vectors, weight, 2 * weight)
    assert_close(both, (want, 2 * want))


@pytest.mark.parametrize("order", ORDERS)
def test_sums_of_both_ends(order):
    pattern = make_pattern(order)
    left = torch.randn(ROWS, DIM, dtype=torch.float64, requires_grad=True)
    right = torch.randn(COLUMNS, DIM, dtype=torch.float64, requires_grad=True)
    sums = pattern.end_sums(left, right)
    for e in range(6):
        assert_close(sums[e], left[pattern.row[e]] + right[pattern.column[e]])
    assert torch.autograd.gradcheck(pattern.end_sums, (left, right))


def test_gradients_of_many_entries_in_half_precision():
    many = torch.zeros(1000, dtype=torch.long)
    left = torch.ones(1, DIM, dtype=torch.bfloat16, requires_grad=True)
    SparsePattern(many, many, 1, 1).end_sums(left, left.detach()).sum().backward()
    assert_close(left.grad, torch.full_like(left, 1000))

"""MPCNN's comparisons: algorithms 1 and 2 with loops, and where vectors are equal."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.mpcnn.compare import com_u1, com_u2, horizontal, vertical

B, POOLINGS, WIDTHS, FILTERS = 2, 3, 4, 5


@pytest.fixture
def outputs():
    shape = B, POOLINGS, WIDTHS, FILTERS
    return [torch.randn(shape, dtype=torch.float64) for _ in range(2)]


def loop_com_u2(x, y):
    norms = [v.square().sum().sqrt() for v in (x, y)]
    return [(x @ y) / (norms[0] * norms[1]), (x - y).square().sum().sqrt()]


def loop_com_u1(x, y):
    return [*loop_com_u2(x, y), *(x - y).abs()]


def test_units(outputs):
    x, y = (part[0, 0, 0] for part in outputs)
    assert_close(com_u2(x, y), torch.stack(loop_com_u2(x, y)))
    assert_close(com_u1(x, y), torch.stack(loop_com_u1(x, y)))


def test_algorithm_1(outputs):
    found = horizontal(*outputs)
    for b, (first, second) in enumerate(zip(*outputs, strict=True)):
        features = []
        for p in range(POOLINGS):
            for i in range(FILTERS):
                features += loop_com_u2(first[p, :, i], second[p, :, i])
        assert_close(found[b], torch.stack(features))


def test_algorithm_2(outputs):
    found = vertical(*outputs)
    for b, (first, second) in enumerate(zip(*outputs, strict=True)):
        features = []
        for p in range(POOLINGS):
            for ws1 in range(WIDTHS):
                for ws2 in range(WIDTHS):
                    features += loop_com_u1(first[p, ws1], second[p, ws2])
        assert_close(found[b], torch.stack(features))


def test_algorithm_2_with_equal_widths(outputs):
    found = vertical(*outputs, all_widths=False)
    for b, (first, second) in enumerate(zip(*outputs, strict=True)):
        features = []
        for p in range(POOLINGS):
            for ws in range(WIDTHS):
                features += loop_com_u1(first[p, ws], second[p, ws])
        assert_close(found[b], torch.stack(features))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0])
def test_equal_vectors_have_finite_gradients(scale):
    x = (scale * torch.randn(B, FILTERS)).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        found = com_u1(x, x.detach().clone())
        found.sum().backward()
    assert x.grad.isfinite().all()
    assert_close(found[:, 1:], torch.zeros(B, 1 + FILTERS), rtol=0, atol=0)
    if scale == 1.0:
        assert_close(found[:, 0], torch.ones(B))


def test_compiles_to_one_graph(outputs, no_shape_checks):
    for function in horizontal, vertical:
        compiled = torch.compile(function, backend="eager", fullgraph=True)
        assert_close(compiled(*outputs), function(*outputs))


def test_the_cosine_of_short_vectors_is_exact():
    x, y = torch.tensor([2e-5, 0.0]).double(), torch.tensor([3e-5, 3e-5]).double()
    assert_close(com_u2(x, y)[0].item(), 0.5**0.5)
    assert com_u2(1e-3 * x, y)[0] < 0.1  # shorter than 1e-6: bounded instead

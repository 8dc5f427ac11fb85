"""Positions added to tokens: the sinusoids' equations, the map M_k, tables, errors."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.positions.absolute import (
    LearnedPositions,
    SinusoidalPositions,
    shift_matrix,
    sinusoid_frequencies,
    sinusoids,
    token_positions,
)

B, N, MAX, DIM = 2, 3, 11, 6


def test_sinusoids_one_number_at_a_time():
    table = sinusoids(MAX, DIM)
    assert table.shape == (MAX, DIM)
    for p in range(MAX):
        for i in range(DIM // 2):
            angle = p / 10000 ** (2 * i / DIM)
            assert table[p, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[p, 2 * i + 1].item() == pytest.approx(
                math.cos(angle), abs=1e-12
            )
    wavelengths = 2 * math.pi / sinusoid_frequencies(512)
    assert wavelengths[0].item() == pytest.approx(2 * math.pi)
    # "from 2 pi to 10000 2 pi": the last pair is one step short of it.
    assert 9600 * 2 * math.pi < wavelengths[-1] < 10000 * 2 * math.pi


@pytest.mark.parametrize("dim", [2, DIM, 64])
def test_one_matrix_moves_every_position_by_k(dim):
    table = sinusoids(61, dim)
    for k in range(61):
        M = shift_matrix(k, dim)
        assert_close(table[: 61 - k] @ M.mT, table[k:], atol=1e-12, rtol=0)
    # It turns, and the other way is its transpose.
    assert_close(shift_matrix(-k, dim), M.mT)
    assert_close(M @ M.mT, torch.eye(dim).double())
    assert_close(shift_matrix(2, dim) @ shift_matrix(3, dim), shift_matrix(5, dim))


def test_product_of_two_positions_depends_on_their_distance():
    table = sinusoids(50, DIM)
    products = table @ table.mT
    for k in range(-49, 50):
        diagonal = products.diagonal(k)
        want = (k * sinusoid_frequencies(DIM)).cos().sum()
        assert_close(diagonal, want.expand_as(diagonal))


@pytest.mark.parametrize("kind", [SinusoidalPositions, LearnedPositions])
def test_rows_of_the_table_are_added(kind):
    layer, tokens = kind(MAX, DIM), torch.randn(B, N, DIM)
    table = layer.table
    assert table.shape == (MAX, DIM)
    for first in (0, 2, MAX - N):
        assert_close(
            layer(tokens, first) - tokens, table[first : first + N].expand(B, -1, -1)
        )
    assert layer(tokens[:, :0], MAX).shape == (B, 0, DIM)
    assert layer(tokens[:, :1], MAX - 1).shape == (B, 1, DIM)
    if kind is SinusoidalPositions:
        assert_close(table, sinusoids(MAX, DIM).float())
        assert not list(layer.parameters())
        assert not layer.state_dict()  # it can be computed
    else:
        layer(tokens, 2).sum().backward()
        assert (table.grad[2 : 2 + N] == B).all()
        assert table.grad.sum() == B * N * DIM


def test_learned_positions_start_small():
    table = LearnedPositions(500, 64).table
    assert table.std().item() == pytest.approx(1 / 8, rel=0.02)


def test_queries_stand_last():
    assert_close(token_positions(2, 5), (torch.tensor([3, 4]), torch.arange(5)))
    assert_close(token_positions(5, 5), (torch.arange(5), torch.arange(5)))
    assert [len(p) for p in token_positions(0, 0)] == [0, 0]


@pytest.mark.parametrize("kind", [SinusoidalPositions, LearnedPositions])
def test_tokens_beyond_the_table(kind, no_shape_checks):
    layer = kind(MAX, DIM)
    with pytest.raises(
        ValueError, match=r"positions from 0 to 10, got tokens from position 9 to 11"
    ):
        layer(torch.zeros(B, N, DIM), 9)
    with pytest.raises(ValueError, match=r"from position 0 to 11"):
        layer(torch.zeros(B, MAX + 1, DIM))
    with pytest.raises(ValueError, match=r"from position -1 to 1"):
        layer(torch.zeros(B, N, DIM), -1)
    with pytest.raises(ValueError, match=r"tokens must have shape.*6\), got \(2, 3, 5"):
        layer(torch.zeros(B, N, 5))
    with pytest.raises(ValueError, match=r"tokens must have shape.*got \(3, 6\)"):
        layer(torch.zeros(N, DIM))


def test_other_errors(no_shape_checks):
    for dim in (-2, 0, 1, 7):
        for make in (
            lambda dim=dim: sinusoids(3, dim),
            lambda dim=dim: shift_matrix(3, dim),
            lambda dim=dim: SinusoidalPositions(3, dim),
        ):
            with pytest.raises(ValueError, match=rf"embed_dim must be even.*got {dim}"):
                make()
    with pytest.raises(ValueError, match="num_positions must not be negative, got -1"):
        sinusoids(-1, DIM)
    for sizes in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match="must be at least 1, got"):
            LearnedPositions(*sizes)
    with pytest.raises(ValueError, match=r"of one sequence, got 5 queries and 4 keys"):
        token_positions(5, 4)


def test_compiles_to_one_graph(no_shape_checks):
    tokens = torch.randn(B, N, DIM)
    for layer in (SinusoidalPositions(MAX, DIM), LearnedPositions(MAX, DIM)):
        compiled = torch.compile(layer, backend="eager", fullgraph=True)
        assert_close(compiled(tokens, 2), layer(tokens, 2))


def test_the_smallest_tables():
    assert_close(LearnedPositions(1, 1).table.shape, (1, 1))
    assert sinusoids(0, 2).shape == (0, 2)
    assert sinusoid_frequencies(2).tolist() == [1.0]


@pytest.mark.parametrize("device", [None, "cpu", "meta"])
def test_frequencies_are_in_double_precision(device):
    frequencies = sinusoid_frequencies(4, device and torch.device(device))
    assert frequencies.dtype == torch.float64
    assert frequencies.device.type == (device or "cpu")


def test_frequencies_on_a_device_without_double_precision(monkeypatch, no_shape_checks):
    class Apple:
        type = "mps"

    asked = {}
    monkeypatch.setattr(torch, "arange", lambda *_, **kwargs: asked.update(kwargs) or 0)
    sinusoid_frequencies(4, Apple())
    assert asked["dtype"] == torch.float32

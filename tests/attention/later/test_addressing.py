"""NTMAddressing: the paper's equations, one location at a time."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.later.addressing import (
    NTMAddressing,
    sharpen,
    shift_weights,
    write_memory,
)

B, Q, K, DIM, V_DIM = 2, 3, 5, 7, 11


@pytest.fixture
def inputs():
    shapes = (B, Q, DIM), (B, K, DIM), (B, K, V_DIM)
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def test_equations_one_location_at_a_time(inputs):
    def dial():
        return torch.rand(B, Q, dtype=torch.float64)

    beta, gate, gamma = 5 * dial(), dial(), 1 + 3 * dial()
    shift = torch.rand(B, Q, 3).double().softmax(dim=-1)
    last = torch.rand(B, Q, K).double().softmax(dim=-1)
    options = {"scale": beta, "gate": gate, "shift": shift, "sharpening": gamma}
    context, weights = NTMAddressing()(*inputs, previous_weights=last, **options)
    query, key, value = inputs
    for b in range(B):
        for q in range(Q):
            k = query[b, q]
            cosine = [k @ row / (k.norm() * row.norm()) for row in key[b]]
            powers = [math.exp(beta[b, q] * c) for c in cosine]
            content = [power / sum(powers) for power in powers]
            g = gate[b, q]
            gated = [g * content[i] + (1 - g) * last[b, q, i] for i in range(K)]
            moved = [
                sum(
                    gated[j] * shift[b, q, 1 + s]
                    for j in range(K)
                    for s in (-1, 0, 1)
                    if (j + s) % K == i
                )
                for i in range(K)
            ]
            sharp = [float(w) ** float(gamma[b, q]) for w in moved]
            for i in range(K):
                assert_close(weights[b, q, i].item(), sharp[i] / sum(sharp))
            read = sum(weights[b, q, i] * value[b, i] for i in range(K))
            assert_close(context[b, q], read)


def test_a_shift_of_one_moves_forward_and_around_the_end():
    weights = torch.eye(4)[None]
    moved = shift_weights(weights, (0.0, 0.0, 1.0))
    assert_close(moved[0], torch.eye(4).roll(1, dims=1))
    wide = shift_weights(weights, (1.0, 0.0, 0.0, 0.0, 0.0))
    assert_close(wide[0], torch.eye(4).roll(-2, dims=1))
    with pytest.raises(ValueError, match="odd number of weights, got 2"):
        shift_weights(weights, (0.5, 0.5))


def test_sharpening_by_logarithms_is_sharpening_by_powers_without_underflow():
    weights = torch.rand(B, Q, K).double()
    powers = weights**7.0
    assert_close(sharpen(weights, 7.0), powers / powers.sum(dim=-1, keepdim=True))
    even = torch.full((1, 1, 128), 1 / 128)
    assert (even**22.0 == 0).all()  # in single precision
    assert_close(sharpen(even, 22.0), even)


def test_sharpening_repairs_what_shifts_blur():
    weights = torch.eye(64)[None, :1]
    blurred, sharp = weights, weights
    for _ in range(20):
        blurred = shift_weights(blurred, (0.1, 0.8, 0.1))
        sharp = sharpen(shift_weights(sharp, (0.1, 0.8, 0.1)), 2.0)
    assert_close(blurred.max().item(), 0.2, atol=0.005, rtol=0)
    assert_close(sharp.max().item(), 0.96, atol=0.005, rtol=0)


def test_without_previous_weights_the_content_decides(inputs):
    whole = NTMAddressing()(*inputs, scale=3.0, gate=0.0)
    assert_close(whole, NTMAddressing()(*inputs, scale=3.0))
    last = torch.rand(B, Q, K).double().softmax(dim=-1)
    _, kept = NTMAddressing()(*inputs, gate=0.0, previous_weights=last)
    assert_close(kept, last)


def test_no_weight_is_moved_to_a_blocked_location(inputs):
    mask = torch.tensor([True, True, False, True, True]).expand(B, 1, K)
    _, weights = NTMAddressing()(*inputs, mask, shift=(0.0, 0.2, 0.8))
    assert (weights[..., 2] == 0).all()
    assert_close(weights.sum(-1), torch.ones(B, Q).double())


def test_writing_one_location_and_head_at_a_time():
    memory, weights = torch.randn(B, K, DIM), torch.rand(B, 2, K)
    erase, add = torch.rand(B, 2, DIM), torch.randn(B, 2, DIM)
    before, written = memory.clone(), write_memory(memory, weights, erase, add)
    assert_close(memory, before)
    for b in range(B):
        for i in range(K):
            row = before[b, i]
            for h in range(2):
                row = row * (1 - weights[b, h, i] * erase[b, h])
            for h in range(2):
                row = row + weights[b, h, i] * add[b, h]
            assert_close(written[b, i], row)


def copies(length, num_locations=128, move=1.0, sharpening=1.0):
    """Write and read by hand-set dials; return the share of wrong bits."""
    heads, bits = NTMAddressing(), torch.randint(2, (length, 8)).float()
    memory = torch.full((1, num_locations, 9), 1e-6)
    ones = torch.ones(1, 1, 9)
    options = {
        "gate": 0.0,
        "shift": (0.0, 1 - move, move),
        "sharpening": sharpening,
    }
    weights = torch.eye(num_locations)[None, :1]
    start = torch.cat([torch.zeros(8), torch.ones(1)])  # the mark before the bits
    for vector in (start, *torch.cat([bits, torch.zeros(length, 1)], dim=1)):
        memory = write_memory(memory, weights, ones, vector[None, None])
        _, weights = heads(ones, memory, memory, previous_weights=weights, **options)
    _, weights = heads(start[None, None], memory, memory, scale=50.0)
    wrong = 0.0
    for vector in bits:
        read, weights = heads(ones, memory, memory, previous_weights=weights, **options)
        wrong += ((read[0, 0, :8] > 0.5) != (vector > 0.5)).float().mean().item()
    return wrong / length


def test_a_machine_set_by_hand_copies_what_fits_into_its_memory():
    assert copies(20) == copies(127) == 0
    assert copies(140) > 0.01  # the first vectors are overwritten
    assert copies(20, move=0.9) > 0.1
    assert copies(20, move=0.9, sharpening=2.0) == 0


def test_sizes_that_do_not_fit_are_errors(inputs, no_shape_checks):
    query, key, value = inputs
    with pytest.raises(ValueError, match="query and key must have shapes"):
        NTMAddressing()(query[..., 1:], key, value)
    with pytest.raises(ValueError, match="value must have shape"):
        NTMAddressing()(query, key, value[:, 1:])
    last = torch.rand(B, Q, K).double()
    with pytest.raises(ValueError, match=r"previous_weights .*\(2, 3, 5\), got \(1, 3"):
        NTMAddressing()(*inputs, previous_weights=last[:1])
    with pytest.raises(ValueError, match=r"shift must .*\(2, 3, 's.*, got \(2, 1, 5\)"):
        NTMAddressing()(*inputs, shift=last[:, :1])
    dials = {"scale": {}, "gate": {"previous_weights": last}, "sharpening": {}}
    for name, options in dials.items():
        message = rf"{name} must be a number or .* \(2, 3\), .*got \(3,\)"
        with pytest.raises(ValueError, match=message):
            NTMAddressing()(*inputs, **{name: last[0, :, 0]}, **options)


def test_dials_may_be_whole_numbers_and_learned(inputs, no_shape_checks):
    last = torch.rand(B, Q, K).double().softmax(dim=-1)
    whole = {"scale": 5, "gate": 1, "sharpening": 2}
    want = NTMAddressing()(*inputs, previous_weights=last, scale=5.0, sharpening=2.0)
    assert_close(NTMAddressing()(*inputs, previous_weights=last, **whole), want)
    learned = {name: torch.tensor(float(dial)) for name, dial in whole.items()}
    assert_close(NTMAddressing()(*inputs, previous_weights=last, **learned), want)

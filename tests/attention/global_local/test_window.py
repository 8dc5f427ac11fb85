"""Windows: which positions are in them, taken out and put back."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.global_local.window import (
    PredictedCentre,
    expand_mask,
    gather_window,
    gaussian,
    scatter_window,
    window_positions,
)

B, Q, K, DIM = 2, 3, 5, 7


def test_centre_one_query_at_a_time():
    centre = PredictedCentre(DIM).double()
    query, length = torch.randn(B, Q, DIM).double(), torch.tensor([[K], [4]])
    W_p, v_p = centre.hidden_proj.weight, centre.centre_proj.weight[0]
    found = centre(query, length)
    for b in range(B):
        for t in range(Q):
            logit = v_p @ torch.tanh(W_p @ query[b, t])
            assert_close(found[b, t], length[b, 0] / (1 + torch.exp(-logit)))


def test_centre_is_exact_enough_in_half_precision():
    centre = PredictedCentre(DIM).bfloat16()
    assert centre(
        torch.randn(B, Q, DIM).bfloat16(), torch.tensor([[K], [4]])
    ).dtype == (torch.float32)


@pytest.mark.parametrize("window", [1, 2, 9])
def test_positions_are_those_of_the_interval_within_the_sentence(window):
    centres = torch.tensor([[-3.0, 0.0, 0.4], [1.5, 3.9999, 4.0]]).double()
    positions, inside = window_positions(centres, window, K)
    assert positions.shape == inside.shape == (2, 3, 2 * window + 1)
    assert ((positions >= 0) & (positions < K)).all()
    for b in range(2):
        for t in range(3):
            p = centres[b, t].item()
            want = [s for s in range(K) if p - window <= s <= p + window]
            assert positions[b, t][inside[b, t]].tolist() == want


def test_gaussian_one_position_at_a_time():
    positions, centre = torch.tensor([[[0, 3, 4, 9]]]), torch.tensor([[3.25]]).double()
    factors = gaussian(positions, centre, 5)
    for s, factor in zip(positions[0, 0].tolist(), factors[0, 0], strict=True):
        assert factor.item() == pytest.approx(
            math.exp(-((s - 3.25) ** 2) / (2 * (5 / 2) ** 2))
        )


def test_taken_and_put_back():
    tokens = torch.randn(B, K, DIM).double().requires_grad_()
    positions, inside = window_positions(
        torch.tensor([[0.0, 2.5, 4.0], [1.0, 1.0, 3.2]]), 1, K
    )
    taken = gather_window(tokens, positions)
    weights = torch.rand(B, Q, 3).double() * inside
    rows = scatter_window(weights, positions, K)
    want = torch.zeros(B, Q, K).double()
    for b in range(B):
        for t in range(Q):
            for slot in range(3):
                assert_close(taken[b, t, slot], tokens[b, positions[b, t, slot]])
                want[b, t, positions[b, t, slot]] += weights[b, t, slot]
    assert_close(rows, want)
    # The rows are the same weights as a matrix: the same averages.
    assert_close(rows @ tokens, (weights[..., None, :] @ taken).squeeze(-2))
    assert torch.autograd.gradcheck(
        lambda x: gather_window(x, positions), tokens, fast_mode=True
    )


def test_masks_get_their_full_size_or_an_error(no_shape_checks):
    mask = torch.rand(B, 1, K) < 0.5
    assert torch.equal(expand_mask(mask, (B, Q, K)), mask.expand(B, Q, K))
    with pytest.raises(ValueError, match=r"scores \(2, 3, 5\).*got \(2, 5\)"):
        expand_mask(mask[:, 0], (B, Q, K))
    with pytest.raises(ValueError, match=r"scores \(2, 3, 5\).*got \(2, 1, 4\)"):
        expand_mask(mask[..., :4], (B, Q, K))
    with pytest.raises(TypeError, match=r"mask must be boolean.*got torch.float32"):
        expand_mask(mask.float(), (B, Q, K))

"""FeedForward and AddAndNorm: their equations."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.transformer.layers import (
    AddAndNorm,
    FeedForward,
    nonpad_indices,
)

B, N, DIM, HIDDEN = 2, 3, 7, 11


@pytest.fixture
def tokens():
    return torch.randn(B, N, DIM, dtype=torch.float64)


@pytest.fixture
def network():
    network = FeedForward(DIM, HIDDEN).double()
    for layer in network.hidden_proj, network.out_proj:
        torch.nn.init.normal_(layer.bias)  # they start at 0, where nothing is seen
    return network


def test_feed_forward_one_token_at_a_time(network, tokens):
    W_1, b_1 = network.hidden_proj.weight, network.hidden_proj.bias
    W_2, b_2 = network.out_proj.weight, network.out_proj.bias
    found = network(tokens)
    for b in range(B):
        for t in range(N):
            x = tokens[b, t]
            hidden = [max(0.0, (W_1[i] @ x + b_1[i]).item()) for i in range(HIDDEN)]
            for j in range(DIM):
                y = sum(W_2[j, i] * hidden[i] for i in range(HIDDEN)) + b_2[j]
                assert_close(found[b, t, j], y)


def test_real_places_are_where_the_mask_is_true():
    mask = token_mask(torch.tensor([2, 0, 3]), 3)
    assert nonpad_indices(mask, 5).tolist() == [0, 1, 6, 7, 8]
    assert nonpad_indices(mask[1:2], 0).shape == (0,)


@pytest.mark.parametrize("wrong", [4, 6])
def test_real_places_wants_the_number_of_them(wrong):
    mask = token_mask(torch.tensor([2, 0, 3]), 3)
    with pytest.raises(ValueError, match=f"5 real tokens, .* should be {wrong}"):
        nonpad_indices(mask, wrong)


def test_feed_forward_of_some_tokens(network, tokens):
    """The others come out as zeros; what is computed does not change."""
    mask = torch.tensor([[True, True, False], [True, False, False]])
    weights = torch.randn_like(tokens)
    calls = []
    network.register_forward_hook(lambda *_: calls.append("once"))
    found = network(tokens, nonpad_indices(mask, 3))
    assert calls == ["once"]
    wanted = network(tokens).masked_fill(~mask[..., None], 0.0)
    assert_close(found, wanted)
    leaves = [*network.parameters()]
    assert_close(
        torch.autograd.grad((found * weights).sum(), leaves),
        torch.autograd.grad((wanted * weights).sum(), leaves),
    )


def test_feed_forward_is_two_convolutions_of_width_one(network, tokens):
    first, second = network.hidden_proj, network.out_proj
    hidden = F.conv1d(tokens.mT, first.weight[..., None], first.bias).relu()
    found = F.conv1d(hidden, second.weight[..., None], second.bias).mT
    assert_close(network(tokens), found)


def around(tokens, **options):
    """What AddAndNorm makes of a sub-layer that takes the cube."""
    layer = AddAndNorm(DIM, **options).double()
    return layer.after(tokens, layer.before(tokens) ** 3)


def norm(x):
    return F.layer_norm(x, (DIM,))


def test_post_norm_pre_norm_and_what_can_be_left_out(tokens):
    x = tokens
    assert_close(around(x), norm(x + x**3))
    assert_close(around(x, pre_norm=True), x + norm(x) ** 3)
    assert_close(around(x, residual=False), norm(x**3))
    assert_close(around(x, residual=False, pre_norm=True), norm(x) ** 3)
    assert_close(around(x, norm="none"), x + x**3)
    flat = x.flatten(0, 1)
    batch_norm = F.batch_norm(flat + flat**3, None, None, training=True)
    assert_close(around(x, norm="batch"), batch_norm.view_as(x))


def test_dropout_is_on_what_was_found_and_not_on_the_input(tokens):
    found = around(tokens, dropout=0.5, norm="none") - tokens
    dropped = found.abs() < 1e-12
    assert 0 < dropped.sum() < dropped.numel()
    assert_close(found, (2 * tokens**3).masked_fill(dropped, 0.0))
    layer = AddAndNorm(DIM, dropout=0.5, norm="none").double().eval()
    assert_close(layer.after(tokens, tokens), 2 * tokens)


def test_an_unknown_norm_is_an_error():
    with pytest.raises(ValueError, match=r"norm must be one of .* got 'power'"):
        AddAndNorm(DIM, norm="power")

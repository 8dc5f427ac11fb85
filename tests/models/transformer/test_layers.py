"""The parts besides attention: their equations, one token at a time."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    ScaledEmbedding,
    TokenBatchNorm,
    apply_to_nonpad,
    layer_norm,
    make_norm,
    nonpad_indices,
)

B, N, DIM, HIDDEN = 2, 3, 7, 11


@pytest.fixture
def tokens():
    return torch.randn(B, N, DIM, dtype=torch.float64, requires_grad=True)


# ScaledEmbedding.


def test_rows_times_the_root_of_their_size():
    embedding = ScaledEmbedding(7, 9)
    ids = torch.tensor([[0, 6, 2], [5, 5, 1]])
    output = embedding(ids)
    for b in range(2):
        for t in range(3):
            assert_close(output[b, t], 3.0 * embedding.weight[ids[b, t]])


def test_numbers_start_at_about_one_and_rows_at_length_one():
    embedding = ScaledEmbedding(1000, 64)
    assert_close(embedding.weight.norm(dim=1).mean().item(), 1.0, atol=0.02, rtol=0)
    assert_close(embedding(torch.arange(1000)).std().item(), 1.0, atol=0.02, rtol=0)


@pytest.mark.parametrize("wrong", [7, -1])
def test_an_id_that_is_no_word_is_an_error(wrong):
    ids = torch.tensor([[3, wrong], [0, 2]])
    low, high = min(wrong, 0), max(wrong, 3)
    with pytest.raises(ValueError, match=f"from 0 to 6, .* from {low} to {high}"):
        ScaledEmbedding(7, 4)(ids)


def test_compiles_to_one_graph(no_shape_checks):
    embedding, ids = ScaledEmbedding(7, 4), torch.tensor([3, 1])
    compiled = torch.compile(embedding, backend="eager", fullgraph=True)
    assert_close(compiled(ids), embedding(ids))


# FeedForward, and the padding that it skips.


@pytest.fixture
def network():
    network = FeedForward(DIM, HIDDEN).double()
    for layer in network.hidden_proj, network.out_proj:
        torch.nn.init.normal_(layer.bias)  # they start at 0, where nothing is seen
    return network


def test_feed_forward_one_token_at_a_time(network, tokens):
    W_1, b_1 = network.hidden_proj.weight, network.hidden_proj.bias
    W_2, b_2 = network.out_proj.weight, network.out_proj.bias
    output = network(tokens)
    for b in range(B):
        for t in range(N):
            x = tokens[b, t]
            hidden = [max(0.0, (W_1[i] @ x + b_1[i]).item()) for i in range(HIDDEN)]
            for j in range(DIM):
                y = sum(W_2[j, i] * hidden[i] for i in range(HIDDEN)) + b_2[j]
                assert_close(output[b, t, j], y)


def test_feed_forward_starts_as_glorot_and_at_0():
    network = FeedForward(40, 60)
    bound = (6 / (40 + 60)) ** 0.5
    for layer in network.hidden_proj, network.out_proj:
        assert_close(layer.weight.abs().max().item(), bound, atol=0.01, rtol=0)
        assert (layer.bias == 0).all()


def test_nonpad_indices_are_where_the_mask_is_true():
    mask = token_mask(torch.tensor([2, 0, 3]), 3)
    assert nonpad_indices(mask, 5).tolist() == [0, 1, 6, 7, 8]
    assert nonpad_indices(mask[1:2], 0).shape == (0,)


@pytest.mark.parametrize("wrong", [4, 6])
def test_nonpad_indices_need_the_number_of_them(wrong):
    mask = token_mask(torch.tensor([2, 0, 3]), 3)
    with pytest.raises(ValueError, match=f"num_nonpad must be .* real, 5, got {wrong}"):
        nonpad_indices(mask, wrong)


def test_a_network_that_skips_padding(network, tokens):
    """The output is 0 at padding, and unchanged elsewhere."""
    mask = torch.tensor([[True, True, False], [True, False, False]])
    weights = torch.randn_like(tokens)
    calls = []
    hook = network.register_forward_hook(lambda _m, args, _o: calls.append(len(*args)))
    output = apply_to_nonpad(network, tokens, nonpad_indices(mask, 3))
    hook.remove()
    assert calls == [3]
    wanted = network(tokens).masked_fill(~mask[..., None], 0.0)
    assert_close(output, wanted)
    leaves = [tokens, *network.parameters()]
    assert_close(
        torch.autograd.grad((output * weights).sum(), leaves),
        torch.autograd.grad((wanted * weights).sum(), leaves),
    )


def test_without_indices_nothing_is_skipped(network, tokens):
    assert_close(apply_to_nonpad(network, tokens, None), network(tokens))


def test_another_activation(network, tokens):
    network.activation = F.gelu
    first, second = network.hidden_proj, network.out_proj
    hidden = tokens @ first.weight.mT + first.bias
    gelu = hidden * (1 + torch.erf(hidden / 2**0.5)) / 2
    assert_close(network(tokens), gelu @ second.weight.mT + second.bias)


def test_feed_forward_is_two_convolutions_of_width_one(network, tokens):
    first, second = network.hidden_proj, network.out_proj
    hidden = F.conv1d(tokens.mT, first.weight[..., None], first.bias).relu()
    output = F.conv1d(hidden, second.weight[..., None], second.bias).mT
    assert_close(network(tokens), output)


# Residual.


def wrap_cube(tokens, norm="layer", **options):
    """The output of the wrapper around a sub-layer that takes the cube."""
    wrapper = Residual(make_norm(norm, DIM), **options).double()
    return wrapper(tokens, lambda x: x**3)


def norm(x):
    return F.layer_norm(x, (DIM,))


def test_post_norm_pre_norm_and_what_can_be_left_out(tokens):
    x = tokens
    assert_close(wrap_cube(x), norm(x + x**3))
    assert_close(wrap_cube(x, pre_norm=True), x + norm(x) ** 3)
    assert_close(wrap_cube(x, residual=False), norm(x**3))
    assert_close(wrap_cube(x, residual=False, pre_norm=True), norm(x) ** 3)
    assert_close(wrap_cube(x, norm="none"), x + x**3)
    flat = x.flatten(0, 1)
    batch_norm = F.batch_norm(flat + flat**3, None, None, training=True)
    assert_close(wrap_cube(x, norm="batch"), batch_norm.view_as(x))


def test_any_norm_can_be_passed_in(tokens):
    wrapper = Residual(nn.RMSNorm(DIM, eps=0.3)).double()
    total = 2 * tokens
    root = (total.square().mean(-1, keepdim=True) + 0.3).sqrt()
    assert_close(wrapper(tokens, lambda x: x), total / root)


def test_dropout_is_on_the_output_of_the_sub_layer_alone(tokens):
    dropped_out = wrap_cube(tokens, dropout=0.5, norm="none") - tokens
    dropped = dropped_out.abs() < 1e-12
    assert 0 < dropped.sum() < dropped.numel()
    assert_close(dropped_out, (2 * tokens**3).masked_fill(dropped, 0.0))
    wrapper = Residual(nn.Identity(), dropout=0.5).eval()
    assert_close(wrapper(tokens, lambda x: x), 2 * tokens)


# Norms.


def test_layer_norm_one_token_at_a_time(tokens):
    gain, bias = torch.randn(2, DIM).double()
    output = layer_norm(tokens, gain, bias, epsilon=0.3)
    for b in range(B):
        for t in range(N):
            x = tokens[b, t].tolist()
            mean = sum(x) / DIM
            variance = sum((number - mean) ** 2 for number in x) / DIM
            for i in range(DIM):
                y = gain[i] * (x[i] - mean) / (variance + 0.3) ** 0.5 + bias[i]
                assert_close(output[b, t, i], y)


def test_layer_norm_equals_pytorchs_forward_and_gradients(tokens):
    theirs = nn.LayerNorm(DIM).double()
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    leaves = (tokens, theirs.weight, theirs.bias)
    ours = layer_norm(*leaves)
    assert_close(ours, theirs(tokens))
    weights = torch.randn_like(ours)
    assert_close(
        torch.autograd.grad((ours * weights).sum(), leaves),
        torch.autograd.grad((theirs(tokens) * weights).sum(), leaves),
    )


def test_layer_norm_of_equal_numbers_is_the_bias():
    x, bias = torch.full((DIM,), 5.0), torch.arange(float(DIM))
    assert_close(layer_norm(x, torch.ones(DIM), bias), bias)


def test_batch_norm_one_number_at_a_time(tokens):
    norm = TokenBatchNorm(DIM).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    output = norm(tokens)
    for i in range(DIM):
        x = tokens[..., i].flatten()
        mean = sum(x) / len(x)
        variance = sum((number - mean) ** 2 for number in x) / len(x)
        y = norm.weight[i] * (x - mean) / (variance + norm.eps).sqrt() + norm.bias[i]
        assert_close(output[..., i].flatten(), y)


def test_only_batch_norm_looks_at_other_tokens(tokens):
    batch_norm = TokenBatchNorm(DIM).double()

    def reach(norm):
        """Which tokens the first token of the first sentence depends on."""
        (gradient,) = torch.autograd.grad(norm(tokens)[0, 0, 0], tokens)
        return gradient.abs().sum(-1) > 1e-12

    alone = torch.zeros(B, N, dtype=torch.bool)
    alone[0, 0] = True
    assert torch.equal(reach(make_norm("layer", DIM).double()), alone)
    assert reach(batch_norm).all()
    assert torch.equal(reach(batch_norm.eval()), alone)


def test_an_unknown_norm_is_an_error():
    with pytest.raises(ValueError, match="one of layer, batch, none, got 'group'"):
        make_norm("group", DIM)

"""Layer norm as its equation and as PyTorch's; batch norm and whom it looks at."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.models.transformer.norm import (
    TokenBatchNorm,
    layer_norm,
    make_norm,
)

B, N, DIM = 2, 3, 7


@pytest.fixture
def tokens():
    return torch.randn(B, N, DIM, dtype=torch.float64, requires_grad=True)


def test_layer_norm_one_token_at_a_time(tokens):
    gain, bias = torch.randn(2, DIM).double()
    found = layer_norm(tokens, gain, bias, epsilon=0.3)
    for b in range(B):
        for t in range(N):
            x = tokens[b, t].tolist()
            mean = sum(x) / DIM
            variance = sum((number - mean) ** 2 for number in x) / DIM
            for i in range(DIM):
                y = gain[i] * (x[i] - mean) / (variance + 0.3) ** 0.5 + bias[i]
                assert_close(found[b, t, i], y)


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
    found = norm(tokens)
    for i in range(DIM):
        x = tokens[..., i].flatten()
        mean = sum(x) / len(x)
        variance = sum((number - mean) ** 2 for number in x) / len(x)
        y = norm.weight[i] * (x - mean) / (variance + norm.eps).sqrt() + norm.bias[i]
        assert_close(found[..., i].flatten(), y)


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

"""Gates on heads: what is left when one is removed, and their gradients."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.multi_head.head_gates import mask_heads
from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.observe import record_weights

B, H, N, HEAD = 2, 3, 5, 4


@pytest.fixture
def layer():
    layer = MultiHeadAttention(H * HEAD, H).double()
    nn.init.normal_(layer.out_proj.bias)
    return layer


@pytest.fixture
def x():
    return torch.randn(B, N, H * HEAD).double()


def test_heads_add_up(layer, x):
    """With W^O cut by heads, the context is a sum of one term a head and the bias."""
    terms = []
    for head in range(H):
        with mask_heads(layer, torch.eye(H)[head]):
            terms.append(layer(x, x, x)[0] - layer.out_proj.bias)
    assert_close(sum(terms) + layer.out_proj.bias, layer(x, x, x)[0])
    for need_weights in (False, True):
        with mask_heads(layer, torch.tensor([1.0, 0.0, 0.5])):
            got, _ = layer(x, x, x, need_weights=need_weights)
        assert_close(got, terms[0] + 0.5 * terms[2] + layer.out_proj.bias)


@torch.no_grad()
def test_heads_of_a_compiled_model_are_masked(layer, x, no_shape_checks):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = layer

        def forward(self, x):
            return self.attention(x, x, x)[0]

    for of_model in (True, False):  # the whole compiled, or the layer alone
        torch.compiler.reset()
        model = Model()
        if of_model:
            model = torch.compile(model, backend="eager")
        else:
            model.attention = torch.compile(layer, backend="eager")
        before = model(x)  # the compiled code knows of no gates
        with mask_heads(layer, torch.zeros(H)):
            assert_close(model(x), layer.out_proj.bias.expand(B, N, -1))
        assert_close(model(x), before)


def test_removing_a_head_is_setting_its_columns_to_0(layer, x):
    with mask_heads(layer, torch.tensor([1.0, 0.0, 1.0])):
        got, _ = layer(x, x, x)
    with torch.no_grad():
        layer.out_proj.weight[:, HEAD : 2 * HEAD] = 0
    assert_close(got, layer(x, x, x)[0])


def test_a_mean_stands_in_for_what_a_gate_takes_away(layer, x):
    means, gates = torch.randn(H, HEAD).double(), torch.tensor([1.0, 0.0, 0.5])
    queries, keys, values = layer.project_qkv(x)
    heads = (queries @ keys.mT / HEAD**0.5).softmax(dim=-1) @ values
    want = layer.out_proj.bias.expand(B, N, -1)
    for head in range(H):
        part = layer.out_proj.weight[:, HEAD * head : HEAD * (head + 1)]
        mixed = gates[head] * heads[:, head] + (1 - gates[head]) * means[head]
        want = want + mixed @ part.T
    with mask_heads(layer, gates, means=means):
        assert_close(layer(x, x, x)[0], want)


def test_blocks_end_nest_and_leave_the_weights(layer, x):
    model = nn.ModuleList([layer, MultiHeadAttention(H * HEAD, H).double()])
    want = [part(x, x, x, need_weights=True) for part in model]
    with (
        record_weights(model) as recorded,
        mask_heads(model[0], torch.zeros(H)),
        mask_heads(model[1], torch.ones(H)),
    ):
        got = [part(x, x, x)[0] for part in model]
    assert_close(got[0], layer.out_proj.bias.expand_as(got[0]))
    assert_close(got[1], want[1][0])
    assert_close(recorded["0"][0], want[0][1])
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        mask_heads(layer, torch.zeros(H)),
    ):
        raise RuntimeError("on purpose")
    assert_close(layer(x, x, x)[0], want[0][0])


def test_gradient_of_a_gate_is_the_cost_of_removing_its_head(layer, x):
    gates = torch.ones(H, dtype=torch.float64, requires_grad=True)
    with mask_heads(layer, gates):
        context, _ = layer(x, x, x)
    (gradient,) = torch.autograd.grad(context.sum(), gates)
    for head in range(H):
        with mask_heads(layer, 1 - torch.eye(H)[head]):
            without = layer(x, x, x)[0].sum()
        # The sum is linear in the gates, so the first order is all there is.
        assert_close(gradient[head], context.sum() - without)


def test_errors(layer, no_shape_checks):
    with (
        pytest.raises(ValueError, match=r"gates must have shape \(3,\).*got \(4,\)"),
        mask_heads(layer, torch.ones(4)),
    ):
        pass
    with (
        pytest.raises(
            ValueError, match=r"means must have shape \(3, 4\).*got \(3, 5\)"
        ),
        mask_heads(layer, torch.ones(3), means=torch.zeros(3, 5)),
    ):
        pass

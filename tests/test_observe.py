"""record_weights: it sees every layer, changes no result, and leaves nothing behind."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention import HardAttention, QuadraticAttention, SelfAttention
from attention_book.observe import record_weights

BATCH, TOKENS, DIM, HEADS = 2, 5, 6, 3


class Steps(nn.Module):
    """Two steps of one layer, as in a decoder's loop."""

    def __init__(self):
        super().__init__()
        self.attention = SelfAttention(DIM, DIM)

    def forward(self, x):
        for _ in range(2):
            x, weights = self.attention(x, x, x)
            assert weights is None or weights.shape == (BATCH, TOKENS, TOKENS)
        return x


def test_one_entry_a_call_and_the_result_unchanged():
    model, x = Steps(), torch.randn(BATCH, TOKENS, DIM, requires_grad=True)
    with record_weights(model) as weights:
        recorded = model(x)
    assert_close(recorded, model(x))
    assert [name for name in weights] == ["attention"]
    assert len(weights["attention"]) == 2
    want = model.attention(x, x, x, need_weights=True)[1].detach()
    assert_close(weights["attention"][0], want)
    assert not weights["attention"][0].requires_grad


def test_an_argument_passed_by_position_is_replaced():
    layer = nn.MultiheadAttention(DIM, HEADS, batch_first=True)
    x = torch.randn(BATCH, TOKENS, DIM)
    with record_weights(layer) as weights:
        layer(x, x, x, None, False)
    want = layer(x, x, x, average_attn_weights=False)[1]
    assert_close(weights[""][0], want.detach())


def test_layers_deep_inside_a_transformer_of_pytorch():
    block = nn.TransformerEncoderLayer(DIM, HEADS, 7, batch_first=True)
    model = nn.TransformerEncoder(
        block, num_layers=2, enable_nested_tensor=False
    ).eval()
    x = torch.randn(BATCH, TOKENS, DIM)
    with record_weights(model) as weights:
        recorded = model(x)
    assert_close(recorded, model(x))
    assert list(weights) == ["layers.0.self_attn", "layers.1.self_attn"]
    for calls in weights.values():
        (layer_weights,) = calls
        assert layer_weights.shape == (BATCH, HEADS, TOKENS, TOKENS)
        assert_close(layer_weights.sum(-1), torch.ones(BATCH, HEADS, TOKENS))


def test_hooks_are_gone_after_the_block_and_after_an_error():
    model, x = Steps(), torch.randn(BATCH, TOKENS, DIM)
    with (
        pytest.raises(RuntimeError, match="in the block"),
        record_weights(model) as weights,
    ):
        raise RuntimeError("in the block")
    model(x)
    assert weights["attention"] == []
    assert not model.attention._forward_hooks
    assert not model.attention._forward_pre_hooks


@pytest.mark.parametrize("compiled", [False, True])
def test_a_model_without_attention_is_an_error(compiled):
    model = nn.Linear(2, 3)
    with (
        pytest.raises(ValueError, match="no attention layer in Linear"),
        record_weights(torch.compile(model, backend="eager") if compiled else model),
    ):
        pass


def test_mechanisms_are_known_by_the_table_not_by_their_arguments():
    """Pixels have no query; the scorer inside hard attention is no layer of its own."""
    layer = QuadraticAttention(DIM, DIM, 1)
    with record_weights(layer) as weights:
        layer(torch.randn(BATCH, DIM, 2, 3))
    assert weights[""][0].shape == (BATCH, 1, 6, 6)
    hard, x = HardAttention(DIM, DIM, 7), torch.randn(BATCH, TOKENS, DIM)
    with record_weights(hard) as weights:
        want = hard(x, x, x).weights
    assert list(weights) == [""]
    assert_close(weights[""][0], want.detach())

    class Other(nn.Module):
        def forward(self, query):
            return query

    with pytest.raises(ValueError, match="no attention"), record_weights(Other()):
        pass


@torch.no_grad()
@pytest.mark.parametrize("inside", [False, True])
def test_a_compiled_model_is_recorded_and_stays_compiled(inside, no_shape_checks):
    model, x = Steps(), torch.randn(BATCH, TOKENS, DIM)
    want = model.attention(x, x, x, need_weights=True)[1]
    if inside:
        model.attention = torch.compile(model.attention, backend="eager")
    compiled = model if inside else torch.compile(model, backend="eager")
    before = compiled(x)  # compiled now, without hooks
    with record_weights(compiled) as weights:
        assert_close(compiled(x), before)
    assert list(weights) == ["attention"]
    assert len(weights["attention"]) == 2
    assert_close(weights["attention"][0], want)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert_close(compiled(x), before)

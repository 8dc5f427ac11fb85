"""record_weights: it sees every layer, changes no result, and leaves nothing behind."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.functional import attend
from attention_book.observe import record_weights

BATCH, TOKENS, DIM, HEADS = 2, 5, 6, 3


class Dot(nn.Module):
    """A layer in the package's form, which computes weights only if asked."""

    def forward(self, query, key, value, mask=None, need_weights=False):
        context, weights = attend(query @ key.mT, value, mask)
        return context, weights if need_weights else None


class Steps(nn.Module):
    """Two steps of one layer, as in a decoder's loop."""

    def __init__(self):
        super().__init__()
        self.attention = Dot()

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
    assert_close(weights["attention"][0], (x @ x.mT).softmax(-1).detach())
    assert not weights["attention"][0].requires_grad


def test_an_argument_passed_by_position_is_replaced():
    layer, x = Dot(), torch.randn(BATCH, TOKENS, DIM)
    mask = torch.ones(1, TOKENS, TOKENS, dtype=torch.bool).tril()
    with record_weights(layer) as weights:
        layer(x, x, x, mask, False)
    assert_close(weights[""][0], attend(x @ x.mT, x, mask)[1])


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


def test_a_model_without_attention_is_an_error():
    with (
        pytest.raises(ValueError, match="no attention layer in Linear"),
        record_weights(nn.Linear(2, 3)),
    ):
        pass

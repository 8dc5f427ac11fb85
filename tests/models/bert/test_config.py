"""BertConfig: published sizes, GELU, and what is refused."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.bert import (
    ACTIVATIONS,
    BERT_SIZES,
    Bert,
    BertClassifierConfig,
    BertConfig,
    BertPretraining,
)


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("size", "encoder", "with_heads"),
    [
        ("tiny", 4.39, 4.43),
        ("mini", 11.17, 11.27),
        ("small", 28.8, 29.1),
        ("medium", 41.4, 41.7),
        ("base", 109.5, 110.1),
        ("large", 335.1, 336.2),
    ],
)
def test_published_numbers_of_parameters(size, encoder, with_heads):
    config = BertConfig(vocab_size=30_522, **BERT_SIZES[size])
    assert config.hidden_dim == 4 * config.embed_dim
    with torch.device("meta"):
        assert_close(num_parameters(Bert(config)) / 1e6, encoder, rtol=0, atol=0.06)
        model = BertPretraining(config)
        assert_close(num_parameters(model) / 1e6, with_heads, rtol=0, atol=0.06)


def test_gelu_is_x_times_the_normal_distribution():
    x = torch.linspace(-5, 5, 101).double()
    exact = torch.stack([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x])
    assert_close(ACTIVATIONS["gelu"](x), exact)
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    by_tanh = ACTIVATIONS["gelu_tanh"](x)
    assert_close(by_tanh, x * (1 + inner.tanh()) / 2)
    assert 4e-4 < (by_tanh - exact).abs().max() < 5e-4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"max_positions": 0}, "max_positions must be at least 1, got 0"),
        ({"num_heads": 3}, r"embed_dim \(128\) must be divisible by num_heads \(3\)"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"attention_dropout": -0.1}, r"attention_dropout must be in \[0, 1\), got -0"),
        ({"activation": "relu"}, "activation must be one of gelu, gelu_tanh, got 'rel"),
        ({"norm_epsilon": 0.0}, "norm_epsilon must be positive, got 0.0"),
        ({"initial_std": 0.0}, "initial_std must be positive, got 0.0"),
        ({"embedding_std": 0.0}, "embedding_std must be positive, got 0.0"),
    ],
)
def test_wrong_settings(fields, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**{"vocab_size": 9} | fields)


def test_wrong_settings_of_a_classifier():
    bert = BertConfig(vocab_size=9)
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        BertClassifierConfig(bert=bert, num_classes=0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.5"):
        BertClassifierConfig(bert=bert, num_classes=2, dropout=1.5)

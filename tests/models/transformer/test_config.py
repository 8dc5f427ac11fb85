"""TransformerConfig: its defaults and its errors."""

import dataclasses

import pytest

from attention_book.models.transformer.config import SIZES, TransformerConfig

VOCABS = {"source_vocab": 11, "target_vocab": 13}


def test_the_defaults_are_the_tiny_sizes_and_the_paper_s_parts():
    config = TransformerConfig(**VOCABS)
    assert config == TransformerConfig(**VOCABS, **SIZES["tiny"])
    sizes = config.embed_dim, config.num_heads, config.hidden_dim, config.num_layers
    assert sizes == (64, 4, 256, 2)
    assert (config.dropout, config.label_smoothing) == (0.1, 0.1)
    assert (config.norm, config.pre_norm, config.residual) == ("layer", False, True)
    assert (config.positions, config.max_positions) == ("sinusoidal", 512)
    assert (config.share, config.causal) == ("target", True)


def test_the_small_model_for_multi30k():
    config = TransformerConfig(source_vocab=11, target_vocab=11, **SIZES["multi30k"])
    sizes = config.embed_dim, config.num_heads, config.hidden_dim, config.num_layers
    assert sizes == (128, 4, 256, 4)
    assert (config.dropout, config.share) == (0.3, "all")


def test_the_limits_themselves_are_allowed():
    limits = {"label_smoothing": 0.0, "dropout": 0.0, "max_positions": 1}
    TransformerConfig(**VOCABS, **limits, num_heads=1, num_layers=1)


@pytest.mark.parametrize("name", SIZES)
def test_every_preset_makes_a_config_and_can_be_changed(name):
    vocabs = {"source_vocab": 11, "target_vocab": 11}
    config = TransformerConfig(**vocabs, **SIZES[name])
    assert config.embed_dim % config.num_heads == 0
    assert dataclasses.replace(config, pre_norm=True).pre_norm


@pytest.mark.parametrize("vocab", ["source_vocab", "target_vocab"])
def test_the_vocabularies_have_no_default(vocab):
    with pytest.raises(TypeError, match=vocab):
        TransformerConfig(**{name: 5 for name in VOCABS if name != vocab})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_vocab": 0}, "source_vocab must be at least 1, got 0"),
        ({"target_vocab": -1}, "target_vocab must be at least 1, got -1"),
        ({"embed_dim": 0}, "embed_dim must be at least 1, got 0"),
        ({"num_heads": 0}, "num_heads must be at least 1, got 0"),
        ({"hidden_dim": 0}, "hidden_dim must be at least 1, got 0"),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\), got 1.0"),
        ({"label_smoothing": -0.1}, r"label_smoothing must be in \[0, 1\), got -0.1"),
        ({"max_positions": 0}, "max_positions must be at least 1, got 0"),
        ({"norm": "rms"}, "norm must be one of layer, batch, none, got 'rms'"),
        ({"num_heads": 3}, r"embed_dim \(64\) must be divisible by num_heads \(3\)"),
        ({"positions": "cosine"}, "positions must be one of sinus.*, got 'cosine'"),
        (
            {"positions": "rotary", "embed_dim": 12},
            "must be even with rotary .* got 12 / 4",
        ),
        ({"share": True}, "share must be one of none, target, all, got True"),
        ({"share": "all"}, "one vocabulary .* source_vocab 11 and target_vocab 13"),
        ({"share": "all", "source_vocab": 17}, "source_vocab 17 and target_vocab 13"),
    ],
)
def test_errors(changes, message, no_shape_checks):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**VOCABS | changes)

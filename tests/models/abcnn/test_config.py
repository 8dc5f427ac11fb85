"""The settings of ABCNN: what is refused."""

import dataclasses

import pytest

from attention_book.models.abcnn.config import VARIANTS, ABCNNConfig


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(variant):
    assert ABCNNConfig(embed_dim=3, variant=variant).variant == variant


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embed_dim": 0}, "embed_dim must be at least 1, got 0"),
        ({"num_filters": 0}, "num_filters must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"num_blocks": 0}, "num_blocks must be at least 1, got 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0"),
        ({"extra_features": -1}, "extra_features must not be negative, got -1"),
        ({"l2": -1.0}, r"l2 must not be negative, got -1.0"),
        ({"variant": "ABCNN-4"}, "one of BCNN, ABCNN-1, ABCNN-2, ABCNN-3, got 'ABC"),
        ({"map_values": "windows"}, '"positions" or "words", got \'windows\''),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ABCNNConfig(**{"embed_dim": 3, **settings})


def test_settings_of_the_paper_for_wikiqa():
    assert dataclasses.asdict(ABCNNConfig(embed_dim=300)) == {
        "embed_dim": 300,
        "variant": "BCNN",
        "num_filters": 50,
        "width": 4,
        "num_blocks": 1,
        "max_tokens": 40,
        "shared_maps": False,
        "map_values": "positions",
        "map_softmax": False,
        "extra_features": 0,
        "l2": 3e-4,
    }

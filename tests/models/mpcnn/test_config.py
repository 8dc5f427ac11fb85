"""The settings of MPCNN: how much is compared, and what is refused."""

import dataclasses

import pytest

from attention_book.models.mpcnn.config import LIGHT, MPCNNConfig


def test_features_of_the_paper():
    # 48 (2 + 300) + 6 300 + 120 (2 + 300)
    assert MPCNNConfig(embed_dim=300).num_features == 52_536


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (LIGHT, 2 * 300 + 16 * 302),
        ({"horizontal": False}, 52_536 - 6 * 300),
        ({"vertical": False}, 52_536 - 48 * 302),
        ({"num_dim_filters": 0}, 52_536 - 120 * 302),
        ({"whole_sentence": False}, 52_536 - 3 * 7 * 302),
        # Vectors of 600 numbers are no width beside 300 filters.
        ({"attention": True}, 6 * 300 + 27 * 302 + 3 * 602 + 120 * 602),
        ({"attention": True, "num_filters": 600}, 6 * 600 + 48 * 602 + 120 * 602),
        ({"comparison": "equal widths"}, 6 * 300 + 12 * 302 + 120 * 302),
        ({"comparison": "once"}, 2 + 12 * 300 + 120 * 300),
        ({"comparison": "once", **LIGHT, "attention": True}, 2 + 3 * 300 + 600),
        ({"comparison": "one vector"}, 302),
        ({"comparison": "one vector", "vector_dim": 7}, 9),
    ],
)
def test_features_without_a_part(settings, count):
    assert MPCNNConfig(embed_dim=300, **settings).num_features == count


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embed_dim": 0}, "embed_dim must be at least 1, got 0"),
        ({"num_filters": 0}, "num_filters must be at least 1, got 0"),
        ({"hidden_dim": 0}, "hidden_dim must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"num_dim_filters": -1}, "num_dim_filters must not be negative, got -1"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"poolings": ("max", "sum")}, "poolings must be some of max, min, mean, got"),
        ({"dim_poolings": ()}, "dim_poolings must be some of max, min, mean, got"),
        ({"widths": ()}, r"widths must be at least 1, got \(\)"),
        ({"widths": (0, 1)}, r"widths must be at least 1, got \(0, 1\)"),
        ({"grades": (5, 1)}, r"grades must be lowest and highest, got \(5, 1\)"),
        ({"comparison": "twice"}, "comparison must be one of all widths, equal wid"),
        ({"vector_dim": 0}, "vector_dim must be at least 1, got 0"),
        ({"l2": -1.0}, r"l2 must not be negative, got -1.0"),
        (
            {"horizontal": False, "vertical": False, "num_dim_filters": 0},
            "nothing is compared: set horizontal, vertical or num_dim_filters",
        ),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MPCNNConfig(**{"embed_dim": 3, **settings})


def test_settings_of_the_paper_for_sick():
    assert dataclasses.asdict(MPCNNConfig(embed_dim=300)) == {
        "embed_dim": 300,
        "num_filters": 300,
        "num_dim_filters": 20,
        "widths": (1, 2, 3),
        "poolings": ("max", "min", "mean"),
        "dim_poolings": ("max", "min"),
        "whole_sentence": True,
        "comparison": "all widths",
        "vector_dim": None,
        "horizontal": True,
        "vertical": True,
        "attention": False,
        "hidden_dim": 150,
        "grades": None,
        "num_classes": 2,
        "l2": 1e-4,
        "dropout": 0.0,
    }

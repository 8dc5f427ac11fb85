"""The settings of Show, Attend and Tell: wrong ones are errors."""

import dataclasses

import pytest

from attention_book.models.soft_hard.config import ShowAttendTellConfig


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden_dim": 0}, "hidden_dim must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"kind": "stochastic"}, "kind must be one of soft, hard.*'stochastic'"),
        ({"penalty": -1.0}, "penalty must not be negative, got -1.0"),
        ({"reward_scale": -0.1}, "reward_scale must not be negative, got -0.1"),
        ({"entropy_weight": float("nan")}, "entropy_weight must not be .* got nan"),
        ({"baseline": "mean"}, "baseline must be one of none, moving.* got 'mean'"),
        ({"reward_start": -1}, "reward_start must not be negative, got -1"),
        ({"num_draws": 0}, "num_draws must be at least 1, got 0"),
        ({"baseline": "other draws"}, "num_draws must be at least 2 .*, got 1"),
        ({"expected_p": 1.5}, r"expected_p must be in \[0, 1\], got 1.5"),
    ],
)
def test_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        ShowAttendTellConfig(target_vocab=9, **wrong)


def test_sizes_of_the_quick_runs_and_terms_of_the_authors():
    assert dataclasses.asdict(ShowAttendTellConfig(target_vocab=9)) == {
        "target_vocab": 9,
        "annotation_dim": 32,
        "embed_dim": 32,
        "hidden_dim": 64,
        "attention_dim": 32,
        "kind": "soft",
        "glance": True,
        "gate": True,
        "penalty": 1.0,
        "reward_scale": 0.1,
        "entropy_weight": 0.002,
        "expected_p": 0.5,
        "baseline": "moving average",
        "num_draws": 1,
        "reward_start": 0,
        "dropout": 0.0,
    }

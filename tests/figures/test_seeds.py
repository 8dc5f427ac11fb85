"""Rings, means and intervals stand where their numbers say."""

import pytest

from attention_book.figures.seeds import plot_seeds


def test_seeds_mean_and_interval():
    ax = plot_seeds(
        {"dot": [1.0, 2.0], "general": [4.0]},
        {"dot": (1.0, 2.0), "general": (4.0, 4.0)},
        xlabel="loss",
    )
    drawn = [list(line.get_xdata()) for line in ax.lines]
    assert drawn == [[1.0, 2.0], [1.0, 2.0], [1.5], [4.0], [4.0, 4.0], [4.0]]
    assert ax.get_xlabel() == "loss"


def test_baselines_are_lines_with_names():
    values, intervals = {"dot": [1.0]}, {"dot": (1.0, 1.0)}
    ax = plot_seeds(values, intervals, xlabel="r", baselines={"cosine": 0.3, "x": 0.7})
    assert [list(line.get_xdata()) for line in ax.lines[3:]] == [[0.3] * 2, [0.7] * 2]
    assert [text.get_text() for text in ax.get_legend().texts] == ["cosine", "x"]


def test_other_names_are_an_error():
    with pytest.raises(ValueError, match="must have the same names"):
        plot_seeds({"a": [1.0]}, {"b": (1.0, 1.0)}, xlabel="x")

"""Rings, means and intervals stand where their numbers say."""

import pytest

from attention_book.figures.seeds import plot_seed_dots, plot_seeds


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


def test_equal_values_pile_up():
    ax = plot_seed_dots(
        {"saved": [83.0, 83.1, 83.04, 82.0], "last": [81.0]},
        step=0.1,
        xlabel="%",
        reference=(83.0, 0.7),
        title="Cora",
    )
    line, dots, spread, mean, other, *_ = ax.lines
    assert list(line.get_xdata()) == [83.0, 83.0]
    assert dots.get_xdata().tolist() == pytest.approx([82.0, 83.0, 83.0, 83.1])
    assert dots.get_ydata().tolist() == [0, 0, 1, 0]
    assert mean.get_xdata()[0] == pytest.approx(82.785)
    low, high = spread.get_xdata()
    assert (high - low) / 2 == pytest.approx(0.5249, abs=1e-3)
    assert other.get_ydata()[0] < -1.5, "the next row stands below"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["saved", "last"]
    assert ax.get_title() == "Cora"
    assert len(ax.patches) == 1, "the band"


def test_a_name_without_values_is_an_error():
    with pytest.raises(ValueError, match="got none for b"):
        plot_seed_dots({"a": [1.0], "b": []}, step=0.1, xlabel="x")

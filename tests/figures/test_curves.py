"""Curves show what they are given, where they are told to, and nothing else."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from attention_book.evaluation.intervals import BinScore
from attention_book.figures.curves import plot_by_length, plot_curves

LABELS = {"xlabel": "source words", "ylabel": "exact match"}


@pytest.fixture(autouse=True)
def book_style():
    with plt.style.context("attention_book.figures.book"):
        yield
    plt.close("all")


def test_lines_bands_and_labels():
    _, ax = plt.subplots()
    curves = {"a": [0.1, 0.2, 0.3], "b": [0.4, 0.5, 0.6]}
    bands = {"b": [(0.3, 0.5), (0.4, 0.6), (0.5, 0.7)]}
    assert plot_curves([1, 2, 4], curves, intervals=bands, ax=ax, **LABELS) is ax
    assert [line.get_ydata().tolist() for line in ax.lines] == list(curves.values())
    (band,) = ax.collections
    assert np.allclose(band.get_paths()[0].get_extents().intervaly, (0.3, 0.7))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("source words", "exact match")


def test_lines_differ_without_their_colour():
    ax = plot_curves([1, 2], {str(i): [i, i] for i in range(6)}, **LABELS)
    assert len({line.get_marker() for line in ax.lines}) == 6
    assert len({line.get_color() for line in ax.lines}) == 6


def test_one_line_needs_no_legend_and_many_points_no_markers():
    ax = plot_curves(range(50), {"loss": range(50)}, **LABELS)
    assert ax.get_legend() is None
    assert ax.lines[0].get_marker() == ""


def test_global_settings_stay():
    before = dict(plt.rcParams)
    plot_curves([1], {"a": [1]}, **LABELS)
    assert dict(plt.rcParams) == before


def test_lines_that_do_not_fit_are_errors():
    with pytest.raises(
        ValueError, match=r"curves\['a'\] must have shape \(2,\) to fit x, got \(3,\)"
    ):
        plot_curves([1, 2], {"a": [1, 2, 3]}, **LABELS)
    with pytest.raises(ValueError, match=r"intervals\['a'\] must have shape \(1, 2\)"):
        plot_curves([1], {"a": [1]}, intervals={"a": []}, **LABELS)
    with pytest.raises(ValueError, match=r"names that curves has not: \['b'\]"):
        plot_curves([1], {"a": [1]}, intervals={"b": [(0, 1)]}, **LABELS)


def test_bins_stand_in_the_middle_of_their_lengths():
    bins = [BinScore(1, 3, 7, 0.5, (0.25, 0.75)), BinScore(4, 9, 5, 0.25, (0.0, 0.5))]
    _, ax = plt.subplots()
    assert plot_by_length({"a": bins}, ylabel="exact match", ax=ax) is ax
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [2.0, 6.5]
    assert line.get_ydata().tolist() == [0.5, 0.25]
    (band,) = ax.collections
    assert np.allclose(band.get_paths()[0].get_extents().intervaly, (0.0, 0.75))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("source words", "exact match")
    assert ax.get_ylim() == (0, 1.03)


def test_bins_without_a_line_are_an_error():
    with pytest.raises(ValueError, match="by_length must hold at least one line"):
        plot_by_length({}, ylabel="exact match")

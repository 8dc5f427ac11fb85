"""Tables, buckets and curves stand where their numbers say."""

import matplotlib.pyplot as plt
import pytest
import torch
from numpy.testing import assert_allclose

from attention_book.attention.positions.absolute import sinusoids
from attention_book.figures.positions import (
    plot_buckets,
    plot_entries,
    plot_lengths,
    plot_table,
)


def test_entries_name_all_ways_in():
    _, ax = plt.subplots()
    assert plot_entries(ax=ax) is ax
    text = " ".join(label.get_text() for label in ax.texts)
    for name in ("sinusoidal", "learned", "rotary", "T5", "ALiBi", "relative"):
        assert name in text


def test_table_has_a_column_for_each_position():
    table = sinusoids(7, 4)
    ax = plot_table(table)
    (image,) = ax.images
    assert_allclose(image.get_array(), table.T, atol=1e-6)
    assert image.get_clim() == (-1, 1)


def test_buckets_are_steps_around_their_distances():
    ax = plot_buckets(torch.tensor([-1, 0, 1, 2]), torch.tensor([1, 0, 5, 6]))
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [-1, 0, 1, 2]
    assert line.get_ydata().tolist() == [1, 0, 5, 6]
    assert line.get_drawstyle() == "steps-mid"


def test_lengths_shade_what_was_trained_and_draw_the_plain_line_grey():
    curves = {"none": [0.3, 0.2, 0.1], "rotary": [1.0, 0.9, 0.4]}
    bands = {name: [(y - 0.1, y + 0.1) for y in line] for name, line in curves.items()}
    ax = plot_lengths([4, 6, 8], curves, bands, (4, 6))
    rotary, none = ax.lines
    assert list(rotary.get_ydata()) == curves["rotary"]
    assert list(none.get_ydata()) == curves["none"]
    assert none.get_color() == "0.45"
    span = ax.patches[0]
    assert (span.get_x(), span.get_width()) == (3.5, 3.0)
    assert len(ax.collections) == 1  # a band for the one, none for the grey line
    assert ax.get_legend() is None


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"must have 'none', got \['rotary'\]"):
        plot_lengths([4], {"rotary": [1.0]}, {}, (4, 4))

"""Tables, buckets and curves stand where their numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from attention_book.attention.positions.absolute import sinusoid_frequencies, sinusoids
from attention_book.figures.positions import (
    plot_biases,
    plot_buckets,
    plot_decay,
    plot_dials,
    plot_entries,
    plot_length_panels,
    plot_lengths,
    plot_losses,
    plot_reversals,
    plot_rotation,
    plot_score_maps,
    plot_sinusoids,
    plot_table,
)


def test_entries_name_all_ways_in():
    _, ax = plt.subplots()
    assert plot_entries(ax=ax) is ax
    text = " ".join(label.get_text() for label in ax.texts)
    for name in "sinusoidal", "learned", "rotary", "T5", "ALiBi", "relative", "mask":
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


def test_sinusoids_are_drawn_as_waves_table_and_products():
    table, longer = sinusoids(20, 12), sinusoids(200, 12)
    waves, shades, products, _ = plot_sinusoids(
        sinusoid_frequencies(12), table, longer
    ).axes
    smooth, dots = waves.lines[1], waves.lines[4]
    assert len(smooth.get_xdata()) == 400, "no zigzag between positions"
    frequency = float(sinusoid_frequencies(12)[2])
    assert_allclose(smooth.get_ydata(), np.sin(frequency * smooth.get_xdata()))
    assert_allclose(dots.get_ydata(), table[:, 4])
    assert shades.images
    middle = products.lines[2]
    assert middle.get_label() == "position 160"
    wanted = [float(longer[160 + k] @ longer[160]) / 6 for k in range(-30, 31)]
    assert_allclose(middle.get_ydata(), wanted)


def test_biases_name_their_slopes():
    near, far = torch.arange(-3, 4), torch.arange(-5, 6)
    slopes = torch.tensor([0.25, 0.0625])
    bias = -slopes[:, None] * near.abs()
    upper, lower = plot_biases(near, bias, far, far.abs()).axes
    assert [line.get_label() for line in upper.lines[:2]] == ["slope 1/4", "slope 1/16"]
    assert_allclose(upper.lines[0].get_ydata(), bias[0])
    assert lower.lines[0].get_ydata().tolist() == far.abs().tolist()


def test_length_panels_draw_means_and_extremes():
    rows = np.array([[0.2, 0.3, 0.4], [0.6, 0.5, 0.8]])
    shares = {task: {"none": rows / 2, "rotary": rows} for task in ("late", "sort")}
    figure = plot_length_panels([4, 6, 8], shares, (4, 6))
    late, sort = figure.axes
    assert (late.get_title("left"), sort.get_title("left")) == ("late", "sort")
    assert_allclose(sort.lines[0].get_ydata(), [0.4, 0.4, 0.6])
    band = sort.collections[0].get_paths()[0].vertices
    assert_allclose((band[:, 1].min(), band[:, 1].max()), (0.2, 0.8))
    assert late.get_xlabel() == ""
    assert len(figure.legends) == 1


def test_reversals_mark_the_answers():
    upper, lower = plot_reversals([torch.eye(5), torch.eye(6)], ["375", "9014"]).axes
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("3 digits", "4 digits")
    labels = [label.get_text() for label in upper.get_yticklabels()]
    assert labels == ["[", "3", "7", "5", "]"]
    assert len(upper.patches) == 3, "one answer for each digit"


def test_hands_of_dials_point_to_sine_and_cosine():
    ax = plot_dials(sinusoids(3, 6), [0, 2])
    assert len(ax.patches) == len(ax.lines) == 6
    for number, line in enumerate(ax.lines):
        row, p = divmod(number, 3)
        x, y = line.get_xdata(), line.get_ydata()
        assert (x[0], y[0]) == (p, row)
        angle = p * float(sinusoid_frequencies(6)[2 * row])
        tip = (x[1] - p) / 0.36, (row - y[1]) / 0.36
        assert_allclose(tip, (np.sin(angle), np.cos(angle)), atol=1e-6)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["pair 0", "pair 2"]


def test_rotation_keeps_the_product():
    query, key = [2, 1], [1, 0.5]
    first, second, other = plot_rotation(query, key, 0.5, [(1, 3), (4, 6), (0, 0)]).axes
    assert first.get_title() == second.get_title() != other.get_title()
    assert other.get_title() == "dot product 2.50"
    tip = first.texts[1].xy  # the dotted arrow comes first
    assert_allclose(tip, (2 * np.cos(0.5) - np.sin(0.5), 2 * np.sin(0.5) + np.cos(0.5)))


def test_decay_has_a_panel_for_equal_and_one_for_other_vectors():
    at = torch.arange(3)
    equal, other = {"d = 4": torch.tensor([1.0, 0.5, 0.2])}, {"1": at / 2, "2": -at / 2}
    upper, lower = plot_decay(at, equal, other).axes
    assert_allclose(upper.lines[0].get_ydata(), equal["d = 4"])
    assert_allclose(lower.lines[1].get_ydata(), other["2"])


def test_losses_are_means_over_models_and_steps():
    rows = np.stack([np.arange(6.0), np.arange(6.0) + 2])
    ax = plot_losses({"none": rows, "rotary": 2 * rows}, window=3)
    rotary, none = ax.lines
    assert none.get_color() == "0.45"
    assert_allclose(none.get_xdata(), [3, 4, 5, 6])
    assert_allclose(none.get_ydata(), [2, 3, 4, 5])
    assert_allclose(rotary.get_ydata(), [4, 6, 8, 10])
    assert len(ax.get_legend().get_texts()) == 2


def test_score_maps_have_scales_of_their_own_and_blocked_keys_none():
    blocked = torch.tensor([[0.0, -torch.inf], [-2.0, 0.0]])
    maps = {"none": torch.zeros(2, 2), "a": torch.eye(2) * 5, "b": blocked}
    axes = plot_score_maps(maps).axes
    assert [ax.get_title() for ax in axes] == list(maps)
    images = [ax.images[0] for ax in axes]
    assert [image.get_clim() for image in images] == [(-1, 1), (-5, 5), (-2, 2)]
    assert images[2].get_array().mask.tolist() == [[False, True], [False, False]]


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"must have 'none', got \['rotary'\]"):
        plot_lengths([4], {"rotary": [1.0]}, {}, (4, 4))

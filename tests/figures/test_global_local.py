"""Windows, centres and seeds stand where their numbers say."""

import matplotlib.pyplot as plt
import pytest
import torch
from scipy.stats import norm

from attention_book.figures.global_local import (
    Panel,
    plot_centre_paths,
    plot_centres,
    plot_decoder_step,
    plot_kinds,
    plot_panels,
    plot_window,
)


def test_bars_window_centre_and_curve():
    _, ax = plt.subplots()
    weights = torch.tensor([0.0, 0.2, 0.5, 0.1, 0.0])
    drawn = plot_window(weights, list("abcde"), centre=2.3, window=2, curve=True, ax=ax)
    assert drawn is ax
    span, *bars = ax.patches
    assert span.get_x() == pytest.approx(0.3)
    assert span.get_width() == pytest.approx(4)
    assert [bar.get_height() for bar in bars] == pytest.approx(weights.tolist())
    centre, curve = ax.lines
    assert centre.get_xdata()[0] == 2.3
    x, y = curve.get_xdata(), curve.get_ydata()
    assert x[y.argmax()] == pytest.approx(2.3)
    assert y.max() == pytest.approx(1)
    # A Gaussian, whose standard deviation is half the window: two of them to its edge.
    assert y[0] == pytest.approx(norm.pdf(2) / norm.pdf(0))
    assert y[0] == pytest.approx(y[-1])


def test_without_a_window_only_bars():
    ax = plot_window(torch.tensor([0.4, 0.6]), ["a", "b"])
    assert len(ax.patches) == 2
    assert not ax.lines


def test_centres_lie_on_their_rows_and_in_their_columns():
    weights, centres = torch.rand(4, 4), torch.tensor([0.0, 3.25, 1.0, 3.75])
    ax = plot_centres(weights, list("wxyz"), list("abcd"), centres, 2)
    dots, beyond = ax.lines
    assert dots.get_xdata().tolist() == [0.0, 3.25, 1.0]
    assert dots.get_ydata().tolist() == [0, 1, 2]
    assert beyond.get_ydata().tolist() == [3]  # behind the last word: at the edge
    assert 3 < beyond.get_xdata()[0] < 3.5
    (windows,) = ax.collections
    assert [s[:, 0].tolist() for s in windows.get_segments()] == [
        [-0.5, 2.0],
        [1.25, 3.5],
        [-0.5, 3.0],
        [1.75, 3.5],
    ]
    assert ax.get_xlim() == (-0.5, 3.5)  # the columns of every heat map


def test_panels_share_their_columns():
    weights, p = torch.rand(2, 3), torch.tensor([0.0, 1.5])
    panels = {"global": Panel(weights), "local": Panel(weights, p, 1)}
    axes = plot_panels(panels, list("xy"), list("abc"), alignment=[(0, 0)])
    assert [ax.get_ylabel() for ax in axes] == ["global", "local"]
    assert axes[0].get_xlim() == axes[1].get_xlim() == (-0.5, 2.5)
    axes[0].figure.draw_without_rendering()
    left, right = zip(*(ax.get_position().intervalx for ax in axes), strict=True)
    assert left[0] == pytest.approx(left[1])
    assert right[0] == pytest.approx(right[1])
    with pytest.raises(ValueError, match="local: give centres and window"):
        plot_panels({"local": Panel(weights, p)}, list("xy"), list("abc"))


def test_paths_end_at_rings():
    paths, truth = {"eins": [1.0, 0.25], "zwei": [1.0, 1.5]}, {"eins": 0, "zwei": 2}
    ax = plot_centre_paths([0, 8], paths, list("abc"), truth=truth, xlabel="steps")
    lines = [line for line in ax.lines if line.get_marker() != "o"]
    rings = [line for line in ax.lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in lines] == list(paths.values())
    assert [ring.get_ydata()[0] for ring in rings] == [0, 2]
    assert all(ring.get_xdata()[0] > 8 for ring in rings)
    colours = [[line.get_color() for line in part] for part in (lines, rings)]
    assert colours[0] == colours[1]
    assert ax.get_xlabel() == "steps"


def test_the_two_decoders_differ_in_the_query():
    written = [text.get_text() for text in plot_decoder_step().texts]
    assert {"Bahdanau", "Luong", "input feeding", "$s_{i-1}$"} <= {*written}


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match="2 weights and 1 keys"):
        plot_window(torch.ones(2), ["a"])
    with pytest.raises(ValueError, match=r"centre and window or none.*1.0 and None"):
        plot_window(torch.ones(1), ["a"], centre=1.0)
    with pytest.raises(ValueError, match="2 centres and 1 queries"):
        plot_centres(torch.ones(1, 1), ["x"], ["a"], torch.ones(2), 1)
    options = {"truth": {"x": 0}, "xlabel": "steps"}
    with pytest.raises(ValueError, match="the same words"):
        plot_centre_paths([0], {"y": [0.0]}, ["a"], **options)
    with pytest.raises(ValueError, match=r"must have 1 points: \[.x.\]"):
        plot_centre_paths([0], {"x": [0.0, 1.0]}, ["a"], **options)


def test_kinds_stand_below_each_other():
    rows = {"global": torch.tensor([0.2, 0.8]), "local": torch.tensor([0.0, 1.0])}
    axes = plot_kinds(rows, ["a", "b"], centres={"local": 1.5}, window=1)
    assert [ax.get_title(loc="left") for ax in axes] == ["global", "local"]
    heights = [[round(bar.get_height(), 6) for bar in ax.patches[-2:]] for ax in axes]
    assert heights == [[0.2, 0.8], [0.0, 1.0]]
    assert [len(ax.lines) for ax in axes] == [0, 1]  # the centre
    curved = plot_kinds(
        rows, ["a", "b"], centres={"local": 1.5}, window=1, curves=["local"]
    )
    assert len(curved[1].lines) == 2

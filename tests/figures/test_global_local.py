"""Windows, centres and seeds stand where their numbers say."""

import matplotlib.pyplot as plt
import pytest
import torch
from scipy.stats import norm

from attention_book.figures.global_local import plot_centres, plot_kinds, plot_window


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


def test_centres_lie_on_their_rows():
    weights, centres = torch.rand(3, 4), torch.tensor([0.0, 3.5, 1.0])
    ax = plot_centres(weights, list("xyz"), list("abcd"), centres, 2)
    assert ax.lines[0].get_xdata().tolist() == centres.tolist()
    assert list(ax.lines[0].get_ydata()) == [0, 1, 2]
    (windows,) = ax.collections
    assert [s[:, 0].tolist() for s in windows.get_segments()] == [
        [-2.0, 2.0],
        [1.5, 5.5],
        [-1.0, 3.0],
    ]
    assert ax.get_xlim() == pytest.approx((-0.5, 3.7))  # all centres are in sight


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match="2 weights and 1 keys"):
        plot_window(torch.ones(2), ["a"])
    with pytest.raises(ValueError, match=r"centre and window or none.*1.0 and None"):
        plot_window(torch.ones(1), ["a"], centre=1.0)
    with pytest.raises(ValueError, match="2 centres and 1 queries"):
        plot_centres(torch.ones(1, 1), ["x"], ["a"], torch.ones(2), 1)


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

"""A block of ABCNN has as many columns as the paper says; scores have their labels."""

from collections import Counter

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex
from torch.testing import assert_close

from attention_book.figures.abcnn import (
    plot_block,
    plot_match_scores,
    plot_training,
    window_labels,
)

FIRST, SECOND = ["sort", "it"], ["put", "all", "in", "order"]


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_one_window_for_each_position_of_the_wide_convolution(width):
    labels = window_labels(SECOND, width)
    assert len(labels) == len(SECOND) + width - 1
    # Each word is seen by as many windows as the filter is wide.
    seen = Counter(word for label in labels for word in label.split())
    assert seen == dict.fromkeys(SECOND, width)
    assert labels[0] == "put"
    assert labels[-1] == "order"


def test_windows_by_hand():
    assert window_labels(SECOND, 3) == [
        "put", "put all", "put all in", "all in order", "in order", "order",
    ]  # fmt: skip


def test_scores_of_words_above_those_of_windows():
    before, after = torch.rand(2, 4), torch.rand(4, 6)
    axes = plot_match_scores(before, after, FIRST, SECOND, 3)
    for ax, scores in zip(axes, (before, after), strict=True):
        (image,) = ax.images
        assert_close(torch.from_numpy(image.get_array().data), scores)
        assert image.get_clim() == (0, 1)
        ticks = ax.get_yticklabels(), ax.get_xticklabels()
        assert tuple(map(len, ticks)) == scores.shape
    assert [text.get_text() for text in axes[0].get_xticklabels()] == SECOND
    assert [text.get_text() for text in axes[1].get_yticklabels()] == window_labels(
        FIRST, 3
    )


def test_scores_can_be_drawn_where_one_likes():
    _, axes = plt.subplots(1, 2)
    drawn = plot_match_scores(
        torch.eye(2), torch.eye(2), FIRST, FIRST, 1, axes=list(axes)
    )
    assert drawn == list(axes)


def test_block_has_the_papers_columns():
    width, sizes = 3, (len(FIRST), len(SECOND))
    _, ax = plt.subplots()
    assert plot_block(FIRST, SECOND, width=width, ax=ax) is ax
    found = Counter(to_hex(patch.get_edgecolor()) for patch in ax.patches)
    words, positions = sum(sizes), sum(n + width - 1 for n in sizes)
    assert found["#56b4e9"] == words + positions
    # Before the convolution: one map for each word, A of words with words, and in each
    # W a column for each position of the other sentence.
    assert found["#d55e00"] == 2 * words + sizes[0] * sizes[1]
    # After it: w-ap for each word, all-ap for each sentence, A of windows with windows.
    grid = (sizes[0] + width - 1) * (sizes[1] + width - 1)
    assert found["#009e73"] == words + 2 + grid
    texts = [text.get_text() for text in ax.texts]
    assert set(FIRST + SECOND) <= set(texts)
    assert {"$W_0$", "$W_1$"} <= set(texts)
    assert texts.count("all-ap") == texts.count("w-ap") == 2


def test_errors():
    with pytest.raises(ValueError, match="at least 1, got 0 and 2"):
        window_labels([], 2)
    with pytest.raises(ValueError, match="at least 1, got 2 and 0"):
        window_labels(FIRST, 0)
    with pytest.raises(ValueError, match="both sentences must have a word"):
        plot_block([], SECOND)
    with pytest.raises(ValueError, match=r"weights must have shape \(4, 6\)"):
        plot_match_scores(torch.eye(2, 4), torch.eye(4, 5), FIRST, SECOND, 3)


def test_the_scale_is_one_of_match_scores():
    axes = plot_match_scores(torch.eye(2), torch.eye(3), FIRST, FIRST, 2)
    bars = [ax.get_ylabel() for ax in axes[0].figure.axes if ax not in axes]
    assert bars == ["match score"] * 2


def test_training_has_dev_above_test_and_a_column_for_each_group():
    runs = [
        {"dev": [0.5, 0.75, 0.75], "test": [0.25, 0.5, 0.5]},
        {"dev": [0.25, 0.5, 0.75], "test": [0.5, 0.5, 0.75]},
    ]
    groups = {"one block": {"BCNN": runs, "ABCNN-1": []}, "two blocks": {"BCNN": runs}}
    axes = plot_training(groups, per_epoch=2)
    assert axes.shape == (2, 2)
    assert [ax.get_title() for ax in axes[0]] == ["one block", "two blocks"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["dev MAP", "test MAP"]
    for column in range(2):
        (line,) = axes[0, column].lines
        assert line.get_xdata().tolist() == [0.5, 1, 1.5]
        assert line.get_ydata().tolist() == [0.375, 0.625, 0.75]
    (band,) = axes[1, 0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.25, 0.75)


def test_training_without_a_run_is_an_error():
    with pytest.raises(ValueError, match="curves must hold at least one run"):
        plot_training({"one block": {"BCNN": []}})

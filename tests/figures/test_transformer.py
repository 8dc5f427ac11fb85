"""The chapter's figures: the model, the mask, and lines as wide as their weights."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.transformer import (
    plot_mask,
    plot_model,
    plot_step,
    plot_way,
)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def arrows(ax):
    """Foot and head of each arrow."""
    found = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    return [(arrow.get_position(), arrow.xy) for arrow in found]


def test_model_has_all_its_parts_from_below():
    _, ax = plt.subplots()
    assert plot_model(6, ax=ax) is ax
    found = texts(ax)
    assert found.count("add and normalise") == 2 + 3
    assert found.count("feed-forward network") == 2
    assert found.count("6 layers") == 2
    # Two self-attentions make queries, keys and values of their own tokens; of the
    # cross-attention's, keys and values come from the encoder.
    assert [found.count(letter) for letter in "QKV"] == [3, 3, 3]
    height = {text.get_text(): text.get_position()[1] for text in ax.texts}
    order = ["<bos> and target words", "masked self-attention", "cross-attention"]
    order += ["embedding, transposed", "softmax", "target words and <eos>"]
    assert sorted(order, key=height.__getitem__) == order


def test_a_residual_connection_begins_at_the_input_of_its_sub_layer():
    _, ax = plt.subplots()
    plot_model(ax=ax)
    dots = {
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in ax.lines
        if line.get_marker() == "o"
    }
    around = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert len(dots) == len(around) == 2 + 3
    starts = {(line.get_xdata()[0], line.get_ydata()[0]) for line in around}
    assert starts == dots
    ends = {(line.get_xdata()[-1], line.get_ydata()[-1]) for line in around}
    assert ends <= {foot for foot, _ in arrows(ax)}
    # What goes into a sub-layer begins there, too.
    assert dots <= {foot for foot, _ in arrows(ax)}


def test_mask_is_a_triangle_and_the_answer_lies_outside():
    _, ax = plt.subplots()
    read, written = ["<bos>", "zwei", "drei"], ["zwei", "drei", "<eos>"]
    assert plot_mask(read, written, ax=ax) is ax
    cells = [patch for patch in ax.patches if patch.get_fill()]
    kinds = {patch.get_xy(): patch.get_hatch() for patch in cells}
    assert len(kinds) == 9
    for (x, y), hatch in kinds.items():
        assert (hatch is not None) == (x > y)
    outlined = [patch.get_xy() for patch in ax.patches if not patch.get_fill()]
    assert outlined == [(0.5, -0.5), (1.5, 0.5)]
    assert [label.get_text() for label in ax.get_xticklabels()] == read
    assert texts(ax)[1:] == written
    low, high = ax.get_ylim()
    assert low > high  # the first word on top


def test_mask_with_too_few_words_is_an_error():
    with pytest.raises(ValueError, match="same length, got 2 and 1"):
        plot_mask(["<bos>", "a"], ["a"])


def test_step_asks_from_the_last_word(grow_evenly):
    _, ax = plt.subplots()
    source, written = ["two", "ten", "<eos>"], ["<bos>", "zwei"]
    cross, own = torch.tensor([0.5, 0.2, 0.3]), torch.tensor([0.4, 0.6])
    assert plot_step(source, written, "zehn", cross, own, ax=ax) is ax
    assert texts(ax) == [*source, *written, "zehn"]
    assert ax.texts[-1].get_fontweight() == "bold"
    for position, line in enumerate(ax.lines):
        assert list(line.get_xdata()) == [position, 1]
    (arc,) = ax.patches  # to <bos>; the word that asks has no arc to itself
    # Lines and the arc have one scale.
    widths = [line.get_linewidth() for line in (*ax.lines, arc)]
    grow_evenly(widths, [*cross.tolist(), 0.4])
    assert to_hex(arc.get_edgecolor()) != to_hex(ax.lines[0].get_color())


def test_small_weights_are_left_out():
    _, ax = plt.subplots()
    cross, own = torch.tensor([0.97, 0.03]), torch.tensor([0.01, 0.99])
    plot_step(["two", "<eos>"], ["<bos>", "zwei"], "<eos>", cross, own, ax=ax)
    assert len(ax.lines) == 1
    assert len(ax.patches) == 0


@pytest.mark.parametrize(("cross", "own"), [(2, 2), (3, 1)])
def test_steps_without_a_weight_for_each_word_are_an_error(cross, own):
    with pytest.raises(ValueError, match=f"{cross} weights, 2 words so far and {own}"):
        plot_step(list("abc"), ["x", "y"], "z", torch.zeros(cross), torch.zeros(own))


def test_the_way_has_each_step():
    source, target = ["two", "<eos>"], ["<bos>", "a", "b"]
    cross = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.3, 0.7]])
    weights = {"decoder": torch.full((3, 3), 1 / 3), "cross": cross}
    axes = plot_way(source, target, ["x", "y", "z"], weights, [0, 2])
    assert [ax.get_title(loc="left") for ax in axes] == ["step 1", "step 3"]
    assert texts(axes[1]) == [*source, *target, "z"]
    widths = [line.get_linewidth() for line in axes[1].lines]
    assert widths == pytest.approx((0.3 + 3.5 * cross[2]).tolist(), rel=1e-5)

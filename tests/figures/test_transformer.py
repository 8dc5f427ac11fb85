"""The chapter's figures: the model, and lines of the width of their weights."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.transformer import (
    plot_layers,
    plot_model,
    plot_step,
    plot_way,
)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_model_has_all_its_parts_from_below():
    _, ax = plt.subplots()
    assert plot_model(6, ax=ax) is ax
    found = texts(ax)
    assert found.count("add, normalise") == 2 + 3
    assert found.count("feed-forward") == 2
    assert "6 layers" in found
    assert "6\nlayers" in found
    height = {text.get_text(): text.get_position()[1] for text in ax.texts}
    order = ["<bos> and target words", "masked self-attention", "cross-attention"]
    order += ["embedding, transposed", "softmax", "target words and <eos>"]
    assert sorted(order, key=height.__getitem__) == order
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    # One between two boxes, one round each sub-layer, one from encoder to decoder.
    assert len(arrows) == 6 + 11 + 5 + 1
    assert len(ax.patches) == 6 + 10 + 2  # boxes, and frames round the layers


def test_layers_have_a_line_for_each_look(grow_evenly):
    _, ax = plt.subplots()
    weights = torch.tensor([[[1.0, 0.0], [0.25, 0.75]], [[0.5, 0.5], [0.0, 1.0]]])
    assert plot_layers(["ein", "<eos>"], weights, ax=ax) is ax
    assert texts(ax) == [
        *("ein", "<eos>", "words"),
        *("ein", "<eos>", "layer 1"),
        *("ein", "<eos>", "layer 2"),
    ]
    widths = {}
    for line in ax.lines:
        (key, query), (low, _) = line.get_xdata(), line.get_ydata()
        widths[int(low), query, key] = line.get_linewidth()
    assert len(widths) == 8
    grow_evenly(widths.values(), (weights[position].item() for position in widths))


@pytest.mark.parametrize("shape", [(2, 3, 2), (2, 2, 3), (3, 3)])
def test_layers_that_do_not_fit_are_an_error(shape, no_shape_checks):
    with pytest.raises(ValueError, match=r"shape \(layers, 3, 3\).*got"):
        plot_layers(["a", "b", "c"], torch.zeros(shape))


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


@pytest.mark.parametrize(("cross", "own"), [(2, 2), (3, 1)])
def test_steps_without_a_weight_for_each_word_are_an_error(cross, own):
    with pytest.raises(ValueError, match=f"{cross} weights, 2 words so far and {own}"):
        plot_step(list("abc"), ["x", "y"], "z", torch.zeros(cross), torch.zeros(own))


def test_the_way_has_the_encoder_and_each_step():
    torch.manual_seed(0)
    source, target = ["two", "<eos>"], ["<bos>", "a", "b"]
    sizes = {"encoder": (2, 2), "decoder": (3, 3), "cross": (3, 2)}
    weights = {k: torch.rand(2, 4, *size).softmax(-1) for k, size in sizes.items()}
    axes = plot_way(source, target, ["x", "y", "z"], weights, [0, 2])
    assert len(axes[0].lines) == 2 * 2 * 2
    assert [ax.get_title(loc="left") for ax in axes[1:]] == ["step 1", "step 3"]
    assert texts(axes[2]) == [*source, *target, "z"]
    wanted = weights["cross"].mean(dim=(0, 1))[2]
    widths = [line.get_linewidth() for line in axes[2].lines]
    assert widths == pytest.approx((0.3 + 3.5 * wanted).tolist(), rel=1e-5)

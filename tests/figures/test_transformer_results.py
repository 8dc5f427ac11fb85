"""What a Transformer learned: every head, every guess and every run in its place."""

import matplotlib.pyplot as plt
import pytest
import torch

from attention_book.figures.transformer_results import (
    plot_beams,
    plot_guesses,
    plot_heads,
    plot_losses,
    plot_race,
    plot_training,
    view_heads,
)


@pytest.mark.parametrize(("layers", "heads"), [(1, 2), (2, 3), (2, 8), (3, 5)])
def test_each_head_has_a_panel_of_its_own(layers, heads):
    weights = torch.rand(layers, heads, 3, 2)
    axes = plot_heads(weights, list("abc"), list("xy"))
    assert len(axes) == layers * heads
    for number, ax in enumerate(axes):
        layer, head = divmod(number, heads)
        assert ax.get_title() == f"layer {layer + 1}, head {head + 1}"
        (image,) = ax.images
        assert (image.norm.vmin, image.norm.vmax) == (0, 1)
        assert image.get_array().tolist() == pytest.approx(weights[layer, head].numpy())
        # A row of the figure has heads of one layer only.
        same_row = [
            other for other in axes if other.get_position().y0 == ax.get_position().y0
        ]
        assert {other.get_title().split(",")[0] for other in same_row} == {
            f"layer {layer + 1}"
        }
    assert [label.get_text() for label in axes[0].get_yticklabels()] == list("abc")
    assert max(ax.get_position().x1 for ax in axes[0].figure.axes) <= 1


def test_words_are_no_formulas_at_any_head():
    axes = plot_heads(torch.rand(2, 2, 1, 2), ["Ba$$in"], ["$5$", "$\\frac$"])
    axes[0].figure.canvas.draw()  # parses the labels
    for ax in axes:
        labels = [*ax.get_xticklabels(), *ax.get_yticklabels()]
        assert not any(label.get_parse_math() for label in labels)


def test_heads_go_where_they_are_told():
    figure = plt.figure()
    (ax,) = plot_heads(torch.ones(1, 1, 1, 1), ["a"], ["x"], figure=figure)
    assert ax.figure is figure


def test_heads_that_do_not_fit_are_an_error(no_shape_checks):
    with pytest.raises(
        ValueError, match=r"\(layers, heads, 1, 2\).*got \(1, 1, 2, 1\)"
    ):
        plot_heads(torch.zeros(1, 1, 2, 1), ["a"], ["x", "y"])
    with pytest.raises(ValueError, match=r"got \(1, 2\)"):
        plot_heads(torch.zeros(1, 2), ["a"], ["x", "y"])


def test_guesses_stand_in_their_cells():
    _, ax = plt.subplots()
    chances = torch.tensor([[0.1, 0.2, 0.3], [0.7, 0.5, 0.9]])
    guesses = [["a", "b", "c"], ["d", "e", "f"]]
    labels = ["below", "above"], ["zwei", "drei", "<eos>"]
    assert plot_guesses(guesses, chances, *labels, ax=ax) is ax
    found = {text.get_position(): text.get_text() for text in ax.texts}
    for row, words in enumerate(guesses):
        for column, word in enumerate(words):
            assert found[column, row] == word
    assert [label.get_text() for label in ax.get_xticklabels()] == labels[1]
    assert [label.get_text() for label in ax.get_yticklabels()] == labels[0]
    low, high = ax.get_ylim()
    assert low < high  # the first stage below
    inks = {text.get_text(): text.get_color() for text in ax.texts}
    assert inks["d"] == "white"  # on a dark cell
    assert inks["a"] == "black"


@pytest.mark.parametrize(
    ("guesses", "shape"),
    [([["a"]], (1, 2)), ([["a", "b"]], (2, 1)), ([["a", "b"], ["c", "d"]], (1, 2))],
)
def test_guesses_that_do_not_fit_are_an_error(guesses, shape):
    with pytest.raises(ValueError, match="each of 1 stages and 2 positions"):
        plot_guesses(guesses, torch.zeros(shape), ["s"], ["x", "y"])


def test_race_has_a_line_for_each_run_and_one_entry_a_model():
    _, ax = plt.subplots()
    runs = {
        "old": [[(0, 0.0), (2, 0.5)], [(0, 0.0), (2, 0.75)]],
        "new": [[(0, 0.0), (1, 1.0)]],
    }
    assert plot_race(runs, xlabel="seconds", ylabel="right", ax=ax) is ax
    points = [list(zip(*line.get_data(), strict=True)) for line in ax.lines]
    assert points == [*runs["old"], *runs["new"]]
    assert ax.get_legend_handles_labels()[1] == ["old", "new"]
    first, second, other = ax.lines
    assert first.get_color() == second.get_color() != other.get_color()
    assert first.get_linestyle() == second.get_linestyle() != other.get_linestyle()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("seconds", "right")


def test_race_of_one_needs_no_legend():
    ax = plot_race({"old": [[(0, 0.0)]]}, xlabel="x", ylabel="y")
    assert ax.get_legend() is None


def test_a_model_without_a_run_is_an_error():
    with pytest.raises(ValueError, match=r"none for \['new'\]"):
        plot_race({"old": [[(0, 0.0)]], "new": []}, xlabel="x", ylabel="y")


def test_training_has_the_loss_its_floor_and_the_rate_on_the_same_steps():
    losses, rates = [3.0, 2.0, 1.5], [0.1, 0.2, 0.15]
    above, below = plot_training(losses, rates, 0.5)
    loss, floor = above.lines
    assert loss.get_ydata().tolist() == losses
    assert set(floor.get_ydata()) == {0.5}
    assert below.lines[0].get_ydata().tolist() == rates
    assert list(below.lines[0].get_xdata()) == list(loss.get_xdata()) == [1, 2, 3]
    assert above.get_legend() is not None


def test_a_rate_for_each_loss():
    with pytest.raises(ValueError, match="of the same steps, got 2 and 1"):
        plot_training([1.0, 2.0], [0.1], 0.0)


BEAMS = [
    [("zwei", -0.1, 0), ("ein", -2.4, 0)],
    [("und", -0.2, 1), ("hundert", -0.5, 0)],
    [("<eos>", -0.6, 1)],
]


def test_beams_are_a_tree_and_the_winner_is_bold():
    _, ax = plt.subplots()
    assert plot_beams(BEAMS, [0, 1, 0], ax=ax) is ax
    words = {t.get_position(): t for t in ax.texts if t.get_text()[0] not in "-0"}
    assert {at: t.get_text() for at, t in words.items()} == {
        (0, 0): "<bos>",
        **{
            (step, -rank): word
            for step, beams in enumerate(BEAMS, start=1)
            for rank, (word, _, _) in enumerate(beams)
        },
    }
    bold = [t.get_text() for t in words.values() if t.get_fontweight() == "bold"]
    assert bold == ["<bos>", "zwei", "hundert", "<eos>"]
    edges = {tuple(line.get_ydata()) for line in ax.lines}
    assert edges == {(0, 0), (0, -1), (-1, 0)}
    assert "-0.1" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(("steps", "path"), [([], []), (BEAMS[:1], [0, 1])])
def test_beams_without_steps_are_an_error(steps, path):
    with pytest.raises(ValueError, match=f"got {len(steps)} steps and a path of"):
        plot_beams(steps, path)


def test_losses_are_means_of_steps_in_their_panels():
    losses = {"post": {"a": [4.0, 2.0, 0.0], "stopped": []}, "pre": {"b": [1.0]}}
    above, below = plot_losses(losses, window=2)
    assert above.lines[0].get_ydata().tolist() == [3.0, 1.0]
    assert list(above.lines[0].get_xdata()) == [2, 3]
    assert above.get_legend_handles_labels()[1] == ["a"]
    assert below.lines[0].get_ydata().tolist() == [1.0]  # fewer steps than the window
    assert (above.get_title(loc="left"), below.get_title(loc="left")) == ("post", "pre")
    assert below.get_xlabel() == "optimizer steps"


def test_losses_need_a_panel():
    with pytest.raises(ValueError, match="must have a panel"):
        plot_losses({})


def test_heads_to_choose_from_with_their_mean():
    weights = torch.tensor([[[[1.0, 0.0]], [[0.5, 0.5]]]])  # one layer, two heads
    view = view_heads(weights, ["zwei"], ["two", "<eos>"], alt="One row.")
    assert view.data["shape"] == [1, 3, 1, 2]
    assert view.data["w"] == [1000, 0, 500, 500, 750, 250]
    names = [axis["names"] for axis in view.data["axes"]]
    assert names == [["1"], ["1", "2", "mean"]]


def test_heads_of_two_models_of_which_one_has_a_mask():
    weights = torch.tensor([[[[1.0, 0.0], [0.5, 0.5]]]])
    mask = torch.ones(2, 2, dtype=torch.bool).tril()
    other = torch.full_like(weights, 0.5)
    view = view_heads(
        weights, ["a", "b"], ["a", "b"], alt="-", mask=mask, others={"none": other}
    )
    assert view.data["axes"][0]["names"] == ["published", "none"]
    assert view.data["shape"] == [2, 1, 2, 2, 2]
    published, free = view.data["w"][:8], view.data["w"][8:]
    assert published == [1000, None, 500, 500] * 2
    assert free == [500] * 8

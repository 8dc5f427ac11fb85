"""The two drawings: facts, states and weights are where they belong."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.colours import CONTEXT
from attention_book.figures.memory_network import plot_hops, plot_memory

FACTS = ["ada walks", "ben sings", "cleo sleeps"]


def test_weights_set_the_arrows_of_each_hop(grow_evenly):
    _, ax = plt.subplots()
    weights = [[0.7, 0.25, 0.05], [0.1, 0.2, 0.7]]
    assert plot_memory(FACTS, "who sings", "ben", weights, ax=ax) is ax
    places = {text.get_text(): text.get_position() for text in ax.texts}
    heights = [places[fact][1] for fact in FACTS]
    assert heights == sorted(heights, reverse=True)  # the oldest on top
    assert places["who sings"][1] > places["$u^{1}$"][1] > places["$o^{1}$"][1]
    assert places["$u^{2}$"][1] > places["$o^{2}$"][1] > places["$u^{3}$"][1]
    assert places["$u^{3}$"][1] > places["ben"][1]
    arrows = [
        text
        for text in ax.texts
        if getattr(text, "arrow_patch", None)
        and to_hex(text.arrow_patch.get_edgecolor()) == CONTEXT.lower()
    ]
    assert [arrow.xyann[1] for arrow in arrows] == heights * 2
    for hop, own in zip(weights, (arrows[:3], arrows[3:]), strict=True):
        assert len({arrow.xy for arrow in own}) == 1  # they meet in the output
        grow_evenly((arrow.arrow_patch.get_linewidth() for arrow in own), hop)
    assert len(ax.patches) == len(FACTS) + 2 + 3  # facts, outputs, states


@pytest.mark.parametrize("arguments", [([], [[]]), (FACTS, []), (FACTS, [[1.0]])])
def test_hops_that_do_not_fit_are_an_error(arguments):
    facts, weights = arguments
    with pytest.raises(ValueError, match="plot_memory needs facts, and one or more"):
        plot_memory(facts, "who", "ben", weights)


def test_each_hop_is_a_column_and_each_fact_a_row():
    weights = torch.tensor([[0.9, 0.06, 0.04], [0.2, 0.3, 0.5]])
    ax = plot_hops(weights, FACTS, support=(1, 2), title="who sings? ben")
    (image,) = ax.images
    assert image.get_array().tolist() == weights.T.tolist()
    assert image.get_clim() == (0, 1)
    assert [label.get_text() for label in ax.get_yticklabels()] == FACTS
    assert [label.get_text() for label in ax.get_xticklabels()] == ["hop 1", "hop 2"]
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "0.90", (1, 0): "0.20", (1, 1): "0.30", (1, 2): "0.50"}
    corners = [patch.get_xy() for patch in ax.patches]
    assert corners == [(-0.5, 0.5), (-0.5, 1.5)]
    assert ax.get_title() == "who sings? ben"


def test_facts_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match="one column for each of 3 facts, got 2"):
        plot_hops(torch.eye(2), FACTS)
    with pytest.raises(ValueError, match=r"support must be from 0 to 1, got \[2\]"):
        plot_hops(torch.eye(2), FACTS[:2], support=[2])

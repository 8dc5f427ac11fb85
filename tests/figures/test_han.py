"""Both levels of weights where they belong, and as strong as they are."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.colours import CONTEXT
from attention_book.figures.han import (
    plot_document,
    plot_hierarchy,
    plot_weight_shares,
)

SENTENCES = [["the", "soup", "was", "bad"], ["we", "left"]]
OUTER = [0.7, 0.3]
INNER = [[0.1, 0.2, 0.15, 0.55], [0.4, 0.6]]


def test_arrows_are_as_thick_as_weights(grow_evenly):
    ax = plot_hierarchy(SENTENCES, INNER, OUTER, outcome="bad food")
    texts = {text.get_text(): text for text in ax.texts}
    assert {
        "soup",
        "$s_2$",
        "$h_{14}$",
        "$u_w$",
        "$u_s$",
        "bad food",
    } <= texts.keys() | {"$s_2$"}
    arrows = [
        text
        for text in ax.texts
        if getattr(text, "arrow_patch", None)
        and to_hex(text.arrow_patch.get_edgecolor()) == CONTEXT.lower()
    ]
    assert len(arrows) == 8
    widths = [arrow.arrow_patch.get_linewidth() for arrow in arrows]
    grow_evenly(widths, [*INNER[0], *INNER[1], *OUTER])
    # The words of a sentence meet in its vector, and the sentences in the document's.
    ends = [arrow.xy for arrow in arrows]
    assert len(set(ends[:4])) == len(set(ends[4:6])) == len(set(ends[6:])) == 1
    assert ends[0] != ends[4]


def test_shades_are_products_of_both_weights():
    weights = torch.tensor(OUTER), [torch.tensor(row) for row in INNER]
    ax = plot_document(SENTENCES, *weights, telling=(0, 3))
    words = [text for text in ax.texts if text.get_text().isalpha()]
    shown = [text.get_text() for text in words]
    assert shown == [word for sentence in SENTENCES for word in sentence]
    assert words[0].get_position()[1] == words[3].get_position()[1]
    assert (
        words[4].get_position()[1] > words[3].get_position()[1]
    )  # the axis points down
    patches = list(ax.patches)
    bars = [patch for patch in patches if patch.get_x() == -6]
    assert [bar.get_width() for bar in bars] == pytest.approx([3.5, 1.5])
    boxes = [patch for patch in patches if patch.get_x() != -6]
    shades = [box.get_facecolor()[3] for box in boxes]
    want = [o**0.5 * w for o, row in zip(OUTER, INNER, strict=True) for w in row]
    assert shades == pytest.approx([0.75 * product for product in want], abs=1e-6)
    outlined = [box for box in boxes if box.get_edgecolor()[3] > 0]
    assert outlined == [boxes[3]]


def test_long_sentences_go_on_below():
    sentence = ["word"] * 30
    weights = torch.ones(1), [torch.full((30,), 1 / 30)]
    ax = plot_document([sentence], *weights, width=40)
    rows = {text.get_position()[1] for text in ax.texts}
    assert rows == {0, 1, 2, 3}
    assert len(ax.texts) == 31  # the weight of the sentence is written once


def test_shares_of_each_group_sum_to_one():
    _, ax = plt.subplots()
    groups = {"in": [0.05, 0.95, 0.99, 1.0], "out": [0.05]}
    assert plot_weight_shares(groups, xlabel="weight", bins=10, ax=ax) is ax
    for line, values in zip(ax.lines, groups.values(), strict=True):
        shares = line.get_ydata()
        assert sum(shares[:-1]) == pytest.approx(1)
        assert shares[0] == pytest.approx(values.count(0.05) / len(values))
    assert [line.get_label() for line in ax.lines] == ["in", "out"]


def test_what_does_not_fit_is_an_error():
    outer, inner = torch.tensor(OUTER), [torch.tensor(row) for row in INNER]
    with pytest.raises(ValueError, match=r"must be \[4, 2\] .*got \[4\]"):
        plot_hierarchy(SENTENCES, INNER[:1], OUTER, outcome="")
    with pytest.raises(ValueError, match=r"sentence_weights must be 2, .*got 1"):
        plot_hierarchy(SENTENCES, INNER, OUTER[:1], outcome="")
    with pytest.raises(ValueError, match=r"sentence_weights must be 2, .*got 1"):
        plot_document(SENTENCES, outer[:1], inner)
    with pytest.raises(ValueError, match=r"must be \[4, 2\] .*got \[2, 4\]"):
        plot_document(SENTENCES, outer, inner[::-1])
    with pytest.raises(ValueError, match="must have weights, but 'a' has none"):
        plot_weight_shares({"a": []}, xlabel="")

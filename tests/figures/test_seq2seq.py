"""The bottleneck's drawings have every word in its place."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex

from attention_book.figures.colours import CONTEXT
from attention_book.figures.seq2seq import (
    decoding_view,
    plot_bottleneck,
    plot_feeding,
    plot_lags,
    plot_plane,
)


def places_of(ax):
    places = {}
    for text in ax.texts:
        places.setdefault(text.get_text(), []).append(text.get_position())
    return places


def test_words_are_read_below_and_written_above():
    _, ax = plt.subplots()
    source, target = ["forty", "three", "<end>"], ["drei", "und", "vierzig"]
    assert plot_bottleneck(source, target, ax=ax) is ax
    places = places_of(ax)
    (forty,), (three,) = places["forty"], places["three"]
    assert forty[0] < three[0]
    assert forty[1] < 0
    for word in target:
        written, read = sorted(places[word], key=lambda place: -place[1])
        assert written[1] > 0 > read[1]
        assert read[0] == written[0] + 1  # read at the step after it was written
    assert len(places["<bos>"]) == len(places["<eos>"]) == 1


def test_the_summary_is_the_last_state_and_no_larger():
    _, ax = plt.subplots()
    plot_bottleneck(["forty", "three", "<end>"], ["drei"], ax=ax)
    assert len(ax.patches) == 3 + 2  # states of the encoder and of the decoder
    assert len({(box.get_width(), box.get_height()) for box in ax.patches}) == 1
    places = places_of(ax)
    assert places["$v$"][0][0] == places["<end>"][0][0]
    assert any("v = h_{3}" in text for text in places)


def test_a_sentence_without_words_is_an_error():
    with pytest.raises(ValueError, match="at least one word each"):
        plot_bottleneck([], ["drei"])


def test_arcs_lead_from_reading_to_writing():
    source, target = ["two", "forty", "one"], ["zwei", "ein", "vierzig"]
    links = {(0, 0), (1, 2), (2, 1)}
    for ax, lags in zip(
        plot_lags(source, target, links), ([4, 5, 3], [2, 5, 5]), strict=True
    ):
        assert [text.get_text() for text in ax.texts] == [str(lag) for lag in lags]
        ends = [arc.get_center()[0] + arc.width / 2 for arc in ax.patches]
        assert ends == [4, 6, 5]
        assert [arc.width for arc in ax.patches] == lags
        marked = [to_hex(arc.get_edgecolor()).upper() for arc in ax.patches]
        assert [mark == CONTEXT for mark in marked] == [
            lag == min(lags) for lag in lags
        ]
    above, below = (
        [label.get_text() for label in ax.get_xticklabels()]
        for ax in plot_lags(source, target, links)
    )
    assert above == [*source, "<eos>", *target]
    assert below == ["one", "forty", "two", "<eos>", *target]
    with pytest.raises(ValueError, match="links must join at least one pair"):
        plot_lags(source, target, set())


def test_own_words_are_read_one_step_later():
    _, ax = plt.subplots()
    assert plot_feeding(["a", "b", "c"], ["a", "x", "c"], ax=ax) is ax
    places = places_of(ax)
    written, read = sorted(places["x"], key=lambda place: -place[1])
    assert read[0] == written[0] + 1
    red = [text for text in ax.texts if text.get_color() == CONTEXT]
    assert [text.get_text() for text in red] == ["x", "x"]
    assert len(places["<bos>"]) == 2
    assert len(places["b"]) == 2  # above only, written and read
    for wrong in ([], ["a"]):
        with pytest.raises(ValueError, match="written must have as many words"):
            plot_feeding(["a", "b"][: len(wrong) * 2], wrong)


def test_points_of_a_group_have_one_marker():
    points = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    ax = plot_plane(points, ["a", "b", "c"], ["x", "y", "x"])
    assert [list(line.get_xdata()) for line in ax.lines] == [[0, 4], [2]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["x", "y"]
    assert [(text.get_text(), text.xy) for text in ax.texts] == [
        ("a", (0, 1)),
        ("b", (2, 3)),
        ("c", (4, 5)),
    ]
    with pytest.raises(ValueError, match=r"points \(3\), labels \(2\)"):
        plot_plane(points, ["a", "b"], ["x", "y", "x"])


def test_the_most_probable_words_have_a_column():
    chances = torch.tensor([[[0.1, 0.9, 0.0], [0.3, 0.1, 0.6]]])
    axes = {"model": ["ours"]}
    view = decoding_view(chances, ["b", "c"], ["a", "b", "c"], axes, num_words=2)
    assert view.data["keys"] == ["b", "c"]
    assert view.data["queries"] == ["1. b", "2. c"]
    assert view.data["w"] == [900, 0, 100, 600]

"""Words from data: no formulas, no empty boxes, no warnings."""

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.font_manager import FontProperties, findfont, get_font

from attention_book.figures import words as module
from attention_book.figures.abcnn import plot_block, plot_match_scores
from attention_book.figures.attention_over_attention import plot_reader, plot_reading
from attention_book.figures.bahdanau import plot_search
from attention_book.figures.global_local import plot_window
from attention_book.figures.heatmap import plot_weights
from attention_book.figures.mpcnn import plot_comparisons, plot_network
from attention_book.figures.multi_head import plot_two_heads
from attention_book.figures.self_attention import plot_asking
from attention_book.figures.seq2seq import plot_bottleneck
from attention_book.figures.soft_hard import plot_look
from attention_book.figures.transformer import plot_mask, plot_step
from attention_book.figures.transformer_results import (
    plot_beams,
    plot_guesses,
    plot_heads,
)
from attention_book.figures.words import draw_word, word_labels

ODD = ["Ba$$in", "$5$", "$\\frac{$", "水"]
FOUR = torch.full((4,), 0.25)
TABLE = torch.full((4, 4), 0.25)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_weights(TABLE, ODD, ODD),
        lambda: plot_window(FOUR, ODD),
        lambda: plot_bottleneck(ODD, ODD),
        lambda: plot_search(ODD, ODD, FOUR.tolist()),
        lambda: plot_mask(ODD, ODD),
        lambda: plot_step(ODD, ODD, ODD[0], FOUR, FOUR),
        lambda: plot_beams([[(ODD[0], -1.0, 0)]], [0]),
        lambda: plot_heads(TABLE[None, None], ODD, ODD),
        lambda: plot_guesses([ODD], TABLE[:1], ["end"], ODD),
        lambda: plot_asking(ODD, FOUR.tolist(), 1),
        lambda: plot_block(ODD, ODD),
        lambda: plot_match_scores(TABLE, torch.eye(5), ODD, ODD, 2),
        lambda: plot_comparisons(TABLE[:2, :2], TABLE[:2, :2], (ODD[0], ODD[1])),
        lambda: plot_reader(ODD, ODD),
        lambda: plot_reading(TABLE, FOUR, FOUR, ODD, ODD, answer=ODD[0]),
        lambda: plot_network(ODD, ODD, (FOUR.tolist(), FOUR.tolist())),
        lambda: plot_two_heads(ODD, FOUR.tolist(), FOUR.tolist(), ODD[0]),
        lambda: plot_look(torch.zeros(8, 8), FOUR, title=ODD[0]),
    ],
)
def test_odd_words_are_drawn_as_they_are(draw):
    draw()
    figure = plt.gcf()
    figure.canvas.draw()  # a formula or a missing character would show only here
    texts = [text for text in figure.findobj(plt.Text) if "$$" in text.get_text()]
    assert texts
    for text in texts:
        assert not text.get_parse_math()


def test_a_character_that_no_font_has_is_its_code_point(monkeypatch):
    monkeypatch.setattr(module, "_family_with", lambda letters: None)
    texts, font = word_labels(["a水b", "tab\t", "two\nlines"])
    assert texts == ["aU+6C34b", "tabU+0009", "two\nlines"]
    assert font == {"parse_math": False}


def test_another_font_stands_in_for_a_missing_character():
    """Matplotlib brings STIX, which has letters that its usual font lacks."""
    usual, other = (
        set(get_font(findfont(FontProperties(family=name))).get_charmap())
        for name in ("DejaVu Sans", "STIXGeneral")
    )
    letter = chr(min(other - usual))
    texts, font = word_labels(["a", letter])
    assert texts == ["a", letter]
    name = font["fontfamily"][-1]
    assert ord(letter) in get_font(findfont(FontProperties(family=name))).get_charmap()
    draw_word(plt.figure().subplots(), 0, 0, letter)
    plt.gcf().canvas.draw()


def test_a_font_that_cannot_be_read_is_skipped(monkeypatch):
    def broken(path):
        raise RuntimeError("In FT2Font: Can not load face")

    monkeypatch.setattr(module, "_characters", broken)
    assert module._family_with.__wrapped__(frozenset("水")) is None


def test_properties_of_a_word():
    ax = plt.figure().subplots()
    draw_word(ax, 0.25, 0.5, "tea", ha="left", color="0.5")
    (text,) = ax.texts
    assert text.get_position() == (0.25, 0.5)
    assert (text.get_ha(), text.get_va(), text.get_color()) == ("left", "center", "0.5")

"""The bottleneck's picture has every word in its place."""

import matplotlib.pyplot as plt
import pytest

from attention_book.figures.seq2seq import plot_bottleneck


def test_words_are_read_below_and_written_above():
    _, ax = plt.subplots()
    assert plot_bottleneck(["forty", "three"], ["drei", "und", "vierzig"], ax=ax) is ax
    places = {}
    for text in ax.texts:
        places.setdefault(text.get_text(), []).append(text.get_position())
    (forty,), (three,) = places["forty"], places["three"]
    assert forty[0] < three[0]
    assert forty[1] < 0
    for word in ("drei", "und", "vierzig"):
        written, read = sorted(places[word], key=lambda place: -place[1])
        assert written[1] > 0 > read[1]
        assert read[0] == written[0] + 1  # read at the step after it was written
    assert len(places["<bos>"]) == len(places["<eos>"]) == 1
    assert len(ax.patches) == 2 + 1 + 4  # encoder cells, the summary, decoder cells


def test_a_sentence_without_words_is_an_error():
    with pytest.raises(ValueError, match="at least one word each"):
        plot_bottleneck([], ["drei"])

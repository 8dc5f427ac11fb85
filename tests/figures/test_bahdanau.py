"""The picture of one search: words, weights and boxes where they belong."""

import matplotlib.pyplot as plt
import pytest

from attention_book.figures.bahdanau import plot_search


def test_weights_stand_at_their_words_and_set_the_arrows():
    _, ax = plt.subplots()
    words, weights = ["forty", "three", "two"], [0.7, 0.25, 0.05]
    assert plot_search(words, ["drei", "und"], weights, ax=ax) is ax
    places = {text.get_text(): text.get_position() for text in ax.texts}
    for x, word in enumerate(words):
        assert places[word] == (x, -0.95)
    for name in ("0.70", "0.25", "0.05", "drei", "und", "asks"):
        assert name in places
    assert places["0.70"][0] < places["0.25"][0] < places["0.05"][0]
    widths = [
        text.arrow_patch.get_linewidth()
        for text in ax.texts
        if getattr(text, "arrow_patch", None) and text.xy == (1.0, 1.5)
    ]
    assert widths == sorted(widths, reverse=True)
    assert len(widths) == 3
    assert len(ax.patches) == 3 + 1 + 3  # annotations, the context, three states


@pytest.mark.parametrize(
    ("source", "target", "weights"),
    [([], ["a", "b"], []), (["a"], ["b"], [1.0]), (["a"], ["b", "c"], [0.5, 0.5])],
)
def test_what_does_not_fit_is_an_error(source, target, weights):
    with pytest.raises(ValueError, match="a weight for each source word, got"):
        plot_search(source, target, weights)

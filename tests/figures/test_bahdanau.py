"""The drawing of one search: words, weights and boxes where they belong."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from attention_book.figures.bahdanau import plot_search
from attention_book.figures.colours import CONTEXT


def test_weights_stand_at_their_words_and_set_the_arrows(grow_evenly):
    _, ax = plt.subplots()
    words, weights = ["forty", "three", "two"], [0.7, 0.25, 0.05]
    assert plot_search(words, ["drei", "und"], weights, ax=ax) is ax
    places = {text.get_text(): text.get_position() for text in ax.texts}
    for number, word in enumerate(words, start=1):
        annotation = places[f"$h_{{{number}}}$"]
        assert places[word][0] == annotation[0]
        assert places[word][1] < annotation[1]
    for name in ("0.70", "0.25", "0.05", "drei", "und", "asks"):
        assert name in places
    assert places["0.70"][0] < places["0.25"][0] < places["0.05"][0]
    arrows = [
        text
        for text in ax.texts
        if getattr(text, "arrow_patch", None)
        and to_hex(text.arrow_patch.get_edgecolor()) == CONTEXT.lower()
    ]
    assert [arrow.xyann[0] for arrow in arrows] == [places[w][0] for w in words]
    assert len({arrow.xy for arrow in arrows}) == 1  # they meet in the context
    assert arrows[0].xy[0] == places["$c_{2}$"][0]
    grow_evenly((arrow.arrow_patch.get_linewidth() for arrow in arrows), weights)
    assert len(ax.patches) == 3 + 1 + 3  # annotations, the context, three states


@pytest.mark.parametrize(
    ("source", "target", "weights"),
    [([], ["a", "b"], []), (["a"], ["b"], [1.0]), (["a"], ["b", "c"], [0.5, 0.5])],
)
def test_what_does_not_fit_is_an_error(source, target, weights):
    with pytest.raises(ValueError, match="a weight for each source word, got"):
        plot_search(source, target, weights)

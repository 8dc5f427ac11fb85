"""Figures on BERT: what is drawn, and hidden words in a real browser."""

from typing import NamedTuple

import pytest
import torch

from attention_book.figures.bert import mask_view, plot_head_shares, plot_pretraining


class Guess(NamedTuple):
    best: list
    share: float | None = None
    rank: int | None = None


WORDS = ["draw", "the", "<line>"]
GUESSES = {
    "both sides": [
        Guess([("draw", 0.5), ("add", 0.25)], 0.5, 1),
        Guess([("a", 0.75), ("the", 0.125)], 0.125, 2),
        Guess([("ends", 0.5), ("<line>", 0.4)], 0.4, 2),
    ],
    "left side": [
        Guess([("add", 0.25), ("find", 0.2)], 0.01, 17),
        Guess([("the", 0.5), ("a", 0.3)], 0.5, 1),
        Guess([("roots", 0.5), ("ends", 0.4)], 0.0, 99),
    ],
}


def view(**changes):
    options = {"words": WORDS, "guesses": GUESSES, "start": 1, "alt": "A text."}
    return mask_view(**options | changes)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_hidden_words_are_drawn_twice():
    words = ["[CLS]", "a", "line", "[SEP]", "two", "ends", "[SEP]"]
    read = ["[CLS]", "a", "[MASK]", "[SEP]", "two", "roots", "[SEP]"]
    ax = plot_pretraining(words, read, [0, 0, 0, 0, 1, 1, 1])
    found = texts(ax)
    assert found.count("[MASK]") == found.count("line") == 1
    assert found.count("roots") == found.count("ends") == 1
    assert found.count("a") == 1  # it is read, and nobody asks for it
    assert found.count("next?") == 1
    assert sum("E_1" in text for text in found) == 3


@pytest.mark.parametrize("read", [[], ["[CLS]", "a"]])
def test_one_entry_for_each_token(read):
    with pytest.raises(ValueError, match="one entry for each token, got 3, "):
        plot_pretraining(["[CLS]", "a", "[SEP]"], read, [0, 0, 0])


def test_a_row_for_each_head_and_one_for_equal_weights():
    shares = {
        "next word": torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]),
        "[SEP]": torch.tensor([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]]),
    }
    ax = plot_head_shares(shares, {"next word": 0.05, "[SEP]": 0.07})
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[:4] == ["head 1.1", "head 1.2", "head 1.3", "head 2.1"]
    assert labels[-1] == "uniform"
    rows = (0.1, 0.9), (0.2, 0.8), (0.3, 0.7), (0.4, 0.6), (0.5, 0.5), (0.6, 0.4)
    wanted = [f"{share:.2f}" for row in (*rows, (0.05, 0.07)) for share in row]
    assert texts(ax) == wanted
    assert ax.images[0].get_clim() == (0, 1)


def test_kinds_of_keys_must_agree():
    with pytest.raises(ValueError, match="the same kinds, got"):
        plot_head_shares({"itself": torch.ones(1, 1)}, {"[SEP]": 0.5})


def test_guesses_are_whole_numbers_and_words_are_escaped():
    shown = view()
    assert shown.data["sides"][0]["guesses"][1] == {
        "best": [["a", 750], ["the", 125]],
        "share": 125,
        "rank": 2,
    }
    page = shown.to_html()
    assert "<line>" not in page
    assert "&lt;line&gt;" in page
    assert shown.still.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"guesses": {}}, r"must be 3 for each model, .* got \[\]"),
        ({"words": WORDS[1:]}, r"must be 2 for each model, .* got \[3, 3\]"),
        ({"start": 3}, "start must be from 0 to 2, got 3"),
        ({"guesses": {"a": [Guess([("x", 1.0)])] * 3}}, "a must know the true words"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        view(**changes)


def status(page):
    return page.get_by_role("status").text_content()


def test_a_click_hides_a_word(show):
    page = show(view())
    assert status(page) == (
        "the is hidden: both sides guesses a 0.75; left side guesses the 0.50."
    )
    assert page.get_by_role("button", pressed=True).text_content() == "[MASK]"
    page.get_by_role("button", name="draw").click()
    assert status(page).startswith("draw is hidden: both sides guesses draw 0.50")
    assert page.get_by_role("button", pressed=True).text_content() == "[MASK]"
    assert page.get_by_role("button", name="the", exact=True).text_content() == "the"
    widths = page.locator(".guess i").evaluate_all(
        "bars => bars.map(bar => bar.style.width)"
    )
    assert widths == ["50%", "25%", "25%", "20%"]
    assert page.locator(".guess.right").count() == 1
    assert page.locator(".truth").all_text_contents() == [
        "draw: 0.50, the first of all words",
        "draw: 0.01, number 17 of all words",
    ]
    assert page.errors == []


def test_keyboard(show):
    page = show(view())
    page.get_by_role("button", pressed=True).focus()
    page.keyboard.press("ArrowRight")
    assert status(page).startswith("the is hidden")  # moving alone hides nothing
    page.keyboard.press("Enter")
    assert status(page).startswith("<line> is hidden: both sides guesses ends 0.50")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert status(page).startswith("draw is hidden")
    assert page.errors == []

"""Two mechanisms side by side: the data, and what is drawn in a real browser."""

import re

import pytest
import torch

from attention_book.figures.compare import Compared, compare_view
from attention_book.figures.interactive import Ask

GERMAN, ENGLISH = ["drei", "und", "vierzig"], ["forty", "three"]


def side(name, weights, queries=GERMAN, keys=ENGLISH, **facts):
    given = {"score": "dot", "parameters": "0"} | facts
    return Compared(
        name=name,
        weights=torch.tensor(weights),
        queries=queries,
        keys=keys,
        facts=given,
    )


def sides():
    return [
        side("dot", [[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]]),
        side("additive", [[0.2, 0.8], [0.4, 0.6], [0.25, 0.75]], score="additive"),
        side("own", [[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4]], keys=GERMAN),
        side("whole", [[0.5, 0.3, 0.2]], queries=["the sentence"], keys=GERMAN),
    ]


def example(**changes):
    return compare_view(**({"sides": sides(), "alt": "Two heat maps."} | changes))


def test_weights_and_facts_are_in_the_page():
    view = example()
    assert view.data["facts"] == ["score", "parameters"]
    assert view.data["panels"][1] == {
        "name": "additive",
        "queries": GERMAN,
        "keys": ENGLISH,
        "w": [200, 800, 400, 600, 250, 750],
        "facts": ["additive", "0"],
    }
    assert view._repr_mimebundle_()["image/png"]
    assert view.to_html().count('<th scope="row">') == 4
    ask = Ask(query=2, text="Where?", choices=[0, 1])
    found = example(ask=ask, start=(0, 1)).data["ask"]
    assert (found["panel"], found["key"]) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sides": sides()[:1]}, "needs two or more sides with the same facts"),
        (
            {"sides": [*sides(), side("x", [[1.0]], ["a"], ["b"], more="1")]},
            "needs two or more sides with the same facts",
        ),
        ({"start": (0, 4)}, r"start must be positions of 4 sides, got \(0, 4\)"),
        ({"ask": Ask(query=3, text="", choices=[1])}, "ask.query must be from 0 to 2"),
        ({"ask": Ask(query=2, text="", choices=[0])}, "keys with 1, the right one"),
        ({"ask": Ask(query=2, text="", choices=[1, 2])}, "keys with 1, the right one"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        example(**changes)


def test_labels_must_fit_the_weights():
    with pytest.raises(ValueError, match=r"weights of x must have shape \(3, 2\)"):
        side("x", [[1.0]])


# In a real browser.


def opened(show, view, **options):
    page = show(view, **options)
    page.locator("compare-view-1[ready]").wait_for()
    return page


def status(page):
    return page.get_by_role("status").last.text_content()


def numbers(page, number):
    """The numbers in the cells of one side, row by row."""
    rows = page.locator("table.map").nth(number).locator("tbody tr").all()
    return [row.locator("td").all_text_contents() for row in rows]


def test_both_sides_show_their_numbers_and_facts(show):
    page = opened(show, example())
    assert numbers(page, 0) == [[".10", ".90"], [".50", ".50"], ["1.00", ".00"]]
    assert numbers(page, 1) == [[".20", ".80"], [".40", ".60"], [".25", ".75"]]
    facts = page.locator("table.facts tbody tr")
    assert facts.all_text_contents() == ["score ≠dotadditive", "parameters00"]
    page.get_by_label("second").select_option("own")
    assert numbers(page, 1)[0] == [".70", ".20", ".10"]
    assert facts.all_text_contents() == ["scoredotdot", "parameters00"]
    page.get_by_label("first").select_option("whole")
    assert numbers(page, 0) == [[".50", ".30", ".20"]]
    assert page.errors == []


def test_a_word_is_marked_on_both_sides(show):
    page = opened(show, example())
    page.get_by_role("button", name="vierzig").first.hover()
    said = "dot, vierzig: forty 1.00; additive, vierzig: three 0.75, forty 0.25"
    assert status(page) == said
    assert page.locator("tr.on").count() == 2
    assert page.locator("tr.dim").count() == 4
    page.get_by_role("heading").hover()
    assert status(page).startswith("Point at a word")
    page.get_by_role("button", name="drei").last.click()
    page.get_by_role("heading").hover()
    assert status(page).startswith("dot, drei: three 0.90")
    page.get_by_label("second").select_option("whole")
    assert status(page).endswith("; whole has no row for drei")


def test_keyboard(show):
    page = opened(show, example())
    page.get_by_label("first").focus()
    page.keyboard.press("Tab")
    assert status(page).startswith("dot, drei: ")
    for key, word in (("ArrowDown", "und"), ("End", "vierzig"), ("Home", "drei")):
        page.keyboard.press(key)
        assert status(page).startswith(f"dot, {word}: "), key
    page.keyboard.press("Enter")
    assert page.get_by_role("button", pressed=True).all_text_contents() == ["drei"] * 2
    page.keyboard.press("Escape")
    assert page.get_by_role("button", pressed=True).count() == 0
    # One stop of the Tab key for the words of a side.
    stops = page.locator(".word").evaluate_all("words => words.map(w => w.tabIndex)")
    assert stops.count(0) == 2
    page.get_by_label("second").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert (
        page.evaluate(
            "document.querySelector('compare-view-1').shadowRoot.activeElement.textContent"
        )
        == "und"
    )


def test_predict_first(show):
    ask = Ask(query=2, text="Where does “vierzig” look?", choices=[0, 1])
    page = opened(show, example(ask=ask))
    word = page.get_by_role("button", name="vierzig").first
    assert not word.is_visible()
    page.get_by_label("forty").check()
    said = page.get_by_role("status").first
    assert said.text_content() == "No: it looks at three."
    assert word.is_visible()
    assert status(page).endswith("additive, vierzig: three 0.75, forty 0.25")
    page.get_by_label("three").check()
    assert said.text_content() == "Yes: three."


def test_numbers_can_be_read_in_both_themes(show):
    """Black or white on each shade, with a contrast of at least 4.5 to 1."""

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
        r, g, b = (
            x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts
        )
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    steps = [[k / 20 for k in range(21)]]
    names = [str(k) for k in range(21)]
    shades = [side(name, steps, ["a"], names) for name in ("one", "other")]
    seen = []
    for style in ("color: #222; background: #fff", "color: #ddd; background: #111"):
        page = opened(show, example(sides=shades), style=style)
        cells = (
            page.locator("table.map")
            .first.locator("tbody td")
            .evaluate_all(
                "cells => cells.map(c => [c.style.backgroundColor, c.style.color])"
            )
        )
        for pair in cells:
            low, high = sorted(luminance(colour) for colour in pair)
            assert (high + 0.05) / (low + 0.05) >= 4.5, pair
        seen.append(cells)
    assert seen[0] != seen[1]
    page.evaluate("document.body.style.color = '#222'")
    page.wait_for_function(
        "first => document.querySelector('compare-view-1').shadowRoot"
        ".querySelector('table.map tbody td').style.backgroundColor === first",
        arg=seen[0][0][0],
    )


def test_touch_on_a_phone(show):
    options = {"has_touch": True, "viewport": {"width": 390, "height": 800}}
    page = opened(show, example(), **options)
    page.get_by_role("button", name="und").last.tap()
    assert status(page).startswith("dot, und: forty 0.50")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_scripts_or_with_damaged_data_the_image_stays(show):
    page = show(example(), java_script_enabled=False)
    assert page.get_by_role("img", name="Two heat maps.").is_visible()
    view = example()
    view.data["start"] = [0, 9]
    page = show(view)
    page.wait_for_timeout(500)
    assert page.get_by_role("img").is_visible()
    assert any("the still image stays" in text for text in page.errors)

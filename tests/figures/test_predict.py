"""A question before its table: its data, and in a real browser."""

import pytest

from attention_book.chapters import Table
from attention_book.figures.predict import ask_first

ROWS = [["as trained", "0.90"], ["<one> off", "0.10"], ["uniform", "0.40"]]
TABLE = Table("Exact match", ["change", "share"], ROWS, notes=["A note."])
VALUES = [0.9, 0.1, 0.4]
ASK = {"question": "Which costs most?", "values": VALUES, "among": [1, 2]}


def example(**changes):
    return ask_first(TABLE, **(ASK | {"least": True} | changes))


def test_the_table_is_plain_html_with_its_question_beside_it():
    view = example()
    page = view.to_html()
    assert '<tr><th scope="row">uniform</th><td>0.40</td></tr>' in page
    assert '<p class="table-note">A note.</p></div>' in page
    assert view.data == {
        "v": 1,
        "text": "Which costs most?",
        "choices": ["<one> off", "uniform"],
        "right": [0],
    }
    assert view._repr_mimebundle_()["text/plain"] == "Exact match"


def test_what_is_right():
    assert example(least=False).data["right"] == [1]
    assert example(least=False, among=None).data["right"] == [0]
    assert example(values=[0.9, 0.4, 0.4]).data["right"] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": VALUES[:2]}, "values must be 3, one for each row, got 2"),
        ({"among": [1]}, r"two or more rows from 0 to 2, got \[1\]"),
        ({"among": [1, 3]}, r"two or more rows from 0 to 2, got \[1, 3\]"),
        ({"among": [-1, 1]}, r"got \[-1, 1\]"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        example(**changes)


# In a real browser.


def opened(show, view, **options):
    page = show(view, **options)
    page.locator("predict-view-1[ready]").wait_for(state="attached")
    return page


def test_an_answer_shows_the_table(show):
    page = opened(show, example())
    table = page.get_by_role("table")
    assert not table.is_visible()
    page.get_by_label("uniform").click()
    assert table.is_visible()
    assert page.get_by_role("status").text_content() == "No: <one> off."
    page.get_by_label("<one> off").click()
    assert page.get_by_role("status").text_content() == "Yes: <one> off."


def test_one_need_not_guess(show):
    page = opened(show, example(values=[0.9, 0.4, 0.4]))
    page.get_by_role("button", name="show me").click()
    assert page.get_by_role("table").is_visible()
    told = page.get_by_role("status").text_content()
    assert told == "It is <one> off and uniform."


def test_arrow_keys_move_and_enter_answers(show):
    page = opened(show, example())
    page.get_by_label("<one> off").focus()
    page.keyboard.press("ArrowDown")
    assert not page.get_by_role("table").is_visible()
    page.keyboard.press("Enter")
    assert page.get_by_role("table").is_visible()
    assert page.get_by_role("status").text_content() == "No: <one> off."


def test_without_scripts_and_in_print_the_table_is_there(show):
    page = show(example(), java_script_enabled=False)
    assert page.get_by_role("table").is_visible()
    page = opened(show, example())
    page.emulate_media(media="print")
    assert page.get_by_role("table").is_visible()
    assert not page.get_by_role("group").is_visible()


def test_if_the_script_fails_the_table_stays(show):
    view = example()
    view.data = {}
    page = show(view)
    page.wait_for_timeout(500)
    assert page.get_by_role("table").is_visible()
    assert any("the plain table stays" in text for text in page.errors)

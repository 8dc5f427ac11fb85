"""A table whose rows are chosen by their values: its data, and in a real browser."""

import pytest

from attention_book.figures.filters import filter_table
from attention_book.figures.interactive import Ask

HEADER = ["mechanism", "sequences", "score"]
ROWS = [
    ["additive", "distinctive", "a <small> network"],
    ["dot", "distinctive and self", "dot"],
    ["views", "self", "dot"],
]
FACETS = {
    "sequences": {"distinctive": [0, 1], "self": [1, 2]},
    "score": {"additive": [0], "dot": [1, 2], "location": []},
}
ASK = ("sequences", Ask(query=2, text="Where are the views?", choices=[0, 1]))
MORE = ("score", Ask(query=0, text="And its score?", choices=[0, 1]))


def example(**changes):
    options = {
        "header": HEADER,
        "rows": ROWS,
        "facets": FACETS,
        "caption": "Some mechanisms",
        "noun": "mechanisms",
    } | changes
    return filter_table(**options)


def test_the_table_is_plain_html_with_its_data_beside_it():
    view = example(asks=[ASK])
    page = view.to_html()
    assert page.count("<tr>") == 4
    assert '<tr><th scope="row">views</th><td>self</td><td>dot</td></tr>' in page
    assert "a &lt;small&gt; network" in page
    assert view.data["facets"][0] == {
        "label": "sequences",
        "values": ["distinctive", "self"],
        "has": [[0, 1], [1, 2]],
    }
    assert view.data["asks"] == [
        {
            "row": 2,
            "facet": 0,
            "text": "Where are the views?",
            "choices": [0, 1],
            "right": [1],
        }
    ]
    assert view._repr_mimebundle_().keys() == {"text/html", "text/plain"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": []}, "needs rows and facets, got 0 rows and 2 facets"),
        ({"facets": {}}, "needs rows and facets, got 3 rows and 0 facets"),
        ({"rows": [*ROWS[:2], ["views"]]}, r"must have 3 cells, got \['views'\]"),
        ({"facets": {"a": {"b": [3]}}}, r"'a' must name rows from 0 to 2, got \[3\]"),
        ({"asks": [("other", ASK[1])]}, "must name a facet, got 'other'"),
        (
            {"asks": [("sequences", Ask(query=2, text="", choices=[0]))]},
            r"with those of row 2, \[1\], among them, got \[0\]",
        ),
        (
            {"asks": [("sequences", Ask(query=2, text="", choices=[1, 2]))]},
            r"got \[1, 2\]",
        ),
        (
            {"asks": [("sequences", Ask(query=3, text="", choices=[0, 1]))]},
            r"row 3, \[\], among them",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        example(**changes)


# In a real browser.


def opened(show, view, **options):
    page = show(view, **options)
    page.locator("filter-table-1[ready]").wait_for(state="attached")
    return page


def left(page):
    """The rows that are there."""
    rows = page.locator("tbody tr").all()
    return [row.locator("th").text_content() for row in rows if row.is_visible()]


def status(page):
    return page.get_by_role("status").last.text_content()


def test_values_of_several_facets_are_combined(show):
    page = opened(show, example())
    assert left(page) == ["additive", "dot", "views"]
    assert status(page) == "3 of 3 mechanisms"
    page.get_by_label("sequences").select_option("1")
    assert left(page) == ["dot", "views"]
    page.get_by_label("score").select_option("1")
    page.get_by_label("sequences").select_option("0")
    assert left(page) == ["dot"]
    assert status(page) == "1 of 3 mechanisms"
    page.get_by_role("button", name="show all").click()
    assert left(page) == ["additive", "dot", "views"]
    assert page.errors == []


def test_each_value_says_how_many_rows_it_would_leave(show):
    page = opened(show, example())

    def options(label):
        return page.get_by_label(label).locator("option").all()

    texts = [option.text_content() for option in options("score")]
    assert texts == ["any", "additive (1)", "dot (2)", "location (0)"]
    assert [option.is_disabled() for option in options("score")] == [
        False,
        False,
        False,
        True,
    ]
    page.get_by_label("sequences").select_option("1")
    texts = [option.text_content() for option in options("score")]
    assert texts == ["any", "additive (0)", "dot (2)", "location (0)"]
    # Within a facet the other values stay open.
    texts = [option.text_content() for option in options("sequences")]
    assert texts == ["any", "distinctive (2)", "self (2)"]


def test_keyboard(show):
    page = opened(show, example())
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert left(page) == ["dot", "views"]
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # show all
    assert len(left(page)) == 3
    page.keyboard.press("Tab")
    region = page.get_by_role("region", name="Some mechanisms")
    assert region.evaluate("region => region === document.activeElement")


def test_predict_first(show):
    page = opened(show, example(asks=[ASK, MORE]))
    said = page.get_by_role("status").first
    page.get_by_label("distinctive", exact=True).check()
    assert said.text_content() == "No: self."
    assert left(page) == ["dot", "views"]
    row = page.locator("tbody tr").nth(2)
    assert row.evaluate("row => row.style.outlineStyle") == "solid"
    page.get_by_label("self", exact=True).check()
    assert said.text_content() == "Yes: self."
    page.get_by_role("button", name="another question").click()
    assert page.locator("legend").text_content() == "And its score?"
    page.get_by_role("button", name="show me").click()
    assert page.get_by_role("status").first.text_content() == "It is additive."
    assert left(page) == ["additive"]
    assert page.errors == []


def test_touch_on_a_phone(show):
    options = {"has_touch": True, "viewport": {"width": 390, "height": 800}}
    wide = {
        "header": [*HEADER, *"abcdefgh"],
        "rows": [[*r, *["long words"] * 8] for r in ROWS],
    }
    page = opened(show, example(**wide), **options)
    page.get_by_label("score").select_option("0")
    assert left(page) == ["additive"]
    page.get_by_role("button", name="show all").tap()
    assert len(left(page)) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    height = "select => select.getBoundingClientRect().height"
    assert page.get_by_label("score").evaluate(height) >= 24


def test_without_scripts_or_with_damaged_data_the_whole_table_is_there(show):
    page = show(example(), java_script_enabled=False)
    assert left(page) == ["additive", "dot", "views"]
    assert page.get_by_role("columnheader").count() == 3
    view = example()
    view.data["rows"] = 4
    page = show(view)
    page.wait_for_timeout(500)
    assert left(page) == ["additive", "dot", "views"]
    assert any("the plain table stays" in text for text in page.errors)


def test_several_tables_on_a_page(show):
    page = show(example(), example())
    page.locator("filter-table-1[ready]").nth(1).wait_for(state="attached")
    page.get_by_label("sequences").nth(1).select_option("0")
    assert left(page) == ["additive", "dot", "views", "additive", "dot"]

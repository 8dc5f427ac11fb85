"""Figures that answer: their data, and what they do in a real browser."""

import base64
import gzip
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from playwright.sync_api import expect

from attention_book.figures import interactive
from attention_book.figures.interactive import (
    MARKER,
    SHARED,
    WEB,
    Ask,
    PageElement,
    attention_view,
    script,
    scripts,
)

STATIC = Path(__file__).parents[2] / "book" / "_static"
BOOK_FILES = STATIC / "book.js", STATIC / "book.css"
QUERIES = ["drei", "und", "vierzig"]
KEYS = ["forty", "three", "thousand", "<eos>"]


def example(**changes):
    options = {
        "weights": torch.tensor(
            [
                [[0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4], [1.0, 0, 0, 0]],
                [[0.04, 0.91, 0.05, 0], [0.01, 0.48, 0.5, 0.01], [0.7, 0.1, 0.2, 0]],
            ]
        ),
        "queries": QUERIES,
        "keys": KEYS,
        "axes": {"head": [1, 2]},
        "truth": {(1, 0), (0, 2)},
        "alt": 'Weights of "drei" & others.',
    } | changes
    return attention_view(**options)


def test_weights_are_whole_numbers_in_order():
    data = example().data
    assert data["shape"] == [2, 3, 4]
    assert data["w"][:4] == [250] * 4
    assert data["w"][12:16] == [40, 910, 50, 0]
    assert data["axes"] == [{"label": "head", "names": ["1", "2"], "start": 1}]
    assert data["truth"] == [(0, 2), (1, 0)]
    mask = torch.tensor([True, True, False, True])
    assert example(mask=mask).data["w"][12:16] == [40, 910, None, 0]


def test_a_notebook_gets_html_an_image_and_text():
    view = example()
    bundle = view._repr_mimebundle_()
    assert bundle["text/plain"] == 'Weights of "drei" & others.'
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    page = bundle["text/html"]
    assert 'alt="Weights of &quot;drei&quot; &amp; others."' in page
    assert f"<script {MARKER}>{script('attention-view-1')}</script>" in page
    assert "<caption>head 2</caption>" in page
    assert '<th scope="row">drei</th><td>0.04</td><td>0.91</td>' in page
    assert "&lt;eos&gt;" in page


def test_an_element_may_have_a_table_in_place_of_an_image():
    view = PageElement("slider-view-1", {}, alt="a", still=None, table="<p>b</p>")
    assert view._repr_mimebundle_().keys() == {"text/html", "text/plain"}
    assert "<img" not in view.to_html()
    assert "<slider-view-1><p>b</p><script" in view.to_html()


def sent(path):
    """Bytes of a file as a server sends it, compressed."""
    return len(gzip.compress(path.read_bytes()))


def test_the_scripts_of_a_page_are_small():
    """With the book's own script and style; the figures' styles are in their scripts.

    A page has the translators and the captioner, or it may have all other figures.
    """
    own = sum(map(sent, BOOK_FILES))
    stems = {path.stem for path in WEB.glob("*.js")}
    models = {stem for name in ("try-it", "try-scene") for stem in scripts(name)}
    for page in models, stems - models | {SHARED}:
        assert own + sum(sent(WEB / f"{stem}.js") for stem in page) <= 40_000


def test_no_word_can_end_the_script():
    words = ["</script><b>", "und", "vierzig"]
    page = example(queries=words).to_html()
    (data,) = re.findall(r"application/json\">(.*?)</script>", page)
    assert json.loads(data)["queries"] == words


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": KEYS[1:]}, r"shape \(2, 3, 3\) to fit axes, queries and keys, got"),
        ({"axes": None}, r"shape \(3, 4\) to fit"),
        ({"start": [2]}, r"start must be a position on axes of \(2,\), got \[2\]"),
        ({"start": []}, r"start must be a position"),
        ({"view": "list"}, 'view must be "links" or "map"'),
        ({"truth": [(4, 0)]}, r"the link \(4, 0\) lies outside"),
        ({"truth": [(0, 3)]}, r"the link \(0, 3\) lies outside"),
        ({"ask": Ask(query=3, text="", choices=[1])}, "ask.query must be from 0 to 2"),
        ({"ask": Ask(query=0, text="", choices=[0])}, "keys with 1, the right one"),
        ({"ask": Ask(query=0, text="", choices=[1, 4])}, "keys with 1, the right"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        example(**changes)


# In a real browser.


def status(page):
    return page.get_by_role("status").last.text_content()


def lit(page):
    """The numbers by which the key words are coloured, in percent."""
    return page.locator(".key").evaluate_all(
        "words => words.map(word => word.style.getPropertyValue('--w'))"
    )


def test_mouse(show):
    page = show(example())
    page.get_by_role("button", name="drei").hover()
    assert status(page) == "drei: three 0.91, thousand 0.05, forty 0.04"
    assert lit(page) == ["4", "91", "5", "0"]
    page.get_by_role("button", name="und").hover()
    assert status(page) == "und: thousand 0.50, three 0.48, forty 0.01, <eos> 0.01"
    page.get_by_role("heading").hover()
    assert status(page).startswith("Point at a word")
    page.get_by_role("button", name="vierzig").click()
    page.get_by_role("heading").hover()
    assert status(page) == "vierzig: forty 0.70, thousand 0.20, three 0.10"
    assert page.get_by_role("button", pressed=True).text_content() == "vierzig"
    assert page.errors == []


def test_keyboard(show):
    page = show(example())
    page.get_by_label("view").focus()
    page.keyboard.press("Tab")
    assert status(page).startswith("drei: ")
    for key, word in (
        ("ArrowDown", "und"),
        ("End", "vierzig"),
        ("ArrowDown", "vierzig"),
        ("Home", "drei"),
        ("ArrowUp", "drei"),
        ("ArrowRight", "und"),
    ):
        page.keyboard.press(key)
        assert status(page).startswith(f"{word}: "), key
    page.keyboard.press("Enter")
    assert page.get_by_role("button", pressed=True).text_content() == "und"
    page.keyboard.press("Escape")
    assert page.get_by_role("button", pressed=True).count() == 0
    # One stop of the Tab key for all words.
    stops = page.locator(".word").evaluate_all("words => words.map(w => w.tabIndex)")
    assert sorted(stops) == [-1, -1, 0]


def test_touch(show):
    page = show(example(), has_touch=True, viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="vierzig").tap()
    assert status(page).startswith("vierzig: forty 0.70")
    page.get_by_role("button", name="drei").tap()
    assert status(page).startswith("drei: three 0.91")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_long_keys_can_be_read_on_a_phone(show):
    keys = [f"the {name} lies in the tower" for name in ("coin", "ring", "key")]
    page = show(
        attention_view(torch.eye(3), ["hop 1", "hop 2", "hop 3"], keys, alt="Hops."),
        viewport={"width": 390, "height": 800},
    )
    page.locator(".links").wait_for()
    box = "box => box.scrollWidth - box.clientWidth"
    assert page.locator(".scroll").evaluate(box) == 0


@pytest.mark.parametrize("view", ["links", "map"])
def test_words_can_be_read_while_another_one_is_chosen(show, view):
    page = show(example(view=view))
    page.get_by_role("button", name="vierzig").click()
    faint = "all => all.map(one => getComputedStyle(one).opacity)"
    assert (
        page.locator("tr.dim td, line.dim").first.evaluate(
            "one => getComputedStyle(one).opacity"
        )
        == "0.25"
    )
    words = page.locator(".word, .key, .scroll tr, .scroll th").evaluate_all(faint)
    assert {*words} == {"1"}


def test_another_head_has_other_weights_and_the_heat_map_the_same(show):
    page = show(example())
    page.get_by_label("head").select_option("1")
    page.get_by_role("button", name="und").hover()
    assert status(page) == "und: <eos> 0.40, thousand 0.30, three 0.20, forty 0.10"
    page.get_by_label("view").select_option("heat map")
    cells = page.locator("attention-view-1 tbody >> css=td").evaluate_all(
        "cells => cells.filter(c => c.getRootNode() !== document)"
        ".map(c => [c.title, c.style.getPropertyValue('--w'), c.className])"
    )
    assert [title for title, *_ in cells][4:8] == ["0.10", "0.20", "0.30", "0.40"]
    assert [share for _, share, _ in cells][4:8] == ["10", "20", "30", "40"]
    assert [k for k, (*_, kind) in enumerate(cells) if "true" in kind] == [1, 8]


def test_the_positions_of_an_axis_are_played_to_the_last_one(show):
    weights = torch.eye(4)[torch.arange(4)[:, None]].expand(4, 3, 4)
    page = show(example(weights=weights, axes={"step": [0, 10, 20, 30]}, start=[1]))
    step, play = page.locator("select").first, page.get_by_label("play: step")
    page.get_by_role("button", name="und").click()
    play.focus()
    page.keyboard.press("Enter")
    for position, key in (2, "thousand"), (3, "<eos>"):
        expect(step).to_have_value(str(position))
        assert status(page).startswith(f"und: {key} 1.00")
    expect(play).to_have_text("play")
    play.click()  # from the end it starts anew
    expect(step).to_have_value("0")
    page.get_by_label("pause: step").click()
    page.wait_for_timeout(1000)
    expect(step).to_have_value("0")
    assert page.errors == []


def test_a_choice_of_two_is_not_played(show):
    assert show(example()).get_by_text("play").count() == 0


def test_blocked_cells_are_told_apart(show):
    page = show(example(mask=torch.tensor([True, True, False, True]), view="map"))
    blocked = page.locator("td.masked")
    blocked.first.wait_for()
    assert blocked.count() == 3


def test_predict_first(show):
    ask = Ask(query=0, text="Where does “drei” look?", choices=[0, 1, 2])
    page = show(example(ask=ask))
    button = page.get_by_role("button", name="drei")
    assert not button.is_visible()
    page.get_by_label("forty").check()
    said = page.get_by_role("status").first
    assert said.text_content() == "No: it looks at three."
    assert button.is_visible()
    assert status(page).startswith("drei: three 0.91")
    page.get_by_label("three").check()
    assert said.text_content() == "Yes: three."
    again = show(example(ask=ask))
    again.get_by_role("button", name="show me").click()
    assert again.get_by_role("status").first.text_content() == "It looks at three."


def test_the_arrow_keys_lead_to_an_answer_without_giving_it(show):
    ask = Ask(query=0, text="Where does “drei” look?", choices=[0, 1, 2])
    page = show(example(ask=ask))
    said, word = page.get_by_role("status").first, page.locator(".word").first
    page.get_by_label("forty").focus()
    for key, name in (
        ("ArrowRight", "three"),
        ("ArrowDown", "thousand"),
        ("ArrowDown", "forty"),
    ):
        page.keyboard.press(key)
        assert said.text_content() == f"Press Enter to answer “{name}”."
        assert not word.is_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert said.text_content() == "Yes: three."
    assert word.is_visible()
    again = show(example(ask=ask))
    again.get_by_label("forty").focus()
    again.keyboard.press("Space")
    said = again.get_by_role("status").first
    assert said.text_content() == "No: it looks at three."
    assert page.errors == again.errors == []


def test_choices_of_the_same_word_are_numbered(show):
    ask = Ask(query=0, text="Where?", choices=[0, 1, 3])
    page = show(example(keys=["ten", "one", "ten", "ten"], ask=ask))
    names = page.locator("fieldset label").all_text_contents()
    assert names == ["ten (1)", "one", "ten (3)"]


def test_a_figure_is_drawn_before_it_is_scrolled_to(show):
    """In a box that scrolls, as a notebook does, and where its image alone is seen."""
    view = example()
    for height, top in ((300, 500), (900, 860)):
        text = (
            f'<div style="height: {height}px; overflow: auto; position: fixed; top: 0">'
            f'<div style="height: {top}px"></div>{view.to_html()}</div>'
        )
        page = show(SimpleNamespace(to_html=lambda text=text: text))
        page.locator("attention-view-1[ready]").wait_for(state="attached")


def test_two_figures_on_a_page_do_not_disturb_each_other(show):
    page = show(example(), example(queries=["a", "b", "c"]))
    page.get_by_role("button", name="und").click()
    page.get_by_role("button", name="c", exact=True).click()
    pressed = page.get_by_role("button", pressed=True)
    assert pressed.all_text_contents() == ["und", "c"]
    assert page.errors == []


def test_without_scripts_or_with_damaged_data_the_image_stays(show):
    page = show(example(), java_script_enabled=False)
    assert page.get_by_role("img").is_visible()
    text = example().to_html().replace('"shape":', '"form":')
    page = show(SimpleNamespace(to_html=lambda: text))
    for _ in range(2400):  # two minutes: a busy machine is slow and not wrong
        if page.errors:
            break
        page.wait_for_timeout(50)
    assert page.get_by_role("img").is_visible()
    assert any("the still image stays" in text for text in page.errors)


def test_the_theme_is_that_of_the_text(show):
    def colour(page):
        view = page.locator("attention-view-1[ready]")
        view.wait_for()
        return view.evaluate("v => v.style.getPropertyValue('--weight')")

    light = colour(show(example(), style="color: #222; background: #fff"))
    page = show(example(), style="color: #ddd; background: #111")
    dark = colour(page)
    assert light != dark
    page.evaluate("document.body.style.color = '#222'")
    page.wait_for_function(
        "light => document.querySelector('attention-view-1').style"
        ".getPropertyValue('--weight') === light",
        arg=light,
    )


def test_changes_are_told_to_the_page(show):
    page = show(example())
    page.evaluate(
        "addEventListener('ab-change', e => { window.last = e.detail.query; })"
    )
    page.get_by_role("button", name="vierzig").hover()
    assert page.evaluate("window.last") == 2


@pytest.mark.parametrize("options", [{}, {"label": "match score"}])
def test_the_still_image_says_what_its_shades_are(monkeypatch, options):
    drawn = []

    def draw(*_, label, ax, **__):
        drawn.append(label)
        return ax

    monkeypatch.setattr(interactive, "plot_weights", draw)
    attention_view(torch.eye(2), ["a", "b"], ["c", "d"], alt="A map.", **options)
    assert drawn == [options.get("label", "weight")]


def test_in_colab_each_output_brings_its_script_and_asks_for_room(show_in_frames):
    ask = Ask(query=0, text="Where does “drei” look?", choices=[0, 1, 2])
    page, frames = show_in_frames(example(), example(ask=ask, view="map"))
    assert len(frames) == 2
    for frame in frames:
        frame.locator("attention-view-1[ready]").wait_for()
        assert frame.locator("script[src]").count() == 0
        assert not frame.evaluate("try { parent.document } catch { false }")
    one, other = frames
    one.get_by_role("button", name="drei").hover()
    assert one.get_by_role("status").text_content().startswith("drei: three 0.91")
    page.wait_for_function("heights.length >= 2")
    before = page.evaluate("heights.length")
    other.get_by_role("button", name="show me").click()
    assert other.get_by_role("button", name="drei").is_visible()
    page.wait_for_function("before => heights.length > before", arg=before)
    assert page.evaluate("Math.max(...heights)") > 200
    assert page.errors == []

"""The page "Try it": what it offers, what it says, and what it does in a browser."""

import base64
import json
import random
import re
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation.numerals import numeral
from attention_book.data.vocab import BOS, EOS, SPECIAL_TOKENS
from attention_book.decoding.search import greedy_search
from attention_book.figures.interactive import WEB
from attention_book.figures.try_it import Offer, scene_view, try_view
from attention_book.models.encoders.image import CellEncoder
from attention_book.models.soft_hard import ShowAttendTell, ShowAttendTellConfig
from attention_book.observe import record_weights
from attention_book.recipes.try_it import TRY_MODELS
from attention_book.training.export import export_weights, round_weights

EXAMPLE = (("twenty", "one"), ("ein", "und", "zwanzig"))
ENGLISH = [*SPECIAL_TOKENS, "one", "two", "three", "twenty", "hundred", "thousand"]
ENGLISH += ["and"]
GERMAN = [*SPECIAL_TOKENS, "eins", "zwei", "drei", "ein", "und", "zwanzig", "hundert"]


def translator(name, seed=0):
    """A translator of the page with random weights, rounded, and its file."""
    own = TRY_MODELS[name]
    torch.manual_seed(seed)
    vocabs = {"source_vocab": len(ENGLISH), "target_vocab": len(GERMAN)}
    model = own.model(own.config(**vocabs, **own.sizes)).eval()
    round_weights(model)
    return model, export_weights(model, {"source": ENGLISH, "target": GERMAN})


def offers(*names):
    return {
        name: Offer(
            label=TRY_MODELS[name].label,
            note="A note.",
            file=translator(name)[1],
            breaks=TRY_MODELS[name].breaks,
            layers=TRY_MODELS[name].layers,
            heads=TRY_MODELS[name].heads,
            written=TRY_MODELS[name].written,
            outputs=[["ein", "und", "zwanzig"]],
        )
        for name in names
    }


def example(*names, **options):
    return try_view(offers(*names), [EXAMPLE], **{"longest": 3} | options)


def test_the_models_are_listed_and_their_weights_are_there():
    view = example("bahdanau", "transformer")
    assert [model["name"] for model in view.data["models"]] == [
        "bahdanau",
        "transformer",
    ]
    assert view.data["models"][1]["heads"] == 4
    assert [model["written"] for model in view.data["models"]] == [False, True]
    assert view.data["start"] == {"model": "bahdanau", "text": "twenty one"}
    page = view.to_html()
    (found,) = re.findall(r'data-weights="transformer">([^<]+)</script>', page)
    assert base64.b64decode(found) == translator("transformer")[1]
    assert "base64" not in json.dumps(view.data)


def test_without_scripts_there_is_a_table_of_examples():
    page = example("bahdanau").to_html()
    assert '<th scope="row">twenty one</th><td>ein und zwanzig (right)</td>' in page
    wrong = {"a": Offer(label="<a>", note="", file=b"", outputs=[["ein"]])}
    page = try_view(wrong, [EXAMPLE], longest=3).to_html()
    assert "<td>ein (wrong)</td>" in page
    assert '<th scope="col">&lt;a&gt;</th>' in page


@pytest.mark.parametrize(
    ("given", "examples", "message"),
    [
        ({}, [EXAMPLE], "at least one translator"),
        ({"a": Offer(label="", note="", file=b"")}, [], "and one example"),
        ({"a b": Offer(label="", note="", file=b"")}, [EXAMPLE], "identifiers"),
        ({"a": Offer(label="", note="", file=b"")}, [EXAMPLE], "a must have 1 outputs"),
    ],
)
def test_what_does_not_fit_is_refused(given, examples, message):
    with pytest.raises(ValueError, match=message):
        try_view(given, examples, longest=3)


# In a real browser.

CALM = {"reduced_motion": "reduce"}


@pytest.fixture(scope="module")
def console(browser):
    """A page with the scripts of the translators, and nothing to see."""
    page = browser.new_page()
    page.set_default_timeout(120_000)  # a busy machine is slow and not wrong
    for name in "forward-pass", "numerals":
        page.add_script_tag(path=WEB / f"{name}.js")
    yield page
    page.close()


def test_numbers_in_words_are_those_of_the_package(console):
    draw = random.Random(1)
    numbers = [*range(130), *(101 * 10**k for k in range(10)), 10**12 - 1]
    numbers += [d * 10**k + 1 for d in (1, 2) for k in range(1, 12)]
    numbers += [draw.randrange(10 ** draw.randint(1, 12)) for _ in range(300)]
    found = console.evaluate(
        """numbers => numbers.map(number => {
          const {english, german, valueOf, translate} = attentionBook.numerals;
          const words = english(number);
          return [words, german(number), valueOf(words), translate(words)];
        })""",
        numbers,
    )
    for number, (words, german, value, translation) in zip(numbers, found, strict=True):
        assert words == [*numeral(number, "en").tokens]
        assert german == translation == [*numeral(number, "de").tokens]
        assert value == number


def test_what_is_no_number_has_no_value(console):
    for words in ["one and", "twenty eleven", "hundred", "two cat", "one one", ""]:
        value = "words => attentionBook.numerals.valueOf(words)"
        assert console.evaluate(value, words.split()) is None, words


def test_american_numbers_have_a_value_too(console):
    value = "words => attentionBook.numerals.valueOf(words)"
    for words, number in (
        ("one hundred one", 101),
        ("two thousand five", 2005),
        ("one hundred one thousand two hundred two", 101_202),
    ):
        assert console.evaluate(value, words.split()) == number
    mixed = "one hundred and one thousand two hundred two"
    assert console.evaluate(value, mixed.split()) is None


def test_numbers_are_drawn_by_their_length(console):
    draw = "Array.from({length: 99}, () => attentionBook.numerals.draw(14, %s).length)"
    assert max(console.evaluate(draw % "false")) <= 14
    assert min(console.evaluate(draw % "true")) > 14
    words = "Array.from({length: 999}, () => attentionBook.numerals.draw(14, false)[0])"
    assert "zero" not in console.evaluate(words)


DECODE = """({file, sources, most, how}) => {
  const bytes = Uint8Array.from(atob(file), c => c.charCodeAt(0));
  const model = attentionBook.forward.open(bytes);
  return sources.map((source) => {
    let state = model.start(source, how), id = 1, found = [];
    while (found.length < most && id !== 2) {
      const one = model.step(state, id, how);
      state = one.state;
      id = one.logits.indexOf(Math.max(...one.logits));
      const plain = (layers) => layers?.map(heads => heads.map(head => [...head]));
      found.push({id, logits: [...one.logits], weights: plain(one.weights),
        written: plain(one.written)});
    }
    return found;
  });
}"""


def decode(console, file, sources, most=12, **how):
    given = {
        "file": base64.b64encode(file).decode(),
        "sources": sources,
        "most": most,
        "how": how,
    }
    return console.evaluate(DECODE, given)


def some_sources(count):
    draw = random.Random(2)
    return [
        [*(draw.randrange(4, len(ENGLISH)) for _ in range(draw.randint(1, 20))), EOS]
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", TRY_MODELS)
@torch.no_grad()
def test_translators_write_what_pytorch_writes(console, name):
    """Logits to 1e-4 in single precision, and the same tokens on 40 inputs."""
    model, file = translator(name)
    sources = some_sources(40)
    for source, steps in zip(sources, decode(console, file, sources), strict=True):
        ids = torch.tensor([source])
        mask = torch.ones_like(ids, dtype=torch.bool)
        options = {"batch_size": 1, "bos": BOS, "eos": EOS, "max_tokens": 12}
        (best,) = greedy_search(model.step, model.start(ids, mask), **options)
        written = [step["id"] for step in steps]
        assert [token for token in written if token != EOS] == [*best.tokens]
        read = torch.tensor([[BOS, *written[:-1]]])
        logits, _ = model.decode(read, model.start(ids, mask))
        found = torch.tensor([step["logits"] for step in steps])
        assert_close(found, logits[0], atol=1e-4, rtol=0)


ATTENDING = [name for name, own in TRY_MODELS.items() if own.layers]


@pytest.mark.parametrize("name", ATTENDING)
def test_weights_are_broken_as_the_page_says(console, name):
    _, file = translator(name)
    source = some_sources(1)
    length = len(source[0])
    own = TRY_MODELS[name]

    def weights(**how):
        found = [step["weights"] for step in decode(console, file, source, 3, **how)[0]]
        tensor = torch.tensor(found, dtype=torch.float64)
        assert tensor.shape[1:3] == (own.layers, own.heads)
        return tensor

    uniform = weights(uniform=True)
    assert_close(uniform, torch.full_like(uniform, 1 / length))
    focused = weights(focus=0)
    assert (focused[..., 0] == 1).all()
    assert (focused[..., 1:] == 0).all()
    assert weights(padding=8).shape[-1] == length + 8
    if name != "luong_local":
        assert weights(padding=8)[..., length:].sum() > 0
        assert_close(
            weights().sum(dim=-1), torch.ones(()).double().expand(weights().shape[:-1])
        )


def with_equal_scores(model):
    """The same model with scores of 0 over the source; no window of Luong's is left."""
    state = model.state_dict()
    for name, weight in state.items():
        if name.endswith(("attention.score_proj.weight", "score.query_proj.weight")):
            weight.zero_()
        elif "cross_attention.in_proj" in name:
            weight[: len(weight) // 3] = 0  # of the queries
    config = model.config
    if getattr(config, "window", None) is not None:
        config = replace(config, attention="global", window=None)
    equal = type(model)(config).eval()
    equal.load_state_dict(state, strict=False)
    return equal


def attending_only(state, at):
    """The same state of a decoder, with a mask that leaves one position."""
    field = "source_mask" if hasattr(state, "source_mask") else "mask"
    mask = torch.zeros_like(getattr(state, field))
    mask[:, at] = True
    return state._replace(**{field: mask})


@pytest.mark.parametrize("name", ATTENDING)
@torch.no_grad()
def test_equal_and_forced_weights_write_what_pytorch_writes_with_them(console, name):
    model, file = translator(name)
    sources = some_sources(8)
    equal = with_equal_scores(translator(name)[0])
    lifted = model
    if getattr(model.config, "window", None) is not None:
        lifted = type(model)(equal.config).eval()
        lifted.load_state_dict(model.state_dict(), strict=False)
    for how in ({"uniform": True}, {"focus": 1}):
        for source, steps in zip(
            sources, decode(console, file, sources, 6, **how), strict=True
        ):
            ids = torch.tensor([source])
            mask = torch.ones_like(ids, dtype=torch.bool)
            read = torch.tensor([[BOS, *(step["id"] for step in steps[:-1])]])
            if "uniform" in how:
                logits, _ = equal.decode(read, equal.start(ids, mask))
            else:
                state = attending_only(lifted.start(ids, mask), how["focus"])
                logits, _ = lifted.decode(read, state)
            found = torch.tensor([step["logits"] for step in steps])
            assert_close(found, logits[0], atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_transformer_shows_where_it_looks_among_its_own_words(console):
    model, file = translator("transformer")
    for source in some_sources(5):
        (steps,) = decode(console, file, [source], 6)
        ids = torch.tensor([source])
        read = torch.tensor([[BOS, *(step["id"] for step in steps[:-1])]])
        with record_weights(model) as recorded:
            model(ids, read, torch.ones_like(ids, dtype=torch.bool))
        for layer in range(model.config.num_layers):
            for side, part in (("self", "written"), ("cross", "weights")):
                name = f"decoder.layers.{layer}.{side}_attention"
                (expected,) = recorded[name]
                for at, step in enumerate(steps):
                    found = torch.tensor(step[part][layer], dtype=torch.float32)
                    seen = slice(at + 1) if side == "self" else slice(None)
                    assert_close(found, expected[0, :, at, seen], atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_without_a_mask_is_what_pytorch_reads_without_one(console):
    model, file = translator("transformer")
    source = some_sources(1)
    (steps,) = decode(console, file, source, 4, padding=8)
    ids = torch.tensor([source[0] + [0] * 8])
    read = torch.tensor([[BOS, *(step["id"] for step in steps[:-1])]])
    logits = model(ids, read, torch.ones_like(ids, dtype=torch.bool))
    found = torch.tensor([step["logits"] for step in steps])
    assert_close(found, logits[0], atol=1e-4, rtol=0)
    for name in "bahdanau", "luong_global":
        model, file = translator(name)
        (steps,) = decode(console, file, source, 4, padding=8)
        ids = torch.tensor(source)
        encoded = model.encode(ids, torch.ones_like(ids, dtype=torch.bool))
        annotations = torch.nn.functional.pad(encoded.annotations, (0, 0, 0, 8))
        state = model.decoder.start(annotations, None, encoded.final)
        read = torch.tensor([[BOS, *(step["id"] for step in steps[:-1])]])
        found = torch.tensor([step["logits"] for step in steps])
        assert_close(found, model.decode(read, state)[0][0], atol=1e-4, rtol=0)


@torch.no_grad()
def test_without_positions_the_transformer_reads_a_bag_of_words(console):
    model, file = translator("transformer")
    model.source_positions = model.target_positions = None
    source = some_sources(1)[0]
    (steps,) = decode(console, file, [source], 4, positions=False)
    ids = torch.tensor([source])
    read = torch.tensor([[BOS, *(step["id"] for step in steps[:-1])]])
    logits = model(ids, read, torch.ones_like(ids, dtype=torch.bool))
    found = torch.tensor([step["logits"] for step in steps])
    assert_close(found, logits[0], atol=1e-4, rtol=0)


def status(page):
    return page.get_by_role("status").text_content()


def choice(page, name):
    return page.get_by_role("combobox", name=name, exact=True)


def translate(page, text):
    page.get_by_role("textbox").fill(text)
    page.get_by_role("button", name="Translate").click()
    page.wait_for_function(
        "!/^(Loading|Translating|Press)/.test(document.querySelector('try-it-1')"
        ".shadowRoot.querySelector('[role=status]').textContent)"
    )


def test_a_number_is_translated_and_the_words_tell_where_they_look(show):
    page = show(example("bahdanau"), **CALM)
    translate(page, "two hundred and one")
    assert status(page).startswith("It wrote “")
    assert "Right would be “zwei hundert eins”." in status(page)
    assert "4 words, more than any in training (3)" in status(page)
    assert page.locator("try-it-1 thead span").all_text_contents() == [
        *["two", "hundred", "and", "one", "<eos>"]
    ]
    first = page.locator(".word").first
    first.click()
    assert re.match(r"\S+ attends to (\S+ 0\.\d\d(, )?)+$", status(page))
    first.press("ArrowDown")
    assert page.locator(".word[aria-pressed=true]").get_attribute("data-step") == "1"
    stops = page.locator(".word").evaluate_all("all => all.map(one => one.tabIndex)")
    assert sorted(set(stops)) == [-1, 0]
    assert stops.count(0) == 1
    assert page.errors == []


def test_another_word_and_another_place_are_forced(show):
    page = show(example("bahdanau"), **CALM)
    translate(page, "two hundred and one")
    page.locator(".word").first.click()
    page.get_by_role("button", name=re.compile("write (drei|eins) here")).click()
    forced = page.locator(".word.forced")
    forced.wait_for()
    assert forced.count() == 1
    assert forced.text_content() in ("drei", "eins")
    page.locator(".word").first.click()
    choice(page, "make this step look").select_option("1: two")
    page.wait_for_function(
        "document.querySelector('try-it-1').shadowRoot.querySelector('td').title"
        " === '1.00'"
    )


def test_what_is_forced_stays_in_sight_and_in_reach_of_the_keyboard(show):
    page = show(example("bahdanau"), **CALM)
    translate(page, "two hundred and one")
    page.locator(".word").first.click()
    look = choice(page, "make this step look")
    look.focus()
    look.select_option("2: hundred")
    wait_for_status(page, "It wrote")
    chosen = page.locator(".word[aria-pressed=true]")
    assert chosen.get_attribute("data-step") == "0"
    assert look.locator("option:checked").text_content() == "2: hundred"
    held = "document.querySelector('try-it-1').shadowRoot.activeElement?.ariaLabel"
    assert page.evaluate(held) == "make this step look"
    translate(page, "two hundred and one")
    page.locator(".word").first.click()
    other = page.locator(".more li button").nth(2)
    name = other.get_attribute("aria-label")
    other.focus()
    page.keyboard.press("Enter")
    wait_for_status(page, "It wrote")
    assert chosen.get_attribute("data-step") == "0"
    assert page.evaluate(held) == name
    assert page.errors == []


def test_a_number_without_and_is_told_from_those_of_training(show):
    page = show(example("bahdanau"), **CALM)
    translate(page, "Two hundred one.")
    assert "In training it was spelled “two hundred and one”." in status(page)
    translate(page, "two two")
    assert "No number in training was spelled like the input." in status(page)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Type a number first"),
        ("two cats", "number words only, and not “cats”"),
        ("one " * 41, "41 words; up to 40, please"),
        ("1234567890123", "up to twelve digits"),
        ("3.5", "Whole numbers"),
        ("-7", "Whole numbers"),
    ],
)
def test_what_cannot_be_translated_gets_a_kind_message(show, text, message):
    page = show(example("bahdanau"), **CALM)
    translate(page, text)
    assert message in status(page)
    assert page.locator(".word").count() == 0
    assert page.errors == []
    for number, words in (("2,001", "two thousand and one"), ("21", "twenty one")):
        translate(page, number)
        assert page.get_by_role("textbox").input_value() == words
    assert page.locator(".word").count() > 0


def test_models_layers_and_heads_are_chosen(show):
    page = show(example("bahdanau", "transformer", "one_vector"), **CALM)
    translate(page, "twenty one")
    choice(page, "model").select_option(TRY_MODELS["transformer"].label)
    assert page.locator(".word").count() == 0
    translate(page, "twenty one")
    shades = "all => all.map(one => one.style.getPropertyValue('--w'))"
    mean = page.locator("try-it-1 tbody td").evaluate_all(shades)
    choice(page, "head").select_option("2")
    head = page.locator("try-it-1 tbody td").evaluate_all(shades)
    assert page.url.endswith("#model=transformer&number=twenty+one&head=2")
    choice(page, "layer").select_option("1")
    layer = page.locator("try-it-1 tbody td").evaluate_all(shades)
    assert mean != head != layer
    page.get_by_label("uniform weights").check()
    page.wait_for_function(
        "document.querySelector('try-it-1').shadowRoot.querySelector('td').title"
        " === '0.33'"
    )
    choice(page, "model").select_option(TRY_MODELS["one_vector"].label)
    assert page.get_by_text("Break it").count() == 0
    translate(page, "twenty one")
    page.locator(".word").first.click()
    assert "this model has one vector" in status(page)


def test_the_transformer_looks_at_its_own_words(show):
    page = show(example("transformer"), **CALM)
    translate(page, "two hundred and one")
    choice(page, "attention to").select_option("its own words")
    columns = page.locator("try-it-1 thead span").all_text_contents()
    rows = page.locator(".word").all_text_contents()
    assert columns == ["<bos>", *rows[:-1]]
    cells = page.locator(".scroll tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell =>"
        " cell.className === 'masked' ? null : Number(cell.title)))"
    )
    for at, row in enumerate(cells):
        assert row[at + 1 :] == [None] * (len(rows) - at - 1)
        assert abs(sum(row[: at + 1]) - 1) < 0.01 * len(rows)
    page.locator(".word").first.click()
    assert status(page) == f"{rows[0]} attends to <bos> 1.00"
    assert page.errors == []


# The address of a view.


def go(page, address):
    """Ask for a view on the page that is open."""
    page.evaluate("address => { location.hash = address; }", address)


def wait_for_status(page, start):
    page.wait_for_function(
        "start => document.querySelector('try-it-1').shadowRoot"
        ".querySelector('[role=status]').textContent.startsWith(start)",
        arg=start,
    )


LINK = "#model=transformer&number=two+hundred&break=uniform+positions&layer=0&head=3"


def test_a_view_can_be_linked(show):
    page = show(example("bahdanau", "transformer"), **CALM, address=LINK)
    wait_for_status(page, "It wrote")
    assert choice(page, "model").input_value() == "transformer"
    assert page.get_by_role("textbox").input_value() == "two hundred"
    kinds = {"uniform weights": True, "no mask": False, "no positions": True}
    for name, broken in kinds.items():
        assert page.get_by_label(name).is_checked() is broken, name
    assert [choice(page, name).input_value() for name in ("layer", "head")] == [
        "0",
        "3",
    ]
    assert page.locator(".scroll td").first.get_attribute("title") == "0.33"
    assert page.url.endswith(LINK)
    page.get_by_label("no positions").uncheck()
    wait_for_status(page, "It wrote")
    assert page.url.endswith(LINK.replace("+positions", ""))
    assert page.errors == []


def test_an_address_follows_what_is_shown_and_back_leads_out(show):
    page = show(example("bahdanau", "one_vector"), **CALM)
    before = page.evaluate("history.length")
    assert "#" not in page.url
    translate(page, "two hundred and one")
    assert page.url.endswith("#model=bahdanau&number=two+hundred+and+one")
    choice(page, "model").select_option("one_vector")
    translate(page, "twenty one")
    assert page.url.endswith("#model=one_vector&number=twenty+one")
    assert page.evaluate("history.length") == before
    go(page, "elsewhere")  # as a link to a heading does
    assert page.get_by_role("textbox").input_value() == "twenty one"
    go(page, "model=bahdanau&number=two")
    wait_for_status(page, "It wrote")
    assert page.get_by_role("textbox").input_value() == "two"
    page.go_back()
    page.go_back()
    wait_for_status(page, "It wrote")
    assert choice(page, "model").input_value() == "one_vector"
    assert page.get_by_role("textbox").input_value() == "twenty one"
    page.go_back()
    assert page.url == "about:blank"
    assert page.errors == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("model=gpt&number=one", "Press Translate"),
        ("number=one", "Press Translate"),
        ("model=bahdanau", "Type a number first"),
        (
            "model=bahdanau&number=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
            "The models know",
        ),
        ("model=bahdanau&number=%E0%A4%A", "The models know"),
        ("model=bahdanau&number=one&layer=7&head=x&break=all+uniform", "It wrote"),
    ],
)
def test_an_address_may_ask_for_anything(show, address, message):
    page = show(example("bahdanau"), **CALM, address=f"#{address}")
    wait_for_status(page, message)
    assert page.locator("try-it-1 img").count() == 0
    assert page.errors == []


def test_nothing_is_stored(show):
    page = show(example("bahdanau"), **CALM, address="#model=bahdanau&number=one")
    wait_for_status(page, "It wrote")
    assert page.evaluate("[document.cookie, localStorage.length, history.state]") == [
        *["", 0, None]
    ]
    assert page.evaluate("sessionStorage.length") == 0
    assert page.context.cookies() == []


def test_models_run_in_the_frames_of_colab(show_in_frames):
    """Such a frame has no address, and its weights come with it."""
    page, (words, pictures) = show_in_frames(example("bahdanau"), scenes(), **CALM)
    words.get_by_role("button", name="Translate").click()
    words.get_by_text("It wrote “").wait_for()
    assert words.url == "about:srcdoc"
    pictures.get_by_role("button", name="Read it").click()
    pictures.get_by_text("Press a word to see").wait_for()
    assert page.errors == []


def test_a_phone_shows_it_all(show):
    page = show(example("transformer"), **CALM, viewport={"width": 390, "height": 800})
    translate(page, "two hundred and one thousand two hundred and one")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_weights_come_from_a_script_of_the_site_when_they_are_asked_for(show, tmp_path):
    file = base64.b64encode(translator("bahdanau")[1]).decode()
    view = example("bahdanau")
    held = f'data-weights="bahdanau">{file}<'
    whole = view.to_html()
    assert held in whole
    for source, message in (("weights.js", "It wrote"), ("absent.js", "try again")):
        text = whole.replace(held, f'data-weights="bahdanau" data-src="{source}"><')
        (tmp_path / "weights.js").write_text(
            f"((window.attentionBook ??= {{}}).weights ??= {{}}).bahdanau = '{file}';"
        )
        view.to_html = lambda text=text: text
        page = show(view, **CALM)
        assert page.locator("script[src]").count() == 0
        translate(page, "twenty one")
        assert message in status(page)


CAPTION = ["a", "seven", "top", "left"]
NAMES = [*SPECIAL_TOKENS, *CAPTION, "nine", "bottom", "right", "and"]


def scenes(labels=range(10), **given):
    torch.manual_seed(4)
    config = ShowAttendTellConfig(target_vocab=len(NAMES))
    model = ShowAttendTell(config, CellEncoder(config.annotation_dim, 64)).eval()
    with torch.no_grad():
        model.output_proj.bias[EOS] = -100  # it never ends by itself
    round_weights(model)
    file = export_weights(model, {"target": NAMES, "cell": 8})
    digits = torch.arange(17)[torch.randint(0, 17, (10, 8, 8))] / 16
    examples = [(CAPTION, CAPTION), (CAPTION, CAPTION[:2])]
    return scene_view(file, digits, [*labels], examples)


def test_images_of_digits_are_kept_to_a_sixteenth():
    view = scenes()
    torch.manual_seed(4)
    assert [len(images) for images in view.data["digits"]] == [1] * 10
    (letters,) = view.data["digits"][3]
    assert len(letters) == 64
    assert set(letters) <= set("0123456789abcdefg")
    page = view.to_html()
    assert page.count("<td>a seven top left (right)</td>") == 1
    assert page.count("<td>a seven (wrong)</td>") == 1
    assert 'data-weights="scenes"' in page


@pytest.mark.parametrize("labels", [range(9), [0] * 10])
def test_every_digit_needs_an_image(labels):
    with pytest.raises(ValueError, match="an image of each digit"):
        scenes(labels)


def read(page):
    page.get_by_role("button", name="Read it").click()
    page.get_by_text("Press a word to see").wait_for()


def test_a_scene_is_read_and_the_words_tell_where_they_look(show):
    page = show(scenes(), **CALM, viewport={"width": 390, "height": 800})
    page.get_by_role("button", name="clear").click()
    choice(page, "digit").select_option("seven")
    choice(page, "cell").select_option("row 2, column 1")
    page.get_by_role("button", name="put it there").click()
    scene = "a scene: seven in row 2, column 1"
    assert page.get_by_role("img").get_attribute("aria-label") == scene
    read(page)
    assert status(page).startswith("It reads “")
    assert "Right would be “a seven top left”" in status(page)
    page.locator(".word").first.click()
    assert re.match(r"“\w+” \(\d+ %\) looks at (row|no)", status(page))
    assert abs(sum(seen(page)) - 1) < 1e-6
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.errors == []


def seen(page):
    """The weights of the chosen word over the cells."""
    shades = page.locator(".cells i").evaluate_all(
        "all => all.map(cell => Number(cell.style.getPropertyValue('--w')))"
    )
    assert len(shades) == 16
    return [(shade / 0.85) ** 2 for shade in shades]


def test_a_word_is_made_to_look_elsewhere_and_all_cells_are_given_the_same(show):
    page = show(scenes(), **CALM)
    read(page)
    look = choice(page, "make this word look")
    assert not look.is_visible()
    words = page.locator(".word")
    before = words.all_text_contents()
    words.nth(1).click()
    own = seen(page)
    look.select_option("row 4, column 2")
    assert [round(weight, 6) for weight in seen(page)] == [0] * 13 + [1] + [0] * 2
    assert "looks at row 4, column 2: 1.00" in status(page)
    assert status(page).startswith("It reads “")
    assert words.first.text_content() == before[0]
    words.nth(2).click()
    assert look.input_value() == "-1"
    words.nth(1).click()
    assert look.input_value() == "13"
    look.select_option("where it chose to")
    assert seen(page) == own
    assert words.all_text_contents() == before
    page.get_by_label("uniform weights").check()
    words.first.click()
    assert seen(page) == pytest.approx([1 / 16] * 16)
    assert status(page).endswith("looks at no cell in particular")
    page.get_by_label("uniform weights").uncheck()
    assert words.all_text_contents() == before
    assert page.errors == []


def test_a_digit_is_drawn_by_hand(show):
    page = show(scenes(), **CALM)
    page.get_by_role("button", name="clear").click()
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 60, steps=3)
    page.mouse.up()
    scene = page.get_by_role("img").get_attribute("aria-label")
    assert scene == "a scene: something drawn"
    dark = page.locator("canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(10, 4, 1, 1).data]"
    )
    assert dark[:3] == [dark[0]] * 3
    assert dark[0] < 100
    read(page)
    assert "Right would be" not in status(page)
    page.get_by_role("button", name="a random scene").click()
    page.get_by_text("Press a word to see").wait_for()
    assert "drawn" not in page.get_by_role("img").get_attribute("aria-label")

"""Pages around the chapters: map, results, teaser; and what makes them."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import docutils.nodes
import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

from attention_book.chapters.records import Record, Run
from attention_book.chapters.taxonomy import MECHANISMS
from attention_book.figures.interactive import MARKER
from tools import api, computed, import_graph, interactive, look, offline
from tools.repository import address, bootstrap_cell

ROOT = api.ROOT
BOOK = ROOT / "book"
CHAPTERS = sorted(path.stem for path in BOOK.glob("*.ipynb"))
BASE = "https://github.com/an/address"


def read(name):
    return (BOOK / name).read_text("utf-8")


@pytest.mark.parametrize("slug", CHAPTERS)
def test_every_chapter_is_on_the_map_and_among_the_results(slug):
    assert f"{{grid-item-card}} {{ref}}`{slug}`" in read("index.md")
    assert f"{{run}}`{slug}`" in read("results.md")
    assert re.search(rf"\{{result\}}`{slug}_\w+(:[^`]+)?`", read("results.md"))


def test_the_map_has_the_chapters_in_the_books_order():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    order = [file.removeprefix("book/") for file in files]
    order = [slug for slug in order if slug in CHAPTERS]
    for page, pattern in (
        ("index.md", r"\{grid-item-card\} \{ref\}`(\w+)`"),
        ("results.md", r"^\{ref\}`(\w+)`\."),
    ):
        assert re.findall(pattern, read(page), re.M) == order


def test_results_are_computed_and_not_typed():
    for line in read("results.md").splitlines():
        cells = [cell.strip() for cell in line.split("|")][1:-1]
        if len(cells) == 2 and cells[1] not in ("this book", "---"):
            typed = re.sub(r"\{result\}`[^`]+`", "", cells[1])
            assert re.search(r"\{result\}", cells[1])
            assert not re.search(r"\d", typed), line


def test_the_teaser_is_short_and_has_no_outputs():
    notebook = nbformat.read(BOOK / "front" / "teaser.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source == bootstrap_cell(address(ROOT))
    assert all(cell.outputs == [] for cell in code)
    assert len(code) <= 9
    for cell in code:
        if not {"hide-input", "remove-input"} & set(cell.metadata.get("tags", [])):
            assert len(cell.source.splitlines()) <= 16, cell.source[:60]


def test_the_front_page_opens_with_a_figure_that_answers():
    """Before its first heading; the notebook that it names has the figure."""
    opening = read("index.md").split("\n## ")[0]
    (shown,) = re.findall(r"\{answering\} (\S+)\n:figure: (\S+)\n", opening)
    notebook = nbformat.read(BOOK / f"{shown[0]}.ipynb", as_version=4)
    names = [
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for cell in notebook.cells
        if "attention_view(" in cell.source
    ]
    assert shown[1] in names


def test_a_figure_of_another_page_is_what_the_notebook_has_computed(tmp_path):
    notebook = nbformat.v4.new_notebook()
    for name in ("fig-a", "fig-b", "fig-c"):
        cell = nbformat.v4.new_code_cell(f"show({name!r})")
        cell.metadata["mystnb"] = {"figure": {"name": name}}
        notebook.cells.append(cell)
    path, cache = tmp_path / "some.ipynb", tmp_path / "cache"
    nbformat.write(notebook, path)
    with pytest.raises(KeyError):
        interactive.computed_figure(path, cache, "fig-a")
    output = {"output_type": "display_data", "metadata": {}}
    for cell, kind in zip(notebook.cells, ("html", "html", "plain"), strict=True):
        data = {f"text/{kind}": cell.metadata["mystnb"]["figure"]["name"]}
        cell.outputs = [nbformat.from_dict(output | {"data": data})]
    bundle = CacheBundleIn(notebook, str(path), data={})
    get_cache(cache).cache_notebook_bundle(bundle, check_validity=False)
    assert interactive.computed_figure(path, cache, "fig-b") == "fig-b"
    for missing in ("fig-c", "fig-d"):
        with pytest.raises(KeyError, match=f"some.ipynb has no figure {missing}"):
            interactive.computed_figure(path, cache, missing)


def rows(text, heading):
    """The cells of the tables whose heading row begins so, row by row."""
    found, inside = [], False
    for line in text.splitlines():
        if line.startswith(f"| {heading} |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("| ---"):
            found.append([cell.strip() for cell in line.split("|")[1:-1]])
    return found


def prose(slug):
    notebook = nbformat.read(BOOK / f"{slug}.ipynb", as_version=4)
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def letters(cell):
    """The symbols in the first cell of a row, such as $d$, $d_k$ or $h$ alone."""
    found = re.findall(r"\$([^$]+)\$([^$;,|]*)", cell)
    return [f"{symbol.strip()} {rest.strip()}".strip() for symbol, rest in found]


def test_no_letter_of_the_notation_means_two_things():
    found = [
        letter
        for row in rows(read("notation.md"), "letter")
        for letter in letters(row[0])
    ]
    assert {"N", "h alone", "h with an index"} <= set(found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("slug", CHAPTERS)
def test_no_symbol_of_a_chapter_means_two_things(slug):
    found = [
        letter for row in rows(prose(slug), "symbol") for letter in letters(row[0])
    ]
    assert len(set(found)) == len(found), found


def test_the_notation_has_the_letters_of_every_mechanism():
    table = "\n".join(row[0] for row in rows(read("notation.md"), "chapter"))
    named = set(re.findall(r"<(\w+)>`", table))
    explained = {mechanism.chapter for mechanism in MECHANISMS} - {"taxonomy"}
    assert explained <= named


@pytest.mark.parametrize("slug", CHAPTERS)
def test_where_h_counts_heads_no_state_is_called_h(slug):
    text = prose(slug)
    if not any(row[0] == "$h$" for row in rows(text, "symbol")):
        return
    maths = re.findall(r"```\{math\}.*?```|\$\$.*?\$\$|\$[^$]+\$", text, re.S)
    states = [part for part in maths if re.search(r"(?<![A-Za-z^\\])h_", part)]
    assert not states


# What prose.md asks a chapter to say, each explained once.
FIELD = """ablation, autoregressive, baseline, beam search, BLEU, checkpoint, context,
cross-attention, dropout, embedding, encoder-decoder, head, held-out data,
hidden state, inference, key, KV cache, logit, mask, median, padding, position, query,
residual stream, score, seed, self-attention, softmax, standard deviation, sub-word,
teacher forcing, token, value, weight"""


def test_the_glossary_has_the_words_of_the_field_each_once():
    terms = re.findall(r"^(\w.*)\n  ", read("glossary.md"), re.M)
    assert set(" ".join(FIELD.split()).split(", ")) <= set(terms)
    assert len(set(terms)) == len(terms)


# What readers of other books and papers search for, and the book's word for it.
SYNONYMS = {
    "attention map": "attention",
    "attention probability": "weight",
    "Bahdanau attention": "additive attention",
    "byte-pair encoding": "sub-word",
    "compatibility function": "score",
    "context vector": "context",
    "deterministic attention": "soft attention",
    "encoder-decoder attention": "cross-attention",
    "GQA": "multi-query attention",
    "intra-attention": "self-attention",
    "key-value cache": "KV cache",
    "layer normalization": "layer norm",
    "look-ahead mask": "causal mask",
    "MLP": "feed-forward network",
    "multiplicative attention": "dot-product attention",
    "Neural Turing Machine": "memory, addressed",
    "policy gradient": "REINFORCE",
    "positional embedding": "positional encoding",
    "RoPE": "rotary positions",
    "seq2seq": "encoder-decoder",
    "skip connection": "residual connection",
    "sliding-window attention": "local attention",
    "stochastic attention": "hard attention",
    "validation set": "held-out data",
    "word vector": "embedding",
}


def test_the_glossary_leads_from_other_names_to_the_books_own():
    entries = dict(re.findall(r"^(\w.*)\n((?:  .*\n)+)", read("glossary.md"), re.M))
    for other, term in SYNONYMS.items():
        text = " ".join(f"{term} {entries[term]}".split())
        assert other in text, (other, term)


def test_every_slug_has_a_page_in_the_reference_and_in_a_table():
    slugs = api.slugs()
    assert {"functional", "attention.bahdanau", "attention.positions"} <= set(slugs)
    assert not [slug for slug in slugs if slug.count(".") > 1]
    found = sorted(name for slug in slugs for name in api.modules(slug))
    known = [f"attention_book.{name}" for name in import_graph.modules() if name]
    packages = {name.rpartition(".")[0] for name in known}
    assert found == sorted(set(known) - packages)
    pages = "\n".join(path.read_text("utf-8") for path in BOOK.glob("api/*.md"))
    tables = re.findall(r"^```\{overview\} (.+)$", pages, re.M)
    parts = {slug.split(".")[0] for slug in slugs}
    assert sorted(" ".join(tables).split()) == sorted(parts)
    toc = (ROOT / "_toc.yml").read_text("utf-8")
    for part in parts:
        assert f"book/api/modules/{part}" in toc


def test_pages_of_the_reference_are_written_once(tmp_path):
    for name in ("one.py", "shelf/two.py", "shelf/row/__init__.py", "shelf/row/x.py"):
        path = tmp_path / "src" / "attention_book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""About {path.stem}."""\n')
    (tmp_path / "src/attention_book/shelf/__init__.py").touch()
    folder = tmp_path / "book" / "api" / "modules"
    folder.mkdir(parents=True)
    (folder / "gone.md").touch()
    (tmp_path / "book" / "api" / "shelf.md").touch()
    names = ["one.md", "shelf.row.md", "shelf.two.md"]
    assert api.write_pages(tmp_path) == names
    assert sorted(path.name for path in folder.iterdir()) == names
    text = (folder / "shelf.row.md").read_text("utf-8")
    assert text.startswith("# `shelf.row`\n\nAbout __init__.\n\n")
    assert "{doc}`../shelf`" in text
    assert text.endswith("```{api} shelf.row\n```\n")
    assert "{doc}`../shared`" in (folder / "one.md").read_text("utf-8")
    before = (folder / "one.md").stat().st_mtime_ns
    api.write_pages(tmp_path)
    assert (folder / "one.md").stat().st_mtime_ns == before


def test_a_table_offers_what_a_module_defines_and_not_what_it_imports():
    roles = api.public("attention_book.attention.bahdanau")
    role = "{py:class}`~attention_book.attention.bahdanau.AdditiveAttention`"
    assert role in roles
    assert not [role for role in roles if "attend`" in role or "Tensor" in role]
    roles = api.public("attention_book.functional")
    assert "{py:func}`~attention_book.functional.attend`" in roles


def test_the_edit_button_of_a_written_page_leads_to_the_module():
    for slug, file in (
        ("functional", "functional.py"),
        ("attention.positions", "attention/positions/__init__.py"),
    ):
        page = f"book/api/modules/{slug}"
        button = {"label": "source-edit-button", "url": f"{BASE}/edit/main/{page}.md"}
        context = {"header_buttons": [{"buttons": [button]}, {"label": "other"}]}
        api.edit_the_module(None, page, "", context, None)
        assert button["url"] == f"{BASE}/edit/main/src/attention_book/{file}"
        assert (ROOT / "src" / "attention_book" / file).exists()
    api.edit_the_module(None, "book/index", "", {}, None)


def test_names_that_folders_offer_lead_to_their_modules():
    asked = []
    domain = SimpleNamespace(resolve_xref=lambda *args: asked.append(args[4]) or "link")
    env = SimpleNamespace(domains={"py": domain})
    app, text = SimpleNamespace(builder=None), object()
    package = "attention_book.attention"
    for name, found in (
        (f"{package}.positions.RotaryAttention", "link"),
        (f"{package}.positions.rotary.RotaryAttention", None),
        (f"{package}.positions.nothing", None),
        ("torch.nn.Module", None),
        ("", None),
    ):
        node = {"reftarget": name, "refdoc": "book/index", "reftype": "class"}
        assert api.find_by_other_names(app, env, node, text) == found
    assert asked == [f"{package}.positions.rotary.RotaryAttention"]


def test_toggles_of_the_contents_say_what_they_open():
    text = "<li><a href='#'>Models</a><details><summary></summary></details></li>"
    context = {"generate_toctree_html": lambda: BeautifulSoup(text, "html.parser")}
    offline.name_toggles(None, "book/index", "", context, None)
    (toggle,) = context["generate_toctree_html"]().find_all("summary")
    assert toggle["aria-label"] == "Pages below Models"


def test_type_variables_are_text():
    text = object()
    node = {"reftarget": "attention_book.recipes.captions.Image"}
    assert api.find_by_other_names(None, None, node, text) is text


def test_modules_of_a_part():
    assert api.modules("functional") == ["attention_book.functional"]
    found = api.modules("attention")
    assert "attention_book.attention.bahdanau" in found
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("module", "name", "found"),
    [
        ("functional", "attend", True),
        ("training.runtime", "RunMeter.seconds", True),
        ("training.runtime", "GIB", False),
        ("models.seq2seq.lstm", "Seq2Seq.parameters", False),
    ],
)
def test_sources_are_linked_to_the_lines_that_define_them(module, name, found):
    info = {"module": f"attention_book.{module}", "fullname": name}
    link = api.source_link(BASE, "main", info)
    if not found:
        assert link is None
        return
    path, first, last = re.fullmatch(
        rf"{BASE}/blob/main/(\S+)#L(\d+)-L(\d+)", link
    ).groups()
    lines = (ROOT / path).read_text("utf-8").splitlines()[int(first) - 1 : int(last)]
    assert any(f"def {name.split('.')[-1]}(" in line for line in lines[:2])


def test_short_sections_become_paragraphs():
    lines = ["Text.", "", "Memory: a", "    lot.", "Source: a paper.", "", "    code"]
    api.name_short_sections(None, "", "", None, {}, lines)
    assert lines == [
        "Text.",
        "",
        "",
        "**Memory:** a",
        "lot.",
        "",
        "**Source:** a paper.",
        "",
        "    code",
    ]


@pytest.fixture
def env(tmp_path):
    folder = tmp_path / "jupyter_execute" / "book"
    folder.mkdir(parents=True)
    value = {"data": {"text/plain": "0.25"}}
    (folder / "multi_head.glue.json").write_text(json.dumps({"multi_head_a": value}))
    return SimpleNamespace(app=SimpleNamespace(outdir=tmp_path / "html"))


def test_a_result_by_its_name(env):
    assert computed.glued(env, "multi_head_a") == 0.25
    for missing in ("multi_head_b", "other_a"):
        with pytest.raises(KeyError, match=f"no chapter has .* {missing}"):
            computed.glued(env, missing)


def test_a_run_says_how_it_was(env):
    folder = env.app.outdir.parent / "jupyter_execute" / "book"
    facts = {
        "preset": "quick",
        "seed": 3,
        "seconds": 4.51,
        "peak_gib": 0.5,
        "versions": {"torch": "2.13.0"},
        "device": "a processor",
        "date": "2023-11-14T01:02:03+00:00",
    }
    value = {"data": {"text/plain": repr(json.dumps(facts))}}
    (folder / "a.glue.json").write_text(json.dumps({"run": value}))
    found = computed.run_of(env, "a")
    assert found.seconds == "4.5"
    assert found.memory == "0.50 GiB"
    text = "preset quick, seed 3, 2023-11-14, PyTorch 2.13.0 on a processor"
    assert str(found) == text
    for missing in ("multi_head", "b"):
        with pytest.raises(KeyError, match=f"book/{missing} was not run"):
            computed.run_of(env, missing)


def test_what_a_record_says(tmp_path, monkeypatch):
    settings = {"dim": 8}
    monkeypatch.setattr(computed, "present_settings", lambda slug, preset: settings)
    record = Record("some", "quick")
    for seed, value in enumerate((0.5, 0.25, 1.0)):
        facts = {"settings": {"dim": 8}, "values": {"some_a": value}}
        record.add(Run(parameters={"seed": seed}, **facts))
    record.write(tmp_path)
    for text, shown in (
        ("some.quick some_a mean:.2f", "0.58"),
        ("some.quick some_a count>=0.5", "2 of 3"),
        ("some.quick some_a-some_a max:+.0f", "+0"),
    ):
        assert computed.recorded(text, tmp_path) == shown
    settings["dim"] = 16
    assert computed.recorded("some.quick some_a n", tmp_path) == "3 (outdated)"
    for text, message in (
        ("some.full some_a n", r"no run is recorded in results/some\.full\.json"),
        ("some.quick some_b n", "no recorded run has some_b"),
    ):
        with pytest.raises(KeyError, match=message):
            computed.recorded(text, tmp_path)
    for text in ("some some_a n", "some.quick some_a", "some.quick some_a mean .2f"):
        with pytest.raises(ValueError, match="want a record, a quantity and a stat"):
            computed.recorded(text, tmp_path)
    (tmp_path / "some.full.json").write_text("{")
    with pytest.raises(ValueError, match="is not a record of runs"):
        computed.recorded("some.full some_a n", tmp_path)


ROLE = r"\{recorded\}`([^`]+)`"
SAID = [
    (page.stem, text)
    for page in sorted([*BOOK.rglob("*.md"), *BOOK.glob("*.ipynb")])
    for text in re.findall(ROLE, page.read_text("utf-8"))
]


@pytest.mark.parametrize(("page", "text"), SAID)
def test_what_pages_say_of_records_is_recorded(page, text):
    assert computed.recorded(text)


def test_versions_name_python_and_what_the_package_needs():
    text = computed.versions()
    assert re.match(r"Python \d", text)
    assert re.search(r"\btorch \d", text)


def test_pages_that_need_all_others_are_read_last():
    pages = ["book/results", "book/a", "book/status", "book/z"]
    computed.read_last(None, None, pages)
    assert pages == ["book/a", "book/z", "book/results", "book/status"]


def test_a_page_loads_the_script_of_its_figures_once():
    figure = '<attention-view-1>a</attention-view-1><script type="x">{}</script>'
    inline = f"<script {MARKER}>let a = 1;\nlet b;</script>"
    page = docutils.nodes.section()
    page += docutils.nodes.raw("", figure + inline + "after", format="html")
    page += docutils.nodes.raw("", "<p>other</p>", format="html")
    interactive.drop_inline_scripts(None, page, "page")
    assert [node.astext() for node in page.children] == [
        figure + "after",
        "<p>other</p>",
    ]
    assert page.children[0]["format"] == "html"
    added = []
    app = SimpleNamespace(add_js_file=lambda *given, **options: added.append(given))
    for body in "<p>other</p>", figure:
        interactive.load_scripts(app, "page", "", {"body": body}, None)
    assert added == [("figure-element.js",), ("attention-view.js",)]
    added.clear()
    interactive.load_scripts(app, "page", "", {"body": f"<try-it-1>{figure}"}, None)
    names = [name.removesuffix(".js") for (name,) in added]
    assert len(set(names)) == len(names)
    assert names.index("figure-element") == 0
    assert max(map(names.index, ("forward-pass", "numerals"))) < names.index("try-it")
    config = SimpleNamespace(html_static_path=[])
    interactive.serve_scripts(None, config)
    assert (Path(config.html_static_path[0]) / "attention-view.js").is_file()


def test_weights_of_a_page_become_files_that_are_loaded_later(tmp_path):
    held = '<script type="text/plain" data-weights="{}">{}</script>'
    text = "<try-it-1>" + held.format("a", "QUJD") + held.format("b", "REVG")
    page = page_of(docutils.nodes.raw("", text + "</try-it-1>", format="html"))
    builder = SimpleNamespace(get_target_uri=lambda name: f"{name}.html")
    app = SimpleNamespace(outdir=tmp_path, builder=builder)
    interactive.move_weights(app, page, "book/front/page")
    shown = page.children[0].astext()
    assert "QUJD" not in shown
    sources = re.findall(r'data-weights="(\w)" data-src="([^"]+)"></script>', shown)
    assert [name for name, _ in sources] == ["a", "b"]
    for (_, source), weights in zip(sources, ("QUJD", "REVG"), strict=True):
        assert source.startswith("../../_static/weights/")
        script = (tmp_path / source.removeprefix("../../")).read_text()
        assert f'"{weights}";' in script
    again = page_of(docutils.nodes.raw("", "<p>a</p>", format="html"))
    interactive.move_weights(app, again, "book/other")
    assert again.children[0].astext() == "<p>a</p>"


def test_the_page_of_models_has_no_outputs_and_offers_all_of_them():
    notebook = nbformat.read(BOOK / "front" / "try_it.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source == bootstrap_cell(address(ROOT))
    assert all(cell.outputs == [] for cell in code)
    assert any("in TRY_MODELS}" in cell.source for cell in code)


def page_of(*children):
    document = docutils.nodes.section()
    document.extend(children)
    return document


def test_an_svg_of_a_notebook_is_on_the_page_for_both_themes(tmp_path):
    folder = tmp_path / "_build" / "jupyter_execute"
    folder.mkdir(parents=True)
    svg = '<svg width="72pt" height="1pt"><path style="fill: #ffffff"/></svg>'
    (folder / "a.svg").write_text(svg)
    figure = docutils.nodes.figure()
    uris = "_build/jupyter_execute/a.svg", "_build/jupyter_execute/a.png", "logo.svg"
    for uri in uris:
        figure += docutils.nodes.image(uri=uri, alt="what it shows", ids=[uri])
    added = []
    images = SimpleNamespace(add_file=lambda page, uri: added.append((page, uri)))
    app = SimpleNamespace(
        builder=SimpleNamespace(format="html"),
        srcdir=tmp_path,
        env=SimpleNamespace(images=images),
    )
    look.add_dark_figures(app, page_of(figure), "page")
    dark = "_build/jupyter_execute/a-dark.svg"
    assert [image["uri"] for image in figure.children] == [uris[0], dark, *uris[1:]]
    assert added == [("page", dark)]
    light, other, *rest = figure.children
    assert "in-light" in light["classes"]
    assert "in-dark" in other["classes"]
    assert light["alt"] == other["alt"]
    assert light["width"] == other["width"] == "120px"
    assert other["ids"] == []
    assert not any(image["classes"] for image in rest)
    assert "#ffffff" not in (tmp_path / dark).read_text()
    app.builder.format = "latex"
    look.add_dark_figures(app, page_of(figure), "page")
    assert len(figure.children) == 4


def test_where_an_equation_is_in_the_package_is_small_print():
    texts = (
        "(1.1) in the package: Seq2Seq; checked by test_equations.",
        "It is in the package: see there.",
    )
    page = page_of(*(docutils.nodes.paragraph("", text) for text in texts))
    look.print_notes_small(None, page, "page")
    assert [node["classes"] for node in page.children] == [["in-package"], []]

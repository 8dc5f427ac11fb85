"""The book as one file: printed, joined, with links that lead to the right place."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from pypdf import PdfReader

from tools import pdf

# With two titles, as the theme has them: one for the screen, one for paper.
PAGE = """<!doctype html><html lang="en"><head><title>{title}</title><style>
@media print {{ .bd-main .bd-content .bd-article h1:first-of-type {{ display: none }} }}
</style></head>
<body><main class="bd-main"><div class="bd-content">
<div id="jb-print-docs-body"><h1>{title}</h1></div>
<article class="bd-article">
<h1><span class="section-number">7. </span>{title}</h1>{text}
<p style="height: 1500px"></p><h2 id="end">The end of {title}</h2>
</article></div></main>
</body></html>"""
TEXTS = {
    "book/one": '<p><a href="two.html#end">there</a> <a href="two.html">top</a> '
    '<a href="#end">here</a> <a href="api/x.html#y">reference</a></p>',
    "book/two": '<p><a class="external" href="https://example.org/a">a paper</a></p>'
    "<details><summary>Solution</summary>forty-two</details>"
    '<div class="answering"><details><summary>Numbers</summary>hidden</details></div>',
}
CONTENTS = [("", ["book/one"]), ("Second part", ["book/two"])]


@pytest.fixture(scope="module")
def printed(tmp_path_factory, browser):
    site = tmp_path_factory.mktemp("a site")
    for name, text in TEXTS.items():
        file = site / f"{name}.html"
        file.parent.mkdir(exist_ok=True)
        file.write_text(PAGE.format(title=name[-3:], text=text), "utf-8")
    target = site / pdf.NAME
    count = pdf.make_pdf(
        browser,
        site,
        CONTENTS,
        target,
        published="https://book.example/",
        metadata={"/Title": "A book"},
    )
    assert not list(site.glob("*.part"))
    reader = PdfReader(target)
    assert count == len(reader.pages) == 4
    return reader


def links(page):
    return [entry.get_object() for entry in page.get("/Annots", [])]


def destination(reader, link):
    """Number of the sheet that a link leads to."""
    return reader.get_page_number(link["/Dest"][0].get_object())


def test_links_lead_to_the_place_in_the_file(printed):
    there, top, here, reference = links(printed.pages[0])
    assert [destination(printed, link) for link in (there, top, here)] == [3, 2, 1]
    assert float(there["/Dest"][3]) == pytest.approx(float(here["/Dest"][3]), abs=90)
    assert reference["/A"]["/URI"] == "https://book.example/book/api/x.html#y"


def test_links_that_only_name_places_are_gone(printed):
    assert [len(links(page)) for page in printed.pages] == [4, 0, 1, 0]


def test_outline_has_parts_pages_and_sections(printed):
    def titles(outline):
        return [
            titles(entry) if isinstance(entry, list) else entry.title
            for entry in outline
        ]

    assert titles(printed.outline) == [
        "7. one",
        ["The end of one"],
        "Second part",
        ["7. two", ["The end of two"]],
    ]


def test_the_title_is_printed_once_with_its_number(printed):
    text = " ".join(printed.pages[0].extract_text().split())
    assert text.startswith("7. one ")
    assert text.count("one") == 1


def test_sheets_are_numbered_through(printed):
    last_lines = [page.extract_text().split()[-1] for page in printed.pages]
    assert last_lines == ["1", "2", "3", "4"]


def test_what_a_reader_of_paper_needs_is_printed(printed):
    text = " ".join(printed.pages[2].extract_text().split())
    assert "(https://example.org/a)" in text  # an address, because paper has no links
    assert "forty-two" in text  # solutions are open
    assert "hidden" not in text  # tables behind figures are not


def test_metadata(printed):
    assert printed.metadata.title == "A book"


def test_pages_are_those_of_the_contents_without_the_reference():
    contents = pdf.parts(pdf.ROOT)
    assert contents[0] == ("", ["book/index"])
    pages = [page for _, own in contents for page in own]
    assert {"book/bahdanau", "book/bibliography"} <= set(pages)
    assert not [page for page in pages if "/api/" in page]


def test_without_a_browser_it_says_so(monkeypatch, capsys):
    nothing = SimpleNamespace(chromium=SimpleNamespace(executable_path="nowhere"))
    monkeypatch.setattr(pdf, "sync_playwright", lambda: nullcontext(nothing))
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)
    assert pdf.main() == 0
    assert "no Chromium" in capsys.readouterr().out

"""The built pages: links, buttons and, in a real browser, what a reader sees."""

import functools
import gzip
import http.server
import re
import threading
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import axe_playwright_python
import pytest
import yaml
from bs4 import BeautifulSoup

from tools import api

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
SETTINGS = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
THEME = SETTINGS["sphinx"]["config"]["html_theme_options"]
REPOSITORY, BRANCH = THEME["repository_url"], THEME["repository_branch"]
WIDTHS = 1400, 390  # pixels: a desk, a phone
MEGABYTES = 1.5  # a page, figures apart


def table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    written = [f"book/api/modules/{slug}" for slug in api.slugs()]
    return [toc["root"], *files, *written]


PAGES = table_of_contents()
# All pages of the reference are made by one program: of them, these are looked at.
SEEN = {"book/api/modules/attention.positions", "book/api/modules/functional"}
NOTEBOOKS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
CHAPTERS = [page for page in NOTEBOOKS if page.count("/") == 1]
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
WHOLE = "book/front/teaser"  # a small page that has code, a formula and a figure
pytestmark = pytest.mark.skipif(
    not (SITE / "index.html").exists(), reason="the book is not built: `make book`"
)


@functools.cache
def soup(path):
    return BeautifulSoup((SITE / path).read_text("utf-8"), "html.parser")


def links(page, tag, attribute):
    """Addresses on a page, as a browser resolves them; external ones keep a host."""
    found = soup(f"{page}.html").find_all(tag, **{attribute: True})
    return [urljoin(f"{page}.html", element[attribute]) for element in found]


def hrefs(page, label):
    """Where the header's button or menu entry of this name leads."""
    header = soup(f"{page}.html").select(".bd-header-article a")
    return [a["href"] for a in header if label in a.get_text()]


@pytest.mark.parametrize("page", PAGES)
def test_buttons(page):
    extension = ".ipynb" if page in NOTEBOOKS else ".md"
    assert hrefs(page, "Repository") == [REPOSITORY]
    (edited,) = hrefs(page, "Suggest edit")
    file = edited.removeprefix(f"{REPOSITORY}/edit/{BRANCH}/")
    assert (ROOT / file).is_file()
    assert file == f"{page}{extension}" or "/modules/" in page
    (issue,) = hrefs(page, "Open issue")
    assert issue.startswith(f"{REPOSITORY}/issues/new?")
    (source,) = hrefs(page, extension)
    assert (SITE / urljoin(page, source)).is_file()
    colab = hrefs(page, "Colab")
    if page in NOTEBOOKS:  # Colab opens notebooks only
        name = urlsplit(REPOSITORY).path
        notebook = f"{name}/blob/{BRANCH}/{page}.ipynb"
        assert colab == [f"https://colab.research.google.com/github{notebook}"]
    else:
        assert not colab


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_and_fragments_resolve(page):
    addresses = links(page, "a", "href") + links(page, "img", "src")
    addresses += links(page, "script", "src") + links(page, "link", "href")
    missing = []
    for address in addresses:
        if urlsplit(address).scheme:
            continue
        path, fragment = urldefrag(address)
        file = SITE / unquote(urlsplit(path).path)
        if not file.is_file():
            missing.append(address)
        elif fragment and file.suffix == ".html":
            target = unquote(fragment)
            if not soup(file.relative_to(SITE)).find(id=target):
                missing.append(address)
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_loaded_from_another_host(page):
    loaded = links(page, "script", "src") + links(page, "img", "src")
    loaded += links(page, "iframe", "src")
    sheets = soup(f"{page}.html").find_all(
        "link", rel=["stylesheet", "preload", "icon"]
    )
    loaded += [sheet["href"] for sheet in sheets]
    assert not [address for address in loaded if urlsplit(address).netloc]


def test_front_door_leads_to_the_welcome_page():
    assert f"{PAGES[0]}.html" in (SITE / "index.html").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_page_tells_search_engines_and_others_what_it_is(page):
    document = soup(f"{page}.html")
    head = {
        tag.get("property") or tag.get("name"): tag["content"]
        for tag in document.find_all("meta", content=True)
    }
    title = document.title.get_text()
    others = [
        soup(f"{other}.html").title.get_text() for other in PAGES if other != page
    ]
    assert title not in others
    assert 30 < len(head["description"]) <= 203
    assert head["og:title"] in title
    assert head["og:url"] == f"{SETTINGS['html']['baseurl']}{page}.html"
    card = head["og:image"].removeprefix(SETTINGS["html"]["baseurl"])
    assert (SITE / card).is_file()


def test_page_that_is_not_there_leads_back():
    # GitHub Pages shows it at any address, so all its own addresses start at the root.
    base = urlsplit(SETTINGS["html"]["baseurl"]).path
    document = soup("404.html")
    assert "Page not found" in [title.get_text() for title in document.find_all("h1")]
    found = [tag["href"] for tag in document.find_all("a", href=True)]
    found += [tag["href"] for tag in document.find_all("link", rel="stylesheet")]
    found += [tag["src"] for tag in document.find_all("script", src=True)]
    inside = [urldefrag(entry)[0] for entry in found if not urlsplit(entry).scheme]
    inside = [entry for entry in inside if entry]
    assert f"{base}{PAGES[0]}.html" in inside
    for entry in inside:
        assert entry.startswith(base), entry
        assert (SITE / unquote(urlsplit(entry.removeprefix(base)).path)).exists(), entry


def test_every_page_is_in_the_sitemap():
    sitemap = (SITE / "sitemap.xml").read_text("utf-8")
    base = SETTINGS["html"]["baseurl"]
    assert not [page for page in PAGES if f"<loc>{base}{page}.html<" not in sitemap]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that writes no log."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def visit(browser, address):
    """Open a page at a width in a theme; the tab knows what it asked for and why."""
    contexts = []

    def open_page(page, width=WIDTHS[0], theme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme
        )
        contexts.append(context)
        context.set_default_timeout(120_000)  # a busy machine is slow and not wrong
        tab = context.new_page()
        tab.responses, tab.asked, tab.errors = [], [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("response", lambda response: tab.responses.append(response))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on(
            "console",
            lambda line: tab.errors.append(line.text) if line.type == "error" else None,
        )
        tab.goto(address + page, wait_until="networkidle")
        tab.evaluate("async () => window.MathJax?.startup?.promise")
        return tab

    yield open_page
    for context in contexts:
        context.close()


def weight(response):
    """Bytes of one file, compressed as GitHub Pages sends it; nothing for a figure."""
    if "/_images/" in response.url or not response.ok:
        return 0
    return min(len(response.body()), len(gzip.compress(response.body())))


def check_requests(tab, address):
    """No error, no cookie, nothing from another host, no more than the budget."""
    assert not tab.errors
    assert tab.context.cookies() == []
    assert not [url for url in tab.asked if not url.startswith((address, "data:"))]
    assert sum(map(weight, tab.responses)) < MEGABYTES * 1e6


def check_math(tab, page):
    """All formulas are typeset; those that scroll can be reached by the keyboard."""
    formulas = tab.locator("main .math").count()
    assert tab.locator("main .math mjx-container").count() >= formulas
    assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0
    text = tab.locator("main article p").all_inner_texts()
    assert not [line for line in text if RAW_MATH.search(line)]
    if page in CHAPTERS:
        assert formulas
    assert tab.evaluate(OUT_OF_REACH) == []


def check_figures(tab):
    """Every figure is drawn, and told in words."""
    for view in tab.locator("main article .answering > :first-child").all():
        view.scroll_into_view_if_needed()
        ready = "view => view.hasAttribute('ready')"
        tab.wait_for_function(ready, arg=view.element_handle())
    for image in tab.locator("main article img").all():
        if image.is_visible():  # a figure that answers covers its still image
            image.scroll_into_view_if_needed()
        alt = image.get_attribute("alt")
        assert alt is not None
        assert not re.search(r"\.(png|svg|jpe?g)$|_images/", alt), alt
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)")
        if image.evaluate("image => image.closest('figure') !== null"):
            assert len(alt) > 10


RAW_MATH = re.compile(r"\\\(|\\\[|\\begin\{|\$.+\$")

OUT_OF_REACH = """() => [...document.querySelectorAll('mjx-container[display=true]')]
  .filter(box => box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0)
  .map(box => box.textContent.slice(0, 80))"""

# Elements that stick out of the window and stand in no box that scrolls by itself.
STICKING_OUT = """() => {
  const scrolls = element => element && element.matches('main *') && (
    ['auto', 'scroll'].includes(getComputedStyle(element).overflowX) ||
    scrolls(element.parentElement));
  return [...document.querySelectorAll('main article *')]
    .filter(element => {
      const box = element.getBoundingClientRect();
      return box.width && box.height && !scrolls(element.parentElement) &&
        !element.closest('mjx-assistive-mml, .visually-hidden') &&
        (box.right > innerWidth + 1 || box.left < -1);
    }).map(element => element.outerHTML.slice(0, 80));
}"""

# The thousands of elements inside formulas, which are MathJax's, and inside code, whose
# colours are the same on all pages, take most of the time: `whole` keeps them.
VIOLATIONS = """async whole => {
  if (!whole) {
    for (const box of document.querySelectorAll('mjx-container')) box.remove();
    for (const box of document.querySelectorAll('.highlight pre, .sig'))
      box.textContent = box.textContent.slice(0, 40);
  }
  const found = await axe.run(document, {resultTypes: ['violations']});
  return found.violations
    .filter(violation => ['serious', 'critical'].includes(violation.impact))
    .map(violation => [violation.id, violation.nodes.map(node => node.html)]);
}"""


def check_accessibility(tab, page):
    """axe-core finds no serious or critical violation."""
    tab.evaluate(AXE.read_text("utf-8"))
    assert tab.evaluate(VIOLATIONS, page == WHOLE) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "page",
    [
        *[page for page in PAGES if "/modules/" not in page or page in SEEN],
        "search",
    ],
)
def test_what_a_reader_sees(visit, address, page, width, theme):
    tab = visit(f"{page}.html", width, theme)
    check_requests(tab, address)
    assert tab.locator("html").get_attribute("data-theme") == theme
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(STICKING_OUT) == []
    check_math(tab, page)
    check_figures(tab)
    check_accessibility(tab, page)  # last, since it takes formulas and code away


MODEL_MEGABYTES = 1  # of the weights of a model, as a script of base64


def test_a_model_is_loaded_when_it_is_asked_for(visit, address):
    tab = visit("book/front/try_it.html")
    for view, button, done in (
        ("try-it-1", "Translate", "It wrote"),
        ("try-scene-1", "Read it", "Press a word to see"),
    ):
        figure = tab.locator(view)
        figure.scroll_into_view_if_needed()
        before = len(tab.responses)
        figure.get_by_role("button", name=button).click()
        figure.get_by_text(done).wait_for()
        (weights,) = [one for one in tab.responses[before:] if "/weights/" in one.url]
        assert len(weights.body()) < MODEL_MEGABYTES * 1e6
    assert len([url for url in tab.asked if "/weights/" in url]) == 2
    assert not tab.errors
    assert not [url for url in tab.asked if not url.startswith((address, "data:"))]


@pytest.mark.parametrize("width", WIDTHS)
def test_names_in_the_overview_of_the_reference_are_not_broken(visit, width):
    names = visit("book/api/attention.html", width).locator("table.overview code")
    assert names.count() > 10
    lines = "names => names.map(name => name.getClientRects().length)"
    assert set(names.evaluate_all(lines)) == {1}


# Terms, plurals, other names and American spelling: words and the page that has them.
SEARCHES = {
    "attention": "index",
    "bottleneck": "seq2seq",
    "cross-attention": "glossary",
    "look-ahead masks": "glossary",
    "layer normalization": "glossary",
    "intra-attention": "glossary",
    "skip connections": "glossary",
    "RoPE": "glossary",
    "cite": "licences",
}


@pytest.mark.parametrize(("words", "page"), SEARCHES.items())
def test_search_finds_the_fields_terms_and_their_other_names(visit, words, page):
    tab = visit(f"search.html?q={quote(words)}")
    tab.locator(f"#search-results li a[href*='{page}.html']").first.wait_for()

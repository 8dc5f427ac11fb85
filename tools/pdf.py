"""Print the built book into one file, _build/html/attention-book.pdf.

Chromium prints page after page, and pypdf joins them: an outline of parts, chapters and
sections, page numbers, links that lead to the right place in the file. Figures that
answer stand there as stills, solutions are open, folded code is left out, and the
address of a link to elsewhere is printed behind it. The API reference stays on the
site, and links lead to it there.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    Fit,
    FloatObject,
    NameObject,
    NullObject,
    TextStringObject,
)
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
NAME = "attention-book.pdf"
REFERENCE = "/api/"  # pages with this in their names are not printed
MARGINS = {"top": "18mm", "bottom": "20mm", "left": "17mm", "right": "17mm"}  # of A4
FLAGS = ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
ANSWERING = "**/_static/figure-element.js"  # without it no figure answers
# Opens what is folded, apart from the tables behind figures; prints addresses; and
# makes an invisible link to each place that other pages link to, because a place
# without a link has no name in the printed file.
PREPARE = """places => {
    const article = document.querySelector("main article") ?? document.body;
    for (const box of article.querySelectorAll("details:not([slot])")) {
        const label = box.querySelector("summary")?.textContent;
        box.open = !box.closest(".answering, details.hide");
        if (label === "Docstring") box.remove(); // the reference has it
    }
    for (const box of article.querySelectorAll(".toggle-hidden.admonition")) {
        box.classList.remove("toggle-hidden");
    }
    for (const line of article.querySelectorAll("h1 br")) line.replaceWith(" ");
    for (const link of article.querySelectorAll("a.external[href^='http']")) {
        const address = link.getAttribute("href");
        const shown = link.textContent.includes("://");
        if (shown || link.querySelector("img, svg")) continue;
        const text = document.createElement("span");
        text.textContent = ` (${address})`;
        text.style = "font-size: 70%; overflow-wrap: anywhere";
        link.after(text);
    }
    for (const place of places) {
        const link = document.createElement("a");
        link.href = "#" + place;
        link.style = "position: absolute; top: 0; left: 0; width: 1px; height: 1px";
        document.body.prepend(link);
    }
}"""
STYLE = """
    @page { size: A4; }
    html { font-size: 13px !important; }
    .bd-header-article, .bd-sidebar, .bd-footer, .prev-next-footer, .headerlink,
    .toggle-button, button, .noprint { display: none !important; }
    details.hide { display: none !important; }
    pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
    img, svg, table, mjx-container { max-width: 100%; }
    figure, img, tr { break-inside: avoid; }
    h1, h2, h3, h4 { break-after: avoid; }
    /* The theme prints a title of its own, without the chapter's number. */
    #jb-print-docs-body > h1 { display: none !important; }
    .bd-main .bd-content .bd-article h1:first-of-type {
        display: block; font-size: 2.5em; text-align: center;
    }
"""


@dataclass
class Printed:
    """A page of the site as it was printed.

    Attributes:
        page: its name, such as "book/bahdanau".
        reader: the printed file.
        start: number of the file's first sheet in the whole, from 0.
        names: the sheet (from 0, in this file) and the place on it of each id that a
            link leads to.
    """

    page: str
    reader: PdfReader
    start: int
    names: dict[str, tuple[int, float]] = field(default_factory=dict)


def parts(root: Path) -> list[tuple[str, list[str]]]:
    """Captions of the table of contents and their pages, without the reference."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    found = [("", [toc["root"]])]
    for part in toc["parts"]:
        pages = [entry["file"] for entry in part["chapters"]]
        kept = [page for page in pages if REFERENCE not in page]
        found.append((part["caption"], kept))
    return [(caption, pages) for caption, pages in found if pages]


def find_chromium(installed: str) -> str | None:
    """The program of a browser: the system's, or the one that playwright brought."""
    named = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = [shutil.which(name) for name in named]
    programs = [*filter(None, found), installed]
    return next((name for name in programs if Path(name).exists()), None)


def linked(site: Path, pages: list[str]) -> dict[str, set[str]]:
    """For each page the ids that links of other pages lead to."""
    places: dict[str, set[str]] = {page: set() for page in pages}
    for page in pages:
        text = (site / f"{page}.html").read_text("utf-8")
        for link in BeautifulSoup(text, "html.parser").select("article a[href]"):
            path, fragment = urldefrag(urljoin(f"{page}.html", str(link["href"])))
            other = path.removesuffix(".html")
            if fragment and other in places and other != page:
                places[other].add(unquote(fragment))
    return places


def print_page(tab: Page, address: str, places: set[str], target: Path) -> None:
    """Print one page of the site as it looks on white paper."""
    tab.goto(address, wait_until="load")
    tab.evaluate("async () => window.MathJax?.startup?.promise")
    tab.emulate_media(media="print", color_scheme="light")
    tab.evaluate("document.documentElement.dataset.theme = 'light'")
    tab.add_style_tag(content=STYLE)
    tab.evaluate(PREPARE, sorted(places))
    images = "() => [...document.images].every(image => image.complete)"
    for image in tab.locator("img[loading=lazy]").all():
        image.evaluate("image => { image.loading = 'eager' }")
    tab.wait_for_function(images)
    tab.pdf(
        path=target,
        format="A4",
        margin=MARGINS,
        print_background=True,
        outline=True,
        tagged=True,  # without it Chromium makes no outline
    )


def print_numbers(browser: Browser, count: int, target: Path) -> None:
    """Print empty sheets with a number at the foot of each."""
    sheet = (
        "<div style='height: 296mm; break-after: page; position: relative'><p style="
        "'position: absolute; bottom: 8mm; width: 100%; text-align: center; margin: 0;"
        "font: 9pt sans-serif; color: #444'>{}</p></div>"
    )
    tab = browser.new_page()
    sheets = "".join(map(sheet.format, range(1, count + 1)))
    tab.set_content(f"<body style='margin: 0'>{sheets}</body>")
    tab.pdf(path=target, format="A4", margin=dict.fromkeys(MARGINS, "0"))
    tab.close()


def named_places(reader: PdfReader) -> dict[str, tuple[int, float]]:
    """Sheet and height of everything in a file that has a name."""
    found = {}
    for name, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None:
            found[str(name).removeprefix("/")] = number, float(place.top or 0)
    return found


def sections(outline: list, level: int = 1) -> Iterator[tuple[int, object]]:
    """The entries of a file's outline with their levels, from 1."""
    for entry in outline:
        if isinstance(entry, list):
            yield from sections(entry, level + 1)
        else:
            yield level, entry


def add_outline(writer: PdfWriter, printed: Printed, part: object, depth: int) -> None:
    """Put a page's headings below its part, down to some level."""
    above = {0: part}
    for level, entry in sections(printed.reader.outline):
        number = printed.reader.get_destination_page_number(entry)
        if level > depth or number is None:
            continue
        parent = above[max(own for own in above if own < level)]
        title = str(entry.title).strip().removesuffix("#").strip()
        above[level] = writer.add_outline_item(
            title=title,
            page_number=printed.start + number,
            parent=parent,
            fit=Fit.xyz(top=float(entry.top or 0)),
            is_open=False,
        )
        above = {own: item for own, item in above.items() if own <= level}


def place_in_file(writer: PdfWriter, printed: Printed, fragment: str) -> ArrayObject:
    """What a link needs to lead to an id of a page, or to its beginning."""
    number, top = printed.names.get(fragment, (0, None))
    sheet = writer.pages[printed.start + number].indirect_reference
    height = NullObject() if top is None else FloatObject(top)
    kind = NameObject("/XYZ")
    return ArrayObject([sheet, kind, NullObject(), height, NullObject()])


def mend_links(
    writer: PdfWriter, printed: Printed, others: dict[str, Printed], site: Path, to: str
) -> None:
    """Let the links of a page lead into the file, or to the published site."""
    for sheet in range(printed.start, printed.start + len(printed.reader.pages)):
        page = writer.pages[sheet]
        kept = ArrayObject()
        for reference in page.get("/Annots", ArrayObject()):
            link = reference.get_object()
            mended = _mend(writer, link, printed, others, site, to)
            left, bottom, right, top = map(float, link.get("/Rect", (0, 0, 9, 9)))
            if mended and (right - left > 1.5 or top - bottom > 1.5):
                kept.append(reference)  # the invisible ones are done with
        if "/Annots" in page:
            page[NameObject("/Annots")] = kept


def _mend(
    writer: PdfWriter,
    link: DictionaryObject,
    printed: Printed,
    others: dict[str, Printed],
    site: Path,
    published: str,
) -> bool:
    """Mend one link; False where it is not a link or leads nowhere."""
    if link.get("/Subtype") != "/Link":
        return False
    action = link.get("/A", DictionaryObject()).get_object()
    inside = link.get("/Dest", action.get("/D"))
    if inside is not None:
        name = str(inside).removeprefix("/") if not isinstance(inside, list) else ""
        target = place_in_file(writer, printed, name)
    else:
        path, fragment = urldefrag(str(action.get("/URI", "")))
        base = site.as_uri() + "/"
        if not path.startswith(base):
            return bool(path)
        name = unquote(path.removeprefix(base))
        other = others.get(name.removesuffix(".html"))
        if other is None:  # a page that is not printed
            address = urljoin(published, name) + (f"#{fragment}" if fragment else "")
            action[NameObject("/URI")] = TextStringObject(address)
            return True
        target = place_in_file(writer, other, unquote(fragment))
    link.pop("/A", None)
    link[NameObject("/Dest")] = target
    return True


def number_sheets(browser: Browser, writer: PdfWriter, folder: Path) -> None:
    """Write its number at the foot of every sheet."""
    print_numbers(browser, len(writer.pages), folder / "numbers.pdf")
    for page, number in zip(
        writer.pages, PdfReader(folder / "numbers.pdf").pages, strict=False
    ):
        page.merge_page(number)
        page.compress_content_streams()


def join(
    browser: Browser,
    contents: list[tuple[str, list[str]]],
    folder: Path,
    site: Path,
    published: str,
) -> PdfWriter:
    """Join the printed pages of a folder into one file."""
    writer = PdfWriter()
    all_printed: dict[str, Printed] = {}
    for _, pages in contents:
        for page in pages:
            reader = PdfReader(folder / f"{page.replace('/', '.')}.pdf")
            start = len(writer.pages)
            all_printed[page] = Printed(page, reader, start, named_places(reader))
            for sheet in reader.pages:
                writer.add_page(sheet)
    for caption, pages in contents:
        first = all_printed[pages[0]].start
        part = (
            writer.add_outline_item(title=caption, page_number=first)
            if caption
            else None
        )
        for page in pages:
            add_outline(writer, all_printed[page], part, depth=2)
    for printed in all_printed.values():
        mend_links(writer, printed, all_printed, site, published)
    number_sheets(browser, writer, folder)
    return writer


def make_pdf(
    browser: Browser,
    site: Path,
    contents: list[tuple[str, list[str]]],
    target: Path,
    *,
    published: str,
    metadata: dict[str, str],
) -> int:
    """Print the pages of a site into one file.

    Args:
        browser: prints.
        site: folder of the built pages.
        contents: captions of the parts, each with the names of its pages.
        target: file to write; it is replaced as a whole.
        published: address of the site, for links to pages that are not printed.
        metadata: title, author and the like, by their names in PDF.

    Returns:
        The number of sheets.
    """
    pages = [page for _, own in contents for page in own]
    places = linked(site, pages)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = browser.new_context(color_scheme="light", reduced_motion="reduce")
        context.set_default_timeout(600_000)  # a busy machine is slow and not wrong
        context.route(ANSWERING, lambda route: route.abort())
        tab = context.new_page()
        for page in tqdm(pages, desc="Printing", unit="page"):
            file = folder / f"{page.replace('/', '.')}.pdf"
            address = (site / f"{page}.html").as_uri()
            print_page(tab, address, places[page], file)
        context.close()
        writer = join(browser, contents, folder, site, published)
        writer.add_metadata(metadata)
        writer.compress_identical_objects(remove_unreferenced=True)
        unfinished = target.with_suffix(".part")
        writer.write(unfinished)
        os.replace(unfinished, target)
        return len(writer.pages)


def main() -> int:
    """Print the book, or say why it cannot be printed."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    with sync_playwright() as playwright:
        program = find_chromium(playwright.chromium.executable_path)
        if program is None:
            print("No PDF: no Chromium here. On Debian: `apt-get install chromium`.")
            return 0
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        count = make_pdf(
            browser,
            SITE,
            parts(ROOT),
            SITE / NAME,
            published=settings["html"]["baseurl"],
            metadata={"/Title": settings["title"], "/Author": settings["author"]},
        )
        browser.close()
    print(f"The book on {count} sheets: {SITE / NAME}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The page "Try it": trained models that run in the reader's browser."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from attention_book.figures.interactive import PageElement

TEXT = {
    "input": "the number",
    "caption": "What the models write for some numbers",
    "right": "right",
    "wrong": "wrong",
    "scenes": "What the model writes for some test scenes",
    "scene": "the right caption",
    "read": "the model",
}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A translator on the page.

    Attributes:
        label: its name for readers.
        note: a sentence or two about it.
        file: its weights, as from
            :func:`attention_book.training.export.export_weights`.
        breaks: what can be broken, by the names in ``web/try-it.js``.
        layers: number of layers of attention over the source; 0 without attention.
        heads: of each of these layers.
        written: whether each of these layers attends to the words that are already
            written as well.
        outputs: what it writes for each of the examples, as words.
    """

    label: str
    note: str
    file: bytes
    breaks: Sequence[str] = ()
    layers: int = 1
    heads: int = 1
    written: bool = False
    outputs: Sequence[Sequence[str]] = ()


def try_view(
    offers: Mapping[str, Offer],
    examples: Sequence[tuple[Sequence[str], Sequence[str]]],
    *,
    longest: int,
) -> PageElement:
    """Let readers translate numbers with trained models, and break them.

    Args:
        offers: the translators by name; the first one is chosen at first.
        examples: some numbers and their right translations, as words; the first one is
            there at first. Where no script runs, a table shows them with the outputs of
            the translators.
        longest: words of the longest number in training.

    Raises:
        ValueError: if there is no translator or no example, a name has other characters
            than letters, digits and "_", or a translator has not one output for each
            example.
    """
    if not offers or not examples:
        raise ValueError("there must be at least one translator and one example")
    for name, offer in offers.items():
        if not name.isidentifier():
            raise ValueError(f"names must be identifiers, got {name!r}")
        if len(offer.outputs) != len(examples):
            raise ValueError(
                f"{name} must have {len(examples)} outputs, one for each example, got "
                f"{len(offer.outputs)}"
            )
    data = {
        "v": 1,
        "models": [
            {
                "name": name,
                "label": offer.label,
                "note": offer.note,
                "breaks": [*offer.breaks],
                "layers": offer.layers,
                "heads": offer.heads,
                "written": offer.written,
                "bytes": len(offer.file),
            }
            for name, offer in offers.items()
        ],
        "longest": longest,
        "start": {"model": next(iter(offers)), "text": " ".join(examples[0][0])},
    }
    alt = (
        "Trained translators to try: a number in English words becomes German, word by "
        "word, with the weights of each word over the source."
    )
    return PageElement(
        "try-it-1",
        data,
        alt=alt,
        still=None,
        table=_table(offers, examples),
        weights={name: offer.file for name, offer in offers.items()},
    )


def scene_view(
    file: bytes,
    digits: Float[Tensor, "images 8 8"],
    labels: Sequence[int],
    examples: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> PageElement:
    """Let readers put digits into a scene, or draw some, and have it described.

    Args:
        file: the captioner's weights, as from
            :func:`attention_book.training.export.export_weights`, with its words as
            ``target`` and the size of its cells, 8, as ``cell``.
        digits: images of single digits to put into scenes, brightness from 0 to 1 in
            steps of 1/16.
        labels: what each of them shows, 0 to 9; each of the ten at least once.
        examples: right captions of some scenes and those that the model writes, for the
            table that is shown where no script runs.

    Raises:
        ValueError: if a digit has no image, or there is not one label for each image.
    """
    if len(labels) != len(digits) or {*labels} != {*range(10)}:
        raise ValueError(
            f"there must be a label for each of {len(digits)} images and an image of "
            f"each digit, got {len(labels)} labels of {len({*labels})} digits"
        )
    images: list[list[str]] = [[] for _ in range(10)]
    for pixels, label in zip((16 * digits).round().int(), labels, strict=True):
        letters = ("0123456789abcdefg"[value] for value in pixels.flatten().tolist())
        images[label].append("".join(letters))
    rows = [
        [" ".join(right), f"{' '.join(written)} ({_sign(right, written)})"]
        for right, written in examples
    ]
    head = [TEXT["scene"], TEXT["read"]]
    alt = (
        "A trained captioner to try: digits in a grid of 16 cells become a caption, "
        "and each word shows where the model looked."
    )
    return PageElement(
        "try-scene-1",
        {"v": 1, "digits": images},
        alt=alt,
        still=None,
        table=_html_table(TEXT["scenes"], head, rows),
        weights={"scenes": file},
    )


def _sign(right: Sequence[str], written: Sequence[str]) -> str:
    return TEXT["right" if [*written] == [*right] else "wrong"]


def _table(
    offers: Mapping[str, Offer],
    examples: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> str:
    """What the translators write for the examples."""
    head = [TEXT["input"], *(offer.label for offer in offers.values())]
    rows = []
    for number, (source, target) in enumerate(examples):
        outputs = [offer.outputs[number] for offer in offers.values()]
        cells = [f"{' '.join(one)} ({_sign(target, one)})" for one in outputs]
        rows.append([" ".join(source), *cells])
    return _html_table(TEXT["caption"], head, rows)


def _html_table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """A table whose rows each begin with their name."""
    names = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    lines = [
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    ]
    return (
        '<div class="book-table" style="overflow-x: auto" tabindex="0">'
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{names}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )

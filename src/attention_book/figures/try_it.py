"""The page "Try it": trained translators that run in the reader's browser."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attention_book.figures.interactive import PageElement

TEXT = {
    "input": "the number",
    "caption": "What the models write for some numbers",
    "right": "right",
    "wrong": "wrong",
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
        outputs: what it writes for each of the examples, as words.
    """

    label: str
    note: str
    file: bytes
    breaks: Sequence[str] = ()
    layers: int = 1
    heads: int = 1
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


def _table(
    offers: Mapping[str, Offer],
    examples: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> str:
    """What the translators write for the examples."""
    names = [TEXT["input"], *(offer.label for offer in offers.values())]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    rows = []
    for number, (source, target) in enumerate(examples):
        cells = []
        for offer in offers.values():
            output = offer.outputs[number]
            sign = TEXT["right" if [*output] == [*target] else "wrong"]
            cells.append(f"<td>{html.escape(' '.join(output))} ({sign})</td>")
        name = f'<th scope="row">{html.escape(" ".join(source))}</th>'
        rows.append(f"<tr>{name}{''.join(cells)}</tr>")
    caption = html.escape(TEXT["caption"])
    return (
        '<div class="book-table" style="overflow-x: auto" tabindex="0">'
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )

"""Words from data on a figure: shown letter by letter, in a font that has them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font


def word_labels(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Prepare words for Matplotlib, which would read "$5$" as a formula.

    Where the figure's font lacks a character, such as a Chinese one, another installed
    font that has all the missing characters stands in for it. If there is none, the
    character is replaced by its code point, "U+6C34", because an empty box says less.

    Args:
        words: tokens, words or sentences.

    Returns:
        The texts to draw, and text properties to draw them with.

    Example:
        >>> texts, font = word_labels(["Ba$$in", "tea"])
        >>> texts, font
        (['Ba$$in', 'tea'], {'parse_math': False})
    """
    known = _characters(findfont(FontProperties()))
    missing = frozenset("".join(words)) - known - {"\n"}
    font: dict[str, Any] = {"parse_math": False}
    if not missing:
        return list(words), font
    other = _family_with(missing)
    if other is not None:
        return list(words), font | {"fontfamily": [*rcParams["font.family"], other]}
    codes = str.maketrans({letter: f"U+{ord(letter):04X}" for letter in missing})
    return [word.translate(codes) for word in words], font


def draw_word(
    ax: Axes, x: float | int, y: float | int, word: str, **properties: Any
) -> None:
    """Write a word from data centred on a point.

    Args:
        ax: where to draw.
        x: horizontal centre of the word.
        y: vertical centre of the word.
        word: as for :func:`word_labels`.
        properties: further properties of the text, such as ``fontsize``.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> ax = plt.figure().subplots()
        >>> draw_word(ax, 0, 0, "$5$")
        >>> ax.texts[0].get_text()
        '$5$'
    """
    (text,), font = word_labels([word])
    ax.text(x, y, text, **{"ha": "center", "va": "center"} | font | properties)


@cache
def _characters(path: str) -> frozenset[str]:
    return frozenset(map(chr, get_font(path).get_charmap()))


@cache
def _family_with(letters: frozenset[str]) -> str | None:
    for name in sorted({entry.name for entry in fontManager.ttflist}):
        if name.startswith("Last Resort"):  # has a box for every character
            continue
        try:
            path = findfont(FontProperties(family=[name]), fallback_to_default=False)
            if letters <= _characters(path):
                return name
        except (OSError, RuntimeError, ValueError):  # a font that cannot be used
            continue
    return None

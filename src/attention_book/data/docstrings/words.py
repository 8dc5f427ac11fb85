"""Split English text into sentences and words."""

import re

SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[A-Z\"'(])")
# A full stop after one of these does not end a sentence.
ABBREVIATION = re.compile(
    r"(\b(e\.g|i\.e|cf|vs|etc|resp|approx|w\.r\.t|fig|eq|no|dr|al|(?-i:[A-Z]))|\.)\.$",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_]+(?:(?:_+|[-'\u2019])[^\W_]+)*")


def sentences(paragraph: str) -> list[str]:
    """Split a paragraph into sentences, but not after abbreviations and initials.

    Example:
        >>> sentences("Sort, e.g. By size. Stable.")
        ['Sort, e.g. By size.', 'Stable.']
    """
    parts = [""]
    for piece in SENTENCE_END.split(paragraph):
        if parts[-1] and not ABBREVIATION.search(parts[-1]):
            parts.append(piece)
        else:
            parts[-1] = f"{parts[-1]} {piece}".strip()
    return parts


def words(text: str) -> list[str]:
    """Split a text into lower-case words.

    A word is a run of letters, digits and underscores. Hyphens and apostrophes inside a
    word are kept, underscores at its ends are removed, and a dotted name is split at
    its dots.

    Example:
        >>> words("The 2-D model `numpy.poly_fit_`; don't plot 3.")
        ['the', '2-d', 'model', 'numpy', 'poly_fit', "don't", 'plot', '3']
    """
    return WORD.findall(text.lower())

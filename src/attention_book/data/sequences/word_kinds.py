"""A small language in which each noun is of a kind that its verbs give away.

Texts without labels show which verbs go with which nouns. Sentences with labels ask for
the kind of a noun and say nothing else about it, so that only the texts can tell.
"""

import operator
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

NOUNS = {
    "animal": (
        "badgers",
        "beavers",
        "camels",
        "ferrets",
        "herons",
        "monkeys",
        "otters",
        "rabbits",
    ),
    "tool": (
        "anvils",
        "chisels",
        "drills",
        "grinders",
        "hammers",
        "pliers",
        "saws",
        "shovels",
    ),
    "food": (
        "apples",
        "carrots",
        "cherries",
        "dumplings",
        "noodles",
        "onions",
        "pancakes",
        "soups",
    ),
    "garment": (
        "aprons",
        "coats",
        "dresses",
        "gloves",
        "jackets",
        "mittens",
        "scarves",
        "skirts",
    ),
}
"""Eight nouns of each kind."""

DOES = {
    "animal": ("sleep", "listen"),
    "tool": ("rust", "rattle"),
    "food": ("rot", "cool"),
    "garment": ("fade", "shrink"),
}
"""What nouns of a kind do: the verb follows."""

DONE = {
    "animal": ("feeds", "tames"),
    "tool": ("sharpens", "oils"),
    "food": ("eats", "cooks"),
    "garment": ("wears", "irons"),
}
"""What people do with nouns of a kind: the verb goes before."""

NEUTRAL = ("sees", "draws", "finds")
"""What people do with nouns of any kind."""

SETTINGS = {
    "farm": ("barns", "wells", "fences"),
    "harbour": ("piers", "lighthouses", "docks"),
    "school": ("blackboards", "desks", "corridors"),
    "castle": ("moats", "dungeons", "towers"),
}
"""Where a text takes place: all its sentences name places of one setting."""

PEOPLE = {
    "farm": ("ada", "ben"),
    "harbour": ("cleo", "dan"),
    "school": ("eve", "finn"),
    "castle": ("gus", "hope"),
}
"""Who may be met in a setting, and nowhere else."""

ADVERBS = ("often", "rarely", "always", "never")
SENTENCES = 10  # of a text

_LABELLED = 4  # nouns of each kind that occur in labelled training sentences


class LabelledSentence(NamedTuple):
    """A sentence with a neutral verb, and the kind of its noun.

    Attributes:
        words: the sentence.
        noun: the noun that it asks about.
        label: index of the noun's kind in the order of ``NOUNS``.
    """

    words: tuple[str, ...]
    noun: str
    label: int


class LabelledParts(NamedTuple):
    """Labelled sentences to learn from, and to test with.

    Attributes:
        train: their nouns are half of all nouns.
        known: test sentences with these nouns.
        new: test sentences with the other half.
    """

    train: list[LabelledSentence]
    known: list[LabelledSentence]
    new: list[LabelledSentence]


def word_class(word: str) -> str:
    """Return "noun", "verb", "place" or "other".

    Args:
        word: of the language, or any other.

    Example:
        >>> [word_class(word) for word in "ada feeds herons near barns".split()]
        ['other', 'verb', 'noun', 'other', 'place']
    """
    for name, groups in ("noun", NOUNS), ("verb", DOES), ("verb", DONE):
        if any(word in words for words in groups.values()):
            return name
    if any(word in words for words in SETTINGS.values()):
        return "place"
    return "verb" if word in NEUTRAL else "other"


def kinds_texts(count: int, *, seed: int = 0) -> list[list[str]]:
    """Draw texts of ten sentences of five words, each with one noun of any kind.

    Of the sentences, 45 in 100 have a verb behind the noun, 45 one in front of it, and
    10 a neutral verb that tells nothing. All nouns are equally likely in all of them.

    Args:
        count: number of texts.
        seed: decides everything.

    Raises:
        ValueError: if ``count`` is less than 1.

    Example:
        >>> kinds_texts(1)[0][:2]
        ['aprons always shrink near dungeons', 'gus wears mittens near towers']
    """
    _check_count("count", count)
    rng = Random(operator.index(seed))
    texts = []
    for _ in range(count):
        setting = rng.choice(list(SETTINGS))
        texts.append([" ".join(_sentence(rng, setting)) for _ in range(SENTENCES)])
    return texts


def labelled_kinds(train: int, test: int, *, seed: int = 0) -> LabelledParts:
    """Draw sentences with neutral verbs, whose label is the kind of their noun.

    Half of the nouns of each kind, chosen by the seed, occur in the training sentences;
    each comes as often as any other, as far as their number allows.

    Args:
        train: number of training sentences.
        test: number of test sentences of either part.
        seed: decides everything.

    Raises:
        ValueError: if a number is less than 1.

    Example:
        >>> parts = labelled_kinds(80, 40)
        >>> " ".join(parts.train[0].words), list(NOUNS)[parts.train[0].label]
        ('eve finds mittens near desks', 'garment')
        >>> {one.noun for one in parts.train} & {one.noun for one in parts.new}
        set()
    """
    _check_count("train", train)
    _check_count("test", test)
    rng = Random(operator.index(seed))
    groups: tuple[list[tuple[str, int]], ...] = ([], [])
    for label, nouns in enumerate(NOUNS.values()):
        order = rng.sample(nouns, len(nouns))
        groups[0].extend((noun, label) for noun in order[:_LABELLED])
        groups[1].extend((noun, label) for noun in order[_LABELLED:])

    def draw(nouns: Sequence[tuple[str, int]], number: int) -> list[LabelledSentence]:
        rows: list[tuple[str, int]] = []
        while len(rows) < number:
            rows += rng.sample(nouns, len(nouns))
        found = []
        for noun, label in rows[:number]:
            words = _done(rng, noun, NEUTRAL, rng.choice(list(SETTINGS)))
            found.append(LabelledSentence(words, noun, label))
        return found

    known, new = groups
    return LabelledParts(draw(known, train), draw(known, test), draw(new, test))


def _sentence(rng: Random, setting: str) -> tuple[str, ...]:
    kind = rng.choice(list(NOUNS))
    noun, draw = rng.choice(NOUNS[kind]), rng.random()
    if draw < 0.45:
        verb, place = rng.choice(DOES[kind]), rng.choice(SETTINGS[setting])
        return noun, rng.choice(ADVERBS), verb, "near", place
    return _done(rng, noun, DONE[kind] if draw < 0.9 else NEUTRAL, setting)


def _done(
    rng: Random, noun: str, verbs: Sequence[str], setting: str
) -> tuple[str, ...]:
    person, place = rng.choice(PEOPLE[setting]), rng.choice(SETTINGS[setting])
    return person, rng.choice(verbs), noun, "near", place


def _check_count(name: str, count: int) -> None:
    if count < 1:
        raise ValueError(f"{name} must be at least 1, got {count}")

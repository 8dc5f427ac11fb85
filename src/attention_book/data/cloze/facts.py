"""Cloze questions about small facts, of which the telling word is known."""

import operator
import random

from attention_book.data.cloze.questions import BLANK, ClozeQuestion

NAMES = (
    *("Ann", "Ben", "Cem", "Dora", "Eva", "Finn", "Gita", "Hugo", "Ida"),
    *("Jon", "Kim", "Lea", "Mia", "Noa", "Otto", "Pia"),
)
VERBS = ["buys", "draws", "finds", "likes", "paints", "sells"]
OBJECTS = (
    *("apples", "boats", "books", "chairs", "clocks", "coins", "dolls"),
    *("drums", "flags", "hats", "jars", "kites", "lamps", "maps", "pens"),
    *("ropes", "shoes", "stamps", "tents", "toys"),
)
FILLERS = (
    *("again", "also", "at", "last", "indeed", "later", "now", "often"),
    *("so", "then", "there", "today", "well"),
)


def cloze_facts(
    count: int,
    *,
    seed: int,
    num_names: int = 4,
    num_facts: int = 6,
    max_repeats: int = 2,
    num_fillers: int = 8,
) -> list[ClozeQuestion]:
    """Draw documents of facts such as "Ann paints boats", and ask for a name.

    Each fact has an object of its own, so **the object decides the answer**; all facts
    of a document have one verb, and a name may have several facts. Each fact stands in
    the document once or more often, in random order, followed by up to two filler
    words. The question is one fact with its name blanked out, in the middle of filler
    words. Who does what is drawn anew for each document, so no name can be known
    beforehand.

    Args:
        count: number of questions.
        seed: decides everything that is drawn.
        num_names: people in a document, which are the candidates; at most 16.
        num_facts: facts of a document, at least ``num_names`` and at most 20.
        max_repeats: how often a fact stands there at most.
        num_fillers: filler words of the question, before and after the fact.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> one = cloze_facts(1, seed=0, num_names=2, num_facts=2, num_fillers=0)[0]
        >>> " ".join(one.question), one.answer, one.question[one.telling]
        ('XXXXX finds boats', 'Pia', 'boats')
    """
    if not 2 <= num_names <= len(NAMES):
        raise ValueError(f"num_names must be from 2 to {len(NAMES)}, got {num_names}")
    if not num_names <= num_facts <= len(OBJECTS):
        raise ValueError(
            f"num_facts must be from {num_names}, the number of names, to "
            f"{len(OBJECTS)}, got {num_facts}"
        )
    if count < 1 or max_repeats < 1 or num_fillers < 0:
        raise ValueError(
            "count and max_repeats must be at least 1 and num_fillers at least 0, got "
            f"{count}, {max_repeats} and {num_fillers}"
        )
    draw = random.Random(operator.index(seed))
    return [
        _question(draw, num_names, num_facts, max_repeats, num_fillers)
        for _ in range(count)
    ]


def _question(
    draw: random.Random,
    num_names: int,
    num_facts: int,
    max_repeats: int,
    num_fillers: int,
) -> ClozeQuestion:
    names = draw.sample(NAMES, num_names)
    more = draw.choices(names, k=num_facts - num_names)  # each name has a fact
    things = draw.sample(OBJECTS, num_facts)
    verb = draw.choice(VERBS)
    facts = [
        (name, verb, thing) for name, thing in zip([*names, *more], things, strict=True)
    ]
    told = [fact for fact in facts for _ in range(draw.randint(1, max_repeats))]
    draw.shuffle(told)
    document: list[str] = []
    for fact in told:
        document += [*fact, *draw.choices(FILLERS, k=draw.randint(0, 2))]
    answer, _, thing = draw.choice(facts)
    fillers = draw.choices(FILLERS, k=num_fillers)
    before = draw.randint(0, num_fillers)
    question = [*fillers[:before], BLANK, verb, thing, *fillers[before:]]
    draw.shuffle(names)  # the first name would otherwise have the first fact
    return ClozeQuestion(
        tuple(document), tuple(question), tuple(names), answer, telling=before + 2
    )

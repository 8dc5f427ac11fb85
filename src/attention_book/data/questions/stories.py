"""Stories from a small simulated world, with questions of ten kinds.

People walk between places, pick things up, put them down and hand them over; things
differ in size, and animals have a species and a colour. The simulator knows what
happened, so each question comes with the facts from which its answer follows.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from attention_book.data.questions.questions import Question, Sentence

PEOPLE = ("ada", "ben", "cleo", "dan")
PLACES = ("mill", "harbour", "market", "tower", "library", "bakery")
THINGS = ("bag", "box", "jar")
CONTENTS = ("coin", "pearl", "ring")
SIZED = (
    "barrel",
    "bottle",
    "bowl",
    "bucket",
    "chest",
    "crate",
    "cup",
    "drum",
    "kettle",
)
ANIMALS = ("tibbs", "ollo", "mika", "suri", "pell")
SPECIES = ("heron", "badger", "fox", "wren")
COLOURS = ("grey", "brown", "white", "green")
WALKS = ("walks", "runs", "returns")
NUMBERS = ("none", "one", "two", "three")


class StorySplits(NamedTuple):
    """Questions in three parts that have no story with the same question in common.

    Attributes:
        train: questions to train on.
        dev: questions to select a model with.
        test: questions to report results on.
    """

    train: list[Question]
    dev: list[Question]
    test: list[Question]


@dataclass
class _World:
    """What has happened so far; facts are known by their position from 0."""

    rng: Random
    facts: list[Sentence] = field(default_factory=list)
    moves: dict[str, list[int]] = field(default_factory=dict)  # by person
    places: dict[str, list[str]] = field(default_factory=dict)  # where these led
    gained: dict[tuple[str, str], int] = field(default_factory=dict)  # person, thing
    lies: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    # Of a thing that was put down: the place, and the facts that tell it.
    given: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    contents: dict[str, tuple[str, int]] = field(default_factory=dict)

    def walk(self) -> None:
        person = self.rng.choice(PEOPLE)
        here = self.places.get(person, [None])[-1]
        place = self.rng.choice([place for place in PLACES if place != here])
        self.moves.setdefault(person, []).append(len(self.facts))
        self.places.setdefault(person, []).append(place)
        self.facts.append((person, self.rng.choice(WALKS), "to", "the", place))

    def handle(self, giving: bool) -> bool:
        """Let somebody take, put down or give a thing; whether that was possible."""
        if not self.places:
            return False
        person = self.rng.choice(sorted(self.places))
        here = self.places[person][-1]
        held = [thing for owner, thing in self.gained if owner == person]
        near = [
            other
            for other, trail in self.places.items()
            if other != person and trail[-1] == here
        ]
        owned = {thing for _, thing in self.gained}
        free = [
            thing
            for thing in THINGS
            if thing not in owned and self.lies.get(thing, (here,))[0] == here
        ]
        if giving and held and near:
            thing, other = self.rng.choice(held), self.rng.choice(near)
            del self.gained[person, thing]
            self.gained[other, thing] = len(self.facts)
            self.given[thing] = person, other, len(self.facts)
            self.facts.append((person, "hands", "the", thing, "to", other))
        elif free and (not held or self.rng.random() < 0.6):
            thing = self.rng.choice(free)
            self.gained[person, thing] = len(self.facts)
            self.lies.pop(thing, None)
            self.facts.append((person, "picks", "up", "the", thing))
        elif held:
            thing = self.rng.choice(held)
            del self.gained[person, thing]
            self.lies[thing] = here, len(self.facts), self.moves[person][-1]
            self.facts.append((person, "puts", "down", "the", thing))
        else:
            return False
        return True

    def put_in(self, content: str, thing: str) -> None:
        self.contents[content] = thing, len(self.facts)
        self.facts.append(("the", content, "lies", "in", "the", thing))

    def lying_or_carried(self) -> dict[str, tuple[str, int, int]]:
        """Of each thing that was handled: its place, and the facts that tell it."""
        known = dict(self.lies)
        for (person, thing), fact in self.gained.items():
            known[thing] = self.places[person][-1], fact, self.moves[person][-1]
        return known

    def question(self, words: str, answer: str, *support: int) -> Question:
        return Question(tuple(self.facts), tuple(words.split()), answer, support)

    def somebody(self) -> str:
        return self.rng.choice(sorted(self.places))

    def carrier(self) -> tuple[str, list[str]]:
        """A person and the things in hand, most often of somebody who has some."""
        owners = sorted({owner for owner, _ in self.gained})
        carries = owners and self.rng.random() < 0.75
        person = self.rng.choice(owners) if carries else self.somebody()
        return person, sorted(thing for owner, thing in self.gained if owner == person)


def _where(world: _World) -> Question:
    person = world.somebody()
    place, move = world.places[person][-1], world.moves[person][-1]
    return world.question(f"where is {person}", place, move)


def _where_thing(world: _World) -> Question | None:
    known = world.lying_or_carried()
    if not known:
        return None
    thing = world.rng.choice(sorted(known))
    return world.question(f"where is the {thing}", *known[thing])


def _where_content(world: _World) -> Question | None:
    known = world.lying_or_carried()
    inside = {
        content: (thing, fact)
        for content, (thing, fact) in world.contents.items()
        if thing in known
    }
    if not inside:
        return None
    content = world.rng.choice(sorted(inside))
    thing, fact = inside[content]
    place, *support = known[thing]
    return world.question(f"where is the {content}", place, fact, *support)


def _where_before(world: _World) -> Question | None:
    movers = [person for person in sorted(world.moves) if len(world.moves[person]) > 1]
    if not movers:
        return None
    person = world.rng.choice(movers)
    before, here = world.places[person][-2:]
    words = f"where was {person} before the {here}"
    return world.question(words, before, *world.moves[person][:-3:-1])


def _yes_or_no(world: _World) -> Question:
    person = world.somebody()
    here, move = world.places[person][-1], world.moves[person][-1]
    others = [place for place in PLACES if place != here]
    place = here if world.rng.random() < 0.5 else world.rng.choice(others)
    answer = "yes" if place == here else "no"
    return world.question(f"is {person} in the {place}", answer, move)


def _counting(world: _World) -> Question:
    person, things = world.carrier()
    support = [world.gained[person, thing] for thing in things]
    words = f"how many things does {person} carry"
    return world.question(words, NUMBERS[len(things)], *support)


def _list(world: _World) -> Question:
    person, things = world.carrier()
    support = [world.gained[person, thing] for thing in things]
    answer = ",".join(things) or "nothing"
    return world.question(f"what does {person} carry", answer, *support)


def _hand_over(world: _World) -> Question | None:
    if not world.given:
        return None
    thing = world.rng.choice(sorted(world.given))
    giver, receiver, fact = world.given[thing]
    if world.rng.random() < 0.5:
        return world.question(f"who gave away the {thing}", giver, fact)
    return world.question(f"who received the {thing}", receiver, fact)


def _word_order(rng: Random) -> Question:
    # From the largest to the smallest; one in the middle is compared in both ways.
    things = rng.sample(SIZED, 4)
    order = rng.sample(range(3), 3)
    facts = tuple(
        ("the", things[i], "is", "bigger", "than", "the", things[i + 1]) for i in order
    )
    middle = rng.randint(1, 2)
    if rng.random() < 0.5:
        words, other = f"what is bigger than the {things[middle]}", middle - 1
    else:
        words, other = f"what is the {things[middle]} bigger than", middle + 1
    support = order.index(min(middle, other))
    return Question(facts, tuple(words.split()), things[other], (support,))


def _induction(rng: Random) -> Question:
    names = rng.sample(ANIMALS, 4)
    species = rng.sample(SPECIES, 3)
    species.append(rng.choice(species))  # of the animal without a colour
    colours = rng.sample(COLOURS, 3)
    facts: list[Sentence] = [
        (name, "is", "a", kind) for name, kind in zip(names, species, strict=True)
    ]
    facts += [(names[i], "is", colour) for i, colour in enumerate(colours)]
    order = rng.sample(range(len(facts)), len(facts))
    like = species.index(species[3])  # the other animal of this species
    support = tuple(order.index(fact) for fact in (3, like, 4 + like))
    words = ("what", "colour", "is", names[3])
    return Question(tuple(facts[i] for i in order), words, colours[like], support)


class _Kind(NamedTuple):
    """How to simulate for a kind of question: what it asks, how often hands act."""

    ask: Callable[[_World], Question | None]
    hands: float
    giving: bool = False
    contents: bool = False


_WORLD = {
    "one fact": _Kind(_where, 0.2),
    "two facts": _Kind(_where_thing, 0.4),
    "three facts": _Kind(_where_content, 0.4, contents=True),
    "time": _Kind(_where_before, 0.2),
    "yes or no": _Kind(_yes_or_no, 0.2),
    "counting": _Kind(_counting, 0.5),
    "list": _Kind(_list, 0.5),
    "handing over": _Kind(_hand_over, 0.6, giving=True),
}
_FIXED: dict[str, Callable[[Random], Question]] = {
    "word order": _word_order,
    "induction": _induction,
}
KINDS = (*_WORLD, *_FIXED)
"""The kinds of questions."""


def stories(
    kind: str,
    *,
    train: int,
    test: int,
    dev: int = 0,
    facts: tuple[int, int] = (4, 12),
    seed: int = 0,
) -> StorySplits:
    """Simulate stories and ask one question about each.

    ========================  =====================================================
    kind                      question, and its supporting facts
    ========================  =====================================================
    one fact                  where is ada: her last walk
    two facts                 where is the box: who has it (or put it down), and
                              that person's walk
    three facts               where is the coin: the box in which it lies, who has
                              that, and that person's walk
    time                      where was ada before the mill: her last two walks
    yes or no                 is ada in the mill: her last walk
    counting                  how many things does ada carry: how she got each
    list                      what does ada carry: the same; the answer is one word
    handing over              who gave away, or received, the box: the last handing
    word order                what is bigger than the cup, or what is the cup bigger
                              than: one of three comparisons
    induction                 what colour is tibbs: its species, another animal of
                              the species, and the colour of that
    ========================  =====================================================

    Size: as requested. Stories of "word order" have 3 facts, of "induction" 7.
    Source: the kinds of reasoning are some of bAbI's (Weston et al., arXiv:1502.05698);
        world, sentences and simulator are this book's.

    Args:
        kind: one of :data:`KINDS`.
        train: number of questions to train on.
        test: number of questions to report results on.
        dev: number of questions to select a model with.
        facts: smallest and largest number of facts of a story, all equally likely
            before those are left out about which there is nothing to ask.
        seed: seed of all random choices.

    Raises:
        ValueError: if there is no such kind, a number of questions is negative or
            ``train`` or ``test`` is not positive, the range of ``facts`` is empty or
            starts below 1, or there are not enough different stories.

    Example:
        >>> sizes = {"train": 1, "test": 1, "facts": (4, 4)}
        >>> question = stories("two facts", **sizes, seed=5).train[0]
        >>> for fact in question.facts:
        ...     print(*fact)
        cleo walks to the market
        ben returns to the library
        cleo picks up the bag
        ada returns to the market
        >>> print(*question.question, question.answer, question.support)
        where is the bag market (2, 0)
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    for name, count, least in (("train", train, 1), ("dev", dev, 0), ("test", test, 1)):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
    if not 1 <= facts[0] <= facts[1]:
        raise ValueError(f"facts must be a range from 1 or more, got {facts}")
    rng = Random(f"{kind} {operator.index(seed)}")  # kinds have stories of their own
    wanted = train + dev + test
    found: dict[tuple[tuple[Sentence, ...], Sentence], Question] = {}
    for _ in range(100 * wanted):
        question = _ask(kind, facts, rng)
        if question is not None:
            found.setdefault((question.facts, question.question), question)
        if len(found) == wanted:
            break
    else:
        raise ValueError(
            f"facts must allow {wanted} different stories of kind {kind!r}, got "
            f"{facts}, which gave {len(found)}"
        )
    questions = list(found.values())
    return StorySplits(
        questions[:train], questions[train : train + dev], questions[train + dev :]
    )


def _ask(kind: str, facts: tuple[int, int], rng: Random) -> Question | None:
    if kind in _FIXED:
        return _FIXED[kind](rng)
    ask, hands, giving, contents = _WORLD[kind]
    world = _World(rng)
    count = rng.randint(*facts)
    inside = min(count, len(THINGS)) if contents else 0
    pairs = zip(rng.sample(CONTENTS, inside), rng.sample(THINGS, inside), strict=True)
    told = dict(zip(rng.sample(range(count), inside), pairs, strict=True))
    for step in range(count):
        if step in told:
            world.put_in(*told[step])
        elif not (rng.random() < hands and world.handle(giving)):
            world.walk()
    return ask(world)

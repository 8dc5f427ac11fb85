"""Stories: their answers and supporting facts, read out of the printed sentences."""

import pytest

from attention_book.data.questions.stories import KINDS, NUMBERS, WALKS, stories

# How many supporting facts; counting and lists have one for each thing.
SUPPORT = {
    "one fact": {1},
    "two facts": {2},
    "three facts": {3},
    "time": {2},
    "yes or no": {1},
    "counting": {0, 1, 2, 3},
    "list": {0, 1, 2, 3},
    "handing over": {1},
    "word order": {1},
    "induction": {3},
}
TRADED = {"picks", "puts", "hands"}


class Reader:
    """Understands the sentences, and knows nothing of the simulator."""

    def __init__(self, facts):
        self.trail, self.holder, self.place, self.inside, self.given = (
            {},
            {},
            {},
            {},
            {},
        )
        self.bigger, self.kind, self.colour = [], {}, {}
        for words in facts:
            self.read(*words)

    def read(self, *words):
        match words:
            case [person, verb, "to", "the", place] if verb in WALKS:
                self.trail.setdefault(person, []).append(place)
            case [person, "picks", "up", "the", thing]:
                self.holder[thing] = person
            case [person, "puts", "down", "the", thing]:
                self.holder[thing] = None
                self.place[thing] = self.trail[person][-1]
            case [giver, "hands", "the", thing, "to", receiver]:
                self.holder[thing] = receiver
                self.given[thing] = giver, receiver
            case ["the", content, "lies", "in", "the", thing]:
                self.inside[content] = thing
            case ["the", large, "is", "bigger", "than", "the", small]:
                self.bigger.append((large, small))
            case [animal, "is", "a", kind]:
                self.kind[animal] = kind
            case [animal, "is", colour]:
                self.colour[animal] = colour
            case _:
                raise AssertionError(words)

    def where(self, thing):
        thing = self.inside.get(thing, thing)
        if self.holder.get(thing):
            return self.trail[self.holder[thing]][-1]
        return self.place[thing]

    def carried(self, person):
        return sorted(thing for thing, owner in self.holder.items() if owner == person)

    def answer(self, *words):
        match words:
            case ["where", "is", "the", thing]:
                return self.where(thing)
            case ["where", "is", person]:
                return self.trail[person][-1]
            case ["where", "was", person, "before", "the", place]:
                assert self.trail[person][-1] == place
                return self.trail[person][-2]
            case ["is", person, "in", "the", place]:
                return "yes" if self.trail[person][-1] == place else "no"
            case ["how", "many", "things", "does", person, "carry"]:
                return NUMBERS[len(self.carried(person))]
            case ["what", "does", person, "carry"]:
                return ",".join(self.carried(person)) or "nothing"
            case ["who", "gave", "away", "the", thing]:
                return self.given[thing][0]
            case ["who", "received", "the", thing]:
                return self.given[thing][1]
            case ["what", "is", "bigger", "than", "the", thing]:
                (found,) = [large for large, small in self.bigger if small == thing]
                return found
            case ["what", "is", "the", thing, "bigger", "than"]:
                (found,) = [small for large, small in self.bigger if large == thing]
                return found
            case ["what", "colour", "is", animal]:
                alike = [a for a, kind in self.kind.items() if a in self.colour]
                (found,) = [a for a in alike if self.kind[a] == self.kind[animal]]
                return self.colour[found]
            case _:
                raise AssertionError(words)


@pytest.fixture(scope="module", params=KINDS)
def questions(request):
    return request.param, stories(request.param, train=300, test=1, seed=5).train


def test_answers_follow_from_the_sentences(questions):
    for question in questions[1]:
        assert Reader(question.facts).answer(*question.question) == question.answer


def test_supporting_facts_are_enough(questions):
    for question in questions[1]:
        facts = [question.facts[i] for i in sorted(question.support)]
        assert Reader(facts).answer(*question.question) == question.answer


def test_each_supporting_fact_is_needed(questions):
    for question in questions[1]:
        for left_out in question.support:
            facts = [
                question.facts[i] for i in sorted(question.support) if i != left_out
            ]
            try:
                answer = Reader(facts).answer(*question.question)
            except (KeyError, IndexError, AssertionError, ValueError):
                continue
            assert answer != question.answer


def test_numbers_of_supporting_facts(questions):
    kind, asked = questions
    assert {len(question.support) for question in asked} == SUPPORT[kind]


def test_supporting_facts_come_in_the_order_of_looking_up(questions):
    """Each one shares a word with the question or with the one before."""
    kind, asked = questions
    if kind in ("counting", "list"):  # several facts, none of which leads to another
        return
    small = {"the", "is", "a", "to", "where", "what", "was", "before", "in"}
    for question in asked:
        known = set(question.question)
        for fact in question.support:
            assert known & set(question.facts[fact]) - small
            known |= set(question.facts[fact])


def test_nobody_walks_to_where_they_are_or_takes_what_is_elsewhere():
    for question in stories("list", train=200, test=1, facts=(20, 30)).train:
        trail, holder, place = {}, {}, {}
        for words in question.facts:
            person, thing = words[0], words[-1]
            if words[1] in WALKS:
                assert trail.get(person) != thing
                trail[person] = thing
            elif words[1] == "picks":
                assert holder.get(thing) is None
                assert place.get(thing, trail[person]) == trail[person]
                holder[thing] = person
            else:
                assert words[1] == "puts"
                assert holder[thing] == person
                holder[thing], place[thing] = None, trail[person]


def test_things_are_handed_over_where_both_are():
    for question in stories("handing over", train=200, test=1).train:
        trail, holder = {}, {}
        for words in question.facts:
            if words[1] in WALKS:
                trail[words[0]] = words[-1]
            elif words[1] == "hands":
                giver, _, _, thing, _, receiver = words
                assert holder[thing] == giver
                assert trail[giver] == trail[receiver]
                holder[thing] = receiver
            else:
                holder[words[-1]] = words[0] if words[1] == "picks" else None


def test_lengths_and_sizes_are_as_requested():
    parts = stories("one fact", train=40, dev=7, test=11, facts=(3, 6))
    assert [len(part) for part in parts] == [40, 7, 11]
    lengths = {len(question.facts) for part in parts for question in part}
    assert lengths == {3, 4, 5, 6}


def test_no_story_with_its_question_comes_twice():
    parts = stories("one fact", train=300, dev=100, test=100, facts=(1, 3))
    asked = [(q.facts, q.question) for part in parts for q in part]
    assert len(set(asked)) == len(asked)


def test_a_seed_gives_the_same_stories_and_kinds_have_their_own():
    sizes = {"train": 20, "test": 5}
    first = stories("one fact", **sizes, seed=3)
    assert stories("one fact", **sizes, seed=3) == first
    assert stories("one fact", **sizes, seed=4) != first
    others = {
        question.facts for question in stories("yes or no", **sizes, seed=3).train
    }
    assert not others & {question.facts for question in first.train}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "riddle"}, "kind must be one of one fact, .*, got 'riddle'"),
        ({"train": 0}, "train must be at least 1, got 0"),
        ({"test": 0}, "test must be at least 1, got 0"),
        ({"dev": -1}, "dev must be at least 0, got -1"),
        ({"facts": (5, 4)}, r"facts must be a range from 1 or more, got \(5, 4\)"),
        ({"facts": (0, 4)}, r"facts must be a range from 1 or more, got \(0, 4\)"),
        (
            {"train": 500, "facts": (1, 1)},
            "must allow 501 different stories .* gave 72",
        ),
    ],
)
def test_what_cannot_be_simulated_is_an_error(change, message):
    arguments = {"kind": "one fact", "train": 3, "test": 1, "facts": (2, 4), **change}
    kind = arguments.pop("kind")
    with pytest.raises(ValueError, match=message):
        stories(kind, **arguments)


def test_what_lies_in_what_differs_between_stories():
    """Else two facts would do where three are said to be needed."""
    found = set()
    for question in stories("three facts", train=100, test=1).train:
        fact = question.facts[question.support[0]]
        assert fact[2:5] == ("lies", "in", "the")
        found.add((fact[1], fact[5]))
    assert len(found) == 9

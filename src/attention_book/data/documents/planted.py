"""Synthetic reviews in which one known sentence, and one word in it, decide."""

import operator
import random

from attention_book.data.documents.labelled import LabelledDocument, Sentence

SUBJECTS = {
    "food": ("soup", "fish", "bread", "salad", "curry", "cake", "rice", "pasta"),
    "room": ("bed", "lamp", "carpet", "window", "bath", "chair"),
    "staff": ("waiter", "cook", "porter", "manager", "barman", "owner"),
    "place": ("view", "garden", "street", "music", "pool", "terrace"),
}
"""What a clause may be about, and the nouns by which one can tell."""

POLARITY = {
    1: ("good", "great", "lovely", "superb"),
    0: ("bad", "awful", "poor", "dreadful"),
}
"""Praise and blame, by the class that they speak for."""

DECISIVE = "food"
CLASSES = ("the food was bad", "the food was good")


def planted_documents(
    count: int,
    *,
    sentences: tuple[int, int] = (4, 8),
    double: float = 0.5,
    negated: float = 0.25,
    seed: int,
) -> list[LabelledDocument]:
    """Draw reviews of a hotel; the class is what they say about the food.

    A review has one clause on food, such as "the soup was not bad". All others are on
    the room, the staff or the place, and praise or blame independently of the class.
    A sentence has one clause or two, so that the telling sentence also holds praise or
    blame that must be ignored. Neither the position of the telling sentence nor that of
    its clause says anything: all of them are equally likely. A "not" turns a clause
    into its opposite.

    Size: a vocabulary of 39 words; sentences of 4 to 11 words.

    Args:
        count: number of reviews; as nearly as possible half of them of each class.
        sentences: least and greatest number of sentences in a review.
        double: probability that a sentence has two clauses.
        negated: probability that a clause is negated.
        seed: decides the reviews.

    Returns:
        The reviews in random order; ``telling`` is the sentence on food and the
        adjective in its clause.

    Raises:
        ValueError: if ``count`` is negative, ``sentences`` are not two rising numbers
            from 1, or a probability is not from 0 to 1.

    Example:
        >>> review = planted_documents(1, sentences=(3, 3), seed=4)[0]
        >>> for sentence in review.sentences:
        ...     print(" ".join(sentence))
        the waiter was not superb and the view was not poor
        the bed was poor and the curry was not lovely
        the pool was dreadful and the cook was not lovely
        >>> CLASSES[review.label], review.telling
        ('the food was bad', (1, 9))
    """
    least, most = sentences
    if count < 0:
        raise ValueError(f"count must not be negative, got {count}")
    if not 1 <= least <= most:
        raise ValueError(
            f"sentences must be two rising numbers from 1, got {sentences}"
        )
    for name, value in ("double", double), ("negated", negated):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {value}")
    draw = random.Random(operator.index(seed))
    labels = [number % 2 for number in range(count)]
    draw.shuffle(labels)
    return [
        _review(draw, label, draw.randint(least, most), double, negated)
        for label in labels
    ]


def _review(
    draw: random.Random, label: int, num_sentences: int, double: float, negated: float
) -> LabelledDocument:
    others = [subject for subject in SUBJECTS if subject != DECISIVE]
    at = draw.randrange(num_sentences)
    sentences, telling = [], 0
    for number in range(num_sentences):
        two = draw.random() < double
        subjects = draw.sample(others, 1 + two)
        decides = number == at
        clause_at = draw.randrange(len(subjects)) if decides else -1
        words: list[str] = []
        for place, subject in enumerate(subjects):
            if place:
                words.append("and")
            here = place == clause_at
            verdict = label if here else draw.randrange(2)
            words += _clause(draw, DECISIVE if here else subject, verdict, negated)
            if here:
                telling = len(words) - 1
        sentences.append(tuple(words))
    return LabelledDocument(tuple(sentences), label, (at, telling))


def _clause(
    draw: random.Random, subject: str, verdict: int, negated: float
) -> Sentence:
    """Say of a subject that it is good (1) or bad (0)."""
    noun = draw.choice(SUBJECTS[subject])
    if draw.random() < negated:
        return ("the", noun, "was", "not", draw.choice(POLARITY[1 - verdict]))
    return ("the", noun, "was", draw.choice(POLARITY[verdict]))

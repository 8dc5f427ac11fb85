"""Sentences with a pronoun that only the last word explains."""

import operator
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

PRONOUNS = "er", "sie", "es"
"""German for "it", by the gender of the noun: masculine, feminine, neuter."""

LIVING = {
    **dict.fromkeys(("dog", "bird", "bear", "fox"), 0),
    **dict.fromkeys(("cat", "cow", "mouse", "goat"), 1),
    **dict.fromkeys(("animal", "horse", "sheep", "rabbit"), 2),
}
"""Nouns for living things, with the gender of the German noun."""

PLACES = {
    **dict.fromkeys(("river", "forest", "park", "square"), 0),
    **dict.fromkeys(("street", "bridge", "meadow", "cave"), 1),
    **dict.fromkeys(("field", "valley", "village", "moor"), 2),
}
"""Nouns for places, with the gender of the German noun."""

LAST_WORDS = {
    **dict.fromkeys(("tired", "hungry", "afraid", "ill"), "living"),
    **dict.fromkeys(("shy", "lazy", "sleepy", "nervous"), "living"),
    **dict.fromkeys(("wide", "steep", "icy", "muddy"), "place"),
    **dict.fromkeys(("narrow", "crowded", "slippery", "flooded"), "place"),
}
"""Words that end a sentence, and what they can be said of."""

_BY_LIVING = "cross", "enter", "pass", "leave"
_BY_PLACE = "suit", "stop", "tempt", "please"
_REASON = "because", "it", "was", "too"
_RESIDUES = 4  # one in four pairs of nouns is held out


class PronounSentence(NamedTuple):
    """A sentence, the noun that its "it" stands for, and the German pronoun.

    Attributes:
        words: the sentence, which ends with one of ``LAST_WORDS``.
        referent: position of the noun that "it" stands for.
        other: position of the other noun.
        label: index of the pronoun in ``PRONOUNS``.
    """

    words: tuple[str, ...]
    referent: int
    other: int
    label: int


def pronoun_words() -> list[str]:
    """All words of the sentences, in the order of their ids.

    Example:
        >>> len(pronoun_words())
        55
    """
    verbs = *_BY_LIVING, *_BY_PLACE
    return ["the", "did", "not", *verbs, *_REASON, *LIVING, *PLACES, *LAST_WORDS]


def pronoun_sentence(
    living: str, place: str, last: str, verb: str = "cross"
) -> PronounSentence:
    """Build one sentence.

    Args:
        living: one of ``LIVING``.
        place: one of ``PLACES``.
        last: one of ``LAST_WORDS``, which says which of the two nouns "it" is.
        verb: "cross", "enter", "pass" or "leave", of which the living thing is the
            subject, or "suit", "stop", "tempt" or "please", of which the place is.

    Raises:
        ValueError: if a word is none of these.

    Example:
        >>> sentence = pronoun_sentence("animal", "street", "wide")
        >>> " ".join(sentence.words)
        'the animal did not cross the street because it was too wide'
        >>> sentence.words[sentence.referent], PRONOUNS[sentence.label]
        ('street', 'sie')
    """
    groups: tuple[tuple[str, object], ...] = (
        (living, LIVING),
        (place, PLACES),
        (last, LAST_WORDS),
        (verb, (*_BY_LIVING, *_BY_PLACE)),
    )
    for word, known in groups:
        if word not in known:  # type: ignore[operator]
            raise ValueError(f"words must be of the book's lists, got {word!r}")
    first, second = (living, place) if verb in _BY_LIVING else (place, living)
    words = "the", first, "did", "not", verb, "the", second, *_REASON, last
    noun = living if LAST_WORDS[last] == "living" else place
    other = place if noun == living else living
    label = (LIVING | PLACES)[noun]
    return PronounSentence(words, words.index(noun), words.index(other), label)


def pronoun_sentences(
    train: int, *, seed: int = 0
) -> tuple[list[PronounSentence], list[PronounSentence]]:
    """Draw sentences to learn from, and others with pairs of nouns that are held out.

    Of the 144 pairs of a living thing and a place 36 are held out, chosen by the seed
    so that each noun is in three of them.

    Args:
        train: number of training sentences, drawn with repetition.
        seed: decides everything.

    Returns:
        Training sentences; and test sentences, each held-out pair with each last word,
        576 in all.

    Raises:
        ValueError: if ``train`` is less than 1.

    Example:
        >>> train, test = pronoun_sentences(10)
        >>> len(train), len(test)
        (10, 576)
    """
    if train < 1:
        raise ValueError(f"train must be at least 1, got {train}")
    generator = torch.Generator().manual_seed(operator.index(seed))
    # Within a gender the nouns are shuffled, so that genders are mixed in both parts.
    ranks = [torch.randperm(len(LIVING), generator=generator).tolist() for _ in "ab"]
    known: list[tuple[str, str]] = []
    held_out: list[tuple[str, str]] = []
    for i, living in enumerate(LIVING):
        for j, place in enumerate(PLACES):
            residue = (ranks[0][i] + ranks[1][j]) % _RESIDUES
            (known if residue else held_out).append((living, place))
    verbs, lasts = [*_BY_LIVING, *_BY_PLACE], list(LAST_WORDS)

    def draw(count: int) -> int:
        return int(torch.randint(count, (), generator=generator))

    learned = []
    for _ in range(train):
        living, place = known[draw(len(known))]
        last, verb = lasts[draw(len(lasts))], verbs[draw(len(verbs))]
        learned.append(pronoun_sentence(living, place, last, verb))
    tested = [
        pronoun_sentence(living, place, last, verbs[draw(len(verbs))])
        for living, place in held_out
        for last in lasts
    ]
    return learned, tested


def pronoun_ids(
    sentences: list[PronounSentence],
) -> tuple[Int[Tensor, "sentences words"], Int[Tensor, " sentences"]]:
    """Turn sentences into ids of words, and their labels.

    Args:
        sentences: at least one; all have twelve words.

    Returns:
        Ids by the order of :func:`pronoun_words`, and the indices of the pronouns.

    Example:
        >>> ids, labels = pronoun_ids([pronoun_sentence("dog", "field", "ill")])
        >>> ids.shape, labels.tolist()
        (torch.Size([1, 12]), [0])
    """
    place = {word: number for number, word in enumerate(pronoun_words())}
    ids = torch.tensor([[place[word] for word in one.words] for one in sentences])
    return ids, torch.tensor([one.label for one in sentences])

"""Small tasks of all three kinds."""

import numpy as np
import pytest

from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.vectors.word_vectors import WordVectors
from attention_book.recipes.sentence_pairs.tasks import make_task

WORDS = ("a", "cat", "dog", "sings", "runs", "loudly", "here")
DIM = 5


@pytest.fixture
def vectors():
    draw = np.random.default_rng(0)
    return WordVectors(WORDS, draw.normal(size=(len(WORDS), DIM)).astype(np.float32))


def draw_pairs(count, seed, questions):
    """Random sentences of 1 to 6 words; the word "unheard" has no vector."""
    draw = np.random.default_rng(seed)
    pairs = []
    for number in range(count):
        first, second = (
            tuple(draw.choice([*WORDS, "unheard"], size=draw.integers(1, 7)).tolist())
            for _ in range(2)
        )
        pairs.append(
            SentencePair(
                first,
                second,
                label=int(number % 3 == 0),
                score=1 + 4 * draw.random(),
                group=100 + number // 3 if questions else None,
            )
        )
    return pairs


def draw_parts(questions=False):
    return [draw_pairs(count, count, questions) for count in (33, 12, 9)]


@pytest.fixture
def classes(vectors):
    return make_task("toy", draw_parts(), vectors, "drawn", kind="classes")


@pytest.fixture
def graded(vectors):
    return make_task(
        "toy", draw_parts(), vectors, "drawn", kind="grades", grades=(1, 5)
    )


@pytest.fixture
def ranking(vectors):
    parts = draw_parts(questions=True)
    return make_task(
        "toy",
        parts,
        vectors,
        "drawn",
        kind="ranking",
        random_unknown=True,
        mean_length=3.0,
        max_tokens=4,
    )

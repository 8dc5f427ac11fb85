"""PPMI and its decomposition on a corpus small enough to count by hand."""

import itertools
from math import log

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.vectors.word_vectors import (
    WordVectors,
    ppmi,
    train_word_vectors,
)
from attention_book.data.vocab import PAD, UNK, Vocab

# With a window of one word, the neighbours are
#   a b a:  a-b, b-a        (each counted from both sides)
#   b c:    b-c
# so the counts n(word, neighbour) are
#          a  b  c   sum
#     a    0  2  0    2
#     b    2  0  1    3
#     c    0  1  0    1
# and the total is 6.
SENTENCES = [["a", "b", "a"], ["b", "c"]]


def test_ppmi_by_hand():
    known, matrix = ppmi(SENTENCES, window=1, min_count=1, smoothing=1.0)
    assert known == ["a", "b", "c"]  # a and b occur twice, c once
    expected = [
        [0, log(2 * 6 / (2 * 3)), 0],
        [log(2 * 6 / (3 * 2)), 0, log(1 * 6 / (3 * 1))],
        [0, log(1 * 6 / (1 * 3)), 0],
    ]
    np.testing.assert_allclose(matrix.toarray(), expected)


def test_smoothing_by_hand():
    _, matrix = ppmi(SENTENCES, window=1, min_count=1, smoothing=0.5)
    total = 2**0.5 + 3**0.5 + 1
    expected = {
        (0, 1): log(2 * total / (2 * 3**0.5)),
        (1, 0): log(2 * total / (3 * 2**0.5)),
        (1, 2): log(1 * total / (3 * 1)),
        (2, 1): log(1 * total / (1 * 3**0.5)),
    }
    for place, value in expected.items():
        assert matrix[place] == pytest.approx(value)


def test_negative_information_becomes_zero():
    # a and b are neighbours once, and each has many others: less than by chance
    sentences = [["a", "b"], *[["a", "c"]] * 4, *[["b", "d"]] * 4]
    known, matrix = ppmi(sentences, window=1, min_count=1, smoothing=1.0)
    a, b = known.index("a"), known.index("b")
    assert log(1 * 18 / (5 * 5)) < 0
    assert matrix[a, b] == 0
    assert matrix.min() >= 0


def test_window_against_plain_loops():
    rng = np.random.default_rng(0)
    sentences = [list(rng.choice(list("abcdefg"), size)) for size in (0, 1, 5, 9, 3)]
    known, matrix = ppmi(sentences, window=3, min_count=1, smoothing=1.0)
    counts = np.zeros((len(known), len(known)))
    for sentence in sentences:
        for (i, one), (j, other) in itertools.permutations(enumerate(sentence), 2):
            if abs(i - j) <= 3:
                counts[known.index(one), known.index(other)] += 1
    sums = counts.sum(axis=1)
    with np.errstate(divide="ignore"):
        expected = np.log(counts * counts.sum() / np.outer(sums, sums))
    np.testing.assert_allclose(matrix.toarray(), np.maximum(expected, 0))


def test_rare_words_are_taken_out_first():
    sentences = [["a", "rare", "b"], ["a", "b"]]
    known, matrix = ppmi(sentences, window=1, min_count=2)
    assert known == ["a", "b"]
    assert matrix[0, 1] > 0  # neighbours, once "rare" is gone


def test_vectors_are_the_best_approximation():
    rng = np.random.default_rng(0)
    sentences = [list(rng.choice(list("abcdefghi"), 7)) for _ in range(11)]
    vectors = train_word_vectors(sentences, dim=3, window=2, min_count=1)
    known, matrix = ppmi(sentences, window=2, min_count=1)
    left, values, _ = np.linalg.svd(matrix.toarray())
    expected = left[:, :3] * np.sqrt(values[:3])
    assert vectors.words == tuple(known)
    assert vectors.vectors.dtype == np.float32
    for column, other in zip(vectors.vectors.T, expected.T, strict=True):
        sign = np.sign(column @ other)
        np.testing.assert_allclose(column, sign * other, atol=1e-5)


def test_a_seed_gives_the_same_vectors():
    rng = np.random.default_rng(0)
    sentences = [list(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 50))] * 3
    first, second = (
        train_word_vectors(sentences, dim=2, min_count=1, seed=5) for _ in range(2)
    )
    np.testing.assert_array_equal(first.vectors, second.vectors)


@pytest.fixture
def vectors():
    rows = np.array([[1.0, 0, 2], [0, 3, 0], [1, 0, 2.5], [0, 0, 0]], dtype=np.float32)
    return WordVectors(["x", "y", "z", "zero"], rows)


def test_vectors_must_be_finite():
    rows = np.array([[1.0, 2.0], [np.nan, 0.0], [0.0, np.inf]])
    with pytest.raises(ValueError, match=r"finite, got \[nan  0.\] for 'b'"):
        WordVectors(["a", "b", "c"], rows)


def test_unknown_words(vectors):
    assert "x" in vectors
    assert "nowhere" not in vectors
    with pytest.raises(KeyError, match="nowhere"):
        vectors["nowhere"]
    np.testing.assert_array_equal(vectors["y"], [0, 3, 0])
    np.testing.assert_array_equal(vectors.average(["x", "nowhere", "y"]), [0.5, 1.5, 1])
    np.testing.assert_array_equal(vectors.average(["nowhere"]), [0, 0, 0])


def test_nearest(vectors):
    assert vectors.nearest("x", 2) == ["z", "y"]


def test_embedding_matrix(vectors):
    vocab = Vocab(["y", "y", "x", "other"])
    matrix = vectors.embedding_matrix(vocab, seed=3)
    assert matrix.shape == (len(vocab), 3)
    assert_close(
        matrix[vocab.encode(["y", "x"])], torch.tensor([[0.0, 3, 0], [1, 0, 2]])
    )
    assert (matrix[PAD] == 0).all()
    unknown = matrix[[UNK, *vocab.encode(["other"])]]
    assert (unknown != 0).all()
    assert_close(matrix, vectors.embedding_matrix(vocab, seed=3))
    assert not torch.equal(matrix, vectors.embedding_matrix(vocab, seed=4))


def test_unknown_rows_are_as_wide_as_the_vectors():
    rng = np.random.default_rng(0)
    rows = (0.2 * rng.standard_normal((50, 40))).astype(np.float32)
    vectors = WordVectors([f"w{i}" for i in range(50)], rows)
    matrix = vectors.embedding_matrix(Vocab(f"other{i}" for i in range(100)))
    assert matrix[UNK:].std().item() == pytest.approx(0.2, rel=0.05)


def test_errors():
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        ppmi(SENTENCES, window=0)
    with pytest.raises(ValueError, match=r"min_count \(9\) occurrences beside"):
        ppmi(SENTENCES, min_count=9)
    with pytest.raises(ValueError, match=r"dim must be from 1 to 2, .* got 3"):
        train_word_vectors(SENTENCES, dim=3, min_count=1)
    with pytest.raises(ValueError, match="2 different words, got 2 words and 1 rows"):
        WordVectors(["a", "b"], np.ones((1, 2)))
    with pytest.raises(ValueError, match="1 different words, got 2 words and 2 rows"):
        WordVectors(["a", "a"], np.ones((2, 2)))


def test_nearest_of_more_words_than_there_are():
    vectors = WordVectors(["a", "b", "c"], np.array([[1.0, 0], [0, 1], [1, 1]]))
    assert vectors.nearest("a", 9) == ["c", "b"]  # not "a" itself
    with pytest.raises(ValueError, match="count must be at least 1, got -1"):
        vectors.nearest("a", -1)


def test_letters_are_not_taken_for_words():
    vectors = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(TypeError, match=r"words must be a list of words.*'a b'"):
        vectors.average("a b")
    with pytest.raises(TypeError, match=r"sentence must be a list of words.*'a b a'"):
        ppmi(["a b a", "b c"], min_count=1)

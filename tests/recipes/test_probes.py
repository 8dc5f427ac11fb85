import numpy as np
import pytest

from attention_book.recipes.probes import frequent_positions, probe_positions

DRAW = np.random.default_rng(0)
VOCAB = np.array(["a", "b", "c"])


def sentences(count):
    """Sentences of four words, and vectors that hold the first and the third."""
    ids = DRAW.integers(3, size=(count, 4))
    hot = np.eye(3)[ids]
    vectors = np.concatenate(
        [hot[:, 0], 50 * hot[:, 2], DRAW.normal(size=(count, 2))], 1
    )
    return vectors, [tuple(row) for row in VOCAB[ids]]


def test_a_probe_reads_what_the_vector_holds():
    found = probe_positions(*sentences(300), *sentences(90), 3)
    assert found[0] == found[2] == 1.0
    assert found[1] < 0.6  # one of three, but for luck


def test_the_scale_of_a_component_does_not_count():
    train, test = sentences(60), sentences(50)
    scale = 10.0 ** np.arange(-4, 4)
    scaled = probe_positions(
        train[0] * scale + 3, train[1], test[0] * scale + 3, test[1], 4
    )
    assert np.abs(np.subtract(scaled, probe_positions(*train, *test, 4))).max() < 0.05


def test_the_most_frequent_word_of_each_position():
    train, test = ["abc", "abb", "cab"], ["aaa", "abb", "acb", "bab", "bab"]
    assert frequent_positions(train, test, 3) == [3 / 5, 1 / 5, 4 / 5]
    assert frequent_positions(train, test, 2) == [3 / 5, 1 / 5]


def test_sentences_and_vectors_must_fit():
    (vectors, words), (others, tests) = sentences(5), sentences(7)
    with pytest.raises(ValueError, match="train_words must be 5 sentences"):
        probe_positions(vectors, words[:4], others, tests, 2)
    with pytest.raises(ValueError, match="test_words must be 7 sentences"):
        probe_positions(vectors, words, others, tests[:3], 2)
    with pytest.raises(
        ValueError, match=r"num_positions \(5\) words each, got one of 4"
    ):
        probe_positions(vectors, words, others, tests, 5)
    with pytest.raises(ValueError, match="at least one, got 0"):
        frequent_positions(["ab"], [], 2)

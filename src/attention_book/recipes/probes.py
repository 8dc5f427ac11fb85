"""Linear probes: which word stood at each position, read from a vector."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float

Words = Sequence[Sequence[Hashable]]
"""Sentences; each has at least as many words as positions are probed."""


def probe_positions(
    train_vectors: Float[np.ndarray, "_train dim"],
    train_words: Words,
    test_vectors: Float[np.ndarray, "_test dim"],
    test_words: Words,
    num_positions: int,
) -> list[float]:
    """Read each word of a sentence from the sentence's vector by a linear classifier.

    A ridge classifier for each position, from the first one on, learns from components
    that are scaled to mean 0 and standard deviation 1 over the training sentences. What
    it can tell is a lower bound: a word may be there in a form that is not linear.

    Args:
        train_vectors: one vector for each training sentence.
        train_words: the training sentences.
        test_vectors: one vector for each test sentence.
        test_words: the test sentences.
        num_positions: number of positions probed.

    Returns:
        For each position the share of test sentences whose word is named, from 0 to 1.

    Raises:
        ValueError: if vectors and sentences are not equally many, or a sentence is
            shorter than ``num_positions``.
    """
    # Imported here: it takes longer to load than the whole package.
    from sklearn.linear_model import RidgeClassifier

    _check(train_words, num_positions, "train_words", len(train_vectors))
    _check(test_words, num_positions, "test_words", len(test_vectors))
    mean, deviation = train_vectors.mean(0), train_vectors.std(0) + 1e-6
    train_inputs = (train_vectors - mean) / deviation
    test_inputs = (test_vectors - mean) / deviation
    accuracies = []
    for position in range(num_positions):
        labels = [sentence[position] for sentence in train_words]
        wanted = [sentence[position] for sentence in test_words]
        classifier = RidgeClassifier().fit(train_inputs, labels)
        accuracies.append(float(classifier.score(test_inputs, wanted)))
    return accuracies


def frequent_positions(
    train_words: Words, test_words: Words, num_positions: int
) -> list[float]:
    """The probe's baseline: at each position the word most frequent in training.

    Args:
        train_words: sentences that are counted.
        test_words: sentences whose words are guessed.
        num_positions: number of positions, from the first one on.

    Returns:
        For each position the share of test sentences that have this word there.

    Raises:
        ValueError: if a sentence is shorter than ``num_positions``.

    Example:
        >>> frequent_positions(["ab", "ac", "bc"], ["ac", "ab", "cc"], 2)
        [0.6666666666666666, 0.6666666666666666]
    """
    _check(train_words, num_positions, "train_words", len(train_words))
    _check(test_words, num_positions, "test_words", len(test_words))
    shares = []
    for position in range(num_positions):
        counts = Counter(sentence[position] for sentence in train_words)
        ((word, _),) = counts.most_common(1)
        hits = [sentence[position] == word for sentence in test_words]
        shares.append(float(np.mean(hits)))
    return shares


def _check(words: Words, num_positions: int, name: str, num_vectors: int) -> None:
    if len(words) != num_vectors or not words:
        raise ValueError(
            f"{name} must be {num_vectors} sentences, one for each vector and at least "
            f"one, got {len(words)}"
        )
    shortest = min(map(len, words))
    if shortest < num_positions:
        raise ValueError(
            f"{name} must have at least num_positions ({num_positions}) words each, "
            f"got one of {shortest}"
        )

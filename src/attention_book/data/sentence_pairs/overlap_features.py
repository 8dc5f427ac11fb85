"""Counts of a pair of sentences: how long they are, and which words they share."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from attention_book.data.sentence_pairs.pairs import SentencePair

NAMES = ("words of the first", "words of the second", "shared", "shared, by idf")


class OverlapFeatures:
    r"""The count features of Yin et al. (2016) for WikiQA.

    They are the lengths of both sentences in words; the number of different words that
    both have, stop words left out; and the sum of their

    .. math:: \mathrm{idf}(w) = \ln \frac{n + 1}{n_w + 1}

    where :math:`n_w` of the :math:`n` different sentences that it was made from have
    the word :math:`w`. Stop words are those of scikit-learn and what has neither letter
    nor digit. :meth:`add` scales each feature to mean 0 and standard deviation 1 on
    these sentences' pairs, so that one learning rate fits them and the cosines.

    Args:
        pairs: to take idf, mean and standard deviation from: the training split alone.

    Raises:
        ValueError: if there are no pairs.

    Source: the features as arXiv:1512.05193 lists them, after Yang, Yih and Meek
        (2015); list of stop words, idf and scaling are ours.

    Example:
        >>> pairs = [
        ...     SentencePair(("who", "is", "Ada"), ("Ada", "was", "born")),
        ...     SentencePair(("who", "is", "Ada"), ("a", "dog", "barks", ".")),
        ... ]
        >>> OverlapFeatures(pairs).count(pairs[0])  # ln(4 / 3) for "Ada"
        (3.0, 3.0, 1.0, 0.28768207245178085)
    """

    def __init__(self, pairs: Sequence[SentencePair]) -> None:
        if not len(pairs):
            raise ValueError("pairs must hold at least one pair, got none")
        sentences = {side for pair in pairs for side in (pair.first, pair.second)}
        self._num_sentences = len(sentences)
        self._counts = Counter(word for side in sentences for word in set(side))
        table = np.array([self.count(pair) for pair in pairs])
        self._mean = table.mean(axis=0)
        # A count that is always the same tells nothing: it becomes 0.
        spread = table.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0)

    def idf(self, word: str) -> float:
        """Return the weight of a word; the largest for one never seen."""
        return math.log((self._num_sentences + 1) / (self._counts[word] + 1))

    def count(self, pair: SentencePair) -> tuple[float, ...]:
        """Return the four features of :data:`NAMES`, not scaled."""
        shared = content_words(pair.first) & content_words(pair.second)
        weight = math.fsum(map(self.idf, shared))
        return tuple(
            map(float, (len(pair.first), len(pair.second), len(shared), weight))
        )

    def add(self, pairs: Iterable[SentencePair]) -> list[SentencePair]:
        """Return the pairs with the scaled features behind those they have."""
        added = []
        for pair in pairs:
            scaled = (np.array(self.count(pair)) - self._mean) / self._scale
            added.append(replace(pair, features=(*pair.features, *scaled.tolist())))
        return added


def content_words(sentence: Iterable[str]) -> set[str]:
    """The different words of a sentence, without stop words and punctuation.

    Example:
        >>> sorted(content_words("where is the 2nd dog ?".split()))
        ['2nd', 'dog']
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return {
        word
        for word in sentence
        if word.lower() not in ENGLISH_STOP_WORDS and any(map(str.isalnum, word))
    }

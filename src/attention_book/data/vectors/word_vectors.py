"""Word vectors from a text of your own: PPMI and a truncated SVD."""

import operator
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from attention_book.data.vocab import PAD, Vocab
from attention_book.functional import check_counts


class WordVectors:
    """A vector for each known word.

    Args:
        words: the known words, each once.
        vectors: one row for each word, of any size but 0.

    Raises:
        ValueError: if the numbers of words and rows differ, a word comes twice, or a
            vector is not finite.
    """

    def __init__(
        self, words: Sequence[str], vectors: Float[np.ndarray, "words dim"]
    ) -> None:
        self._rows = {word: row for row, word in enumerate(words)}
        if not len(self._rows) == len(words) == len(vectors):
            raise ValueError(
                f"vectors must have a row for each of {len(self._rows)} different "
                f"words, got {len(words)} words and {len(vectors)} rows"
            )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"vectors must be finite, got {vectors[finite.argmin()]} for "
                f"{words[int(finite.argmin())]!r}"
            )
        self.words = tuple(words)
        self.vectors = vectors

    def __contains__(self, word: str) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> Float[np.ndarray, " dim"]:
        """Return a word's vector; a KeyError if it is not known."""
        return self.vectors[self._rows[word]]

    def average(self, words: Iterable[str]) -> Float[np.ndarray, " dim"]:
        """Return the mean vector of a sentence's known words; 0 if it has none.

        Raises:
            TypeError: if ``words`` is one string.
        """
        if isinstance(words, str):
            raise TypeError(f"words must be a list of words, got the string {words!r}")
        rows = [self._rows[word] for word in words if word in self._rows]
        return self.vectors[rows].sum(axis=0) / max(len(rows), 1)

    def nearest(self, word: str, count: int = 5) -> list[str]:
        """Return the words whose vectors have the largest cosine with a known word's.

        Args:
            word: a known word, which is none of them.
            count: how many, at most; there are fewer if fewer other words are known.

        Raises:
            ValueError: if ``count`` is less than 1.
        """
        check_counts(count=count)
        lengths = np.linalg.norm(self.vectors, axis=1)
        cosines = self.vectors @ self[word] / np.where(lengths > 0, lengths, 1)
        order = np.argsort(-cosines, kind="stable")
        others = order[order != self._rows[word]]
        return [self.words[i] for i in others[:count]]

    def embedding_matrix(
        self, vocab: Vocab, *, seed: int = 0
    ) -> Float[Tensor, "vocab dim"]:
        """Put the vectors into the order of a vocabulary, as an embedding's weights.

        Args:
            vocab: of the model; a row for each of its ids.
            seed: of the rows of words without a vector. They are drawn from a normal
                distribution as wide as the vectors; ``<unk>`` is among them.

        Returns:
            The matrix; the row of ``PAD`` is 0.
        """
        generator = torch.Generator().manual_seed(operator.index(seed))
        known = torch.as_tensor(self.vectors)
        matrix = torch.randn(
            len(vocab), known.shape[1], generator=generator, dtype=known.dtype
        )
        matrix *= known.std(correction=0)
        matrix[PAD] = 0.0
        for word, row in self._rows.items():
            if word in vocab:
                matrix[vocab.encode([word])[0]] = known[row]
        return matrix


def ppmi(
    sentences: Iterable[Sequence[str]],
    *,
    window: int = 5,
    min_count: int = 5,
    smoothing: float = 0.75,
) -> tuple[list[str], sparse.csr_matrix]:
    r"""Positive pointwise mutual information of words that stand near each other.

    .. math:: \mathrm{PPMI}_{wc} = \max\Big(0, \ln \frac{n_{wc} \, \sum_{c'} n_{c'}^a}
        {n_w \, n_c^a}\Big)

    where :math:`n_{wc}` is how often :math:`c` stands within ``window`` words of
    :math:`w`, :math:`n_w = \sum_c n_{wc}`, and :math:`a` is ``smoothing``. Words with
    fewer than ``min_count`` occurrences are taken out first, which brings their
    neighbours closer.

    Args:
        sentences: lists of words; no window reaches over the end of one.
        window: how far to look on either side, in words, from 1.
        min_count: how often a word must occur to be known.
        smoothing: 1 for none; less makes rare neighbours count for less.

    Returns:
        The known words by falling count, equal counts in alphabetical order; and the
        matrix, a row for each word and a column for each neighbour.

    Raises:
        ValueError: if no two known words stand near each other, or ``window`` is less
            than 1.
        TypeError: if a sentence is one string.

    Source: Levy, Goldberg and Dagan (2015), sections 2.1 and 3.1.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    sentences = list(sentences)
    for sentence in sentences:
        if isinstance(sentence, str):
            raise TypeError(
                f"a sentence must be a list of words, got the string {sentence!r}"
            )
    counts = Counter(word for sentence in sentences for word in sentence)
    known = [word for word, count in counts.items() if count >= min_count]
    known.sort(key=lambda word: (-counts[word], word))
    ids = {word: i for i, word in enumerate(known)}
    # All sentences in one row, far enough apart that no window spans two.
    gap = [-1] * window
    row = []
    for sentence in sentences:
        row += [ids[word] for word in sentence if word in ids]
        row += gap
    text = np.array(row, dtype=np.int64)
    counted = sparse.csr_matrix((len(known), len(known)))
    for distance in range(1, window + 1):
        left, right = text[:-distance], text[distance:]
        real = (left >= 0) & (right >= 0)
        ones = np.ones(real.sum())
        pairs = left[real], right[real]
        counted = counted + sparse.csr_matrix((ones, pairs), counted.shape)
    near = (counted + counted.T).tocoo()
    if not near.nnz:
        raise ValueError(
            f"sentences must have two words with min_count ({min_count}) occurrences "
            "beside each other"
        )
    of_word = np.bincount(near.row, near.data, len(known))
    of_neighbour = of_word**smoothing
    information = np.log(
        near.data * of_neighbour.sum() / (of_word[near.row] * of_neighbour[near.col])
    )
    matrix = sparse.csr_matrix(
        (np.maximum(information, 0), (near.row, near.col)), near.shape
    )
    matrix.eliminate_zeros()
    return known, matrix


def train_word_vectors(
    sentences: Iterable[Sequence[str]],
    *,
    dim: int = 100,
    window: int = 5,
    min_count: int = 5,
    seed: int = 0,
) -> WordVectors:
    r"""Word vectors from counts: PPMI, then its best approximation of rank ``dim``.

    With the singular value decomposition :math:`M \approx U \Sigma V^\top` of the
    :func:`ppmi` matrix, the vectors are the rows of :math:`U \sqrt{\Sigma}`.

    Args:
        sentences: lists of words; no window reaches over the end of one.
        dim: length of a vector, less than the number of known words.
        window: how far to look on either side, in words.
        min_count: how often a word must occur to be known.
        seed: of the random projection that the decomposition starts from.

    Returns:
        The vectors, in single precision.

    Raises:
        ValueError: if ``dim`` is not less than the number of known words, and as from
            :func:`ppmi`.
        TypeError: as from :func:`ppmi`.

    Source: Levy, Goldberg and Dagan (2015), sections 2.2 and 3.3; the decomposition is
    that of Halko, Martinsson and Tropp (2011).
    """
    # Here, because it takes longer than to import the whole package.
    from sklearn.utils.extmath import randomized_svd

    known, matrix = ppmi(sentences, window=window, min_count=min_count)
    if not 1 <= dim < len(known):
        raise ValueError(
            f"dim must be from 1 to {len(known) - 1}, one less than there are known "
            f"words, got {dim}"
        )
    left, values, _ = randomized_svd(
        matrix.astype(np.float64), dim, n_iter=3, random_state=seed
    )
    return WordVectors(known, (left * np.sqrt(values)).astype(np.float32))

"""The similarity of texts: the cosine of their TF-IDF vectors."""

from collections.abc import Sequence

import numpy as np

from attention_book.data.docstrings.words import words


class Similarity:
    r"""TF-IDF vectors of texts, compared by their cosine.

    A word that occurs :math:`f` times in a text, and in :math:`d` of the :math:`n`
    texts, has the weight :math:`(1 + \ln f) (1 + \ln \frac{n + 1}{d + 1})`. Vectors are
    scaled to length 1. The similarity of a text without words is 0, even to itself.

    Args:
        texts: in any order; methods refer to them by their index.

    Example:
        >>> alike = Similarity(["inverse of a matrix", "matrix inverse", "a graph"])
        >>> alike.nearest(0, [1, 2]), round(alike(1, 2), 2)
        ([1, 2], 0.0)
    """

    def __init__(self, texts: Sequence[str]) -> None:
        # Imported here, because it takes longer than importing the whole package.
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(analyzer=words, sublinear_tf=True)
        self._vectors = vectorizer.fit_transform(texts)

    def __call__(self, first: int, second: int) -> float:
        """Return the cosine of two texts, from 0 to 1."""
        return float(self._vectors[first].multiply(self._vectors[second]).sum())

    def nearest(self, text: int, others: Sequence[int]) -> list[int]:
        """Order texts by decreasing similarity to one; ties keep their order."""
        if not others:
            return []
        cosines = (self._vectors[others] @ self._vectors[text].T).toarray()[:, 0]
        # Rounded, because the last digits of a sum differ between machines.
        return [others[i] for i in np.argsort(-cosines.round(9), kind="stable")]

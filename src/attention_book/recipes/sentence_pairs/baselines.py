"""Systems without a network that score sentence pairs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.vectors.word_vectors import WordVectors
from attention_book.recipes.sentence_pairs.tasks import PairTask

# scikit-learn is imported where it is used: it takes longer than the whole package.

BASELINES = ("word overlap", "averaged vectors", "TF-IDF", "counts")


def overlap_scores(pairs: Sequence[SentencePair]) -> Float[np.ndarray, " pairs"]:
    """Share of common words among all different words of both sentences, from 0 to 1.

    Two sentences without a word are equal: their share is 1.

    Example:
        >>> overlap_scores([SentencePair(("a", "red", "dog"), ("a", "dog", "barks"))])
        array([0.5])
    """
    sets = [(set(pair.first), set(pair.second)) for pair in pairs]
    shares = [len(a & b) / len(a | b) if a | b else 1.0 for a, b in sets]
    return np.array(shares, dtype=float)


def average_scores(
    pairs: Sequence[SentencePair], vectors: WordVectors
) -> Float[np.ndarray, " pairs"]:
    """Cosine of the mean word vectors of both sentences; 0 without a known word.

    Args:
        pairs: to score.
        vectors: of the words.
    """
    first, second = (
        np.stack([vectors.average(getattr(pair, side)) for pair in pairs])
        for side in ("first", "second")
    )
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return (first * second).sum(axis=-1) / np.maximum(lengths, 1e-9)


def tfidf_scores(
    pairs: Sequence[SentencePair],
    sentences: Sequence[Sequence[str]],
    *,
    unseen_words: bool = False,
) -> Float[np.ndarray, " pairs"]:
    """Cosine of the TF-IDF vectors of both sentences, counts as 1 + their logarithm.

    Args:
        pairs: to score.
        sentences: to count document frequencies on.
        unseen_words: whether words that are in none of them count, as the rarest;
            otherwise they are left out.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    first, second = [pair.first for pair in pairs], [pair.second for pair in pairs]
    words = {word for side in (*first, *second) for word in side}
    tfidf = TfidfVectorizer(
        analyzer=list,
        sublinear_tf=True,
        vocabulary=sorted(words) if unseen_words else None,
    )
    tfidf.fit(sentences)
    one, two = tfidf.transform(first), tfidf.transform(second)
    return np.asarray(one.multiply(two).sum(axis=1))[:, 0]


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the score above which saying 1 is right most often.

    Args:
        scores: of the pairs to learn from. The threshold is one of them, or just below
            the lowest, where saying 1 of all pairs is best; of equally good ones the
            lowest.
        labels: 0 or 1.

    Example:
        >>> best_threshold(np.array([0.1, 0.4, 0.8, 0.9]), np.array([0, 0, 1, 1]))
        0.4
    """
    thresholds = np.unique(scores)  # rising: the order of the pairs plays no part
    thresholds = np.append(np.nextafter(thresholds[0], -np.inf), thresholds)
    accuracies = [((scores > t) == (labels == 1)).mean() for t in thresholds]
    return float(thresholds[int(np.argmax(accuracies))])


def baseline_scores(
    task: PairTask,
    names: Sequence[str] = BASELINES,
    *,
    part: str = "test",
    unseen_words: bool = False,
) -> dict[str, Float[np.ndarray, " pairs"]]:
    """Score the pairs of a part without a network.

    For classes each score has the threshold subtracted that is best on the training
    part, so that a positive score means class 1.

    Args:
        task: the data.
        names: some of :data:`BASELINES`; "counts" is a logistic regression on the
            count features, fitted to the training part.
        part: "train", "dev" or "test".
        unseen_words: as for :func:`tfidf_scores`.

    Returns:
        For each name, the higher the more alike.

    Raises:
        ValueError: if there is no such baseline, or "counts" has no labels to learn.
    """
    found = {}
    for name in names:
        score = task.pairs[part]
        if name == "counts":
            found[name] = _count_scores(task, part)
            continue
        found[name] = _similarity(name, task, score, unseen_words)
        if task.kind == "classes":
            train = _similarity(name, task, task.pairs["train"], unseen_words)
            found[name] = found[name] - best_threshold(train, task.labels("train"))
    return found


def _similarity(
    name: str, task: PairTask, pairs: Sequence[SentencePair], unseen_words: bool
) -> Float[np.ndarray, " pairs"]:
    if name == "word overlap":
        return overlap_scores(pairs)
    if name == "averaged vectors":
        return average_scores(pairs, task.vectors)
    if name == "TF-IDF":
        return tfidf_scores(pairs, task.idf_sentences, unseen_words=unseen_words)
    raise ValueError(f"names must be among {', '.join(BASELINES)}, got {name!r}")


def _count_scores(task: PairTask, part: str) -> Float[np.ndarray, " pairs"]:
    from sklearn.linear_model import LogisticRegression

    if task.kind == "grades":
        raise ValueError('"counts" needs labels to learn from, the task has grades')
    classifier = LogisticRegression()
    classifier.fit(task.counts("train"), task.labels("train"))
    return classifier.decision_function(task.counts(part))

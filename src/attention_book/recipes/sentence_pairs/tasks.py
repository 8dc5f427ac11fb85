"""Sentence pairs ready for training: three parts, word vectors, batches."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.docstrings.corpus import Corpus
from attention_book.data.docstrings.pairs import docstring_pairs
from attention_book.data.docstrings.questions import docstring_questions
from attention_book.data.docstrings.words import words
from attention_book.data.sentence_pairs.msrp import msrp
from attention_book.data.sentence_pairs.msrvid import msrvid
from attention_book.data.sentence_pairs.overlap_features import NAMES, OverlapFeatures
from attention_book.data.sentence_pairs.pairs import (
    SentencePair,
    SentencePairBatch,
    lowercase,
    pair_words,
    sentence_pair_batch,
    sentence_pair_loader,
)
from attention_book.data.sentence_pairs.sick import sick
from attention_book.data.sentence_pairs.trecqa import trecqa
from attention_book.data.sentence_pairs.wikiqa import wikiqa
from attention_book.data.vectors.pretrained_vectors import (
    SOURCES,
    best_source,
    pretrained_vectors,
)
from attention_book.data.vectors.word_vectors import WordVectors, train_word_vectors
from attention_book.data.vocab import Vocab

PARTS = ("train", "dev", "test")
KINDS = ("classes", "grades", "ranking")


@dataclass(frozen=True)
class OrderedBatches:
    """Batches of pairs of similar length, and where each pair stands in the data.

    Attributes:
        batches: shortest pairs first.
        order: for each pair, in the order of the batches, its position in the data.
    """

    batches: list[SentencePairBatch]
    order: Int[np.ndarray, " pairs"]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[SentencePairBatch]:
        return iter(self.batches)

    def in_data_order(self, values: np.ndarray) -> np.ndarray:
        """Bring one row for each pair from the order of the batches into the data's.

        Example:
            >>> batches = OrderedBatches([], order=np.array([2, 0, 1]))
            >>> batches.in_data_order(np.array([7, 5, 6]))
            array([5, 6, 7])
        """
        ordered = np.empty_like(values)
        ordered[self.order] = values
        return ordered


@dataclass(frozen=True, kw_only=True)
class PairTask:
    """All that models of sentence pairs, and their baselines, need of a data set.

    Attributes:
        name: of the data set.
        kind: what is known of a pair: "classes" (label 0 or 1), "grades" (a graded
            similarity) or "ranking" (label 0 or 1 of a candidate of a question).
        pairs: for each of :data:`PARTS` its pairs.
        vocab: of the models.
        vectors: word vectors, as they were trained.
        matrix: a vector for each id of ``vocab``, for the models.
        vectors_title: where the vectors come from, to be named beside a result.
        random_unknown: whether words without a vector have a random one each.
        mean_length: to which the vectors of ``matrix`` are scaled; None: they are not.
        grades: lowest and highest grade; None unless ``kind`` is "grades".
        idf_sentences: those that inverse document frequencies are counted on.
        max_tokens: words of a sentence that models read, from its start; None: all.
        selection: how many pairs each rule of selection found; empty if none did.
    """

    name: str
    kind: str
    pairs: Mapping[str, Sequence[SentencePair]]
    vocab: Vocab
    vectors: WordVectors
    matrix: Float[Tensor, "vocab dim"]
    vectors_title: str
    random_unknown: bool = False
    mean_length: float | None = None
    grades: tuple[int, int] | None = None
    idf_sentences: Sequence[Sequence[str]]
    max_tokens: int | None = None
    selection: Mapping[str, int] = field(default_factory=dict)
    _cache: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}"
            )

    @property
    def num_features(self) -> int:
        """Further numbers of each pair that a model reads beside the words."""
        return len(self.pairs["train"][0].features)

    def labels(self, part: str) -> Int[np.ndarray, " pairs"]:
        """Return the classes of a part's pairs."""
        return np.array([pair.label for pair in self.pairs[part]])

    def groups(self, part: str) -> Int[np.ndarray, " pairs"]:
        """Number the question or function of each pair; without one, pair by pair."""
        return np.array(
            [i if p.group is None else p.group for i, p in enumerate(self.pairs[part])]
        )

    def num_groups(self, part: str) -> int:
        """Return the number of questions or functions that a part's pairs stem from."""
        return len(np.unique(self.groups(part)))

    def counts(self, part: str) -> Float[np.ndarray, "pairs counts"]:
        """Lengths and shared words of a part's pairs, scaled on the training part.

        These are the features of
        :class:`attention_book.data.sentence_pairs.overlap_features.OverlapFeatures`.
        """
        if ("counts", part) not in self._cache:
            features = OverlapFeatures(self.pairs["train"])
            added = features.add(self.pairs[part])
            table = [pair.features[-len(NAMES) :] for pair in added]
            self._cache["counts", part] = np.array(table)
        return self._cache["counts", part]

    def batches(self, part: str, *, batch_size: int = 128) -> OrderedBatches:
        """Batches of pairs of similar length, which need little padding.

        Args:
            part: one of :data:`PARTS`.
            batch_size: pairs in a batch.
        """
        key = "batches", part, batch_size
        if key not in self._cache:
            pairs = self.pairs[part]
            longest = [max(len(pair.first), len(pair.second)) for pair in pairs]
            order = np.argsort(longest, kind="stable")
            batches = [
                sentence_pair_batch(
                    [pairs[i] for i in order[start : start + batch_size]],
                    self.vocab,
                    max_tokens=self.max_tokens,
                )
                for start in range(0, len(order), batch_size)
            ]
            self._cache[key] = OrderedBatches(batches, order)
        return self._cache[key]

    def loader(
        self,
        part: str,
        *,
        batch_size: int,
        seed: int | None = None,
        by_length: bool = False,
    ) -> DataLoader:
        """Batches of pairs as they come, or mixed anew in each epoch.

        Args:
            part: one of :data:`PARTS`.
            batch_size: pairs in a batch.
            seed: of the order; None: the order of the data, in each epoch.
            by_length: whether the batches are those of :meth:`batches`, which need
                little padding; only the order of the batches is then mixed.
        """
        if by_length:
            batches = self.batches(part, batch_size=batch_size).batches
            return DataLoader(
                batches,  # type: ignore[arg-type]
                batch_size=None,  # they are batches already
                shuffle=seed is not None,
                generator=torch.Generator().manual_seed(operator.index(seed or 0)),
                collate_fn=lambda batch: batch,
            )
        return sentence_pair_loader(
            self.pairs[part],
            self.vocab,
            batch_size=batch_size,
            max_tokens=self.max_tokens,
            seed=seed,
        )


def make_task(
    name: str,
    parts: Sequence[Sequence[SentencePair]],
    vectors: WordVectors,
    vectors_title: str,
    *,
    kind: str,
    grades: tuple[int, int] | None = None,
    limit: int | None = None,
    random_unknown: bool = False,
    mean_length: float | None = None,
    with_counts: bool = False,
    idf_sentences: Sequence[Sequence[str]] | None = None,
    max_tokens: int | None = None,
    selection: Mapping[str, int] | None = None,
) -> PairTask:
    """Join sentence pairs with word vectors.

    Args:
        name: of the data set.
        parts: pairs to learn from, to choose a model by, and to report.
        vectors: word vectors.
        vectors_title: where they come from.
        kind: as in :class:`PairTask`.
        grades: lowest and highest grade of the scores, for the kind "grades".
        limit: pairs of each part that are kept, from its start; a ranking keeps all
            candidates of its last question. None: all.
        random_unknown: whether a word of the pairs without a vector gets a random
            vector of its own; otherwise all of them are ``<unk>``.
        mean_length: the vectors are scaled so that their mean length is this; None:
            they stay.
        with_counts: whether the models read the count features of each pair.
        idf_sentences: as in :class:`PairTask`; None: those of the training pairs.
        max_tokens: as in :class:`PairTask`.
        selection: as in :class:`PairTask`.

    Raises:
        ValueError: if there is no such kind, or a part is empty.
    """
    kept = {
        part: _shortened(pairs, limit, whole_groups=kind == "ranking")
        for part, pairs in zip(PARTS, parts, strict=True)
    }
    for part, pairs in kept.items():
        if not pairs:
            raise ValueError(f"parts must have at least one pair each, {part} has none")
    if with_counts:
        features = OverlapFeatures(kept["train"])
        kept = {part: features.add(pairs) for part, pairs in kept.items()}
    known = (word for pairs in kept.values() for word in pair_words(pairs))
    vocab = Vocab(known if random_unknown else vectors.words)
    if idf_sentences is None:
        idf_sentences = [side for p in kept["train"] for side in (p.first, p.second)]
    return PairTask(
        name=name,
        kind=kind,
        pairs=kept,
        vocab=vocab,
        vectors=vectors,
        matrix=scaled_matrix(vectors, vocab, mean_length),
        vectors_title=vectors_title,
        random_unknown=random_unknown,
        mean_length=mean_length,
        grades=grades,
        idf_sentences=idf_sentences,
        max_tokens=max_tokens,
        selection=selection or {},
    )


def scaled_matrix(
    vectors: WordVectors, vocab: Vocab, mean_length: float | None
) -> Float[Tensor, "vocab dim"]:
    """Put the vectors of a vocabulary into a matrix, scaled to a mean length.

    Args:
        vectors: word vectors.
        vocab: whose ids are the rows.
        mean_length: mean length of all ``vectors`` after scaling; None: as they are.
    """
    matrix = vectors.embedding_matrix(vocab)
    if mean_length is not None:
        matrix *= mean_length / np.linalg.norm(vectors.vectors, axis=1).mean()
    return matrix


def paraphrase_task(
    corpus: Corpus, *, dim: int = 50, limit: int | None = None
) -> PairTask:
    """Paraphrases from docstrings: do two first sentences document one function?

    Pairs that stem from one function share a group. Word vectors are learned from the
    whole corpus, by PPMI and a singular value decomposition, without any label.

    Args:
        corpus: the docstrings.
        dim: size of the word vectors.
        limit: pairs of each part that are kept; None: all.
    """
    splits = docstring_pairs(corpus.documents)
    numbers: dict[str, int] = {}
    parts = []
    for part in (splits.train, splits.dev, splits.test):
        pairs = []
        for right, wrong in zip(part[::2], part[1::2], strict=True):
            function = min(name.rpartition(".")[2] for name in right.names)
            group = numbers.setdefault(function, len(numbers))
            pairs += [
                SentencePair(pair.first, pair.second, pair.label, group=group)
                for pair in (right, wrong)
            ]
        parts.append(pairs)
    vectors = train_word_vectors((words(d.prose) for d in corpus.documents), dim=dim)
    return make_task(
        "docstrings",
        parts,
        vectors,
        f"PPMI and SVD of the docstrings, {dim} d",
        kind="classes",
        limit=limit,
        selection=splits.counts,
    )


def answer_task(
    corpus: Corpus,
    *,
    dim: int = 100,
    mean_length: float | None = None,
    max_tokens: int | None = 40,
    limit: int | None = None,
) -> PairTask:
    """Answer selection from docstrings: which sentence documents the same function?

    The group of a pair is its question. Word vectors are learned line by line from the
    whole corpus; inverse document frequencies come from the first sentences of all
    documents. Neither sees a label.

    Args:
        corpus: the docstrings.
        dim: size of the word vectors.
        mean_length: as for :func:`make_task`.
        max_tokens: words of a sentence that models read; None: all.
        limit: as for :func:`make_task`.
    """
    splits = docstring_questions(corpus.documents)
    parts = [
        [
            SentencePair(question.words, one.words, label=one.label, group=number)
            for number, question in enumerate(getattr(splits, part))
            for one in question.candidates
        ]
        for part in PARTS
    ]
    lines = (line for d in corpus.documents for line in d.prose.splitlines())
    return make_task(
        "docstrings",
        parts,
        train_word_vectors(map(words, lines), dim=dim),
        f"PPMI and SVD of the docstrings, {dim} d",
        kind="ranking",
        limit=limit,
        random_unknown=True,
        mean_length=mean_length,
        idf_sentences=[words(document.summary) for document in corpus.documents],
        max_tokens=max_tokens,
        selection=splits.counts,
    )


@dataclass(frozen=True)
class PublicPairs:
    """A public data set of sentence pairs.

    Attributes:
        load: returns the pairs of "train", "dev" or "test".
        kind: as in :class:`PairTask`.
        vectors: the word vectors to take where GloVe 840B is not at hand.
        grades: lowest and highest grade; None: no grades.
    """

    load: Callable[[str], Sequence[SentencePair]]
    kind: str
    vectors: str
    grades: tuple[int, int] | None = None


def _msrvid(part: str) -> list[SentencePair]:
    # There is no development part: every fifth pair of the training part is one.
    if part == "test":
        return msrvid("test")
    pairs = msrvid("train")
    return pairs[::5] if part == "dev" else [p for i, p in enumerate(pairs) if i % 5]


PUBLIC = {
    "SICK": PublicPairs(sick, "grades", "spacy-md", (1, 5)),
    "MSRVID": PublicPairs(_msrvid, "grades", "spacy-md", (0, 5)),
    "MSRP": PublicPairs(msrp, "classes", "glove-6b"),
    "WikiQA": PublicPairs(wikiqa, "ranking", "glove-6b"),
    "TrecQA": PublicPairs(lambda part: trecqa(part, clean=True), "ranking", "glove-6b"),
}
"""Public data sets by their names. MSRVID's dev pairs are every fifth of its training
pairs, which has no dev part of its own; TrecQA is its clean version."""


def public_task(
    name: str,
    *,
    limit: int | None = None,
    random_unknown: bool = False,
    with_counts: bool = False,
    max_tokens: int | None = None,
) -> PairTask:
    """A public data set, with the best word vectors that are at hand.

    Args:
        name: one of :data:`PUBLIC`.
        limit: as for :func:`make_task`.
        random_unknown: as for :func:`make_task`.
        with_counts: as for :func:`make_task`.
        max_tokens: as in :class:`PairTask`.

    Raises:
        ValueError: if there is no such data set.
        DownloadError: if a file cannot be had.
    """
    if name not in PUBLIC:
        raise ValueError(f"name must be one of {', '.join(PUBLIC)}, got {name!r}")
    public = PUBLIC[name]
    source = best_source(public.vectors)
    parts = [public.load(part) for part in PARTS]
    if SOURCES[source].lowercase:
        parts = [lowercase(part) for part in parts]
    known = {word for part in parts for word in pair_words(part)}
    return make_task(
        name,
        parts,
        pretrained_vectors(source, known),
        SOURCES[source].title,
        kind=public.kind,
        grades=public.grades,
        limit=limit,
        random_unknown=random_unknown,
        with_counts=with_counts,
        max_tokens=max_tokens,
    )


def _shortened(
    pairs: Sequence[SentencePair], limit: int | None, *, whole_groups: bool
) -> list[SentencePair]:
    if limit is None or not whole_groups:
        return list(pairs[:limit])
    kept = {pair.group for pair in pairs[:limit]}
    return [pair for pair in pairs if pair.group in kept]

"""Document classification from data to scores: tasks, training, weights, baselines."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attention_book.data.docstrings.classes import docstring_classes
from attention_book.data.docstrings.corpus import load_docstrings
from attention_book.data.documents import movie_reviews as movies
from attention_book.data.documents import planted
from attention_book.data.documents.labelled import (
    DocumentBatch,
    LabelledDocument,
    document_batch,
    document_loader,
    document_words,
    shorten,
)
from attention_book.data.vectors.word_vectors import train_word_vectors
from attention_book.data.vocab import Vocab
from attention_book.models.han import HAN, HANConfig
from attention_book.observe import record_weights
from attention_book.recipes.race import count_parameters, size_for_parameters
from attention_book.recipes.systems import SystemScores
from attention_book.recipes.translation import TrainingPlan
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import History, fit
from attention_book.training.runtime import seed_everything
from attention_book.training.watch import Watch

# scikit-learn is imported where it is used: it takes longer than the whole package.

EVALUATION_BATCH = 100
"""Documents in a batch where nothing is trained."""

MOVIE_SYSTEMS: dict[str, dict[str, Any]] = {
    "HN-ATT": {},
    "HN-AVE": {"pooling": "average"},
    "HN-MAX": {"pooling": "max"},
    "TF-IDF": {},
}
"""For each system that is run on movie reviews its fields of the config; "TF-IDF" is
:func:`tfidf_right`."""

Documents = Sequence[LabelledDocument]


class DocumentWeights(NamedTuple):
    """The weights with which a model reads a document.

    Attributes:
        sentences: weight of each sentence; they sum to 1.
        words: for each sentence the weights of its words. Those of a hierarchical model
            sum to 1 in each sentence, those of a flat one in the whole document.
    """

    sentences: Float[Tensor, " sentences"]
    words: tuple[Float[Tensor, " _"], ...]

    def as_data(self) -> dict[str, Any]:
        """Plain numbers, for figures that are drawn elsewhere than in Python."""
        words = [row.tolist() for row in self.words]
        return {"sentences": self.sentences.tolist(), "words": words}


class TellingScores(NamedTuple):
    """How well weights agree with the known evidence; means over documents, 0 to 1.

    Attributes:
        sentence_hit: share of documents whose telling sentence weighs most.
        sentence_mass: weight of the telling sentence.
        word_hit: share of documents in which the telling word weighs most in its
            sentence.
        word_mass: share of the telling word in the weights of its sentence.
    """

    sentence_hit: float
    sentence_mass: float
    word_hit: float
    word_mass: float


@dataclass(frozen=True, kw_only=True, eq=False)
class DocumentTask:
    """Documents with classes, ready for models that run on one device.

    Attributes:
        train: documents to learn from.
        dev: documents to watch the training by; may be empty.
        test: documents to report.
        classes: names of the classes, in the order of the labels.
        vocab: of the models.
        device: where models are trained and run.
        vectors: a word vector for each id, with which models start; None: they start
            from random numbers.
    """

    train: Documents
    dev: Documents
    test: Documents
    classes: tuple[str, ...]
    vocab: Vocab
    device: torch.device
    vectors: Float[Tensor, "vocab dim"] | None = None

    def batch(self, documents: Documents) -> DocumentBatch:
        """Put documents into one batch on the task's device."""
        return document_batch(documents, self.vocab).to(self.device)

    def labels(self, documents: Documents) -> Int[np.ndarray, " documents"]:
        """Return the classes of some documents."""
        return np.array([document.label for document in documents])

    def build(self, seed: int, **fields: Any) -> HAN:
        """Make a model for the task.

        Args:
            seed: of all random numbers from here on.
            **fields: of the :class:`attention_book.models.han.HANConfig`, apart from
                the numbers of words and classes.
        """
        seed_everything(seed)
        sizes = len(self.vocab), len(self.classes)
        config = HANConfig(vocab_size=sizes[0], num_classes=sizes[1], **fields)
        return HAN(config, self.vectors)

    def build_as_large(self, model: HAN, seed: int, **fields: Any) -> HAN:
        """Make a model with about as many parameters as another one.

        Args:
            model: the other one.
            seed: as for :meth:`build`.
            **fields: as for :meth:`build`, without ``hidden_dim``, which is chosen.
        """
        size = size_for_parameters(
            lambda size: self.build(seed, hidden_dim=size, **fields),
            count_parameters(model),
        )
        return self.build(seed, hidden_dim=size, **fields)

    def train_model(
        self,
        model: HAN,
        plan: TrainingPlan,
        *,
        epochs: int,
        seed: int,
        documents: Documents | None = None,
        sentence_weights: Sequence[Float[Tensor, " _"]] | None = None,
        watch: Documents = (),
        checkpoint: Path | None = None,
        description: str = "",
    ) -> tuple[History, list[float]]:
        """Train a model, and keep its last weights.

        Args:
            model: the model.
            plan: how it is trained.
            epochs: runs through the documents.
            seed: of the order of the documents.
            documents: to learn from; None: those of the task.
            sentence_weights: for each document, weights to impose on the sentence
                level; None: the model's own.
            watch: documents on which the accuracy is measured after each epoch.
            checkpoint: file that holds the run; None: it is not saved.
            description: words in front of the progress bar.

        Returns:
            The history, and the accuracies on ``watch``, the one before training first.
        """
        loader = document_loader(
            self.train if documents is None else documents,
            self.vocab,
            seed=seed,
            sentence_weights=sentence_weights,
            **plan.batch,
        )
        progress = Watch(
            lambda _: float(self.right(model, watch).mean()),
            at=lambda step: step % len(loader) == 0,
        )
        history = fit(
            model,
            loader,
            epochs=epochs,
            learning_rate=plan.learning_rate,
            optimizer=plan.optimizer,
            schedule=plan.schedule(epochs * len(loader)),
            clip_norm=plan.clip_norm,
            keep="last",
            checkpoint=checkpoint,
            device=self.device,
            on_step=progress if watch else None,
            description=description,
        )
        if watch:
            progress.take(epochs * len(loader))
        return history, progress.values

    @torch.no_grad()
    def probabilities(
        self,
        model: HAN,
        documents: Documents,
        sentence_weights: Sequence[Float[Tensor, " _"]] | None = None,
    ) -> Float[Tensor, "documents classes"]:
        """Return the probability of each class; the model is left in eval mode.

        Args:
            model: the model.
            documents: the documents.
            sentence_weights: as for :meth:`train_model`.
        """
        model.to(self.device).eval()
        loader = document_loader(
            documents,
            self.vocab,
            batch_size=EVALUATION_BATCH,
            sentence_weights=sentence_weights,
        )
        rows = []
        for batch in loader:
            batch = batch.to(self.device)
            logits = model(
                batch.words, batch.word_mask, sentence_weights=batch.sentence_weights
            )
            rows.append(logits.softmax(1).cpu())
        return torch.cat(rows)

    def right(
        self,
        model: HAN,
        documents: Documents,
        sentence_weights: Sequence[Float[Tensor, " _"]] | None = None,
    ) -> Float[np.ndarray, " documents"]:
        """Return 1 for each document whose class the model gets right, otherwise 0.

        Arguments are those of :meth:`probabilities`.
        """
        chosen = self.probabilities(model, documents, sentence_weights).argmax(1)
        return (chosen.numpy() == self.labels(documents)).astype(float)

    @torch.no_grad()
    def weights(self, model: HAN, documents: Documents) -> list[DocumentWeights]:
        """Return the weights of the model's attentions on each document.

        Args:
            model: with attention as its pooling; it is left in eval mode. For a flat
                model the weight of a sentence is the sum over its words.
            documents: the documents.

        Raises:
            ValueError: if the model has no attention.
        """
        model.to(self.device).eval()
        found = []
        for start in range(0, len(documents), EVALUATION_BATCH):
            part = documents[start : start + EVALUATION_BATCH]
            batch = self.batch(part)
            with record_weights(model) as recorded:
                model(batch.words, batch.word_mask)
            words = recorded["word_level.attention"][0].view(batch.words.shape).cpu()
            if model.config.hierarchical:
                sentences = recorded["sentence_level.attention"][0].squeeze(1).cpu()
            else:
                sentences = words.sum(2)
            for document, outer, inner in zip(part, sentences, words, strict=True):
                pairs = zip(document.sentences, inner, strict=False)
                rows = tuple(row[: len(sentence)] for sentence, row in pairs)
                found.append(DocumentWeights(outer[: len(document.sentences)], rows))
        return found


def telling_scores(
    weights: Sequence[DocumentWeights], documents: Documents
) -> TellingScores:
    """Score weights against the sentence and the word that are known to decide.

    Args:
        weights: one entry per document.
        documents: with ``telling``.

    Raises:
        ValueError: if of a document nobody knows what tells its class.

    Example:
        >>> document = LabelledDocument((("fine",), ("so", "bad")), 0, telling=(1, 1))
        >>> rows = (torch.tensor([1.0]), torch.tensor([0.2, 0.8]))
        >>> found = DocumentWeights(torch.tensor([0.3, 0.7]), rows)
        >>> [round(x, 2) for x in telling_scores([found], [document])]
        [1.0, 0.7, 1.0, 0.8]
    """
    rows = []
    for (outer, inner), document in zip(weights, documents, strict=True):
        if document.telling is None:
            raise ValueError("documents must have telling, got one with None")
        sentence, word = document.telling
        within = inner[sentence] / inner[sentence].sum()
        rows.append(
            (
                float(outer.argmax() == sentence),
                float(outer[sentence]),
                float(within.argmax() == word),
                float(within[word]),
            )
        )
    return TellingScores(*np.mean(rows, axis=0).tolist())


def word_weights(
    word: str, weights: Sequence[DocumentWeights], documents: Documents
) -> dict[bool, Float[np.ndarray, "occurrences 2"]]:
    """Collect the weights of one word, wherever it occurs.

    Args:
        word: the word.
        weights: one entry per document.
        documents: with ``telling``.

    Returns:
        For True, the occurrences that are the telling word of their document, and for
        False all others: the weight of each in its sentence, and in its document.

    Example:
        >>> document = LabelledDocument((("fine",), ("so", "fine")), 0, telling=(1, 1))
        >>> rows = (torch.tensor([1.0]), torch.tensor([0.25, 0.75]))
        >>> found = DocumentWeights(torch.tensor([0.5, 0.5]), rows)
        >>> word_weights("fine", [found], [document])[True]
        array([[0.75 , 0.375]])
    """
    rows: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for (outer, inner), document in zip(weights, documents, strict=True):
        for i, sentence in enumerate(document.sentences):
            for t, other in enumerate(sentence):
                if other == word:
                    own = float(inner[i][t])
                    pair = own, own * float(outer[i])
                    rows[(i, t) == document.telling].append(pair)
    return {telling: np.array(pairs).reshape(-1, 2) for telling, pairs in rows.items()}


@torch.no_grad()
def right_in_company(
    task: DocumentTask,
    model: HAN,
    documents: Documents,
    num_sentences: int,
    change_mask: Callable[[Tensor], Tensor],
) -> float:
    """Classify documents in one batch with a long one, under another mask.

    Args:
        task: of the model.
        model: left in eval mode.
        documents: to be classified.
        num_sentences: sentences of a further document, which decides how much padding
            the others get; it is not counted.
        change_mask: makes the mask that the model is given from the true one.

    Returns:
        The share of right answers.
    """
    model.eval()
    longest = max(len(s) for document in documents for s in document.sentences)
    filler = LabelledDocument((("the",) * longest,) * num_sentences, label=0)
    batch = task.batch([*documents, filler])
    chosen = model(batch.words, change_mask(batch.word_mask)).argmax(1)
    return (chosen == batch.labels)[:-1].float().mean().item()


def planted_task(
    *,
    train: int,
    dev: int,
    test: int,
    sentences: tuple[int, int],
    seed: int,
    device: torch.device,
    limit: int | None = None,
) -> DocumentTask:
    """Draw documents whose telling sentence and word are known.

    Args:
        train: number of documents to learn from.
        dev: number of documents to watch.
        test: number of documents to report.
        sentences: least and greatest number of sentences in a document.
        seed: decides the documents.
        device: where models are trained and run.
        limit: most documents to learn from; None: no limit.
    """
    parts = [
        planted.planted_documents(count, sentences=sentences, seed=3 * seed + part)
        for part, count in enumerate((train, dev, test))
    ]
    return DocumentTask(
        train=parts[0][:limit],
        dev=parts[1],
        test=parts[2],
        classes=planted.CLASSES,
        vocab=Vocab(document_words(parts[0])),
        device=device,
    )


def docstring_task(
    *,
    train: int,
    dev: int,
    test: int,
    max_sentences: int,
    max_words: int,
    vector_dim: int | None = None,
    seed: int,
    device: torch.device,
    limit: int | None = None,
) -> DocumentTask:
    """Take docstrings whose library is to be named.

    Words that occur once in the training documents are unknown.

    Args:
        train: number of documents to learn from, drawn from all those for training.
        dev: number of documents to watch.
        test: number of documents to report.
        max_sentences: sentences that are kept of a document, from its start.
        max_words: words that are kept of a sentence, from its start.
        vector_dim: size of the word vectors that models start with, which are computed
            from the training documents; None: there are none.
        seed: decides which documents are taken.
        device: where models are trained and run.
        limit: most documents to learn from; None: no limit.
    """
    splits = docstring_classes(load_docstrings().documents)
    draw = random.Random(seed)
    parts = []
    for documents, count in (
        (splits.train, min(train, limit or train)),
        (splits.dev, dev),
        (splits.test, test),
    ):
        chosen = draw.sample(documents, min(count, len(documents)))
        parts.append(_shortened(chosen, max_sentences, max_words))
    vocab = Vocab(document_words(parts[0]), min_count=2)
    return DocumentTask(
        train=parts[0],
        dev=parts[1],
        test=parts[2],
        classes=splits.classes,
        vocab=vocab,
        device=device,
        vectors=_vectors(parts[0], vocab, vector_dim),
    )


def movie_review_task(
    fold: int,
    *,
    max_sentences: int,
    max_words: int,
    vector_dim: int | None = None,
    device: torch.device,
    limit: int | None = None,
) -> DocumentTask:
    """Take nine folds of movie reviews to learn from, and one to report.

    As in the paper, words that occur at most 5 times in the training documents are
    unknown; with a ``limit`` no word is, and every tenth document of the fold is read.

    Args:
        fold: number of the fold to report, from 0 to 9.
        max_sentences: sentences that are kept of a document, from its start.
        max_words: words that are kept of a sentence, from its start.
        vector_dim: size of the word vectors that models start with, which are computed
            from the training documents; None: there are none.
        device: where models are trained and run.
        limit: most documents to learn from, of both classes; None: no limit.
    """
    train, test = movies.movie_reviews(fold)
    order = list(range(len(train)))
    random.Random(fold).shuffle(order)  # negative ones come first in the files
    chosen = [train[number] for number in order[:limit]]
    chosen = _shortened(chosen, max_sentences, max_words)
    vocab = Vocab(document_words(chosen), min_count=6 if limit is None else 1)
    return DocumentTask(
        train=chosen,
        dev=(),
        test=_shortened(test[:: 1 if limit is None else 10], max_sentences, max_words),
        classes=movies.CLASSES,
        vocab=vocab,
        device=device,
        vectors=_vectors(chosen, vocab, vector_dim),
    )


def run_movie_system(
    name: str,
    plan: TrainingPlan,
    *,
    folds: Sequence[int],
    epochs: int,
    seed: int,
    text: Mapping[str, Any],
    sizes: Mapping[str, Any],
    device: torch.device,
    limit: int | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> SystemScores:
    """Train a system on movie reviews, once for each fold, and score the fold left out.

    All systems get the same folds, words, word vectors, order of the documents and
    number of epochs, so their accuracies can be compared fold by fold.

    Args:
        name: one of :data:`MOVIE_SYSTEMS`.
        plan: how it is trained.
        folds: the folds to report, from 0 to 9.
        epochs: runs through the other nine folds.
        seed: of the parameters and of the order of the documents.
        text: of :func:`movie_review_task`: how much of a review is kept, and the size
            of the word vectors.
        sizes: fields of the :class:`attention_book.models.han.HANConfig`.
        device: where models are trained and run.
        limit: most documents to learn from; None: no limit.
        checkpoints: give each fold, by its name, its file.

    Returns:
        The accuracy of each fold.
    """
    shares, seconds, parameters = [], 0.0, 0
    for fold in folds:
        options = {**text, "device": device, "limit": limit}
        if name == "TF-IDF":
            options["vector_dim"] = None
        task = movie_review_task(fold, **options)
        if name == "TF-IDF":
            shares.append(tfidf_right(task.train, task.test).mean())
            continue
        label = f"film reviews, {name}, fold {fold}"
        model = task.build(seed, **{**sizes, **MOVIE_SYSTEMS[name]})
        history, _ = task.train_model(
            model,
            plan,
            epochs=epochs,
            seed=seed,
            checkpoint=checkpoints(label),
            description=label,
        )
        shares.append(task.right(model, task.test).mean())
        seconds += history.seconds
        parameters = count_parameters(model)
    details = {"training_seconds": round(seconds, 1), "parameters": parameters}
    return SystemScores(name=name, items=np.array(shares), details=details)


def tfidf_right(
    train: Documents, test: Documents, *, strength: float = 10.0
) -> Float[np.ndarray, " documents"]:
    """Classify with a logistic regression on TF-IDF, which knows no order of words.

    Args:
        train: documents to learn from.
        test: documents to classify.
        strength: inverse of the weight of the penalty.

    Returns:
        1 for each test document whose class is right, otherwise 0.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    known = [document.label for document in train]
    wanted = np.array([document.label for document in test])
    if len(set(known)) == 1:  # nothing to learn
        return (wanted == known[0]).astype(float)
    vectorizer = TfidfVectorizer(analyzer=_words, sublinear_tf=True)
    model = LogisticRegression(C=strength, max_iter=1000)
    model.fit(vectorizer.fit_transform(train), known)
    return (model.predict(vectorizer.transform(test)) == wanted).astype(float)


def _words(document: LabelledDocument) -> list[str]:
    return list(document_words([document]))


def _vectors(
    documents: Documents, vocab: Vocab, dim: int | None
) -> Float[Tensor, "vocab dim"] | None:
    """Word vectors of the words that occur at least twice in some documents.

    A few documents may have fewer such words than ``dim``: then zeros follow.
    """
    if dim is None:
        return None
    counts = Counter(document_words(documents))
    known = sum(count > 1 for count in counts.values())
    rows = (sentence for document in documents for sentence in document.sentences)
    found = train_word_vectors(rows, dim=min(dim, known - 1), min_count=2)
    matrix = found.embedding_matrix(vocab)
    return F.pad(matrix, (0, dim - matrix.shape[1]))


def _shortened(
    documents: Iterable[LabelledDocument], max_sentences: int, max_words: int
) -> list[LabelledDocument]:
    cut = {"max_sentences": max_sentences, "max_words": max_words}
    return [shorten(document, **cut) for document in documents]

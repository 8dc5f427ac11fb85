"""Cloze readers: trained alike, scored question by question, looked into."""

import json
import math
import operator
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.attention.attention_over_attention import (
    AttentionOverAttentionOutput,
)
from attention_book.data.cloze.docstrings import docstring_cloze
from attention_book.data.cloze.facts import FILLERS, cloze_facts
from attention_book.data.cloze.fairy_books import fairy_cloze
from attention_book.data.cloze.questions import (
    ClozeBatch,
    ClozeQuestion,
    cloze_batch,
    cloze_loader,
    cloze_words,
)
from attention_book.data.docstrings.corpus import Corpus
from attention_book.data.vocab import Vocab
from attention_book.models.attention_over_attention import (
    ClozeReader,
    ClozeReaderConfig,
)
from attention_book.recipes.race import count_parameters
from attention_book.recipes.sentence_pairs.comparison import PairedGain, paired_gain
from attention_book.recipes.systems import SystemScores
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import History, fit

CONTEXT_WORDS = 5
"""Words on each side of a candidate that count as its neighbours."""


@dataclass(frozen=True)
class ClozeTask:
    """Questions to learn from and to test with, and their vocabulary.

    Attributes:
        name: of the data.
        parts: questions by part: "train", "test" and, where there is one, "dev". Those
            in "train" have their answer in the document.
        vocab: of documents and questions.
        num_names: candidates get new names from so many in each batch of training;
            None: they keep theirs.
    """

    name: str
    parts: Mapping[str, Sequence[ClozeQuestion]]
    vocab: Vocab
    num_names: int | None = None

    def groups(self, part: str) -> np.ndarray | None:
        """Number of each question's text; None where each has its own."""
        sources = [question.source for question in self.parts[part]]
        if not any(sources):
            return None
        return np.unique(sources, return_inverse=True)[1]

    def describe(self, part: str) -> str:
        """Write numbers of a part in one line."""
        questions = self.parts[part]
        words = np.mean([len(question.document) for question in questions])
        asked = np.mean([len(question.question) for question in questions])
        choices = np.mean([len(question.candidates) for question in questions])
        return (
            f"{len(questions):,} questions, on average {words:.0f} words in the "
            f"document, {asked:.0f} in the question, {choices:.1f} candidates"
        )


def facts_task(
    *,
    train: int,
    test: int,
    seed: int,
    limit: int | None = None,
    num_fillers: int = 8,
) -> ClozeTask:
    """Small facts: :func:`attention_book.data.cloze.facts.cloze_facts`.

    Args:
        train: number of questions to learn from.
        test: number of questions to test with.
        seed: decides what is drawn.
        limit: largest number of questions of a part; None: no limit.
        num_fillers: filler words of a question.
    """
    drawn = cloze_facts(train + test, seed=seed, num_fillers=num_fillers)
    parts = {"train": drawn[:train][:limit], "test": drawn[train:][:limit]}
    return ClozeTask("facts", parts, Vocab(cloze_words(drawn)))


def docstring_cloze_task(
    corpus: Corpus,
    *,
    max_words: int,
    max_candidates: int = 8,
    min_count: int = 3,
    seed: int = 0,
    train: int | None = None,
    limit: int | None = None,
) -> ClozeTask:
    """Parameters' names blanked out in docstrings.

    See :func:`attention_book.data.cloze.docstrings.docstring_cloze`. Words that the
    training questions have less than ``min_count`` times are unknown.

    Args:
        corpus: the docstrings.
        max_words: longest document.
        max_candidates: most candidates of a question.
        min_count: smallest count of a known word.
        seed: of the names, and of the choice of training questions.
        train: number of training questions, drawn at random; None: all.
        limit: largest number of questions of a part; None: no limit.
    """
    splits = docstring_cloze(
        corpus.documents,
        max_words=max_words,
        max_candidates=max_candidates,
        seed=seed,
    )
    parts = {**vars(splits)}
    if train is not None and train < len(splits.train):
        parts["train"] = random.Random(seed).sample(splits.train, train)
    parts = {name: questions[:limit] for name, questions in parts.items()}
    names = [f"@{i}" for i in range(max_candidates)] * min_count
    words = [*cloze_words(splits.train), *names]
    return ClozeTask(
        "docstrings", parts, Vocab(words, min_count=min_count), max_candidates
    )


def fairy_task(
    *, kind: str = "word", step: int = 1, limit: int | None = None
) -> ClozeTask:
    """Windows cut from fairy books; all their words are known.

    See :func:`attention_book.data.cloze.fairy_books.fairy_cloze`. Words that only "dev"
    or "test" have keep the vectors that they start with, as in Kadlec and others: with
    one vector for all of them two unknown candidates would look alike.

    Args:
        kind: "name" or "word".
        step: of the training windows, in sentences; "dev" and "test" have step 1.
        limit: largest number of questions of a part; None: no limit.
    """
    parts = {
        part: fairy_cloze(part, kind=kind, step=step if part == "train" else 1)[:limit]
        for part in ("train", "dev", "test")
    }
    words = (word for part in parts.values() for word in cloze_words(part))
    return ClozeTask(f"fairy books, {kind}s", parts, Vocab(words))


@dataclass(frozen=True, kw_only=True)
class ClozeTraining:
    """How a reader is trained.

    Attributes:
        epochs: runs through the questions.
        batch_size: number of questions in a batch.
        learning_rate: of Adam.
        clip_norm: largest norm of a gradient.
        l2: penalty on the square of the vectors of the words in a batch.
        device: where it is trained.
        checkpoints: give each run, by its name and seed, its file.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    clip_norm: float = 5.0
    l2: float = 1e-4
    device: str | torch.device = "auto"
    checkpoints: CheckpointFiles = no_checkpoints


def train_cloze_reader(
    task: ClozeTask,
    reader: str,
    training: ClozeTraining,
    *,
    seed: int,
    embed_dim: int,
    hidden_dim: int,
    dropout: float = 0.1,
    embed_range: float = 0.05,
) -> tuple[ClozeReader, History]:
    """Build a reader and train it; readers of one seed start with equal parameters.

    Where the task has a "dev" part, the epoch with the lowest loss there is kept.

    Args:
        task: the questions.
        reader: one of
            :data:`attention_book.models.attention_over_attention.READERS`.
        training: how long, and how.
        seed: of the parameters, of the order of the questions, and of all else that is
            random.
        embed_dim: size of a word's vector.
        hidden_dim: size of the state of each direction.
        dropout: on the word vectors.
        embed_range: of the word vectors' initial values.

    Returns:
        The reader in eval mode, and its losses.
    """
    torch.manual_seed(operator.index(seed))
    config = ClozeReaderConfig(
        vocab_size=len(task.vocab),
        embed_dim=embed_dim,
        hidden_dim=hidden_dim,
        reader=reader,
        dropout=dropout,
        embed_range=embed_range,
    )
    model = ClozeReader(config)
    loader = cloze_loader(
        task.parts["train"],
        task.vocab,
        batch_size=training.batch_size,
        seed=seed,
        num_names=task.num_names,
    )
    dev = None
    if "dev" in task.parts:
        dev = cloze_loader(task.parts["dev"], task.vocab, batch_size=100)

    # The gradient of the penalty l2 x^2, for the words of the batch alone. Adam takes
    # steps of one size however small a gradient is: penalised in every step, vectors of
    # words that do not occur would soon be 0, and those that only "test" has alike.
    vectors = model.embedding.weight

    def penalise(gradient: Tensor) -> Tensor:
        seen = gradient.ne(0).any(dim=1, keepdim=True)
        return gradient + 2 * training.l2 * seen * vectors.detach()

    penalty = vectors.register_hook(penalise)

    name = f"{task.name}, {reader}, seed {seed}"
    history = fit(
        model,
        loader,
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        optimizer="adam",
        clip_norm=training.clip_norm,
        dev_loader=dev,
        device=training.device,
        checkpoint=training.checkpoints(name),
        description=name,
    )
    penalty.remove()
    return model, history


def read_questions(
    model: ClozeReader,
    questions: Sequence[ClozeQuestion],
    vocab: Vocab,
    *,
    score: Callable[[ClozeReader, ClozeBatch], Tensor] = ClozeReader.answer,
) -> Bool[np.ndarray, " questions"]:
    """Say which questions a reader answers right.

    The answer must have more weight than every other candidate: a tie, or an answer
    that is not in the document, counts as wrong.

    Args:
        model: the reader.
        questions: one or more.
        vocab: of the questions.
        score: scores the candidates of a batch; by default their :math:`P`.
    """
    device = next(model.parameters()).device
    right = []
    for batch in cloze_loader(questions, vocab, batch_size=100):
        batch = batch.to(device)
        with torch.no_grad():
            scores = score(model, batch).masked_fill(~batch.candidate_mask, -math.inf)
        answer = scores.gather(1, batch.answer[:, None])
        ahead = (scores >= answer).sum(dim=1)  # the answer itself is one
        right.append((ahead == 1) & (answer[:, 0] > 0))
    return torch.cat(right).cpu().numpy()


def run_cloze_system(
    task: ClozeTask, reader: str, training: ClozeTraining, *, seed: int, **sizes: Any
) -> SystemScores:
    """Train one reader, and score it on each test question.

    Args:
        task: the questions.
        reader: as for :func:`train_cloze_reader`.
        training: how long, and how.
        seed: as for :func:`train_cloze_reader`.
        **sizes: as for :func:`train_cloze_reader`.

    Returns:
        1 for each test question that it answers right, otherwise 0; beside it, what the
        most frequent candidate reaches.
    """
    model, history = train_cloze_reader(task, reader, training, seed=seed, **sizes)
    right = read_questions(model, task.parts["test"], task.vocab).astype(float)
    best = history.best_epoch
    return SystemScores(
        name=reader,
        items=right,
        details={
            "most_frequent": cloze_baselines(task.parts["test"])[
                "most frequent"
            ].mean(),
            "chosen_epoch": 0 if best is None else best + 1,
            "dev_losses": json.dumps([round(x, 4) for x in history.dev_loss]),
            "training_seconds": round(history.seconds, 1),
            "parameters": count_parameters(model),
        },
    )


def compare_readers(
    task: ClozeTask,
    models: Mapping[str, Sequence[ClozeReader]],
    first: str,
    second: str,
    part: str = "test",
) -> PairedGain:
    """By how much more questions one reader answers right than another.

    Args:
        task: the questions.
        models: for each reader one model per seed.
        first: the reader that should be better.
        second: the reader that it is compared with.
        part: of the questions.

    Returns:
        The difference of the shares of right answers; intervals over seeds and, by
        texts, over questions.
    """
    right = {
        name: [
            read_questions(model, task.parts[part], task.vocab).astype(float)
            for model in models[name]
        ]
        for name in (first, second)
    }
    return paired_gain(right[first], right[second], task.groups(part))


def most_frequent(question: ClozeQuestion) -> dict[str, float]:
    """Score each candidate by how often it stands in the document."""
    counts = Counter(question.document)
    return {word: float(counts[word]) for word in question.candidates}


def last_mention(question: ClozeQuestion) -> dict[str, float]:
    """Score each candidate by the position of its last mention."""
    positions = {word: i for i, word in enumerate(question.document)}
    return {word: float(positions.get(word, -1)) for word in question.candidates}


def shared_context(question: ClozeQuestion) -> dict[str, float]:
    """Score each candidate by its best mention: question words within five words.

    Example:
        >>> one = ClozeQuestion(
        ...     ("x", "is", "red", "and", "here", "so", "far", "away", "y"),
        ...     ("XXXXX", "is", "red"),
        ...     ("x", "y"),
        ...     "x",
        ... )
        >>> shared_context(one)
        {'x': 2.0, 'y': 0.0}
    """
    asked, document = set(question.question), question.document
    best = dict.fromkeys(question.candidates, 0.0)
    for i, word in enumerate(document):
        if word in best:
            near = document[max(0, i - CONTEXT_WORDS) : i + CONTEXT_WORDS + 1]
            best[word] = max(best[word], float(len(asked & set(near))))
    return best


BASELINES: dict[str, Callable[[ClozeQuestion], dict[str, float]]] = {
    "most frequent": most_frequent,
    "last mention": last_mention,
    "shared context": shared_context,
}
"""Readers that learn nothing."""


def cloze_baselines(
    questions: Sequence[ClozeQuestion],
) -> dict[str, Float[np.ndarray, " questions"]]:
    """How well candidates are chosen without learning: by :data:`BASELINES`.

    Args:
        questions: one or more.

    Returns:
        By name, for each question the probability of the right answer if one of the
        best candidates is drawn; "blind" draws from all of them.
    """
    found = {"blind": np.array([1 / len(q.candidates) for q in questions])}
    for name, score in BASELINES.items():
        values = []
        for question in questions:
            scores = score(question)
            best = [word for word, x in scores.items() if x == max(scores.values())]
            values.append((question.answer in best) / len(best))
        found[name] = np.array(values)
    return found


def largest_mention(
    model: ClozeReader, batch: ClozeBatch
) -> Float[Tensor, "batch candidates"]:
    """Score each candidate by the largest weight of its mentions, not by their sum."""
    sides = batch.document, batch.question
    weights = model(*sides, batch.document_mask, batch.question_mask).weights
    return weights.masked_fill(~batch.occurrences, 0.0).amax(dim=-1)


@dataclass(frozen=True)
class FactWeights:
    """Where the second attention of a reader falls in questions about facts.

    Attributes:
        blank: mean weight of the blank.
        verb: mean weight of the verb.
        telling: mean weight of the object, which decides the answer.
        fillers: mean sum of the weights of all fillers.
    """

    blank: float
    verb: float
    telling: float
    fillers: float


def fact_weights(
    model: ClozeReader, questions: Sequence[ClozeQuestion], vocab: Vocab
) -> FactWeights:
    """Sum the weights of a question's words by kind, and average over questions.

    Args:
        model: a reader with one weight for each word of the question.
        questions: from :func:`attention_book.data.cloze.facts.cloze_facts`.
        vocab: of the questions.

    Raises:
        ValueError: if the telling word of a question is not known, or the reader has
            one vector for the whole question.
    """
    places = [q.telling for q in questions if q.telling is not None]
    if len(places) < len(questions) or model.config.reader == "attention-sum":
        raise ValueError(
            "fact_weights needs questions whose telling word is known, and a reader "
            "with one weight for each word"
        )
    weights = read_one(model, questions, vocab).query_weights
    telling = torch.tensor(places, device=weights.device)[:, None]
    blank, verb, last = (
        weights.gather(1, telling - back).mean().item() for back in (2, 1, 0)
    )
    return FactWeights(blank, verb, last, 1 - blank - verb - last)


def read_one(
    model: ClozeReader, questions: Sequence[ClozeQuestion], vocab: Vocab
) -> AttentionOverAttentionOutput:
    """Read questions in one batch, and return all attentions.

    Args:
        model: the reader.
        questions: one or more.
        vocab: of the questions.
    """
    batch = cloze_batch(questions, vocab).to(next(model.parameters()).device)
    with torch.no_grad():
        return model(
            batch.document, batch.question, batch.document_mask, batch.question_mask
        )


def column_weights(
    model: ClozeReader, question: ClozeQuestion, vocab: Vocab
) -> Float[Tensor, "question_words document_words"]:
    r"""Return :math:`\beta(i)` as column i: whom each word of the document attends to.

    Args:
        model: the reader.
        question: one question; there is no padding.
        vocab: of the question.
    """
    inputs: list[tuple[Tensor, ...]] = []
    hook = model.attention.register_forward_pre_hook(
        lambda _, given: inputs.append(given)
    )
    try:
        read_one(model, [question], vocab)
    finally:
        hook.remove()
    query, key = inputs[0][:2]
    return (query @ key.mT)[0].softmax(dim=0)


def without_word(questions: Sequence[ClozeQuestion], back: int) -> list[ClozeQuestion]:
    """Put a filler in place of a word of each question about facts.

    Args:
        questions: from :func:`attention_book.data.cloze.facts.cloze_facts`.
        back: 0 for the telling word, 1 for the verb before it.

    Raises:
        ValueError: if the telling word of a question is not known.
    """
    changed = []
    for question in questions:
        if question.telling is None:
            raise ValueError("questions must have a known telling word, got None")
        words = list(question.question)
        words[question.telling - back] = FILLERS[0]
        changed.append(replace(question, question=tuple(words)))
    return changed

"""Questions about stories: tasks, training with a linear start, and hops scored."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.data.questions.babi import babi
from attention_book.data.questions.questions import (
    Question,
    QuestionBatch,
    question_batch,
    question_loader,
    question_vocab,
)
from attention_book.data.questions.stories import stories
from attention_book.data.vocab import Vocab
from attention_book.models.memory_network import MemN2N, MemN2NConfig
from attention_book.observe import record_weights
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import fit
from attention_book.training.optimizers import clip_each
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import halve_every

PARTS = ("train", "dev", "test")
PASSED = 0.05
"""Largest test error of a bAbI task that counts as passed, as in the papers."""


@dataclass(frozen=True)
class QuestionTask:
    """Questions in three parts, as text and encoded.

    Attributes:
        questions: those of "train", "dev" and "test".
        vocab: words of all parts; bAbI's are a closed set.
        memory_size: largest number of facts in memory; the most recent ones are kept.
        batches: each part that has questions, encoded as one batch.
    """

    questions: dict[str, list[Question]]
    vocab: Vocab
    memory_size: int
    batches: dict[str, QuestionBatch]

    @property
    def max_words(self) -> int:
        """Words of the longest sentence."""
        return max(
            ids.shape[-1]
            for batch in self.batches.values()
            for ids in (batch.facts, batch.question)
        )

    def encode(
        self, questions: Sequence[Question], memory_size: int | None = None
    ) -> QuestionBatch:
        """Encode other questions with the words of this task.

        Args:
            questions: at least one.
            memory_size: of their stories; None: the task's.
        """
        size = self.memory_size if memory_size is None else memory_size
        return question_batch(questions, self.vocab, memory_size=size)

    def build(self, *, seed: int, **fields: Any) -> MemN2N:
        """Make a memory network for the words of this task.

        Args:
            seed: of its initial values.
            **fields: fields of a
                :class:`~attention_book.models.memory_network.MemN2NConfig`.
        """
        seed_everything(seed)
        if fields.get("sentence") == "released":
            fields["max_words"] = self.max_words
        sizes = {"word_vocab": len(self.vocab), "memory_size": self.memory_size}
        return MemN2N(MemN2NConfig(**(sizes | fields)))


def make_question_task(
    parts: dict[str, list[Question]], *, memory_size: int, limit: int | None = None
) -> QuestionTask:
    """Put questions in three parts together with their words.

    Args:
        parts: questions of "train", "dev" and "test"; "dev" may have none.
        memory_size: largest number of facts in memory.
        limit: keep only so many training questions, and a tenth of them in the other
            parts; None: all.

    Example:
        >>> question = Question((("ada", "sings"),), ("who", "sings"), "ada", (0,))
        >>> parts = {part: [question] for part in PARTS}
        >>> len(make_question_task(parts, memory_size=5).vocab)
        7
    """
    parts = _limited(parts, limit)
    vocab = question_vocab([question for part in PARTS for question in parts[part]])
    batches = {
        part: question_batch(questions, vocab, memory_size=memory_size)
        for part, questions in parts.items()
        if questions
    }
    return QuestionTask(parts, vocab, memory_size, batches)


def story_task(
    kinds: Sequence[str],
    *,
    train: int,
    test: int,
    memory_size: int,
    facts: tuple[int, int] = (4, 12),
    seed: int,
    limit: int | None = None,
) -> QuestionTask:
    """Simulated stories of one kind or several.

    Args:
        kinds: of :data:`~attention_book.data.questions.stories.KINDS`.
        train: number of questions of each kind to learn from.
        test: number of questions of each kind to test with.
        memory_size: largest number of facts in memory.
        facts: fewest and most facts of a story.
        seed: decides the stories.
        limit: as for :func:`make_question_task`.

    Example:
        >>> task = story_task(["one fact"], train=5, test=2, memory_size=9, seed=0)
        >>> task.batches["train"].answer.shape
        torch.Size([5])
    """
    sizes: dict[str, Any] = {"train": train, "test": test, "facts": facts}
    splits = [stories(kind, **sizes, seed=seed) for kind in kinds]
    parts = {
        part: [question for split in splits for question in getattr(split, part)]
        for part in PARTS
    }
    return make_question_task(parts, memory_size=memory_size, limit=limit)


def babi_task(
    tasks: Sequence[int],
    *,
    size: str = "1k",
    memory_size: int = 50,
    limit: int | None = None,
) -> QuestionTask:
    """BAbI's questions of one task, or of several to be learned jointly.

    The last tenth of each task's training questions is held out as "dev", as in the
    authors' code.

    Args:
        tasks: their numbers, 1 to 20.
        size: "1k" or "10k".
        memory_size: largest number of facts in memory.
        limit: as for :func:`make_question_task`, of each task.
    """
    parts: dict[str, list[Question]] = {part: [] for part in PARTS}
    for number in tasks:
        questions = babi(number, "train", size=size)
        kept = len(questions) - len(questions) // 10
        own = {"train": questions[:kept], "dev": questions[kept:]}
        own = _limited(own | {"test": babi(number, "test")}, limit)
        for part in PARTS:
            parts[part] += own[part]
    return make_question_task(parts, memory_size=memory_size)


def _limited(
    parts: dict[str, list[Question]], limit: int | None
) -> dict[str, list[Question]]:
    if limit is None:
        return parts
    most = {"train": limit, "dev": limit // 10, "test": max(1, limit // 10)}
    return {part: parts[part][: most[part]] for part in PARTS}


@dataclass(frozen=True, kw_only=True)
class ReaderTraining:
    """How a memory network is trained: as in the paper, with other numbers.

    Attributes:
        epochs: runs through the questions with the softmax.
        linear_epochs: runs before these, without the softmax; 0: no linear start.
        keep_softmax: whether these have the softmax too: the control that differs in
            nothing but the linear start.
        batch_size: questions in a batch; an incomplete last batch is left out.
        learning_rate: of gradient descent, for a loss that is the sum over a batch.
        halve_every: epochs after which the rate is halved, again and again; those of
            the linear start do not count, and have the first rate.
        max_norm: largest norm of the gradient of each matrix, for the same loss.
        device: where to train.
    """

    epochs: int
    linear_epochs: int
    keep_softmax: bool = False
    batch_size: int = 32
    learning_rate: float = 0.005
    halve_every: int = 25
    max_norm: float = 40.0
    device: torch.device | str = "auto"

    def schedule(self, steps: int) -> Callable[[int], float]:
        """Factor of the learning rate, for epochs of so many steps."""
        return halve_every(self.halve_every * steps, self.halve_every * steps)


def train_reader(
    model: MemN2N,
    task: QuestionTask,
    training: ReaderTraining,
    *,
    seed: int,
    checkpoints: CheckpointFiles = no_checkpoints,
    name: str = "memory network",
) -> list[float]:
    """Train a memory network, with a linear start if the training has one.

    Args:
        model: a fresh model.
        task: with training questions.
        training: how long and how fast.
        seed: of the order of the questions.
        checkpoints: give the two phases of the run their files.
        name: of the run: words in front of the progress bar.

    Returns:
        The training loss of each epoch in nats per question, those of the linear start
        first.
    """
    questions = task.batches["train"]
    size = min(training.batch_size, len(questions.answer))
    whole = questions.rows(range(len(questions.answer) // size * size))
    losses: list[float] = []
    for linear in (True, False):
        epochs = training.linear_epochs if linear else training.epochs
        if not epochs:
            continue
        loader = question_loader(whole, batch_size=size, seed=seed + linear)
        model.linear = linear and not training.keep_softmax
        phase = f"{name}, linear start" if linear else name
        history = fit(
            model,
            loader,
            epochs=epochs,
            learning_rate=training.learning_rate * size,  # the loss is a mean
            optimizer=lambda model, rate: clip_each(
                torch.optim.SGD(model.parameters(), rate), training.max_norm / size
            ),
            schedule=None if linear else training.schedule(len(loader)),
            device=training.device,
            checkpoint=checkpoints(phase),
            description=phase,
        )
        losses += history.epoch_loss
    return losses


@torch.no_grad()
def answers_right(model: MemN2N, batch: QuestionBatch) -> Bool[Tensor, " batch"]:
    """Tell which questions a model answers rightly, on the CPU.

    Memory: that of 500 questions, however many there are.
    """
    device, right = model.tables[0].device, []
    model.eval()
    for rows in torch.arange(len(batch.answer)).split(500):
        part = batch.rows(rows.tolist()).to(device)
        answer = model(part.facts, part.question).argmax(dim=-1)
        right.append((answer == part.answer).cpu())
    return torch.cat(right)


def error(model: MemN2N, task: QuestionTask, part: str = "test") -> float:
    """Share of wrong answers in a part of a task, from 0 to 1."""
    return 1 - answers_right(model, task.batches[part]).float().mean().item()


def errors_by_task(model: MemN2N, task: QuestionTask, count: int) -> list[float]:
    """Shares of wrong answers to the test questions of tasks that were put together.

    Args:
        model: trained on ``task``.
        task: of :func:`babi_task` or :func:`story_task`.
        count: how many tasks or kinds it was made of, all with equally many questions.
    """
    right = answers_right(model, task.batches["test"]).float()
    return (1 - right.view(count, -1).mean(dim=1)).tolist()


@dataclass(frozen=True)
class Restart:
    """One of several trainings that differ in their seed alone.

    Attributes:
        seed: of initial values and order.
        losses: of each epoch, those of a linear start first.
        train: error on the training questions, without noise.
        dev: error on the held-out questions; NaN if there are none.
        test: error on the test questions.
        model: as trained.
    """

    seed: int
    losses: list[float]
    train: float
    dev: float
    test: float
    model: MemN2N


def run_restarts(
    task: QuestionTask,
    training: ReaderTraining,
    seeds: Sequence[int],
    *,
    checkpoints: CheckpointFiles = no_checkpoints,
    name: str = "memory network",
    **fields: Any,
) -> list[Restart]:
    """Train several models that differ in their seed alone.

    Args:
        task: what is learned.
        training: how.
        seeds: one training for each.
        checkpoints: give the training runs their files.
        name: of the runs, which is completed by their seeds.
        **fields: of the model, see :meth:`QuestionTask.build`.
    """
    runs = []
    for seed in seeds:
        model = task.build(seed=seed, **fields)
        losses = train_reader(
            model,
            task,
            training,
            seed=seed,
            checkpoints=checkpoints,
            name=f"{name}, seed {seed}",
        )
        train, dev, test = (
            error(model, task, part) if part in task.batches else math.nan
            for part in PARTS
        )
        runs.append(Restart(seed, losses, train, dev, test, model))
    return runs


def best_restart(runs: Sequence[Restart]) -> Restart:
    """The run with the lowest training error, and of these with the lowest loss.

    Source: arXiv:1503.08895, 4.2: neither test nor held-out questions choose.
    """
    return min(runs, key=lambda run: (run.train, run.losses[-1]))


@torch.no_grad()
def hop_weights(
    model: MemN2N, batch: QuestionBatch
) -> Float[Tensor, "batch hops facts"]:
    """Return the weights of all hops over the facts, on the CPU."""
    device = model.tables[0].device
    with record_weights(model.eval()) as weights:
        model(batch.facts.to(device), batch.question.to(device))
    hops = torch.cat([calls[0] for calls in weights.values()], dim=1)
    return hops[..., : batch.facts.shape[1]].cpu()


class SupportScores(NamedTuple):
    """Where the hops look, scored against the supporting facts.

    Attributes:
        mass: mean weight of each hop on each supporting fact, in the order of looking
            up; from 0 to 1.
        pointing: share of questions in which it is the fact of the largest weight.
    """

    mass: Float[Tensor, "hops support"]
    pointing: Float[Tensor, "hops support"]


def support_scores(
    weights: Float[Tensor, "questions hops facts"],
    questions: Sequence[Question],
    *,
    memory_size: int,
) -> SupportScores:
    """Score the weights of hops against the facts that the answers follow from.

    Args:
        weights: from :func:`hop_weights`.
        questions: their questions, each with the same number of supporting facts.
        memory_size: of the memory; facts that did not fit in count as never looked at.

    Example:
        >>> facts = ("ada", "walks"), ("ben", "walks")
        >>> asked = Question(facts, ("who", "walks"), "ben", (1,))
        >>> support_scores(torch.tensor([[[0.2, 0.8]]]), [asked], memory_size=5).mass
        tensor([[0.8000]])
    """
    kept = torch.tensor([max(0, len(q.facts) - memory_size) for q in questions])
    position = torch.tensor([q.support for q in questions]) - kept[:, None]
    index = position.clamp(min=0)[:, None].expand(-1, weights.shape[1], -1)
    there = (position >= 0)[:, None]
    mass = weights.gather(-1, index) * there
    pointing = (weights.argmax(dim=-1)[..., None] == index) & there
    return SupportScores(mass.mean(dim=0), pointing.float().mean(dim=0))

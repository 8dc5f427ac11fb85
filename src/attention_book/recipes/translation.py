"""Translation from data to scores: tasks, training, outputs, links, baselines."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.data.translation.iwslt15 import iwslt15, iwslt15_lines
from attention_book.data.translation.moses import Moses
from attention_book.data.translation.multi30k import multi30k, multi30k_lines
from attention_book.data.translation.numbers import number_pairs
from attention_book.data.translation.pairs import (
    Pair,
    PairBatch,
    pair_batch,
    pair_loader,
)
from attention_book.data.translation.subwords import Subwords
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.decoding.search import Hypothesis
from attention_book.decoding.translation import translate
from attention_book.evaluation.alignment import (
    Link,
    alignment_error_rate,
    argmax_links,
)
from attention_book.evaluation.intervals import BinScore
from attention_book.evaluation.metrics import Bleu, corpus_bleu, exact_match
from attention_book.models.translation import CaptionedBatch
from attention_book.observe import record_weights
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import History, fit
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import linear_decay

EVALUATION_BATCH = 500
"""Sentences in a batch where nothing is trained."""

POWER_WORDS = {
    "de": frozenset(
        {"hundert", "tausend", "Million", "Millionen", "Milliarde", "Milliarden"}
    ),
    "sv": frozenset({"hundra", "tusen", "miljon", "miljoner", "miljard", "miljarder"}),
}
"""By language, the number words that name a power of ten above ten."""

_Model = TypeVar("_Model", bound=nn.Module)
Schedule = Callable[[int], float]
"""Factor of the learning rate by the number of the optimizer step, from 0."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How a translator is trained, apart from how long and on what.

    Attributes:
        batch: ``batch_size`` in pairs or ``max_tokens`` in padded tokens, as
            :func:`attention_book.data.translation.pairs.pair_loader` takes them.
        learning_rate: step size of the optimizer at the schedule's factor 1.
        optimizer: a name that
            :func:`attention_book.training.optimizers.make_optimizer` knows.
        schedule: makes the schedule for a number of optimizer steps.
        clip_norm: longest gradient, as the norm over all weights; None: any.
    """

    batch: Mapping[str, int]
    learning_rate: float
    optimizer: str = "adam"
    schedule: Callable[[int], Schedule] = linear_decay
    clip_norm: float | None = 1.0


@dataclass(frozen=True, eq=False)
class Measured:
    """How well a model translates the test set, and where it looks.

    Attributes:
        loss: under teacher forcing, in nats per token.
        outputs: the tokens that it writes for each source.
        exact: whether each output is right as a whole, 1 or 0.
        links: the source position with the largest weight for each target word, a set a
            pair; empty where the alignment is not known.
        rates: alignment error rates from 0 to 1 by kind of link; NaN where they are not
            known.
    """

    loss: float
    outputs: list[list[str]]
    exact: Float[np.ndarray, " sentences"]
    links: list[frozenset[Link]]
    rates: dict[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class TranslationTask:
    """A translation data set, ready for models that run on one device.

    Attributes:
        languages: codes of source and target language.
        train: pairs to learn from.
        dev: pairs to choose a model by; may be empty.
        test: pairs to report.
        vocabs: of the source and of the target language.
        device: where models are trained and run.
        max_tokens: longest output in tokens, ``<eos>`` included.
        join: makes words, separated by spaces, of an output's tokens.
        detokenize: makes text of words, as it is in ``lines``.
        tokenize: makes words of text, for BLEU on words.
        lines: the raw target sentences of ``test``, the references for BLEU; None where
            BLEU says nothing, as for number words.
        bleu_options: how :func:`attention_book.evaluation.metrics.corpus_bleu` compares
            outputs with ``lines``.
    """

    languages: tuple[str, str]
    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    vocabs: tuple[Vocab, Vocab]
    device: torch.device
    max_tokens: int
    join: Callable[[Iterable[str]], str] = " ".join
    detokenize: Callable[[Iterable[str]], str] = " ".join
    tokenize: Callable[[str], Sequence[str]] = str.split
    lines: list[str] | None = None
    bleu_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_alignment(self) -> bool:
        """Whether it is known which words belong together."""
        return self.test[0].alignment is not None

    @property
    def vocab_sizes(self) -> dict[str, int]:
        """Sizes of both vocabularies, as every translator's config names them."""
        source, target = map(len, self.vocabs)
        return {"source_vocab": source, "target_vocab": target}

    @property
    def references(self) -> list[list[str]]:
        """The words that each test source should become."""
        return [list(pair.target) for pair in self.test]

    @property
    def source_lengths(self) -> list[int]:
        """Words of each test source, ``<eos>`` not counted."""
        return [len(pair.source) for pair in self.test]

    def build(
        self,
        model: Callable[[Any], _Model],
        config: Callable[..., Any],
        seed: int,
        **sizes: Any,
    ) -> _Model:
        """Make a model with the vocabularies of this task, from one seed.

        Args:
            model: class of the model, which takes a config.
            config: class of the config, with ``source_vocab`` and ``target_vocab``.
            seed: for :func:`attention_book.training.runtime.seed_everything`, which is
                called before: equal seeds give equal initial weights.
            **sizes: the other fields of the config.
        """
        seed_everything(seed)
        return model(config(**self.vocab_sizes, **sizes))

    def batch(self, pairs: Sequence[Pair]) -> PairBatch:
        """Put pairs into one batch on the task's device."""
        return pair_batch(pairs, self.vocabs).to(self.device)

    def first_batch(self, plan: TrainingPlan) -> PairBatch:
        """Return the first batch of ``train``, not shuffled, on the task's device."""
        loader = pair_loader(self.train, self.vocabs, **plan.batch)
        return next(iter(loader)).to(self.device)

    def num_steps(self, plan: TrainingPlan, pairs: Sequence[Pair] | None = None) -> int:
        """Optimizer steps of one epoch of ``pairs`` (None: of all of ``train``)."""
        pairs = self.train if pairs is None else pairs
        # Seeded as in training: sorted by length, fewer batches hold all pairs.
        return len(pair_loader(pairs, self.vocabs, **plan.batch, seed=0))

    def fit(
        self,
        model: nn.Module,
        plan: TrainingPlan,
        *,
        epochs: int,
        seed: int,
        pairs: Sequence[Pair] | None = None,
        choose: bool = False,
        keep: Literal["best", "last"] = "best",
        patience: int | None = None,
        checkpoint: str | Path | None = None,
        on_step: Callable[[int], None] | None = None,
        description: str = "",
    ) -> History:
        """Train a model and leave it in eval mode.

        Args:
            model: has ``loss(batch)``.
            plan: batches, optimizer and schedule.
            epochs: runs through the pairs.
            seed: of the order of the pairs.
            pairs: what is learned from; None: ``train``.
            choose: whether the loss on ``dev`` is measured after each epoch, to choose
                by it; otherwise the last weights stay.
            keep: which weights to choose, those of the "best" epoch on ``dev`` or the
                "last" ones.
            patience: stop after so many epochs in a row without a lower loss on
                ``dev``; None: never.
            checkpoint: file that holds the run, so that it goes on if it is stopped.
            on_step: as in :func:`attention_book.training.loop.fit`.
            description: words in front of the progress bar.

        Returns:
            Losses in nats per token, and time.

        Raises:
            ValueError: if ``choose`` is True and ``dev`` is empty, or ``patience`` is
                given without ``choose``; and as from
                :func:`attention_book.training.loop.fit`.
        """
        if choose and not self.dev:
            raise ValueError("choose needs dev pairs, this task has none")
        pairs = self.train if pairs is None else pairs
        loader = pair_loader(pairs, self.vocabs, **plan.batch, seed=seed)
        held_out = None
        if choose:
            held_out = pair_loader(self.dev, self.vocabs, batch_size=EVALUATION_BATCH)
        return fit(
            model,
            loader,
            epochs=epochs,
            learning_rate=plan.learning_rate,
            optimizer=plan.optimizer,
            schedule=plan.schedule(epochs * len(loader)),
            clip_norm=plan.clip_norm,
            dev_loader=held_out,
            keep=keep,
            patience=patience,
            device=self.device,
            checkpoint=checkpoint,
            on_step=on_step,
            description=description,
        )

    def search(
        self, model: nn.Module, pairs: Sequence[Pair] | None = None, **options: Any
    ) -> list[Hypothesis]:
        """Return what greedy or beam search finds for each source.

        Args:
            model: has ``start`` and ``step``; it is left in eval mode.
            pairs: their sources are translated; None: those of ``test``.
            **options: ``beam_size`` and ``length_penalty``, as
                :func:`attention_book.decoding.translation.translate` takes them.

        Returns:
            Token ids and log-probabilities, in the order of the pairs.
        """
        pairs = self.test if pairs is None else pairs
        return translate(
            model,
            pair_loader(pairs, self.vocabs, batch_size=EVALUATION_BATCH),
            bos=BOS,
            eos=EOS,
            max_tokens=self.max_tokens,
            device=self.device,
            **options,
        )

    def words(self, hypotheses: Sequence[Hypothesis]) -> list[list[str]]:
        """Return the target tokens of outputs, special ones left out."""
        return [self.vocabs[1].decode(one.tokens) for one in hypotheses]

    def translate(
        self, model: nn.Module, pairs: Sequence[Pair] | None = None, **options: Any
    ) -> list[list[str]]:
        """Return the tokens that the model writes for each source: see ``search``."""
        return self.words(self.search(model, pairs, **options))

    def exact_match(
        self, model: nn.Module, pairs: Sequence[Pair] | None = None, **options: Any
    ) -> Float[np.ndarray, " sentences"]:
        """Whether each source is translated without a mistake: 1 or 0."""
        pairs = self.test if pairs is None else pairs
        outputs = self.translate(model, pairs, **options)
        return exact_match(outputs, [pair.target for pair in pairs])

    def links(self, model: nn.Module, pairs: Sequence[Pair]) -> list[frozenset[Link]]:
        """Link each target word to the source position with the largest weight.

        The model has one attention layer, and reads the right target words.
        """
        weights = decoder_weights(model.to(self.device), self.batch(pairs))
        return argmax_links(weights, [len(pair.target) for pair in pairs])

    def measure(
        self, model: nn.Module, kinds: Mapping[str, Callable[[Pair], Collection[Link]]]
    ) -> Measured:
        """Translate the test set, and score the links where the true ones are known.

        Args:
            model: a translator with one attention layer.
            kinds: by name, a function that chooses true links of a pair; of a model
                without attention, none.
        """
        outputs = self.translate(model)
        exact = exact_match(outputs, self.references)
        teacher_forced: Any = model.loss
        with torch.no_grad():
            loss = teacher_forced(self.batch(self.test)).item()
        links: list[frozenset[Link]] = []
        rates = dict.fromkeys(kinds, float("nan"))
        if kinds and self.has_alignment:
            links = self.links(model, self.test)
            rates = error_rates(links, self.test, kinds)
        return Measured(loss, outputs, exact, links, rates)

    def text(self, output: Iterable[str]) -> str:
        """Return the tokens of an output as text, as readers and sacrebleu want it."""
        return self.detokenize(self.join(output).split())

    def bleu(
        self,
        outputs: Sequence[Sequence[str]],
        rows: Sequence[int] | None = None,
        *,
        bootstrap: int = 0,
    ) -> Bleu:
        """BLEU, from 0 to 100, of the text of outputs for ``test``.

        Args:
            outputs: tokens of each sentence, as from :meth:`translate`.
            rows: numbers of the sentences that count, from 0; None: all.
            bootstrap: number of resampled test sets for the interval; 0: none.

        Raises:
            ValueError: if the task has no raw lines, or another number of them.
        """
        lines = self._lines(outputs)
        if rows is None:
            rows = range(len(outputs))
        return corpus_bleu(
            [self.text(outputs[row]) for row in rows],
            [lines[row] for row in rows],
            bootstrap=bootstrap,
            **self.bleu_options,
        )

    def word_bleu(self, outputs: Sequence[Sequence[str]]) -> Bleu:
        """BLEU, from 0 to 100, of words, as papers and tutorials often report it.

        Outputs and references are cut into words by ``tokenize``, and sacrebleu takes
        them as they are. Such numbers can be compared between systems with one
        tokenizer only; those of similar tokenizers are close.

        Args:
            outputs: tokens of each sentence, as from :meth:`translate`.

        Raises:
            ValueError: as from :meth:`bleu`.
        """
        texts = [self.text(output) for output in outputs]
        return corpus_bleu(
            [" ".join(self.tokenize(text)) for text in texts],
            [" ".join(self.tokenize(line)) for line in self._lines(outputs)],
            **{**self.bleu_options, "tokenize": "none"},
        )

    def _lines(self, outputs: Sequence[Sequence[str]]) -> list[str]:
        """Return the references, one for each output."""
        if self.lines is None:
            raise ValueError("BLEU needs the raw lines of the test set: none are there")
        if len(outputs) != len(self.lines):
            raise ValueError(
                f"outputs ({len(outputs)}) and test sentences ({len(self.lines)}) must "
                "be equally many"
            )
        return self.lines


def numbers_task(
    source: str,
    target: str,
    *,
    train: int,
    test: int,
    device: torch.device,
    dev: int = 0,
    seed: int = 0,
    limit: int | None = None,
    max_digits: int = 9,
    shared_vocab: bool = False,
    max_tokens: int = 25,
) -> TranslationTask:
    """Number words in two languages, whose alignment is known: the quick data.

    Args:
        source: code of the source language.
        target: code of the target language.
        train: number of pairs to learn from.
        test: number of pairs to report.
        device: where models are trained and run.
        dev: number of pairs to choose a model by.
        seed: decides the numbers and their order.
        limit: most pairs of each part; None: all.
        max_digits: most digits of a number.
        shared_vocab: whether both languages have one vocabulary.
        max_tokens: longest output in tokens.

    Example:
        >>> cpu = torch.device("cpu")
        >>> task = numbers_task("en", "de", train=50, test=5, device=cpu)
        >>> len(task.train), len(task.test), task.has_alignment
        (50, 5, True)
    """
    splits = number_pairs(
        source,
        target,
        train=train,
        dev=dev,
        test=test,
        max_digits=max_digits,
        seed=seed,
        limit=limit,
    )
    return TranslationTask(
        languages=(source, target),
        train=splits.train,
        dev=splits.dev,
        test=splits.test,
        vocabs=make_vocabs(splits.train, shared=shared_vocab),
        device=device,
        max_tokens=max_tokens,
    )


def multi30k_task(
    source: str,
    target: str,
    *,
    device: torch.device,
    limit: int | None = None,
    min_count: int = 2,
    max_pieces: int | None = None,
    max_tokens: int = 60,
) -> TranslationTask:
    """Multi30k in lower case, trained on "train", reported on "test2016".

    Args:
        source: "en", "de" or "fr".
        target: another of the three.
        device: where models are trained and run.
        limit: most pairs of each part; None: all.
        min_count: how often a word must occur in training to be known; not used
            with ``max_pieces``.
        max_pieces: size of one vocabulary of subwords for both languages, learned on
            the training pairs; None: whole words.
        max_tokens: longest output in tokens.

    Raises:
        DownloadError: if a file cannot be had.
    """
    parts = [
        multi30k(split, source, target, limit) for split in ("train", "val", "test2016")
    ]
    join: Callable[[Iterable[str]], str] = " ".join
    if max_pieces is not None:
        subwords = Subwords(
            [
                " ".join(side)
                for pair in parts[0]
                for side in (pair.source, pair.target)
            ],
            max_pieces=max_pieces,
        )
        parts = [[_encode(pair, subwords) for pair in part] for part in parts]
        join = subwords.decode
    shared, moses = max_pieces is not None, Moses(target)
    return TranslationTask(
        languages=(source, target),
        train=parts[0],
        dev=parts[1],
        test=parts[2],
        vocabs=make_vocabs(
            parts[0], min_count=1 if shared else min_count, shared=shared
        ),
        device=device,
        max_tokens=max_tokens,
        join=join,
        detokenize=moses.text,
        tokenize=moses.words,
        lines=multi30k_lines("test2016", target)[:limit],
        bleu_options={"lowercase": True},
    )


def iwslt15_task(
    *,
    device: torch.device,
    limit: int | None = None,
    longest: int = 50,
    min_count: int = 5,
    max_tokens: int = 60,
) -> TranslationTask:
    """TED talks from English to Vietnamese: IWSLT'15 as Stanford distributes it.

    Args:
        device: where models are trained and run.
        limit: most pairs of each part; None: all.
        longest: training pairs with more words on either side are left out.
        min_count: how often a word must occur in training to be known.
        max_tokens: longest output in tokens.

    Raises:
        DownloadError: if a file cannot be had.
    """
    train, dev, test = (
        iwslt15(split)[:limit] for split in ("train", "tst2012", "tst2013")
    )
    train = [
        pair for pair in train if max(len(pair.source), len(pair.target)) <= longest
    ]
    return TranslationTask(
        languages=("en", "vi"),
        train=train,
        dev=dev,
        test=test,
        vocabs=make_vocabs(train, min_count=min_count),
        device=device,
        max_tokens=max_tokens,
        lines=iwslt15_lines("tst2013", "vi")[:limit],
        bleu_options={"tokenize": "none"},
    )


def make_vocabs(
    pairs: Sequence[Pair], *, min_count: int = 1, shared: bool = False
) -> tuple[Vocab, Vocab]:
    """Vocabularies of the source and of the target side.

    Args:
        pairs: the training pairs.
        min_count: how often a word must occur to be known.
        shared: whether both sides have one vocabulary, made from the words of both.

    Example:
        >>> pairs = [Pair(("two", "one"), ("zwei", "eins"))]
        >>> [len(vocab) for vocab in make_vocabs(pairs, shared=True)]
        [8, 8]
    """
    sources = (word for pair in pairs for word in pair.source)
    targets = (word for pair in pairs for word in pair.target)
    if shared:
        both = (word for words in (sources, targets) for word in words)
        vocab = Vocab(both, min_count=min_count)
        return vocab, vocab
    return Vocab(sources, min_count=min_count), Vocab(targets, min_count=min_count)


def fit_stages(
    task: TranslationTask,
    plan: TrainingPlan,
    build: Callable[..., _Model],
    stages: Sequence[tuple[Mapping[str, Any], int]],
    *,
    seed: int,
    checkpoints: CheckpointFiles = no_checkpoints,
    description: str = "",
) -> list[tuple[_Model, History]]:
    """Train a model in stages whose configs differ in what is no parameter.

    Each stage starts from the last weights of the stage before, with a fresh optimizer
    and a schedule of its own. On a task with dev pairs, the best epoch of each stage is
    kept.

    Args:
        task: what is learned.
        plan: how; the same for all stages.
        build: makes a model from options of its config.
        stages: for each stage the options, and its epochs.
        seed: of the order of the pairs, the same for each stage.
        checkpoints: give each stage its file.
        description: words in front of the progress bar, and of a stage's name.

    Returns:
        Model and history of each stage.
    """
    trained: list[tuple[_Model, History]] = []
    for number, (options, epochs) in enumerate(stages, start=1):
        model = build(**options)
        if trained:
            model.load_state_dict(trained[-1][0].state_dict())
        history = task.fit(
            model,
            plan,
            epochs=epochs,
            seed=seed,
            choose=bool(task.dev),
            checkpoint=checkpoints(f"{description}, stage {number}"),
            description=description,
        )
        trained.append((model, history))
    return trained


@torch.no_grad()
def decoder_weights(
    model: nn.Module, batch: CaptionedBatch
) -> Float[Tensor, "batch target_tokens source_tokens"]:
    """Weights of every decoder step over the source, under teacher forcing.

    Args:
        model: has one attention layer, called once or once a step; it is left in eval
            mode.
        batch: on the model's device.

    Returns:
        On the CPU; the last row of a sentence is that of its ``<eos>``.

    Raises:
        ValueError: if the model has not exactly one attention layer.
    """
    loss: Any = model.eval().loss
    with record_weights(model) as recorded:
        loss(batch)
    if len(recorded) != 1:
        raise ValueError(
            f"model must have one attention layer, got {len(recorded)}: "
            f"{', '.join(recorded)}"
        )
    (calls,) = recorded.values()
    return torch.cat(calls, dim=1).cpu()


@torch.no_grad()
def next_word_hits(
    model: nn.Module, batch: PairBatch
) -> tuple[Bool[Tensor, "batch target_tokens"], Bool[Tensor, "batch target_tokens"]]:
    """Which words a model predicts right after the right words before them.

    Args:
        model: has ``start`` and ``decode``; it is left in eval mode.
        batch: on the model's device.

    Returns:
        True where the most probable word is the right one; True at real words, the
        ``<eos>`` of each target included. On the model's device.
    """
    translator: Any = model.eval()
    state = translator.start(batch.source, batch.source_mask)
    logits, _ = translator.decode(batch.target[:, :-1], state)
    return logits.argmax(dim=-1) == batch.target[:, 1:], batch.target_mask[:, 1:]


def share_of_linked(
    hits: Bool[Tensor, "batch target_tokens"],
    pairs: Sequence[Pair],
    choose: Callable[[Pair], Collection[Link]],
) -> float:
    """Share of right predictions among the target words of chosen links.

    Args:
        hits: as from :func:`next_word_hits`, for the same pairs.
        pairs: pairs whose alignment is known.
        choose: chooses true links of a pair.

    Returns:
        From 0 to 1; NaN if there is no such word.

    Example:
        >>> pair = Pair(("a", "b"), ("c", "d"), frozenset({(0, 0), (1, 0)}))
        >>> share_of_linked(torch.tensor([[True, False, True]]), [pair], all_links)
        1.0
    """
    right = hits.tolist()
    found = [
        right[number][target]
        for number, pair in enumerate(pairs)
        for target in {target for _, target in choose(pair)}
    ]
    return sum(found) / len(found) if found else float("nan")


@torch.no_grad()
def word_probabilities(
    model: nn.Module, batch: PairBatch, *, own_words: bool = False
) -> Float[Tensor, "batch target_tokens target_vocab"]:
    """Return how probable each word is at each step of the decoder.

    Args:
        model: has ``start``, ``step`` and ``decode``; it is left in eval mode.
        batch: on the model's device.
        own_words: whether the decoder reads the word that it found most probable in the
            step before, as when it is used; otherwise the right one, as in training.
    """
    translator: Any = model.eval()
    state = translator.start(batch.source, batch.source_mask)
    if not own_words:
        logits, _ = translator.decode(batch.target[:, :-1], state)
        return logits.softmax(dim=-1)
    ids, steps = batch.target[:, 0], []
    for _ in range(batch.target.shape[1] - 1):
        logits, state = translator.step(ids, state)
        ids = logits.argmax(dim=-1)
        steps.append(logits.softmax(dim=-1))
    return torch.stack(steps, dim=1)


def share_by_rank(
    hits: Bool[Tensor, "batch target_tokens"],
    pairs: Sequence[Pair],
    choose: Callable[[Pair], Iterable[int]],
    num_ranks: int,
) -> list[float]:
    """Share of right predictions among the first chosen word of all targets, and so on.

    Args:
        hits: as from :func:`next_word_hits`, for the same pairs.
        pairs: source and target words.
        choose: chooses positions of target words, from 0, in the order that counts.
        num_ranks: how many words of a target are counted, from the first one on.

    Returns:
        For each rank a share from 0 to 1; NaN where no target has so many words.

    Example:
        >>> pairs = [Pair(("a",), ("b", "c")), Pair(("d",), ("e",))]
        >>> hits = torch.tensor([[True, False], [False, False]])
        >>> share_by_rank(hits, pairs, lambda pair: range(len(pair.target)), 3)
        [0.5, 0.0, nan]
    """
    right = hits.tolist()
    found: list[list[bool]] = [[] for _ in range(num_ranks)]
    for number, pair in enumerate(pairs):
        for words, position in zip(found, choose(pair), strict=False):
            words.append(right[number][position])
    return [sum(at) / len(at) if at else float("nan") for at in found]


def error_rates(
    links: Sequence[Collection[Link]],
    pairs: Sequence[Pair],
    kinds: Mapping[str, Callable[[Pair], Collection[Link]]],
) -> dict[str, float]:
    """Alignment error rate of the true links of some kinds.

    Args:
        links: the links that a model made, a set a pair.
        pairs: pairs whose alignment is known.
        kinds: by name, a function that chooses true links of a pair.

    Returns:
        By name, a rate from 0 to 1; NaN where there is no link of a kind.

    Example:
        >>> pairs = [Pair(("a", "b"), ("c", "d"), frozenset({(0, 1), (1, 0)}))]
        >>> error_rates([{(0, 0), (0, 1)}], pairs, {"all": all_links})
        {'all': 0.5}
    """
    rates = {}
    for name, choose in kinds.items():
        truth = [choose(pair) for pair in pairs]
        rates[name] = alignment_error_rate(links, truth) if any(truth) else float("nan")
    return rates


def all_links(pair: Pair) -> frozenset[Link]:
    """The true links of a pair.

    Raises:
        ValueError: if nobody knows them.
    """
    if pair.alignment is None:
        raise ValueError(f"the alignment of this pair is not known: {pair}")
    return pair.alignment


def digit_links(pair: Pair) -> frozenset[Link]:
    """The true links of target words that name a digit, or several: no power word.

    Example:
        >>> links = frozenset({(0, 0), (1, 1)})
        >>> pair = Pair(("two", "hundred"), ("zwei", "hundert"), links)
        >>> digit_links(pair), power_links(pair)
        (frozenset({(0, 0)}), frozenset({(1, 1)}))
    """
    return frozenset(
        link for link in all_links(pair) if not is_power(pair.target[link[1]])
    )


def power_links(pair: Pair) -> frozenset[Link]:
    """The true links of target words that name a power of ten, such as "hundert"."""
    return frozenset(link for link in all_links(pair) if is_power(pair.target[link[1]]))


def is_power(word: str) -> bool:
    """Whether a number word names a power of ten above ten, in German or Swedish."""
    return any(word in words for words in POWER_WORDS.values())


def crossing_links(pair: Pair) -> frozenset[Link]:
    """The true links that cross another one: words that change their order.

    Example:
        >>> links = frozenset({(0, 1), (1, 0), (2, 2)})
        >>> pair = Pair(("a", "b", "c"), ("B", "A", "C"), links)
        >>> sorted(crossing_links(pair))
        [(0, 1), (1, 0)]
    """
    links = all_links(pair)
    return frozenset(
        (source, target)
        for source, target in links
        if any((source - i) * (target - j) < 0 for i, j in links)
    )


def parallel_links(pair: Pair) -> frozenset[Link]:
    """The true links that cross no other."""
    return all_links(pair) - crossing_links(pair)


@dataclass(frozen=True)
class StrayLinks:
    """Links of words that lead to a wrong source word.

    Attributes:
        count: number of words whose link is wrong.
        ahead: how many of these links lead to a partner of the next linked word.
        behind: how many lead to a partner of the linked word before.
    """

    count: int
    ahead: int
    behind: int


def stray_links(
    links: Sequence[Collection[Link]],
    pairs: Sequence[Pair],
    chosen: Callable[[str], bool],
) -> StrayLinks:
    """Count wrong links of some target words, and where they lead instead.

    Args:
        links: the links that a model made, one for each target word.
        pairs: pairs whose alignment is known.
        chosen: whether a target word counts.

    Example:
        >>> pair = Pair(("a", "b"), ("A", "B"), frozenset({(0, 0), (1, 1)}))
        >>> stray_links([{(1, 0), (1, 1)}], [pair], str.isupper)
        StrayLinks(count=1, ahead=1, behind=0)
    """
    count = ahead = behind = 0
    for found, pair in zip(links, pairs, strict=True):
        linked = {target: source for source, target in found}
        partners: dict[int, set[int]] = {}
        for source, target in all_links(pair):
            partners.setdefault(target, set()).add(source)
        order = sorted(partners)
        nothing: set[int] = set()
        neighbours = [nothing, *(partners[target] for target in order), nothing]
        for k, target in enumerate(order):
            if chosen(pair.target[target]) and linked[target] not in partners[target]:
                count += 1
                ahead += linked[target] in neighbours[k + 2]
                behind += linked[target] in neighbours[k]
    return StrayLinks(count, ahead, behind)


def most_frequent_outputs(
    train: Sequence[Pair], lengths: Sequence[int]
) -> list[list[str]]:
    """A baseline that does not read: at each position its most frequent target word.

    Args:
        train: pairs that are counted.
        lengths: words of each output.

    Returns:
        The outputs; an empty word behind the longest training target.

    Example:
        >>> train = [Pair(("x",), ("a", "b")), Pair(("y",), ("a",))]
        >>> most_frequent_outputs(train, [1, 3])
        [['a'], ['a', 'b', '']]
    """
    words = []
    for position in range(max(lengths, default=0)):
        counts = Counter(
            pair.target[position] for pair in train if len(pair.target) > position
        )
        words.append(counts.most_common(1)[0][0] if counts else "")
    return [words[:length] for length in lengths]


def named_without_source(
    train: Sequence[Pair], test: Sequence[Pair]
) -> dict[str, float]:
    """A baseline for number words: guess each from the kinds of the words before it.

    Of the earlier words it knows which power words there were, and where digit words
    stood between them; the guess is the word that followed this most often in training.
    "und", which has no partner in the source, is skipped.

    Args:
        train: pairs that are counted.
        test: pairs whose target words are guessed.

    Returns:
        Shares of digit words and of power words that are guessed right, from 0 to 1,
        as ``{"digit words": ..., "power words": ...}``; 0 where there were none. Words
        behind kinds that training has not seen do not count.
    """
    followers: dict[tuple[str, ...], Counter[str]] = {}
    hits: dict[str, list[bool]] = {"power words": [], "digit words": []}
    for part in (train, test):
        for pair in part:
            kinds: list[str] = []
            for word in (word for word in pair.target if word != "und"):
                before = tuple(kinds)
                if part is train:
                    followers.setdefault(before, Counter())[word] += 1
                elif before in followers:
                    guess = followers[before].most_common(1)[0][0]
                    kind = "power words" if is_power(word) else "digit words"
                    hits[kind].append(guess == word)
                kinds.append(word if is_power(word) else "digit")
    return {kind: float(np.mean(found or [False])) for kind, found in hits.items()}


def length_table(by_length: Mapping[str, Sequence[BinScore]]) -> str:
    """Scores by source length as a table of text, a column for each system.

    Args:
        by_length: for each system its bins, the same lengths for all.

    Example:
        >>> bins = [BinScore(1, 3, 40, 0.5, (0.25, 0.75))]
        >>> print(length_table({"forward": bins}))
        source words   sentences                      forward
            1 to  3          40    50.0% ( 25.0% to  75.0%)
    """
    lines = [
        "source words   sentences   " + "   ".join(f"{name:>26}" for name in by_length)
    ]
    for bins in zip(*by_length.values(), strict=True):
        cells = [
            f"{b.mean:6.1%} ({b.interval[0]:6.1%} to {b.interval[1]:6.1%})"
            for b in bins
        ]
        first = bins[0]
        lines.append(
            f"{first.low:5} to {first.high:2}   {first.count:9}   " + "   ".join(cells)
        )
    return "\n".join(lines)


def bleu_text(bleu: Bleu) -> str:
    """BLEU as text, with its interval where there is one, and sacrebleu's signature.

    Example:
        >>> bleu_text(Bleu(28.345, "nrefs:1", 27.0, 30.0))
        'BLEU 28.34 (27.00 to 30.00)  nrefs:1'
    """
    interval = "" if bleu.low is None else f" ({bleu.low:.2f} to {bleu.high:.2f})"
    return f"BLEU {bleu.score:.2f}{interval}  {bleu.signature}"


def _encode(pair: Pair, subwords: Subwords) -> Pair:
    source, target = (
        tuple(subwords.encode(" ".join(side))) for side in (pair.source, pair.target)
    )
    return Pair(source, target)

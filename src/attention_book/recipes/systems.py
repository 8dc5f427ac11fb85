"""Single systems on public data: their numbers, as a record keeps them."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.translation.pairs import Pair, PairBatch, pair_loader
from attention_book.evaluation.metrics import Bleu
from attention_book.recipes.race import count_parameters
from attention_book.recipes.translation import TranslationTask, bleu_text
from attention_book.training.loop import History
from attention_book.training.loss import evaluate

LOSS_BATCH = 100
"""Sentences in a batch for the test loss: the logits of 500 would fill a gigabyte."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A sentence of the test set, and what a system made of it.

    Attributes:
        source: the words of the sentence, as the system's tokenizer cut them.
        reference: its translation in the test set, as text.
        output: the system's translation, as text.
        pair: the tokens of source and output.
        weights: where each step of the decoder looked, ``<eos>`` included; None for a
            system without attention.
    """

    source: str
    reference: str
    output: str
    pair: Pair
    weights: Float[Tensor, "target_tokens source_tokens"] | None = None

    @property
    def tokens(self) -> tuple[list[str], list[str]]:
        """Names of the rows and of the columns of ``weights``: output, then source."""
        return [*self.pair.target, "<eos>"], [*self.pair.source, "<eos>"]

    def __str__(self) -> str:
        """The three texts, one per line."""
        return (
            f"source     {self.source}\n"
            f"reference  {self.reference}\n"
            f"output     {self.output}"
        )


@dataclass(frozen=True)
class LengthBleu:
    """BLEU of the sentences whose sources have a range of lengths.

    Attributes:
        low: shortest length of the range, in words.
        high: longest length of the range, in words.
        count: number of sentences.
        bleu: of their translations, with its interval.
    """

    low: int
    high: int
    count: int
    bleu: Bleu

    @property
    def mean(self) -> float:
        """BLEU as a fraction, from 0 to 1."""
        return self.bleu.score / 100

    @property
    def interval(self) -> tuple[float, float]:
        """Its interval, as fractions; BLEU twice if there is none."""
        low, high = self.bleu.low, self.bleu.high
        if low is None or high is None:
            return self.mean, self.mean
        return low / 100, high / 100


@dataclass(frozen=True, kw_only=True, eq=False)
class SystemRun:
    """What one trained system reached on the test set.

    Attributes:
        outputs: the tokens that it writes for each source.
        bleu: of the detokenized text, with its interval.
        word_bleu: of the words.
        loss: on the test set under teacher forcing, in nats per token.
        num_parameters: of the model.
        history: of its training.
        chosen_epoch: the epoch whose weights are kept, from 1; None if it is not one.
        samples: some of the translations.
    """

    outputs: list[list[str]]
    bleu: Bleu
    word_bleu: Bleu
    loss: float
    num_parameters: int
    history: History
    chosen_epoch: int | None
    samples: list[Sample]

    def values(self, prefix: str) -> dict[str, float | int | str]:
        """Return everything that a record of the run needs, by name.

        ``dev_losses``, the learning curve, and ``samples`` are JSON; weights are in
        percent.

        Args:
            prefix: start of each name, for instance :func:`result_prefix`.
        """
        own: dict[str, float | int | str] = {
            "bleu": self.bleu.score,
            "bleu_signature": self.bleu.signature,
            "word_bleu": self.word_bleu.score,
            "word_bleu_signature": self.word_bleu.signature,
            "test_loss": self.loss,
            "test_perplexity": math.exp(self.loss),
            "parameters": self.num_parameters,
            "epochs": len(self.history.epoch_loss),
            "steps": len(self.history.step_loss),
            "tokens_per_second": self.history.tokens_per_second,
            "dev_losses": json.dumps([round(x, 4) for x in self.history.dev_loss]),
            "samples": json.dumps(
                [
                    {
                        "source": sample.source,
                        "reference": sample.reference,
                        "output": sample.output,
                        "tokens": [sample.pair.source, sample.pair.target],
                    }
                    | (
                        {}
                        if sample.weights is None
                        else {"weights": (100 * sample.weights).round().int().tolist()}
                    )
                    for sample in self.samples
                ],
                ensure_ascii=False,
            ),
        }
        if self.bleu.low is not None and self.bleu.high is not None:
            own |= {"bleu_low": self.bleu.low, "bleu_high": self.bleu.high}
        if self.chosen_epoch is not None:
            own["chosen_epoch"] = self.chosen_epoch
        return {f"{prefix}_{name}": value for name, value in own.items()}

    def __str__(self) -> str:
        """The numbers of the run, as a few lines of text."""
        history = self.history
        curve = " ".join(f"{loss:.3f}" for loss in history.dev_loss)
        chosen = f", epoch {self.chosen_epoch} kept" if self.chosen_epoch else ""
        return (
            f"{bleu_text(self.bleu)}\n"
            f"words: {bleu_text(self.word_bleu)}\n"
            f"test loss {self.loss:.3f} nats per token, perplexity"
            f" {math.exp(self.loss):.2f}; {self.num_parameters:,} parameters\n"
            f"{len(history.step_loss):,} steps, {history.tokens_per_second:,.0f} target"
            f" tokens per second\n"
            f"dev loss by epoch: {curve}{chosen}"
        )


def bleu_by_length(
    task: TranslationTask,
    outputs: Sequence[Sequence[str]],
    edges: Sequence[int],
    *,
    bootstrap: int = 1000,
) -> list[LengthBleu]:
    """BLEU of the test sentences of each range of source lengths.

    Args:
        task: has raw test lines.
        outputs: the tokens that a system writes for each test source.
        edges: increasing; the first length of each range, in words, followed by the
            first length beyond the last one.
        bootstrap: number of resampled sets of sentences for an interval; 0: none.

    Returns:
        The ranges in increasing order, without empty ones.

    Raises:
        ValueError: if the task has no raw lines.
    """
    found = []
    for low, end in pairwise(edges):
        rows = [
            row for row, size in enumerate(task.source_lengths) if low <= size < end
        ]
        if rows:
            bleu = task.bleu(outputs, rows, bootstrap=bootstrap)
            found.append(LengthBleu(low, end - 1, len(rows), bleu))
    return found


def result_prefix(slug: str, system: str) -> str:
    """Return how the names of a system's results start.

    Args:
        slug: of the chapter.
        system: name of the system.

    Example:
        >>> result_prefix("bahdanau", "RNNsearch with a fixed context")
        'bahdanau_rnnsearch_with_a_fixed_context'
    """
    return f"{slug}_{re.sub(r'[^a-z0-9]+', '_', system.lower()).strip('_')}"


@dataclass(frozen=True, kw_only=True, eq=False)
class SystemScores:
    """What one trained system reached, item by item, so that systems can be paired.

    Attributes:
        name: of the system.
        items: its score of each item: 1 or 0 for a question that is right or wrong, the
            accuracy of a fold.
        details: more about the run, as numbers and text.
    """

    name: str
    items: Float[np.ndarray, " items"]
    details: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean over the items."""
        return float(self.items.mean())

    def values(self, slug: str) -> dict[str, float | int | str]:
        """Return everything that a record of the run needs, by name.

        "accuracy" is the mean, "items" are JSON.

        Args:
            slug: of the chapter.
        """
        rows = [round(float(x), 4) for x in self.items]
        rows = [int(x) if x == int(x) else x for x in rows]
        own: dict[str, float | int | str] = {
            "accuracy": self.mean,
            "items": json.dumps(rows, separators=(",", ":")),
            **self.details,
        }
        prefix = result_prefix(slug, self.name)
        return {f"{prefix}_{name}": value for name, value in own.items()}

    def __str__(self) -> str:
        """The mean and the details, in one line.

        Example:
            >>> print(SystemScores(name="HN-ATT", items=np.array([0.5, 1.0])))
            HN-ATT: 75.0% right, 2 items
        """
        more = "".join(f", {key} {value}" for key, value in self.details.items())
        return f"{self.name}: {self.mean:.1%} right, {len(self.items):,} items{more}"


def score_system(
    task: TranslationTask,
    model: nn.Module,
    history: History,
    *,
    weigh: Callable[[nn.Module, PairBatch], Tensor] | None = None,
    chosen: bool = True,
    num_samples: int = 3,
    num_longest: int = 0,
    bootstrap: int = 1000,
    beam_size: int = 1,
    length_penalty: float = 0.0,
) -> SystemRun:
    """Translate the test set with a trained system, and measure everything once.

    Args:
        task: has raw test lines.
        model: a translator; it is left in eval mode.
        history: of its training.
        weigh: computes the weights of a batch, (batch, target tokens, source tokens),
            as :func:`attention_book.recipes.translation.decoder_weights` does; None:
            the system has none.
        chosen: whether the weights are those of the best epoch on ``dev``.
        num_samples: how many of the first translations are kept as samples.
        num_longest: how many more are kept, of the longest sources.
        bootstrap: number of resampled test sets for the interval of BLEU; 0: none.
        beam_size: 1: greedy search.
        length_penalty: of the beam search.

    Raises:
        ValueError: if the task has no raw lines.
    """
    outputs = task.translate(model, beam_size=beam_size, length_penalty=length_penalty)
    loader = pair_loader(task.test, task.vocabs, batch_size=LOSS_BATCH)
    epoch = history.best_epoch if chosen else None
    return SystemRun(
        outputs=outputs,
        bleu=task.bleu(outputs, bootstrap=bootstrap),
        word_bleu=task.word_bleu(outputs),
        loss=evaluate(model, loader, device=task.device),
        num_parameters=count_parameters(model),
        history=history,
        chosen_epoch=None if epoch is None else epoch + 1,
        samples=_samples(task, model, outputs, weigh, num_samples, num_longest),
    )


def _samples(
    task: TranslationTask,
    model: nn.Module,
    outputs: Sequence[Sequence[str]],
    weigh: Callable[[nn.Module, PairBatch], Tensor] | None,
    num_samples: int,
    num_longest: int,
) -> list[Sample]:
    """Some translations that have a word; the decoder reads what it wrote."""
    written = [
        (pair, output)
        for pair, output in zip(task.test, outputs, strict=True)
        if output
    ]
    chosen, others = written[:num_samples], written[num_samples:]
    others.sort(key=lambda one: -len(one[0].source))
    samples = []
    for pair, output in chosen + others[:num_longest]:
        own = replace(pair, target=tuple(output))
        samples.append(
            Sample(
                source=task.join(pair.source),
                reference=task.text(pair.target),
                output=task.text(output),
                pair=own,
                weights=None if weigh is None else weigh(model, task.batch([own]))[0],
            )
        )
    return samples

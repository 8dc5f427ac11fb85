"""Models of one sequence: trained on short ones, tested on longer ones."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from attention_book.attention.positions.absolute import sinusoids
from attention_book.attention.positions.alibi import ALiBi
from attention_book.attention.positions.one_sided import OneSided
from attention_book.attention.positions.rotary import rotate
from attention_book.attention.positions.t5_bias import distance_bucket
from attention_book.data.sequences.sequence_tasks import (
    NUM_DIGITS,
    NUM_SPECIAL,
    VOCAB_SIZE,
    SequenceBatch,
    digit_sequences,
    sequence_batch,
    sequence_loader,
)
from attention_book.models.positions import (
    POSITIONS,
    TokenClassifier,
    TokenClassifierConfig,
)
from attention_book.observe import record_weights
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import fit
from attention_book.training.schedules import linear_decay

NUM_MARKS = 2  # one before and one after the digits

POSITION_NAMES = {
    "none": "none",
    "sinusoidal": "sinusoidal",
    "learned": "learned",
    "relative": "relative (Shaw)",
    "bucketed": "T5 buckets",
    "rotary": "rotary",
    "linear": "ALiBi",
}
"""What tables and figures call the kinds of positions."""


@dataclass(frozen=True)
class DigitsByLength:
    """Sequences of digits: short ones to learn from, short and long ones to test with.

    Attributes:
        train: sequences to learn from.
        tests: by length in digits, sequences of which none is in training.
        trained: shortest and longest training sequence, in digits.
    """

    train: list[str]
    tests: dict[int, list[str]]
    trained: tuple[int, int]


def digits_by_length(
    *,
    trained: tuple[int, int],
    lengths: Sequence[int],
    train: int,
    per_length: int,
    seed: int,
    limit: int | None = None,
) -> DigitsByLength:
    """Draw sequences to learn from, and others of each length to test with.

    Args:
        trained: shortest and longest training sequence, in digits.
        lengths: lengths of the test sequences, in digits.
        train: number of training sequences.
        per_length: number of test sequences of each length; those that are also in
            training are left out.
        seed: decides the sequences.
        limit: keep only so many training sequences, and a tenth as many of each length
            to test with; None: all.

    Example:
        >>> digits = digits_by_length(
        ...     trained=(3, 4), lengths=(4, 6), train=8, per_length=5, seed=0
        ... )
        >>> len(digits.train), len(digits.tests[6]), len(digits.tests[6][0])
        (8, 5, 6)
    """
    (drawn,) = digit_sequences(
        range(trained[0], trained[1] + 1), sizes=[train], seed=seed
    )
    most = None if limit is None else max(1, limit // 10)
    known, tests = set(drawn), {}
    for length in lengths:
        (new,) = digit_sequences([length], sizes=[per_length], seed=seed + length)
        tests[length] = [digits for digits in new if digits not in known][:most]
    return DigitsByLength(drawn[:limit], tests, trained)


@dataclass(frozen=True)
class LengthScores:
    """Shares of right answers of some models, by the length of the sequences.

    Attributes:
        shares: a row for each model (seed), a column for each length; from 0 to 1.
        lengths: of the columns, in digits, rising.
        trained: shortest and longest training sequence, in digits.
    """

    shares: Float[np.ndarray, "models lengths"]
    lengths: tuple[int, ...]
    trained: tuple[int, int]

    @property
    def within(self) -> Float[np.ndarray, "models _"]:
        """The columns of the lengths that training had."""
        shortest, longest = self.trained
        kept = [i for i, n in enumerate(self.lengths) if shortest <= n <= longest]
        return self.shares[:, kept]

    @property
    def beyond(self) -> Float[np.ndarray, "models _"]:
        """The columns of the lengths that are longer than in training."""
        kept = [i for i, n in enumerate(self.lengths) if n > self.trained[1]]
        return self.shares[:, kept]

    @property
    def longest(self) -> Float[np.ndarray, " models"]:
        """The column of the longest sequences."""
        return self.shares[:, -1]

    def means(self) -> dict[str, float]:
        """Mean shares within the training lengths, beyond, and at the greatest."""
        return {
            "in": float(self.within.mean()),
            "out": float(self.beyond.mean()),
            "double": float(self.longest.mean()),
        }

    def columns(self) -> list[str]:
        """The names of the columns of :meth:`cells`."""
        shortest, longest = self.trained
        last = self.lengths[-1]
        return [
            f"{shortest} to {longest} digits",
            f"{longest + 1} to {last} digits",
            f"{last} digits",
        ]

    def cells(self) -> list[str]:
        """The same three as text: the mean, and the lowest and the highest model."""
        parts = self.within.mean(1), self.beyond.mean(1), self.longest
        return [_mean_and_range(part) for part in parts]


def _mean_and_range(shares: Float[np.ndarray, " models"]) -> str:
    mean, low, high = (
        f"{100 * x:.0f}" for x in (shares.mean(), min(shares), max(shares))
    )
    return f"{mean} %" if low == high else f"{mean} % ({low} to {high})"


class HeadOnAnswer(NamedTuple):
    """How a head attends when sequences are to be reversed.

    Attributes:
        rate: for which share of the digits its largest weight is on the key that holds
            the answer.
        offsets: for each digit of each sequence, how many tokens behind the answer its
            largest weight is; negative if it is before the answer.
        weights: of the head, on the CPU.
    """

    rate: float
    offsets: list[int]
    weights: Float[Tensor, "batch queries keys"]


class BestHeads(NamedTuple):
    """Where the heads look that find the answers most often, one of each model.

    Attributes:
        names: layer and head of each model's best head.
        rate: mean share of digits whose answer it finds, at the length by which it was
            chosen, on sequences that had no part in the choice.
        longer: the same at another length.
        offsets: at that other length, the share of digits for each offset of
            :class:`HeadOnAnswer`.
    """

    names: list[tuple[str, int]]
    rate: float
    longer: float
    offsets: dict[int, float]


class Reversal(NamedTuple):
    """How models that reverse fare with distances they have not seen in training.

    Attributes:
        right: share of right answers at each digit.
        seen: the same, for the digits whose answer is at a distance seen in training.
        new: the same, for the others.
        as_end: share of answers that are those of a first or last token, among all
            digits for which such an answer is wrong.
    """

    right: Float[Tensor, " digits"]
    seen: float
    new: float
    as_end: float


class Shift(NamedTuple):
    """What changes if sequences begin at a later position.

    Attributes:
        change: largest change of a logit.
        before: share of right answers at the usual positions.
        after: share of right answers at the later ones.
    """

    change: float
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class PositionPreset:
    """Data, sizes and training of a comparison of positions.

    Attributes:
        epochs: runs through the training sequences.
        batch_size: number of sequences in a batch.
        learning_rate: of the Transformer's Adam at the end of the warm-up.
        warmup_steps: optimizer steps in which the rate rises; then it falls to 0.
        num_seeds: number of models of each kind.
        sequences: number of training sequences of each task.
        trained: shortest and longest training sequence, in digits.
        lengths: lengths of the test sequences, in digits.
        per_length: number of test sequences of each length.
        side_heads: heads of the models in which the sides that a head sees are studied.
        sizes: the fields of a
            :class:`attention_book.models.positions.TokenClassifierConfig` that all
            models share.
    """

    epochs: int = 1
    batch_size: int
    learning_rate: float
    warmup_steps: int
    num_seeds: int = 3
    sequences: Mapping[str, int]
    trained: tuple[int, int]
    lengths: tuple[int, ...]
    per_length: int
    side_heads: int
    sizes: Mapping[str, int]


POSITION_PRESETS = {
    "quick": PositionPreset(
        batch_size=32,
        learning_rate=1e-2,
        warmup_steps=20,
        num_seeds=2,
        sequences={"late": 3_200, "reverse": 9_600, "sort": 3_840},
        trained=(4, 8),
        lengths=tuple(range(4, 17)),
        per_length=100,
        side_heads=4,
        sizes={
            "embed_dim": 32,
            "num_heads": 2,
            "hidden_dim": 64,
            "num_layers": 2,
            "max_distance": 8,
        },
    ),
    "full": PositionPreset(
        batch_size=128,
        learning_rate=1e-3,
        warmup_steps=200,
        sequences={"late": 128_000, "reverse": 512_000, "sort": 256_000},
        trained=(6, 20),
        lengths=tuple(range(8, 41, 4)),
        per_length=200,
        side_heads=8,
        sizes={
            "embed_dim": 128,
            "num_heads": 8,
            "hidden_dim": 512,
            "num_layers": 4,
            "max_distance": 16,
        },
    ),
}
"""The chapter's settings by name: a minute on two CPU cores, and an hour on a GPU."""


SIDE_ARMS: dict[str, dict[str, Any]] = {
    "none": {"positions": "none"},
    "slopes": {"positions": "linear"},
    "one": {"positions": "none", "one_sided": True},
    "one_slopes": {"positions": "linear", "one_sided": True},
}
"""Neither masks nor slopes, ALiBi's slopes, heads that see one side, and both: fields
of the config by the name of the arm."""

ARM_NAMES = {
    **POSITION_NAMES,
    "slopes": "slopes",
    "one": "one side",
    "one_slopes": "one side, slopes",
    "t5_one": "T5 buckets, one side",
}
"""What tables and figures call all that is trained."""

FURTHER = ("fewer heads", "T5 on one side", "four times the steps")
"""What a quick run has no time for: see :meth:`PositionStudy.train_further`."""


@dataclass(frozen=True, kw_only=True)
class PositionStudy:
    """Token classifiers that differ in their positions, trained and tested alike.

    Attributes:
        preset: data, sizes and training.
        digits: the sequences.
        epochs: runs through the training sequences.
        seeds: one for each model of a kind.
        device: where models are trained and run.
        checkpoints: give each training run its file.
        losses: of the training runs so far, the loss of each step in nats per answer;
            by the name of the run and its seed.
    """

    preset: PositionPreset
    digits: DigitsByLength
    epochs: int
    seeds: tuple[int, ...]
    device: torch.device
    checkpoints: CheckpointFiles = no_checkpoints
    losses: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def build(self, positions: str, seed: int, **sizes: int) -> TokenClassifier:
        """Make a model for the longest test sequences, its initial values from a seed.

        Args:
            positions: one of ``attention_book.models.positions.POSITIONS``.
            seed: of PyTorch's global generator, set before.
            **sizes: fields of the config in place of those of the study.
        """
        torch.manual_seed(operator.index(seed))
        fields: dict[str, Any] = {**self.preset.sizes, **sizes}
        config = TokenClassifierConfig(
            vocab_size=VOCAB_SIZE,
            num_answers=NUM_DIGITS,
            positions=positions,
            max_positions=max(self.digits.tests) + NUM_MARKS,
            **fields,
        )
        return TokenClassifier(config)

    def train(
        self,
        task: str,
        positions: str,
        seed: int,
        *,
        size: int | None = None,
        epochs: int | None = None,
        change: Callable[[TokenClassifier], None] | None = None,
        name: str | None = None,
        **sizes: int,
    ) -> TokenClassifier:
        """Build a model and train it on the first sequences of a task.

        Args:
            task: as for :func:`attention_book.data.sequences.sequence_tasks.answer`.
            positions: as for :meth:`build`.
            seed: of the model and of the order of the sequences.
            size: number of sequences; None: as many as the study says.
            epochs: in place of the study's.
            change: called with the new model before it is trained.
            name: of the run, apart from its seed; None: task and positions.
            **sizes: as for :meth:`build`.
        """
        model = self.build(positions, seed, **sizes)
        if change is not None:
            change(model)
        loader = sequence_loader(
            self.digits.train[: size or self.preset.sequences[task]],
            task,
            batch_size=self.preset.batch_size,
            seed=seed,
        )
        epochs, name = epochs or self.epochs, name or f"{task}, {positions}"
        steps = epochs * len(loader)
        history = fit(
            model,
            loader,
            epochs=epochs,
            learning_rate=self.preset.learning_rate,
            optimizer="adam_transformer",
            schedule=linear_decay(steps, min(self.preset.warmup_steps, steps - 1)),
            clip_norm=1.0,
            device=self.device,
            checkpoint=self.checkpoints(f"{name}, seed {seed}"),
            description=name,
        )
        self.losses[name, operator.index(seed)] = history.step_loss
        return model

    def steps(self, task: str) -> int:
        """Number of optimizer steps in which each model of a task is trained."""
        size = min(self.preset.sequences[task], len(self.digits.train))
        return self.epochs * -(-size // self.preset.batch_size)

    def train_seeds(
        self, task: str, positions: str, **how: Any
    ) -> list[TokenClassifier]:
        """Train one model for each seed; ``how`` is passed on to :meth:`train`."""
        return [self.train(task, positions, seed, **how) for seed in self.seeds]

    def arms(self) -> dict[str, dict[str, Any]]:
        """All that is compared, by name the fields of the config.

        Kinds of positions, with the heads of the study; and the arms of ``SIDE_ARMS``,
        with ``side_heads``. The model without positions is one of these.
        """
        heads = {"num_heads": self.preset.side_heads}
        return {
            **{name: {"positions": name} for name in POSITIONS},
            **{name: {**fields, **heads} for name, fields in SIDE_ARMS.items()},
            "t5_one": {"positions": "bucketed", "one_sided": True},
        }

    def train_further(self, system: str) -> dict[str, LengthScores]:
        """Train some of what a quick run has no time for, and score it.

        Args:
            system: one of ``FURTHER``. "fewer heads": one-sided heads, as many as the
                other methods have; "T5 on one side": T5's buckets with one-sided heads;
                "four times the steps": everything on "reverse", trained longer.

        Returns:
            By task, arm and system, joined by underscores.

        Raises:
            ValueError: if there is no such system.
        """
        arms, tasks = self.arms(), ["late", "reverse"]
        how: dict[str, Any] = {}
        if system == "fewer heads":
            arms = {name: SIDE_ARMS[name] for name in ("one", "one_slopes")}
        elif system == "T5 on one side":
            arms = {"t5_one": arms["t5_one"]}
        elif system == "four times the steps":
            tasks, how = ["reverse"], {"epochs": 4 * self.epochs}
        else:
            raise ValueError(
                f"system must be one of {', '.join(FURTHER)}, got {system!r}"
            )
        results = {}
        for task in tasks:
            for arm, fields in arms.items():
                name = f"{task}_{arm}_{system.replace(' ', '_')}"
                models = self.train_seeds(task, **fields, **how, name=name)
                results[name] = self.scores(models, task)
        return results

    @torch.no_grad()
    def answers(
        self, model: TokenClassifier, task: str, length: int
    ) -> tuple[Int[Tensor, "batch tokens"], SequenceBatch]:
        """What a model answers at each token of the test sequences of one length."""
        batch = sequence_batch(self.digits.tests[length], task).to(self.device)
        return model(batch.ids, batch.mask).argmax(-1), batch

    def accuracies(self, model: TokenClassifier, task: str) -> list[float]:
        """Share of right answers of a model, for each length of the test sequences."""
        shares = []
        for length in self.digits.tests:
            found, batch = self.answers(model, task, length)
            shares.append(_share_right(found, batch))
        return shares

    def scores(self, models: Sequence[TokenClassifier], task: str) -> LengthScores:
        """Shares of right answers of several models, such as one for each seed."""
        shares = np.array([self.accuracies(model, task) for model in models])
        return LengthScores(shares, tuple(self.digits.tests), self.digits.trained)

    @torch.no_grad()
    def heads_on_answer(
        self, model: TokenClassifier, sequences: Sequence[str]
    ) -> dict[tuple[str, int], HeadOnAnswer]:
        """Which heads of a model that reverses look where the answer stands.

        Args:
            model: trained on "reverse".
            sequences: digits.

        Returns:
            By the name of the layer and the number of the head, from 0.
        """
        batch = sequence_batch(sequences, "reverse").to(self.device)
        with record_weights(model) as recorded:
            model(batch.ids, batch.mask)
        heads = {}
        for name, (weights,) in recorded.items():
            looked = weights.argmax(-1).cpu()
            for head in range(looked.shape[1]):
                # Digit i stands at token 1 + i, behind the mark.
                offsets = [
                    int(looked[row, head, 1 + i]) - (len(digits) - i)
                    for row, digits in enumerate(sequences)
                    for i in range(len(digits))
                ]
                rate = float(np.mean([offset == 0 for offset in offsets]))
                heads[name, head] = HeadOnAnswer(rate, offsets, weights[:, head].cpu())
        return heads

    def best_heads(
        self, models: Sequence[TokenClassifier], length: int, other: int
    ) -> BestHeads:
        """Where the best head of each model looks, at two lengths.

        A head is chosen by every other test sequence and measured on the rest: the best
        of several on some sequences looks better there than it is.

        Args:
            models: trained on "reverse".
            length: of the test sequences by which each model's best head is chosen.
            other: length at which the same heads are looked at again.
        """
        tests = self.digits.tests
        chosen, rates, offsets = [], [], []
        for model in models:
            candidates = self.heads_on_answer(model, tests[length][::2])
            best = max(candidates, key=lambda head: candidates[head].rate)
            rest = tests[length][1::2] or tests[length]
            here, there = (
                self.heads_on_answer(model, sequences)[best]
                for sequences in (rest, tests[other])
            )
            chosen.append(best)
            rates.append((here.rate, there.rate))
            offsets += there.offsets
        rate, longer = np.mean(rates, axis=0).tolist()
        found, counts = np.unique(offsets, return_counts=True)
        shares = (counts / len(offsets)).tolist()
        return BestHeads(
            chosen, rate, longer, dict(zip(found.tolist(), shares, strict=True))
        )

    def reversal(self, models: Sequence[TokenClassifier], length: int) -> Reversal:
        """Compare distances that were seen in training with new ones.

        A model that knows its distance to the ends of a sequence by rote takes a token
        of a longer sequence for a first or a last one: then it answers what stands as
        far away as the last digit is from the first in the longest training sequence.

        Args:
            models: trained on "reverse".
            length: of the test sequences, in digits.

        Returns:
            Means over the models.
        """
        at = torch.arange(1, length + 1)
        distance = length + 1 - 2 * at
        seen = self.digits.trained[1] - 1
        ends = torch.where(at <= length // 2, seen, -seen)
        rights, shares = [], []
        for model in models:
            found, batch = self.answers(model, "reverse", length)
            answers, target, ids = (
                tensor.cpu()[:, 1:-1] for tensor in (found, batch.target, batch.ids)
            )
            rights.append((answers == target).float().mean(0))
            as_end = ids[:, (at + ends).clamp(1, length) - 1] - NUM_SPECIAL
            same = (answers == as_end)[:, ends != distance]
            shares.append(same.float().mean().item())
        right = torch.stack(rights).mean(0)
        is_new = distance.abs() > seen
        return Reversal(
            right,
            right[~is_new].mean().item(),
            right[is_new].mean().item(),
            float(np.mean(shares)),
        )

    @torch.no_grad()
    def shift(
        self,
        models: Sequence[TokenClassifier],
        task: str,
        sequences: Sequence[str],
        positions: int,
    ) -> Shift:
        """Let sequences begin at a later position, behind padding.

        Args:
            models: trained on the task.
            task: what the sequences are for.
            sequences: digits.
            positions: how many of them are padding, before the first mark.

        Returns:
            The largest change over the models, and mean shares of right answers.
        """
        batch = sequence_batch(sequences, task).to(self.device)
        pad = (positions, 0)
        ids, mask = F.pad(batch.ids, pad), F.pad(batch.mask, pad)
        changes, shares = [], []
        for model in models:
            here = model(batch.ids, batch.mask)
            there = model(ids, mask)[:, positions:]
            changes.append((here - there).abs().max().item())
            shares.append(
                [_share_right(logits.argmax(-1), batch) for logits in (here, there)]
            )
        before, after = np.mean(shares, axis=0).tolist()
        return Shift(max(changes), before, after)


def position_study(
    preset: str,
    *,
    seed: int,
    device: torch.device,
    epochs: int | None = None,
    limit: int | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> PositionStudy:
    """Draw the sequences of a comparison of positions.

    Args:
        preset: "quick" or "full".
        seed: decides the sequences, and the seeds of the models.
        device: where models are trained and run.
        epochs: runs through the training sequences; None: as the preset says.
        limit: most training sequences; None: as the preset says.
        checkpoints: give each training run its file.

    Example:
        >>> study = position_study("quick", seed=0, device=torch.device("cpu"))
        >>> len(study.digits.train), study.seeds
        (9600, (0, 1))
    """
    chosen = POSITION_PRESETS[preset]
    return PositionStudy(
        preset=chosen,
        digits=digits_by_length(
            trained=chosen.trained,
            lengths=chosen.lengths,
            train=max(chosen.sequences.values()),
            per_length=chosen.per_length,
            seed=seed,
            limit=limit,
        ),
        epochs=chosen.epochs if epochs is None else epochs,
        seeds=tuple(100 * seed + number for number in range(chosen.num_seeds)),
        device=device,
        checkpoints=checkpoints,
    )


def position_scores(
    num_tokens: int, head_dim: int, *, seed: int
) -> dict[str, Float[Tensor, "queries keys"]]:
    """Score all pairs of tokens of equal content, so that only positions differ.

    What training would set is random here: the query and the key, which are the same at
    all positions, the learned table, the vectors of Shaw, the biases of T5.

    Args:
        num_tokens: length of the sequence.
        head_dim: size of a query and a key, even.
        seed: of the random numbers.

    Returns:
        By the name of the method; minus infinity where a head may not attend.

    Example:
        >>> maps = position_scores(5, 4, seed=0)
        >>> len(maps), maps["ALiBi"][0].abs().tolist()
        (8, [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    generator = torch.Generator().manual_seed(operator.index(seed))

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    (query, key), at = draw(2, head_dim), torch.arange(num_tokens)
    distance = at - at[:, None]
    sines, rows = sinusoids(num_tokens, head_dim), draw(num_tokens, head_dim)
    most = num_tokens // 3
    vectors = draw(2 * most + 1, head_dim) @ query
    buckets = distance_bucket(distance, num_buckets=8, max_distance=num_tokens)
    turned = [rotate(x.expand(num_tokens, -1), at) for x in (query, key)]
    return {
        "no positions": (query @ key).expand(num_tokens, num_tokens),
        "sinusoidal": sines @ sines.T,
        "learned": rows @ rows.T,
        "relative (Shaw)": vectors[distance.clamp(-most, most) + most],
        "T5 buckets": draw(8)[buckets],
        "rotary": turned[0] @ turned[1].T,
        "ALiBi": ALiBi(4)(distance)[0],
        "one side": OneSided(2)(distance)[0],
    }


def _share_right(found: Int[Tensor, "batch tokens"], batch: SequenceBatch) -> float:
    right = (found == batch.target)[batch.target_mask]
    return right.float().mean().item()

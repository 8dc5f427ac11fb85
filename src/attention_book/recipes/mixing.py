"""Self-attention beside a convolution and a GRU: what they cost and what they learn."""

import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.self_attention import SelfAttention
from attention_book.data.sequences.adding_problem import adding_problem
from attention_book.data.sequences.digit_pixels import SIDE, digit_pixels
from attention_book.data.sequences.labelled import labelled_batches
from attention_book.evaluation.cost import peak_bytes, seconds_in_turns
from attention_book.functional import dot_scores
from attention_book.models.self_attention import (
    AddingModel,
    MixingConfig,
    PixelClassifier,
    SelfAttentionMixer,
)
from attention_book.observe import record_weights
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import fit
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import linear_decay

TEST_SEED = 10**6
"""Test sequences are drawn from seeds that no training set has."""

Shares = Float[np.ndarray, "settings trials"]
"""Accuracies from 0 to 1, a row for each setting."""

Layer = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class MixingPreset:
    """Data and training of models in which only the mixer of the tokens differs.

    Attributes:
        epochs: how often the training steps are repeated.
        trials: number of models of each kind.
        batch_size: number of examples in a batch.
        image_counts: numbers of training images.
        image_steps: optimizer steps on images, whatever their number.
        image_rate: learning rate on images.
        distances: of the two tokens of the adding problem.
        sequences: number of its training sequences.
        more_trials: number of models at one distance that are looked into.
        sequence_rate: learning rate on sequences.
        words: number of training sentences with a pronoun.
        word_steps: optimizer steps on them.
        study_steps: optimizer steps on images, in the longer comparison.
        study_rates: learning rates on images, in the longer comparison.
    """

    epochs: int
    trials: int
    batch_size: int = 32
    image_counts: tuple[int, ...]
    image_steps: int
    image_rate: float
    distances: tuple[int, ...]
    sequences: int = 6400
    more_trials: int
    sequence_rate: float = 1e-2
    words: int = 5000
    word_steps: int
    study_steps: tuple[int, ...] = ()
    study_rates: tuple[float, ...] = ()


MIXING_PRESETS = {
    "quick": MixingPreset(
        epochs=1,
        trials=2,
        image_counts=(60, 1297),
        image_steps=200,
        image_rate=2e-2,
        distances=(8, 16, 32, 64),
        more_trials=10,
        word_steps=300,
        study_steps=(200, 1000, 2500),
        study_rates=(5e-3, 1e-2, 2e-2),
    ),
    "full": MixingPreset(
        epochs=10,
        trials=5,
        image_counts=(30, 60, 125, 250, 500, 1297),
        image_steps=300,
        image_rate=1e-2,
        distances=(4, 8, 16, 32, 64, 96, 128),
        more_trials=20,
        word_steps=300,
    ),
}
"""The chapter's settings by name: less than a minute on one CPU core, and hours."""

STUDIES = ("digits",)
"""Comparisons that take longer than a quick run, for records."""


IMAGE_KINDS = {
    "convolution": ("convolution", False),
    "convolution, shuffled pixels": ("convolution", True),
    "self-attention": ("self-attention", False),
    "self-attention, shuffled pixels": ("self-attention", True),
}
"""By name the mixer, and whether the pixels of all images are shuffled in one order."""


class ImageTrial(NamedTuple):
    """One model of images.

    Attributes:
        model: the model, trained.
        train: accuracy on the images that it was trained on.
        dev: accuracy on the development images.
        test: accuracy on the test images.
    """

    model: PixelClassifier
    train: float
    dev: float
    test: float


class ImageTrials(NamedTuple):
    """Models of images by kind, number of images and trial.

    Attributes:
        counts: numbers of training images, rising.
        trials: the models with their accuracies.
    """

    counts: list[int]
    trials: dict[tuple[str, int, int], ImageTrial]

    def scores(self, part: str = "test") -> dict[str, Shares]:
        """Accuracies of each kind: a row for each number of images.

        Args:
            part: "train", "dev" or "test".
        """
        found: dict[str, list[list[float]]] = {
            kind: [[] for _ in self.counts] for kind, _, _ in self.trials
        }
        for (kind, count, _), trial in self.trials.items():
            found[kind][self.counts.index(count)].append(getattr(trial, part))
        return {kind: np.array(rows) for kind, rows in found.items()}

    def models(self, kind: str, count: int) -> list[PixelClassifier]:
        """The models of one kind and number of images, one for each trial."""
        return [
            trial.model
            for (name, images, _), trial in self.trials.items()
            if (name, images) == (kind, count)
        ]


class AddingTrials(NamedTuple):
    """Accuracies and models by mixer.

    Attributes:
        scores: of each mixer, a row for each distance.
        models: by mixer, distance and trial.
    """

    scores: dict[str, Shares]
    models: dict[tuple[str, int, int], AddingModel]


@dataclass(frozen=True, kw_only=True)
class MixingStudy:
    """Trains models that differ in their mixer, several of each kind.

    Attributes:
        preset: data and training.
        epochs: how often the training steps are repeated.
        seed: of the chapter; every trial has a seed of its own.
        device: where models are trained and run.
        limit: most training examples; None: as the preset says.
        checkpoints: give each training run its file.
    """

    preset: MixingPreset
    epochs: int
    seed: int
    device: torch.device
    limit: int | None = None
    checkpoints: CheckpointFiles = no_checkpoints

    @property
    def trial_seeds(self) -> list[int]:
        """One seed for each trial, different for every seed of the chapter."""
        trials = self.preset.trials
        return [trials * self.seed + trial for trial in range(trials)]

    @property
    def image_counts(self) -> list[int]:
        """Numbers of training images, rising; cut off at the limit."""
        most = self.limit or max(self.preset.image_counts)
        return sorted({min(count, most) for count in self.preset.image_counts})

    @property
    def num_sequences(self) -> int:
        """Number of training sequences of the adding problem."""
        return min(self.preset.sequences, self.limit or self.preset.sequences)

    def train(
        self,
        model: nn.Module,
        inputs: Tensor,
        labels: Int[Tensor, " examples"],
        *,
        steps: int,
        learning_rate: float,
        seed: int,
        name: str,
    ) -> None:
        """Train on as many batches as said, whatever the number of examples.

        Args:
            model: has ``loss(batch)``.
            inputs: examples along the first axis.
            labels: one for each example.
            steps: optimizer steps of one epoch.
            learning_rate: of the first step; it falls linearly to 0.
            seed: of the order of the examples.
            name: of the run, apart from its seed.
        """
        batches = labelled_batches(
            inputs, labels, batch_size=self.preset.batch_size, steps=steps, seed=seed
        )
        fit(
            model,
            batches,
            epochs=self.epochs,
            learning_rate=learning_rate,
            schedule=linear_decay(self.epochs * len(batches)),
            clip_norm=1.0,
            device=self.device,
            checkpoint=self.checkpoints(f"{name}, seed {seed}"),
        )

    @torch.no_grad()
    def accuracy(
        self, model: nn.Module, inputs: Tensor, labels: Int[Tensor, " examples"]
    ) -> float:
        """Share of right answers of a model."""
        guesses = [
            model(part.to(self.device)).argmax(dim=-1).cpu()
            for part in inputs.split(250)
        ]
        return (torch.cat(guesses) == labels).float().mean().item()

    def learn_image(
        self,
        kind: str,
        count: int,
        seed: int,
        *,
        steps: int | None = None,
        learning_rate: float | None = None,
        name: str = "",
    ) -> ImageTrial:
        """Train a model on digits.

        Args:
            kind: one of ``IMAGE_KINDS``.
            count: number of training images.
            seed: of the split, of the model and, if they are shuffled, of the pixels.
            steps: optimizer steps of one epoch; None: as the preset says.
            learning_rate: of the first step; None: as the preset says.
            name: of the run, apart from kind, number of images and seed.
        """
        mixer, shuffled = IMAGE_KINDS[kind]
        order = None
        if shuffled:
            generator = torch.Generator().manual_seed(operator.index(seed))
            order = torch.randperm(SIDE**2, generator=generator)
        splits = digit_pixels(dev=200, test=300, seed=seed, order=order)
        pixels, labels = splits.train.pixels[:count], splits.train.labels[:count]
        seed_everything(seed)
        config = MixingConfig(
            mixer=mixer, num_classes=10, kernel_size=3, block_parameters=4500
        )
        model = PixelClassifier(config, SIDE)
        self.train(
            model,
            pixels,
            labels,
            steps=min(steps or self.preset.image_steps, self.limit or sys.maxsize),
            learning_rate=learning_rate or self.preset.image_rate,
            seed=seed,
            name=f"{kind}, {count} images{name}",
        )
        parts = (
            (pixels, labels),
            *((part.pixels, part.labels) for part in (splits.dev, splits.test)),
        )
        return ImageTrial(model, *(self.accuracy(model, *part) for part in parts))

    def image_trials(self) -> ImageTrials:
        """Train on digits, for each of ``IMAGE_KINDS``, number of images and trial."""
        trials = {
            (kind, count, trial): self.learn_image(kind, count, seed)
            for kind in IMAGE_KINDS
            for count in self.image_counts
            for trial, seed in enumerate(self.trial_seeds)
        }
        return ImageTrials(self.image_counts, trials)

    def digit_study(self) -> Iterator[tuple[str, float]]:
        """Train on digits for longer, and with other learning rates.

        One model for each of ``IMAGE_KINDS``, number of images and number of steps; and
        the two mixers on images in order, with most images and the middle number of
        steps, at each learning rate.

        Returns:
            Accuracies by name: part, kind, number of images and number of steps; or
            part, mixer and learning rate.

        Raises:
            ValueError: if the preset has no settings for it.
        """
        preset, most = self.preset, max(self.image_counts)
        if not preset.study_steps or not preset.study_rates:
            raise ValueError("the preset must have settings for the study of digits")
        seed = self.seed
        for kind in IMAGE_KINDS:
            for count, steps in product(self.image_counts, preset.study_steps):
                run = f", {steps} steps"
                trial = self.learn_image(kind, count, seed, steps=steps, name=run)
                of = f"{kind_name(kind)}_{count}_{steps}"
                yield f"train_{of}", trial.train
                yield f"test_{of}", trial.test
        steps = sorted(preset.study_steps)[len(preset.study_steps) // 2]
        for kind, rate in product(
            ("convolution", "self-attention"), preset.study_rates
        ):
            trial = self.learn_image(
                kind, most, seed, steps=steps, learning_rate=rate, name=f", rate {rate}"
            )
            of = f"{kind_name(kind)}_{rate_name(rate)}"
            yield f"dev_{of}", trial.dev
            yield f"test_{of}", trial.test

    def learn_adding(
        self,
        mixer: str,
        distance: int,
        seed: int,
        *,
        prepare: Callable[[Any], None] | None = None,
        name: str | None = None,
        **fields: Any,
    ) -> tuple[AddingModel, float]:
        """Train on the adding problem.

        Args:
            mixer: "self-attention", "convolution" or "GRU".
            distance: between the two marked tokens.
            seed: of model and data.
            prepare: called with the new model's self-attention before it is trained.
            name: of the run, apart from distance and seed; None: the mixer.
            **fields: of the config, such as ``score`` and ``normaliser``.

        Returns:
            The model, and its accuracy on 1,000 new sequences.

        Raises:
            TypeError: if ``prepare`` is given and the mixer is no self-attention.
        """
        seed_everything(seed)
        config = MixingConfig(mixer=mixer, num_classes=3, kernel_size=9, **fields)
        model = AddingModel(config)
        if prepare is not None:
            prepare(_self_attention(model))
        count, size = self.num_sequences, self.preset.batch_size
        inputs, labels = adding_problem(count, distance, num_digits=2, seed=seed)
        self.train(
            model,
            inputs,
            labels,
            steps=-(-count // size),
            learning_rate=self.preset.sequence_rate,
            seed=seed,
            name=f"{name or mixer}, distance {distance}",
        )
        test = adding_problem(1000, distance, num_digits=2, seed=TEST_SEED + seed)
        return model, self.accuracy(model, *test)

    def adding_trials(self, mixers: Sequence[str]) -> AddingTrials:
        """Train on the adding problem for each mixer, distance and trial."""
        distances = self.preset.distances
        scores = {
            name: np.zeros((len(distances), self.preset.trials)) for name in mixers
        }
        models = {}
        for name in mixers:
            for row, distance in enumerate(distances):
                for trial, seed in enumerate(self.trial_seeds):
                    model, score = self.learn_adding(name, distance, seed)
                    scores[name][row, trial] = score
                    models[name, distance, trial] = model
        return AddingTrials(scores, models)

    def more_trials(
        self,
        distance: int,
        prepare: Callable[[Any], None] | None = None,
        *,
        name: str = "more trials",
    ) -> list[tuple[AddingModel, float]]:
        """Train many models of self-attention on the adding problem.

        Args:
            distance: between the two marked tokens.
            prepare: as for :meth:`learn_adding`.
            name: as for :meth:`learn_adding`.

        Returns:
            The models with their accuracies.
        """
        many = self.preset.more_trials
        seeds = [many * self.seed + trial for trial in range(many)]
        return [
            self.learn_adding(
                "self-attention", distance, seed, prepare=prepare, name=name
            )
            for seed in seeds
        ]

    def share_on_neighbours(self, models: Sequence[PixelClassifier]) -> float:
        """Mean weight of a pixel on the 3 x 3 pixels around it, on test images.

        Args:
            models: of self-attention, one for each trial.
        """
        near, shares = near_pixels(), []
        for model, seed in zip(models, self.trial_seeds, strict=True):
            pixels = digit_pixels(dev=200, test=300, seed=seed).test.pixels[:100]
            table = self_attention_weights(model, pixels)
            shares.append((table * near).sum(-1).mean().item())
        return float(np.mean(shares))


def mixing_study(
    preset: str,
    *,
    seed: int,
    device: torch.device,
    epochs: int | None = None,
    limit: int | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> MixingStudy:
    """A study by the name of its preset.

    Args:
        preset: "quick" or "full".
        seed: of the chapter.
        device: where models are trained and run.
        epochs: how often the training steps are repeated; None: as the preset says.
        limit: most training examples; None: as the preset says.
        checkpoints: give each training run its file.

    Example:
        >>> study = mixing_study("quick", seed=2, device=torch.device("cpu"))
        >>> study.trial_seeds, study.image_counts
        ([4, 5], [60, 1297])
    """
    chosen = MIXING_PRESETS[preset]
    return MixingStudy(
        preset=chosen,
        epochs=chosen.epochs if epochs is None else epochs,
        seed=seed,
        device=device,
        limit=limit,
        checkpoints=checkpoints,
    )


def kind_name(kind: str) -> str:
    """The name of a kind of model in the names of results.

    Example:
        >>> kind_name("self-attention, shuffled pixels")
        'attention_shuffled'
    """
    mixer, _, shuffled = kind.partition(", ")
    return mixer.removeprefix("self-") + "_shuffled" * bool(shuffled)


def rate_name(rate: float) -> str:
    """A learning rate in the names of results, in units of 0.0001.

    Example:
        >>> rate_name(2e-2)
        'rate_200'
    """
    return f"rate_{round(1e4 * rate)}"


def near_pixels() -> Tensor:
    """True for pixels of an image that are neighbours or the same, (pixels, pixels)."""
    at = torch.arange(SIDE**2)
    rows, columns = at // SIDE, at % SIDE
    far = torch.maximum(
        (rows[:, None] - rows).abs(), (columns[:, None] - columns).abs()
    )
    return far <= 1


@torch.no_grad()
def self_attention_weights(
    model: nn.Module, inputs: Tensor
) -> Float[Tensor, "batch queries keys"]:
    """The weights of a model with one layer of self-attention; it moves to the CPU."""
    with record_weights(model.cpu()) as recorded:
        model(inputs)
    ((table,),) = recorded.values()
    return table


class AddingCase(NamedTuple):
    """What a model does with one pair of marked digits.

    Attributes:
        right: share of right answers.
        first: mean weight of the last token on the first one.
        last: mean weight of the last token on itself.
    """

    right: float
    first: float
    last: float


@torch.no_grad()
def examine_adding(
    model: AddingModel, distance: int
) -> tuple[dict[tuple[int, int], AddingCase], tuple[float, float]]:
    """Look into a model of self-attention that adds two digits of 0 and 1.

    Args:
        model: the model; it moves to the CPU.
        distance: between the two marked tokens.

    Returns:
        A case for each pair (first digit, last digit); and how far apart the contexts
        of the last token are for a first digit of 0 and of 1, relative to their size,
        where the last digit is 0 and where it is 1.

    Raises:
        TypeError: if the model has another mixer.
    """
    model.cpu()
    tokens, sums = adding_problem(1000, distance, num_digits=2, seed=TEST_SEED)
    right = (model(tokens).argmax(dim=-1) == sums).float()
    digits, marks = tokens.unbind(dim=-1)
    x = model.digit_embedding(digits) + model.mark_embedding(marks)
    contexts, weights = _self_attention(model)(x, x, x, need_weights=True)
    cases, context = {}, {}
    for pair in (0, 0), (0, 1), (1, 0), (1, 1):
        chosen = (tokens[:, [0, -1], 0] == torch.tensor(pair)).all(1)
        first, last = weights[chosen, -1][:, [0, -1]].mean(dim=0).tolist()
        cases[pair] = AddingCase(right[chosen].mean().item(), first, last)
        context[pair] = contexts[chosen, -1].mean(dim=0)
    near, far = (
        ((zero - one).norm() / (zero.norm() + one.norm())).item()
        for zero, one in ((context[0, b], context[1, b]) for b in (0, 1))
    )
    return cases, (near, far)


class ScoreSpread(NamedTuple):
    """What size the dot products of random vectors have, by the vectors' dimension.

    Attributes:
        variance: of the scores.
        largest: mean largest weight of 16 keys.
        gradient: mean norm of the derivatives of the weights by the scores.
    """

    variance: list[float]
    largest: list[float]
    gradient: list[float]


def score_spreads(
    dims: Sequence[int], scales: Mapping[str, float | None]
) -> dict[str, ScoreSpread]:
    """Measure 500 random queries with 16 random keys each, for several dimensions.

    All scales see the same vectors, drawn from PyTorch's global generator.

    Args:
        dims: sizes of a query and a key.
        scales: by name, what the products are multiplied with; None: one over the root
            of the dimension.
    """
    found = {name: ScoreSpread([], [], []) for name in scales}
    for d in dims:
        query, key = torch.randn(500, 1, d), torch.randn(500, 16, d)
        for name, scale in scales.items():
            scores = dot_scores(query, key, scale)[:, 0]
            weights = scores.softmax(dim=-1)
            # d alpha_i / d e_j = alpha_i (1 if i = j else 0) - alpha_i alpha_j
            outer = weights[:, :, None] * weights[:, None]
            jacobian = torch.diag_embed(weights) - outer
            found[name].variance.append(scores.var().item())
            found[name].largest.append(weights.amax(dim=-1).mean().item())
            found[name].gradient.append(jacobian.norm(dim=(1, 2)).mean().item())
    return found


def scores_times(factor: float) -> Callable[[SelfAttention], None]:
    """A change of a layer of self-attention: its scores become larger or smaller.

    Args:
        factor: of all scores; its root multiplies queries and keys.
    """

    @torch.no_grad()
    def change(attention: SelfAttention) -> None:
        for projection in (attention.query_proj, attention.key_proj):
            projection.weight.mul_(factor**0.5)

    return change


def compared_layers(width: int) -> dict[str, Layer]:
    """Layers from (batch, tokens, width) to the same; initial values are random."""
    attention = SelfAttention(width, width)
    gru = nn.GRU(width, width, batch_first=True)
    convolution = nn.Conv1d(width, width, kernel_size=3, padding=1)
    return {
        "self-attention": lambda x: attention(x, x, x)[0],
        "with its weights": lambda x: attention(x, x, x, need_weights=True)[0],
        "GRU": lambda x: gru(x)[0],
        "convolution": lambda x: convolution(x.mT).mT,
    }


class LayerCosts(NamedTuple):
    """Time and memory of layers for one sentence, by the number of its tokens.

    Attributes:
        milliseconds: of one pass forward, by name: the fastest of all rounds.
        mebibytes: peak of what a pass allocates, by name.
    """

    milliseconds: dict[str, list[float]]
    mebibytes: dict[str, list[float]]


def layer_costs(
    layers: Mapping[str, Layer],
    token_counts: Sequence[int],
    width: int,
    *,
    rounds: int = 2,
) -> LayerCosts:
    """Time layers in turns on random sentences, without gradients, on the CPU.

    Other programs can only slow a round down, so the fastest one is the truest.

    Args:
        layers: from (1, tokens, width) to anything.
        token_counts: lengths of the sentences.
        width: size of a token.
        rounds: how often each layer is timed.
    """
    costs = LayerCosts({name: [] for name in layers}, {name: [] for name in layers})
    for count in token_counts:
        x = torch.randn(1, count, width)
        steps: dict[str, Callable[[], object]] = {
            name: partial(_forward, layer, x) for name, layer in layers.items()
        }
        for name, step in steps.items():  # the first run, which is not timed
            costs.mebibytes[name].append(peak_bytes(step) / 2**20)
        for name, times in seconds_in_turns(steps, rounds=rounds, warm_up=0).items():
            costs.milliseconds[name].append(1e3 * min(times))
    return costs


@torch.no_grad()
def _forward(layer: Layer, x: Tensor) -> None:
    layer(x)


def _self_attention(model: AddingModel) -> SelfAttention:
    mixer = model.block.mixer
    if not isinstance(mixer, SelfAttentionMixer):
        raise TypeError(
            f"the model must mix by self-attention, got {model.config.mixer}"
        )
    return mixer.attention

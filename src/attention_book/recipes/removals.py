"""A Transformer with parts removed, or trained at other rates: the chapter's arms."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from attention_book.attention.dot_product import dot_product_attention
from attention_book.attention.multi_head import MultiHeadAttention
from attention_book.data.translation.pairs import Pair
from attention_book.evaluation.intervals import proportion_interval
from attention_book.evaluation.metrics import exact_match
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.recipes.race import pairs_for_steps, run_race
from attention_book.recipes.transformer import (
    TransformerPreset,
    alignment_error,
    ladder_builders,
    share_right,
    warm_up_plan,
)
from attention_book.recipes.translation import TranslationTask, next_word_hits
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints


def forced_and_free(
    task: TranslationTask, model: nn.Module, pairs: Sequence[Pair], *, whole: bool
) -> tuple[float, float]:
    """Words right under teacher forcing, and sentences right by greedy search.

    Args:
        task: tells vocabularies and device.
        model: a translator; it is left in eval mode.
        pairs: the sentences.
        whole: whether there is a search; otherwise the words' share is given twice.
    """
    forced = share_right(task, model, pairs, whole=False)
    if not whole:
        return forced, forced
    outputs = task.translate(model, pairs)
    found = exact_match(outputs, [pair.target for pair in pairs])
    return forced, float(found.mean())


def forced_and_free_unmasked(
    task: TranslationTask, model: nn.Module, pairs: Sequence[Pair], *, whole: bool
) -> tuple[float, float]:
    """Words and sentences right under teacher forcing if padding counts as words.

    Args:
        task: tells vocabularies and device.
        model: a translator; it is left in eval mode.
        pairs: put into one batch, which decides how much padding there is.
        whole: whether sentences count; otherwise the words' share is given twice.
    """
    batch = task.batch(pairs)
    batch = replace(batch, source_mask=torch.ones_like(batch.source_mask))
    hits, real = next_word_hits(model, batch)
    forced = hits[real].float().mean().item()
    return forced, (hits | ~real).all(dim=1).float().mean().item() if whole else forced


@dataclass(frozen=True, kw_only=True)
class Removal:
    """A Transformer with a part removed, or trained at another rate.

    Attributes:
        label: what is removed, in words.
        options: fields of a
            :class:`attention_book.models.transformer.TransformerConfig`.
        change: what is done to the fresh model; None: nothing.
        rate: factor of the learning rate.
        warm_up: whether the rate rises first.
    """

    label: str
    options: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[Transformer], None] | None = None
    rate: float = 1.0
    warm_up: bool = True


def unscale_scores(model: Transformer) -> None:
    """Let every attention of a model use dot products that are not divided."""
    for part in model.modules():
        if isinstance(part, MultiHeadAttention):
            part.attention_fn = partial(dot_product_attention, scale=1.0)


def unscale_embeddings(model: Transformer) -> None:
    """Let a model add positions to word vectors that are not multiplied."""
    net: Any = model
    net.source_embedding.scale = net.target_embedding.scale = 1.0


REMOVALS = {
    "published": Removal(label="as published"),
    "no_residuals": Removal(label="no residuals", options={"residual": False}),
    "no_root": Removal(label="embeddings not scaled", change=unscale_embeddings),
    "no_positions": Removal(label="no positions", options={"positions": "none"}),
    "no_mask": Removal(label="no causal mask", options={"causal": False}),
    "no_scaling": Removal(label="scores not scaled", change=unscale_scores),
    "no_norm": Removal(label="no norm", options={"norm": "none"}),
    "batch_norm": Removal(label="batch norm", options={"norm": "batch"}),
    "no_smoothing": Removal(
        label="no label smoothing", options={"label_smoothing": 0.0}
    ),
    "no_sharing": Removal(label="nothing shared", options={"share": "none"}),
}
"""The published model, and nine removals."""

QUICK_REMOVALS = ("no_residuals", "no_root", "no_positions", "no_mask", "no_scaling")
"""Those of :data:`REMOVALS` that a quick run of the chapter trains."""

RATE_NAMES = {"plain": "rate as chosen", "fast": "twice the rate"}

RATES = {
    f"{name}_{'warm' if warm_up else 'cold'}_{'pre' if pre_norm else 'post'}": Removal(
        label=f"{RATE_NAMES[name]}, {'' if warm_up else 'no '}warm-up, "
        f"{'pre' if pre_norm else 'post'}-norm",
        rate=rate,
        warm_up=warm_up,
        options={"pre_norm": True} if pre_norm else {},
    )
    for (name, rate), warm_up, pre_norm in product(
        (("plain", 1.0), ("fast", 2.0)), (True, False), (False, True)
    )
}
"""{rate} x {warm-up} x {norm}: each of the eight arms differs from others in one thing
at a time. "plain_warm_post" is the published model."""


PUBLISHED = (REMOVALS["published"], RATES["plain_warm_post"])
"""The two names of the model that the paper describes."""


class Arm(NamedTuple):
    """One trained model of a comparison.

    Attributes:
        model: in eval mode.
        losses: of each optimizer step, in nats per token; empty if one was not finite.
    """

    model: Transformer
    losses: list[float]


def train_without(
    task: TranslationTask,
    removal: Removal,
    preset: TransformerPreset,
    *,
    pairs: Sequence[Pair],
    epochs: int,
    seed: int,
    checkpoint: Path | None = None,
    **sizes: Any,
) -> Arm:
    """Train a Transformer without a part; all else stays as it is.

    A loss that is not finite ends the training, and is printed.

    Args:
        task: what is learned.
        removal: what is removed.
        preset: sizes and training of the whole model.
        pairs: what is learned from.
        epochs: runs through the pairs.
        seed: of the model and of the order of the pairs.
        checkpoint: file that holds the run; None: it is not saved.
        **sizes: fields of the config that replace those of the preset.
    """
    options = {**preset.sizes, **sizes, **removal.options}
    model = task.build(Transformer, TransformerConfig, seed, **options)
    if removal.change is not None:
        removal.change(model)
    plan = warm_up_plan(
        preset.batch,
        removal.rate * preset.learning_rate,
        preset.warmup_steps,
        warm_up=removal.warm_up,
    )
    losses: list[float] = []
    try:
        history = task.fit(
            model,
            plan,
            epochs=epochs,
            seed=seed,
            pairs=pairs,
            checkpoint=checkpoint,
            description=removal.label,
        )
        losses = history.step_loss
    except FloatingPointError as error:
        print(f"{removal.label}: {error}")
    return Arm(model.eval(), losses)


class ArmScores(NamedTuple):
    """How well the models of a comparison do, by the names of its arms.

    Attributes:
        arms: the trained models.
        labels: what each of them is, in words.
        forced: share of words right after the right words before them.
        free: share of sentences right by greedy search, or of words as in ``forced``.
        num_pairs: number of sentences that they were scored on.
    """

    arms: dict[str, Arm]
    labels: dict[str, str]
    forced: dict[str, float]
    free: dict[str, float]
    num_pairs: int

    def intervals(self) -> list[tuple[float, float]]:
        """95 % intervals of ``free`` over the sentences, not over seeds."""
        counts = [round(share * self.num_pairs) for share in self.free.values()]
        return [proportion_interval(count, self.num_pairs) for count in counts]


def compare_removals(
    task: TranslationTask,
    removals: Mapping[str, Removal],
    preset: TransformerPreset,
    *,
    num_steps: int,
    pairs: Sequence[Pair],
    seed: int,
    examined: Sequence[Pair],
    whole: bool,
    published: Arm | None = None,
    unmask: bool = False,
    checkpoints: CheckpointFiles = no_checkpoints,
    **sizes: Any,
) -> ArmScores:
    """Train models that differ in the named parts alone, and score them.

    Args:
        task: what is learned.
        removals: the arms by name.
        preset: sizes and training of the whole model.
        num_steps: optimizer steps of each model.
        pairs: what may be learned from, the first ones first.
        seed: of every model and of the order of the pairs.
        examined: test sentences to score.
        whole: whether sentences count; otherwise words do.
        published: the model with all parts, if it is trained already.
        unmask: whether the first model is scored once more as "no_padding", without its
            padding mask.
        checkpoints: give each run its file.
        **sizes: fields of the config that replace those of the preset.
    """
    plan = warm_up_plan(preset.batch, preset.learning_rate, preset.warmup_steps)
    pairs, epochs = pairs_for_steps(task, plan, pairs, num_steps)
    scores = ArmScores({}, {}, {}, {}, len(examined))
    for name, removal in removals.items():
        arm = published if removal in PUBLISHED else None
        if arm is None:
            label = ", ".join([name, *(f"{k} {v}" for k, v in sizes.items())])
            options = {"pairs": pairs, "epochs": epochs, "seed": seed, **sizes}
            arm = train_without(
                task, removal, preset, checkpoint=checkpoints(label), **options
            )
        scores.arms[name], scores.labels[name] = arm, removal.label
        scores.forced[name], scores.free[name] = forced_and_free(
            task, arm.model, examined, whole=whole
        )
    if unmask:
        first = next(iter(scores.arms.values()))
        scores.labels["no_padding"] = "no padding mask, after training"
        scores.forced["no_padding"], scores.free["no_padding"] = (
            forced_and_free_unmasked(task, first.model, examined, whole=whole)
        )
    return scores


STUDIES = ("rates", "parts", "ladder")
"""Comparisons that take longer than a quick run, for records."""


def run_study(
    name: str,
    task: TranslationTask,
    preset: TransformerPreset,
    *,
    seed: int,
    examined: Sequence[Pair],
    checkpoints: CheckpointFiles = no_checkpoints,
) -> Iterable[tuple[str, float]]:
    """Run one of the chapter's longer comparisons; yield its values by name.

    "rates" trains :data:`RATES` and "parts" :data:`REMOVALS`, each at all of the
    preset's depths; "ladder" trains the models of the ladder for the preset's number of
    steps, each at both of its learning rates.

    Args:
        name: one of :data:`STUDIES`.
        task: numbers in words.
        preset: has ``study_depths`` and ``study_steps``.
        seed: of every model and of the order of the pairs.
        examined: test sentences to score.
        checkpoints: give each run its file.

    Raises:
        ValueError: if there is no such study, or the preset has no settings for it.
    """
    if name not in STUDIES or not preset.study_depths or not preset.study_steps:
        raise ValueError(
            f"name must be one of {', '.join(STUDIES)}, with a preset that has settings"
            f" for studies, got {name!r}"
        )
    if name == "ladder":
        yield from _ladder_study(task, preset, seed, examined, checkpoints)
        return
    plan = warm_up_plan(preset.batch, preset.learning_rate, preset.warmup_steps)
    pairs = task.train[: preset.main_pairs]
    most = preset.epochs * task.num_steps(plan, pairs)
    for depth in preset.study_depths:
        scores = compare_removals(
            task,
            RATES if name == "rates" else REMOVALS,
            preset,
            num_steps=min(preset.ablation_steps, most),
            pairs=pairs,
            seed=seed,
            examined=examined,
            whole=True,
            checkpoints=lambda label: checkpoints(f"{name}, {label}"),
            num_layers=depth,
        )
        for arm, share in scores.free.items():
            yield f"{name}_{depth}_{arm}", share
            losses = scores.arms[arm].losses
            yield (
                f"{name}_{depth}_{arm}_loss",
                float(np.mean(losses[-10:])) if losses else math.inf,
            )


def _ladder_study(
    task: TranslationTask,
    preset: TransformerPreset,
    seed: int,
    examined: Sequence[Pair],
    checkpoints: CheckpointFiles,
) -> Iterable[tuple[str, float]]:
    steps = preset.study_steps or 1
    builders = ladder_builders(task, preset.sizes)
    rates = {"low": preset.learning_rate, "high": preset.recurrent_rate}
    for (name, build), (size, rate) in product(builders.items(), rates.items()):
        run = run_race(
            task,
            warm_up_plan(preset.batch, rate, preset.warmup_steps),
            build(seed),
            time_steps=steps,
            data_steps=steps,
            num_points=4,
            measure=lambda model: share_right(task, model, examined, whole=True),
            error=lambda model: alignment_error(task, model, examined),
            seed=seed,
            checkpoint=checkpoints(f"ladder study, {name}, {size} rate"),
        )
        for step, share in run.right.items():
            yield f"ladder_{size}_{step}_{name.lower()}", share
        if not math.isnan(run.error_data):
            yield f"ladder_{size}_aer_{name.lower()}", run.error_data

"""Heads removed from a trained Transformer, alone and together."""

import copy
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attention_book.attention.multi_head import mask_heads
from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.evaluation.intervals import bootstrap_interval
from attention_book.models.transformer import Transformer
from attention_book.recipes.heads import (
    Head,
    HeadCosts,
    HeadMeans,
    HeadPreset,
    attentions,
    costs_of_heads,
    head_plan,
    heads_of,
    heads_removed,
    mean_outputs,
    right_without,
    score_sentences,
    train_heads,
)
from attention_book.recipes.race import pairs_for_steps
from attention_book.recipes.translation import TranslationTask, word_probabilities
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints

ZERO, MEAN = "zero in its place", "mean in its place"
"""Two ways to remove a head."""

LEAST, MOST, RANDOM = "least needed first", "most needed first", "at random"
"""Orders in which heads are removed."""


@dataclass(frozen=True)
class Ablations:
    """What it costs to remove each head alone, by what stands in its place.

    Attributes:
        means: what stands in for the heads: None for zeros.
        costs: of each head.
        intervals: 95 % intervals over the sentences of the share that is lost, in the
            order of the heads.
    """

    means: dict[str, HeadMeans | None]
    costs: dict[str, HeadCosts]
    intervals: dict[str, list[tuple[float, float]]]

    @property
    def lost(self) -> dict[str, list[float]]:
        """By kind, the share of sentences that each head's removal costs."""
        return {
            kind: [float(own.mean()) for own in found.right.values()]
            for kind, found in self.costs.items()
        }

    @property
    def free(self) -> dict[str, int]:
        """By kind, the number of heads whose removal costs nothing that is certain."""
        return {
            kind: sum(low <= 0 for low, _ in own)
            for kind, own in self.intervals.items()
        }

    @property
    def order(self) -> list[Head]:
        """All heads, the one whose removal raises the loss least first (zeros)."""
        loss = self.costs[ZERO].loss
        return sorted(loss, key=lambda head: loss[head])


def ablate_heads(
    model: Transformer, batch: PairBatch, known: PairBatch, *, whole: bool
) -> Ablations:
    """Remove each head in turn, with a zero and with its mean in its place.

    Args:
        model: the model.
        batch: sentences to score.
        known: other sentences, to take the means over.
        whole: whether only sentences without a wrong word count as right.
    """
    means: dict[str, HeadMeans | None] = {
        ZERO: None,
        MEAN: mean_outputs(model, known),
    }
    costs = {
        kind: costs_of_heads(model, batch, whole=whole, means=own)
        for kind, own in means.items()
    }
    intervals = {
        kind: [bootstrap_interval(own) for own in found.right.values()]
        for kind, found in costs.items()
    }
    return Ablations(means, costs, intervals)


def without_each_attention(
    model: Transformer, batch: PairBatch, ablations: Ablations, *, whole: bool
) -> dict[str, list[float]]:
    """What comes out right without all heads of one attention.

    Args:
        model: the model.
        batch: sentences to score.
        ablations: tells what stands in the heads' place.
        whole: whether only sentences without a wrong word count as right.

    Returns:
        By the attention's short name, one share for each kind of ablation.
    """
    return {
        name: [
            right_without(
                model,
                [head for head in heads_of(model) if head[0] == name],
                batch,
                whole=whole,
                means=own,
            )
            for own in ablations.means.values()
        ]
        for name in attentions(model)
    }


@dataclass(frozen=True)
class Pruning:
    """What is left of a model while its heads are removed in some order.

    Attributes:
        order: the heads, the first to be removed first.
        counts: how many of them were removed at each measurement.
        right: share of sentences, or of words, that still come out right then.
        words: probability of each right word of one sentence, ``<eos>`` included.
    """

    order: list[Head]
    counts: list[int]
    right: list[float]
    words: list[Float[Tensor, " target_tokens"]]


def prune_heads(
    model: Transformer,
    order: Sequence[Head],
    batch: PairBatch,
    *,
    whole: bool,
    counts: Sequence[int] | None = None,
    watched: PairBatch | None = None,
    means: HeadMeans | None = None,
) -> Pruning:
    """Remove the heads of a trained model in an order, without training in between.

    Args:
        model: the model.
        order: the heads, the first to be removed first.
        batch: the sentences to score, on the model's device.
        whole: whether only sentences without a wrong word count as right.
        counts: how many heads are removed when something is measured; None: all
            numbers from 0 to one less than there are heads.
        watched: one sentence whose words are watched; None: none is.
        means: what stands in for removed heads; None: zeros.
    """
    counts = list(range(len(order)) if counts is None else counts)
    right, words = [], []
    for count in counts:
        with heads_removed(model, order[:count], means=means):
            right.append(float(score_sentences(model, batch, whole=whole).right.mean()))
            if watched is not None:
                words.append(right_word_chances(model, watched))
    return Pruning(list(order), counts, right, words)


def right_word_chances(
    model: Transformer, batch: PairBatch
) -> Float[Tensor, " target_tokens"]:
    """Probability of each right word of one sentence, after the right words before it.

    Args:
        model: the model.
        batch: one sentence, on the model's device.
    """
    chances = word_probabilities(model, batch)[0]
    return chances.gather(-1, batch.target[0, 1:, None])[:, 0].cpu()


def random_head_orders(
    heads: Sequence[Head], number: int, seed: int
) -> list[list[Head]]:
    """Orders of heads drawn at random.

    Args:
        heads: all heads of a model.
        number: of orders.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    return [[heads[i] for i in draw.permutation(len(heads))] for _ in range(number)]


@dataclass(frozen=True)
class Orders:
    """A model pruned in several orders.

    Attributes:
        traces: by name of the order, all its steps.
        drawn: orders drawn at random.
        coarse: numbers of removed heads at which all of these are scored.
        draws: their scores.
    """

    traces: dict[str, Pruning]
    drawn: list[list[Head]]
    coarse: list[int]
    draws: list[list[float]]


def compare_orders(
    model: Transformer,
    order: Sequence[Head],
    batch: PairBatch,
    *,
    whole: bool,
    watched: PairBatch,
    num_draws: int,
    seed: int,
) -> Orders:
    """Prune a model in a given order, in the opposite one, and at random.

    Args:
        model: the model.
        order: the heads, the least needed first.
        batch: the sentences to score.
        whole: whether only sentences without a wrong word count as right.
        watched: one sentence whose words are watched.
        num_draws: number of random orders.
        seed: of these.
    """
    drawn = random_head_orders(order, num_draws, seed)
    named = {LEAST: list(order), MOST: list(order)[::-1], RANDOM: drawn[0]}
    traces = {
        name: prune_heads(model, own, batch, whole=whole, watched=watched)
        for name, own in named.items()
    }
    coarse = list(range(0, len(order), max(1, len(order) // 6)))
    first = traces[RANDOM].right
    draws = [[first[count] for count in coarse]]
    draws += [
        prune_heads(model, own, batch, whole=whole, counts=coarse).right
        for own in drawn[1:]
    ]
    return Orders(traces, drawn, coarse, draws)


def compare_kept(
    task: TranslationTask,
    preset: HeadPreset,
    model: Transformer,
    orders: Orders,
    batch: PairBatch,
    *,
    whole: bool,
    seed: int,
    epochs: int,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[int, dict[str, float]]:
    """Keep few heads, in ways that differ in when the others are removed.

    "pruned": after training. "pruned at random": the same, mean of the random orders.
    "trained on": removed after training, then trained without them. "trained without":
    missing from the first step on, all else as for the full model.

    Args:
        task: what the model translates.
        preset: tells how many heads are kept.
        model: trained with all heads.
        orders: tells which heads go first.
        batch: the sentences to score.
        whole: whether only sentences without a wrong word count as right.
        seed: of the full model.
        epochs: runs through the pairs of the full model.
        checkpoints: give each run its file.

    Returns:
        By number of heads that are kept, what comes out right, by way.
    """
    found = {}
    least = orders.traces[LEAST]
    for count in preset.kept:
        gone = least.order[: len(least.order) - count]
        tuned = tune_pruned(
            task,
            preset,
            model,
            gone,
            seed=seed + 1,
            epochs=epochs,
            checkpoint=checkpoints(f"{count} heads kept, trained on"),
        )
        fresh = train_heads(
            task,
            preset,
            preset.num_layers,
            preset.num_heads,
            seed=seed,
            epochs=epochs,
            removed=gone,
            checkpoints=checkpoints,
        )
        at_random = [
            right_without(model, own[: len(gone)], batch, whole=whole)
            for own in orders.drawn
        ]
        found[count] = {
            "pruned": least.right[len(gone)],
            "pruned at random": float(np.mean(at_random)),
            "trained on": right_without(tuned, gone, batch, whole=whole),
            "trained without": right_without(fresh, gone, batch, whole=whole),
        }
    return found


def gate_gradients(
    model: Transformer, task: TranslationTask, pairs: Sequence[Pair], *, size: int
) -> dict[Head, list[float]]:
    r"""First-order guesses of what each head's removal costs: :math:`-dL / dg_i`.

    Args:
        model: the model, whose heads are multiplied by gates :math:`g_i = 1`.
        task: what it translates.
        pairs: the sentences.
        size: sentences of which the loss is taken together.

    Returns:
        For each head one guess for each group of sentences, in nats per word.

    Source: Michel, Levy and Neubig, arXiv:1905.10650, section 4.1.
    """
    layers = attentions(model)
    guesses: Mapping[Head, list[float]] = {head: [] for head in heads_of(model)}
    for first in range(0, len(pairs), size):
        gates = {
            name: torch.ones(layer.num_heads, requires_grad=True)
            for name, layer in layers.items()
        }
        with ExitStack() as blocks:
            for name, layer in layers.items():
                blocks.enter_context(mask_heads(layer, gates[name]))
            loss = model.loss(task.batch(pairs[first : first + size]))
        found = torch.autograd.grad(loss, list(gates.values()))
        for name, gradient in zip(gates, found, strict=True):
            for head, slope in enumerate(gradient.tolist()):
                guesses[name, head].append(-slope)
    return dict(guesses)


def tune_pruned(
    task: TranslationTask,
    preset: HeadPreset,
    model: Transformer,
    removed: Collection[Head],
    *,
    seed: int,
    epochs: int,
    checkpoint: Path | None = None,
) -> Transformer:
    """Train a copy of a pruned model for some steps more.

    Args:
        task: what the model translates.
        preset: has the number of steps and their learning rate.
        model: trained with all its heads; it does not change.
        removed: heads that are missing while the copy is trained, and are to be removed
            when it is used.
        seed: of the order of the pairs.
        epochs: runs through the pairs of the first training; there are no more steps
            than it had.
        checkpoint: file that holds the run; None: it is not saved.
    """
    tuned = copy.deepcopy(model)
    plan = head_plan(preset, learning_rate=preset.tune_rate)
    steps = min(preset.tune_steps, epochs * task.num_steps(plan))
    pairs, epochs = pairs_for_steps(task, plan, task.train, steps)
    with heads_removed(tuned, removed):
        task.fit(
            tuned,
            plan,
            epochs=epochs,
            seed=seed,
            pairs=pairs,
            checkpoint=checkpoint,
            description=f"{len(removed)} heads removed, trained on",
        )
    return tuned.eval()

"""A Transformer trained and taken apart: its stages, its heads, its rivals."""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.data.vocab import BOS, EOS
from attention_book.decoding.beams import trace_beams
from attention_book.evaluation.alignment import alignment_error_rate, argmax_links
from attention_book.functional import dot_scores
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.models.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_book.models.transformer import SIZES, Transformer, TransformerConfig
from attention_book.recipes.heads import head_weights
from attention_book.recipes.race import (
    EqualTime,
    RaceRun,
    count_parameters,
    run_race,
    size_for_parameters,
)
from attention_book.recipes.translation import (
    Schedule,
    TrainingPlan,
    TranslationTask,
    all_links,
    multi30k_task,
    next_word_hits,
    numbers_task,
)
from attention_book.training.averaging import RecentWeights
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import History
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import inverse_sqrt_decay

LADDER = ("seq2seq", "Bahdanau", "Luong", "Transformer")
"""The models of the ladder, in the order of the chapters."""


@dataclass(frozen=True, kw_only=True)
class TransformerPreset:
    """Sizes and training of the Transformer, and of what it is compared with.

    Attributes:
        epochs: runs through the training pairs.
        main_pairs: pairs that the main model learns from; None: all.
        batch: ``batch_size`` in pairs or ``max_tokens`` in padded tokens.
        learning_rate: at the end of the warm-up.
        warmup_steps: optimizer steps of the warm-up, at most a quarter of all.
        sizes: fields of a
            :class:`attention_book.models.transformer.TransformerConfig`.
        max_pieces: size of the vocabulary of subwords; None: whole words.
        keep: number of weights that are averaged.
        every: optimizer steps from one of these to the next; None: an epoch.
        patience: epochs without a lower loss on the development set after which the
            training stops; None: there is no development set, and it does not stop.
        ladder_steps: optimizer steps of the Transformer on the ladder.
        ladder_seeds: runs of each model on the ladder.
        ladder_points: measurements on the way.
        recurrent_rate: learning rate of the recurrent models.
        ablation_steps: optimizer steps of each model with a part removed.
        examined: test sentences that are looked at closely.
        max_tokens: longest output in tokens.
        study_depths: layers a side of the models of longer comparisons, which are
            recorded; None: there are none.
        study_steps: optimizer steps of each model on the ladder of these.
    """

    epochs: int
    main_pairs: int | None
    batch: Mapping[str, int]
    learning_rate: float
    warmup_steps: int
    sizes: Mapping[str, Any]
    max_pieces: int | None
    keep: int
    every: int | None
    patience: int | None
    ladder_steps: int
    ladder_seeds: int
    ladder_points: int
    recurrent_rate: float
    ablation_steps: int
    examined: int = 300
    max_tokens: int
    study_depths: tuple[int, ...] | None = None
    study_steps: int | None = None


TRANSFORMER_PRESETS = {
    "quick": TransformerPreset(
        epochs=1,
        main_pairs=4160,
        batch={"batch_size": 32},
        learning_rate=4e-3,
        warmup_steps=40,
        sizes={
            "embed_dim": 64,
            "num_heads": 4,
            "hidden_dim": 128,
            "num_layers": 2,
            "dropout": 0.0,
            "share": "all",
        },
        max_pieces=None,
        keep=5,
        every=4,
        patience=None,
        ladder_steps=100,
        ladder_seeds=1,
        ladder_points=4,
        recurrent_rate=6e-3,
        ablation_steps=130,
        max_tokens=25,
        study_depths=(2, 6),
        study_steps=400,
    ),
    "full": TransformerPreset(
        epochs=133,  # of 60 steps: 7,980; the published run has at most 8,000
        main_pairs=None,
        batch={"max_tokens": 8192},
        learning_rate=5e-3,
        warmup_steps=2000,
        sizes=SIZES["multi30k"],
        max_pieces=10_000,
        keep=10,
        every=None,
        patience=10,
        ladder_steps=1000,
        ladder_seeds=3,
        ladder_points=10,
        recurrent_rate=2e-3,
        ablation_steps=500,
        max_tokens=60,
    ),
}
"""The chapter's settings by name: a minute on two CPU cores, and hours on one.

"full" has the batches, rates, smoothing, stopping and averaging of a published run on
Multi30k (github.com/LividWo/Revisit-MMT, README-baseline, 8,192 tokens on two GPUs)."""


def warm_up_plan(
    batch: Mapping[str, int],
    learning_rate: float,
    warmup_steps: int,
    *,
    warm_up: bool = True,
) -> TrainingPlan:
    """Train as the paper does: Adam with its settings, warm-up, inverse square root.

    Args:
        batch: ``batch_size`` in pairs or ``max_tokens`` in padded tokens.
        learning_rate: at the end of the warm-up.
        warmup_steps: optimizer steps of the warm-up, at most a quarter of all.
        warm_up: whether the rate rises; otherwise it is at once where the warm-up would
            have led, and then falls as before.
    """

    def schedule(num_steps: int) -> Schedule:
        rising = max(1, min(warmup_steps, num_steps // 4))
        if warm_up:
            return inverse_sqrt_decay(rising)
        return lambda step: min(1.0, math.sqrt(rising / (step + 1)))

    return TrainingPlan(
        batch=batch,
        learning_rate=learning_rate,
        optimizer="adam_transformer",
        schedule=schedule,
    )


class Averaged(NamedTuple):
    """A trained Transformer, and the mean of its last weights.

    Attributes:
        model: with its last weights.
        mean: the same model with the mean of the weights at the end of its training.
        history: of the training.
    """

    model: Transformer
    mean: Transformer
    history: History


def train_averaged(
    task: TranslationTask,
    preset: TransformerPreset,
    *,
    epochs: int,
    seed: int,
    checkpoint: str | Path | None = None,
    description: str = "",
) -> Averaged:
    """Train the chapter's Transformer, and average its weights as the paper does.

    Args:
        task: both of its languages have one vocabulary.
        preset: sizes and training.
        epochs: largest number of runs through the pairs.
        seed: of the model and of the order of the pairs.
        checkpoint: file that holds the run; None: it is not saved.
        description: words in front of the progress bar.
    """
    plan = warm_up_plan(preset.batch, preset.learning_rate, preset.warmup_steps)
    pairs = task.train[: preset.main_pairs]
    model = task.build(Transformer, TransformerConfig, seed, **preset.sizes)
    every = preset.every or task.num_steps(plan, pairs)
    recent = RecentWeights(model, keep=preset.keep, every=every)
    history = task.fit(
        model,
        plan,
        epochs=epochs,
        seed=seed,
        pairs=pairs,
        choose=preset.patience is not None,
        keep="last",
        patience=preset.patience,
        checkpoint=checkpoint,
        on_step=recent,
        description=description,
    )
    recent.take()
    mean = task.build(Transformer, TransformerConfig, seed, **preset.sizes)
    mean.to(task.device).load_state_dict(recent.average())
    return Averaged(model, mean.eval(), history)


def cross_weights(
    model: Transformer, batch: PairBatch
) -> Float[Tensor, "batch target_tokens source_tokens"]:
    """Weights of the last layer's cross-attention, the mean of its heads.

    Args:
        model: in eval mode.
        batch: on the model's device.
    """
    with torch.no_grad():
        return layer_weights(model, batch)["cross"][-1].mean(dim=1).cpu()


def stages(
    model: Transformer, batch: PairBatch
) -> Iterator[tuple[str, Float[Tensor, "batch tokens _"]]]:
    """Yield the name of each stage of a post-norm Transformer, and the tokens after it.

    The last stage is "logits". No stage skips the padding, unlike the model itself.

    Args:
        model: with sinusoidal positions.
        batch: on the model's device.
    """
    net: Any = model  # the parts of modules have no types
    mask = batch.source_mask[:, None]  # True where a token may attend
    x = net.source_embedding(batch.source)
    yield "source, embedding", x
    x = net.source_positions(x)
    yield "+ positions", x
    for number, layer in enumerate(net.encoder.layers, start=1):
        attention = layer.self_attention
        x = layer.self_residual(x, lambda x, f=attention: f(x, x, x, mask)[0])
        yield f"encoder {number}, self-attention", x
        x = layer.feed_forward_residual(x, layer.feed_forward)
        yield f"encoder {number}, feed-forward", x
    memory = x
    x = net.target_embedding(batch.target[:, :-1])  # shifted: from <bos> on
    yield "target, embedding", x
    x = net.target_positions(x)
    yield "+ positions ", x
    for number, layer in enumerate(net.decoder.layers, start=1):
        attention = layer.self_attention
        x = layer.self_residual(x, lambda x, f=attention: f(x, x, x, causal=True)[0])
        yield f"decoder {number}, self-attention", x
        attention = layer.cross_attention
        x = layer.cross_residual(
            x, lambda x, f=attention: f(x, memory, memory, mask)[0]
        )
        yield f"decoder {number}, cross-attention", x
        x = layer.feed_forward_residual(x, layer.feed_forward)
        yield f"decoder {number}, feed-forward", x
    yield "logits", net.output_proj(x)


@torch.no_grad()
def stage_logits(
    model: Transformer, batch: PairBatch
) -> dict[str, Float[Tensor, "batch tokens target_vocab"]]:
    """Logits if the decoder ended after each of its stages.

    Args:
        model: with sinusoidal positions.
        batch: on the model's device.

    Returns:
        By the name of the stage, from the embedding on.
    """
    return {
        name: model.output_proj(tokens)
        for name, tokens in stages(model, batch)
        if name.startswith(("target", "+ positions ", "decoder"))
    }


def stage_accuracy(model: Transformer, batch: PairBatch) -> dict[str, float]:
    """Share of words right if the decoder ended after each of its stages."""
    target, real = batch.target[:, 1:], batch.target_mask[:, 1:]
    return {
        name: (logits.argmax(dim=-1) == target)[real].float().mean().item()
        for name, logits in stage_logits(model, batch).items()
    }


class StageGuesses(NamedTuple):
    """What each position of a decoder would write after each stage.

    Attributes:
        stages: short names of the stages, from the embedding on.
        words: the most probable word of each stage and position.
        chances: probability of the right word, from 0 to 1.
    """

    stages: list[str]
    words: list[list[str]]
    chances: Float[Tensor, "stages positions"]


def stage_guesses(
    task: TranslationTask, model: Transformer, pair: Pair
) -> StageGuesses:
    """Read the best word out of each stage, under teacher forcing.

    Args:
        task: tells the vocabulary.
        model: with sinusoidal positions.
        pair: the sentence.
    """
    batch = task.batch([pair])
    logits = stage_logits(model, batch)
    chances = torch.stack([x[0].cpu().softmax(dim=-1) for x in logits.values()])
    wanted = batch.target[0, 1:].cpu()
    return StageGuesses(
        [
            name.removeprefix("target, ").replace("decoder ", "").strip()
            for name in logits
        ],
        [_words(task, row) for row in chances.argmax(dim=-1).tolist()],
        chances[:, torch.arange(len(wanted)), wanted],
    )


class StartSignal(NamedTuple):
    """Tokens and gradients of an untrained model.

    Attributes:
        cosine: mean cosine between two tokens of a sentence behind the encoder.
        size: root of the mean square of a component of these tokens.
        first: norm of the gradient of the first encoder layer's feed-forward output.
        last: that of the last decoder layer's.
        shift: root of the mean square by which these tokens change, over ``size``, if
            every matrix of the encoder is changed by noise of a hundredth of its size.
    """

    cosine: float
    size: float
    first: float
    last: float
    shift: float


def signal_at_start(model: Transformer, batch: PairBatch) -> StartSignal:
    """Send one batch through an untrained model, forwards and backwards.

    Args:
        model: a fresh model; its gradients are overwritten.
        batch: on the model's device.
    """
    net: Any = model
    model.zero_grad()
    tokens = model.encode(batch.source, batch.source_mask).detach()
    unit = F.normalize(tokens, dim=-1)
    real = batch.source_mask[:, None] & batch.source_mask[:, :, None]
    real = real & ~torch.eye(real.shape[1], dtype=torch.bool, device=real.device)
    model.loss(batch).backward()
    first, last = (
        layer.feed_forward.out_proj.weight.grad.norm().item()
        for layer in (net.encoder.layers[0], net.decoder.layers[-1])
    )
    cosine = (unit @ unit.transpose(1, 2))[real].mean().item()
    size = tokens[batch.source_mask].square().mean().sqrt().item()
    with torch.no_grad(), _noise_on_matrices(model.encoder, 0.01):
        moved = model.encode(batch.source, batch.source_mask) - tokens
    shift = moved[batch.source_mask].square().mean().sqrt().item() / size
    return StartSignal(cosine, size, first, last, shift)


@contextmanager
def _noise_on_matrices(module: nn.Module, share: float) -> Iterator[None]:
    """Add noise to every matrix inside a ``with`` block: a share of its size."""
    generator = torch.Generator().manual_seed(0)
    matrices = [x for x in module.parameters() if x.ndim > 1]
    before = [x.clone() for x in matrices]
    for matrix in matrices:
        noise = torch.randn(matrix.shape, generator=generator).to(matrix)
        matrix.add_(share * matrix.square().mean().sqrt() * noise)
    yield
    for matrix, old in zip(matrices, before, strict=True):
        matrix.copy_(old)


@torch.no_grad()
def first_loss(model: Transformer, batch: PairBatch, factor: float) -> float:
    """The loss of an untrained model whose shared word vectors are multiplied.

    What comes in stays as it is; only the logits grow.

    Args:
        model: with ``share="all"``; it is changed.
        batch: on the model's device.
        factor: of the word vectors.
    """
    net: Any = model.eval()
    net.target_embedding.weight *= factor
    net.target_embedding.scale /= factor
    return model.loss(batch).item()


class NormLeaks(NamedTuple):
    """How a sentence's log-probabilities change with what they must not depend on.

    Attributes:
        neighbour: largest change, in nats, with another sentence in the batch.
        future: sum of the changes, in nats, of all words before the last one with
            another last word.
    """

    neighbour: float
    future: float


@torch.no_grad()
def norm_leaks(task: TranslationTask, model: Transformer) -> NormLeaks:
    """Measure what a norm lets through, on a model in training mode.

    Args:
        task: has test sentences of several lengths.
        model: without dropout; it is left in training mode.
    """
    model.to(task.device).train()
    pairs = sorted(task.test, key=lambda pair: len(pair.target))
    one, short, long = pairs[-(len(pairs) // 3) - 1], pairs[0], pairs[-1]
    last = next(w for w in long.target + short.target if w != one.target[-1])

    def log_probs(*company: Pair) -> Tensor:
        batch = task.batch(company)
        state = model.start(batch.source, batch.source_mask)
        logits, _ = model.decode(batch.target[:, :-1], state)
        target = batch.target[:, 1:, None]
        return logits.log_softmax(-1).gather(-1, target)[0, : len(one.target), 0]

    alone, among = log_probs(one, short), log_probs(one, long)
    changed = log_probs(replace(one, target=(*one.target[:-1], last)), short)
    neighbour, future = (alone - among).abs(), (alone - changed)[:-1].abs()
    return NormLeaks(neighbour.max().item(), future.sum().item())


@torch.no_grad()
def share_right(
    task: TranslationTask, model: nn.Module, pairs: Sequence[Pair], *, whole: bool
) -> float:
    """Share of sentences, or of words, that a model predicts right.

    Words are predicted after the right words before them. A sentence all of whose words
    are right in this sense is the one that greedy search writes.

    Args:
        task: tells vocabularies and device.
        model: a translator; it is left in eval mode.
        pairs: the sentences.
        whole: whether sentences count, or words.
    """
    hits, real = next_word_hits(model, task.batch(pairs))
    right = (hits | ~real).all(dim=1) if whole else hits[real]
    return right.float().mean().item()


def layer_weights(
    model: Transformer, batch: PairBatch
) -> dict[str, Float[Tensor, "layers batch heads _queries _keys"]]:
    """Weights of all layers by use: "encoder", "decoder" (itself) and "cross".

    Args:
        model: in eval mode.
        batch: on the model's device.
    """
    weights = head_weights(model, batch)
    return {
        use: torch.stack([x for name, x in weights.items() if name.startswith(use)])
        for use in ("encoder", "decoder", "cross")
    }


def cross_error_rates(
    task: TranslationTask,
    model: Transformer,
    pairs: Sequence[Pair],
    *,
    shift: int = 0,
) -> dict[str, float]:
    """Alignment error rate of each head of cross-attention, and of each layer's mean.

    Args:
        task: tells vocabularies and device.
        model: in eval mode.
        pairs: pairs whose alignment is known.
        shift: 1 scores the weights of a word's row after it was read, one step later.

    Returns:
        Rates from 0 to 1 by "layer 1, head 1" and "layer 1, mean".
    """
    lengths = [len(pair.target) for pair in pairs]
    truth = [all_links(pair) for pair in pairs]
    tables: dict[str, Tensor] = {}
    weights = layer_weights(model, task.batch(pairs))["cross"].roll(-shift, dims=3)
    for number, layer in enumerate(weights, start=1):
        for head in range(layer.shape[1]):
            tables[f"layer {number}, head {head + 1}"] = layer[:, head]
        tables[f"layer {number}, mean"] = layer.mean(dim=1)
    return {
        name: alignment_error_rate(argmax_links(table, lengths), truth)
        for name, table in tables.items()
    }


def best_head(
    task: TranslationTask, model: Transformer, pairs: Sequence[Pair]
) -> tuple[str, float]:
    """Choose the head, or mean, with the lowest error on ``dev``; score it on others.

    Args:
        task: has dev pairs whose alignment is known.
        model: in eval mode.
        pairs: pairs that the head was not chosen on.

    Returns:
        Its name, and its alignment error rate on ``pairs``, from 0 to 1.
    """
    on_dev = cross_error_rates(task, model, task.dev)
    chosen = min(on_dev, key=lambda name: on_dev[name])
    return chosen, cross_error_rates(task, model, pairs)[chosen]


def alignment_error(
    task: TranslationTask, model: nn.Module, pairs: Sequence[Pair]
) -> float:
    """Alignment error rate of any translator of the ladder, from 0 to 1.

    It is that of the one attention layer, or of a Transformer's :func:`best_head`; NaN
    for a model without attention and where the alignment is not known.
    """
    if not task.has_alignment or isinstance(model, Seq2Seq):
        return math.nan
    if isinstance(model, Transformer):
        return best_head(task, model, pairs)[1]
    truth = [all_links(pair) for pair in pairs]
    return alignment_error_rate(task.links(model, pairs), truth)


def ladder_builders(
    task: TranslationTask, sizes: Mapping[str, Any]
) -> dict[str, Callable[[int], nn.Module]]:
    """The models of :data:`LADDER`, with about equally many parameters and one loss.

    No model has label smoothing. The recurrent ones have word vectors of 64 components
    and one layer; their hidden size is chosen, and Luong's score is "dot".

    Args:
        task: both of its languages have one vocabulary.
        sizes: of the Transformer.

    Returns:
        By name, a function from a seed to a fresh model.
    """
    size = len(task.vocabs[0])
    shared = {"source_vocab": size, "target_vocab": size, "embed_dim": 64}
    shared["dropout"] = sizes["dropout"]

    def recurrent(name: str, hidden: int) -> nn.Module:
        own: dict[str, Any] = {**shared, "hidden_dim": hidden}
        if name == "seq2seq":
            return Seq2Seq(Seq2SeqConfig(**own, num_layers=1))
        if name == "Luong":
            return LuongTranslator(LuongConfig(**own, score="dot"))
        own |= {"attention_dim": hidden, "maxout_dim": hidden // 2}
        return RNNSearch(RNNSearchConfig(**own))

    def transformer(seed: int) -> nn.Module:
        # The others have no label smoothing either: one loss for all.
        own = {**sizes, "label_smoothing": 0.0}
        return task.build(Transformer, TransformerConfig, seed, **own)

    def builder(name: str) -> Callable[[int], nn.Module]:
        hidden = size_for_parameters(lambda size: recurrent(name, size), wanted)

        def build(seed: int) -> nn.Module:
            seed_everything(seed)
            return recurrent(name, hidden)

        return build

    wanted = count_parameters(transformer(0))
    return {name: builder(name) for name in LADDER[:3]} | {LADDER[3]: transformer}


class Saturation(NamedTuple):
    """What the size of queries and keys does to a softmax.

    Attributes:
        variance: of the scores.
        largest: mean of the largest weight.
        slope: mean derivative of a weight by its own score.
    """

    variance: float
    largest: float
    slope: float


def score_saturation(
    head_dim: int, *, scaled: bool, seed: int, num_keys: int = 16
) -> Saturation:
    """Let a thousand random queries attend to random keys.

    Args:
        head_dim: size of queries and keys, whose components are standard normal.
        scaled: whether scores are divided by the root of ``head_dim``.
        seed: of queries and keys.
        num_keys: keys of each query.
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    query = torch.randn(1000, 1, head_dim, generator=generator)
    key = torch.randn(1000, num_keys, head_dim, generator=generator)
    scores = dot_scores(query, key, scale=None if scaled else 1.0)[:, 0]
    weights = scores.softmax(dim=-1)
    return Saturation(
        scores.var().item(),
        weights.amax(dim=-1).mean().item(),
        (weights * (1 - weights)).mean().item(),
    )


def run_ladder(
    task: TranslationTask,
    preset: TransformerPreset,
    builders: Mapping[str, Callable[[int], nn.Module]],
    fair: EqualTime,
    *,
    data_steps: int,
    seeds: Sequence[int],
    examined: Sequence[Pair],
    whole: bool,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[str, list[RaceRun]]:
    """Train the models of the ladder; measure them after equal time and equal data.

    Args:
        task: what is learned.
        preset: batches, learning rates, warm-up and number of measurements.
        builders: as from :func:`ladder_builders`.
        fair: the steps of each model in equal time.
        data_steps: steps that all models take.
        seeds: one run of each model for each.
        examined: test sentences to score.
        whole: whether sentences count, or words.
        checkpoints: give each run its file.
    """

    def compete(name: str, seed: int) -> RaceRun:
        recurrent = name != "Transformer"
        rate = preset.recurrent_rate if recurrent else preset.learning_rate
        return run_race(
            task,
            warm_up_plan(preset.batch, rate, preset.warmup_steps),
            builders[name](seed),
            time_steps=fair.steps[name],
            data_steps=data_steps,
            num_points=preset.ladder_points,
            measure=lambda model: share_right(task, model, examined, whole=whole),
            error=lambda model: alignment_error(task, model, examined),
            seed=seed,
            checkpoint=checkpoints(f"ladder, {name}, seed {seed}"),
        )

    return {name: [compete(name, seed) for seed in seeds] for name in builders}


def chapter_task(
    source: str,
    target: str,
    preset: TransformerPreset,
    *,
    seed: int,
    device: torch.device,
    limit: int | None = None,
) -> TranslationTask:
    """The chapter's data, with one vocabulary for both languages.

    Numbers of up to six digits in words; where the preset has subwords, Multi30k.

    Args:
        source: language to translate from.
        target: language to translate into.
        preset: tells which of the two.
        seed: of the numbers.
        device: where models are trained and run.
        limit: largest number of training pairs; None: all.
    """
    given: dict[str, Any] = {"device": device, "limit": limit}
    if preset.max_pieces is not None:
        return multi30k_task(source, target, max_pieces=preset.max_pieces, **given)
    given |= {"train": 9000, "dev": 200, "test": 300, "max_digits": 6}
    return numbers_task(source, target, shared_vocab=True, seed=seed, **given)


class BeamTree(NamedTuple):
    """What a beam search kept for one sentence, up to its winner's end.

    Attributes:
        steps: for each step the prefixes that were kept, the most probable first: last
            word, log-probability of the whole prefix, and the number of the prefix, in
            the step before, that it continues.
        path: the number of the winner's prefix at each step.
        tokens: ids of the winner, without ``<eos>``.
    """

    steps: list[list[tuple[str, float, int]]]
    path: list[int]
    tokens: tuple[int, ...]


@torch.no_grad()
def beam_tree(
    task: TranslationTask,
    model: Transformer,
    pair: Pair,
    *,
    beam_size: int,
    length_penalty: float = 0.0,
) -> BeamTree:
    """Search for the translation of one sentence, and keep the whole tree.

    Args:
        task: tells vocabularies, device and the longest output.
        model: in eval mode.
        pair: its source is translated.
        beam_size: largest number of prefixes.
        length_penalty: as for :func:`attention_book.decoding.search.beam_search`.
    """
    batch = task.batch([pair])
    steps = trace_beams(
        model.step,
        model.start(batch.source, batch.source_mask),
        beam_size=beam_size,
        bos=BOS,
        eos=EOS,
        max_tokens=task.max_tokens,
    )
    complete = [
        (beam.log_prob / ((5 + len(beam.tokens)) / 6) ** length_penalty, step, number)
        for step, beams in enumerate(steps)
        for number, beam in enumerate(beams)
        if beam.tokens[-1] == EOS
    ]
    last, number = max(complete)[1:] if complete else (len(steps) - 1, 0)
    winner = steps[last][number].tokens
    path: list[int] = []
    for beams in steps[last::-1]:
        path.insert(0, number)
        number = beams[number].parent
    drawn = [
        [
            (word, beam.log_prob, beam.parent)
            for word, beam in zip(
                _words(task, [beam.tokens[-1] for beam in beams]), beams, strict=True
            )
        ]
        for beams in steps[: last + 1]
    ]
    return BeamTree(drawn, path, winner[:-1] if complete else winner)


def _words(task: TranslationTask, ids: Sequence[int]) -> list[str]:
    """The target words of ids, special ones included."""
    special = {BOS: "<bos>", EOS: "<eos>"}
    decode = task.vocabs[1].decode
    return [special.get(i) or (decode([i]) or ["<pad>"])[0] for i in ids]

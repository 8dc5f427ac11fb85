"""A Transformer taken apart: its stages, its parts removed, its place on the ladder."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import dot_product_attention
from attention_book.attention.multi_head import MultiHeadAttention
from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.data.vocab import BOS, EOS
from attention_book.evaluation.alignment import alignment_error_rate, argmax_links
from attention_book.evaluation.metrics import exact_match
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.models.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_book.models.transformer import SIZES, Transformer, TransformerConfig
from attention_book.recipes.heads import head_weights
from attention_book.recipes.race import count_parameters, size_for_parameters
from attention_book.recipes.translation import (
    Schedule,
    TrainingPlan,
    TranslationTask,
    all_links,
    next_word_hits,
)
from attention_book.training.averaging import RecentWeights
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
        ladder_seeds=2,
        ladder_points=4,
        recurrent_rate=6e-3,
        ablation_steps=130,
        max_tokens=25,
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
    special = {BOS: "<bos>", EOS: "<eos>"}
    vocab = task.vocabs[1]
    return StageGuesses(
        [
            name.removeprefix("target, ").replace("decoder ", "").strip()
            for name in logits
        ],
        [
            [special.get(i) or (vocab.decode([i]) or ["<pad>"])[0] for i in row]
            for row in chances.argmax(dim=-1).tolist()
        ],
        chances[:, torch.arange(len(wanted)), wanted],
    )


class StartSignal(NamedTuple):
    """Tokens and gradients of an untrained model.

    Attributes:
        cosine: mean cosine between two tokens of a sentence behind the encoder.
        size: root of the mean square of a component of these tokens.
        first: norm of the gradient of the first encoder layer's feed-forward output.
        last: that of the last decoder layer's.
    """

    cosine: float
    size: float
    first: float
    last: float


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
    return StartSignal(cosine, size, first, last)


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
    "no_norm": Removal(label="no norm", options={"norm": "none"}),
    "batch_norm": Removal(label="batch norm", options={"norm": "batch"}),
    "no_scaling": Removal(label="scores not scaled", change=unscale_scores),
    "no_root": Removal(label="embeddings not scaled", change=unscale_embeddings),
    "no_positions": Removal(label="no positions", options={"positions": "none"}),
    "no_mask": Removal(label="no causal mask", options={"causal": False}),
    "no_smoothing": Removal(
        label="no label smoothing", options={"label_smoothing": 0.0}
    ),
    "no_sharing": Removal(label="nothing shared", options={"share": "none"}),
    "fast": Removal(label="twice the rate", rate=2.0),
    "fast_cold": Removal(label="…, no warm-up", rate=2.0, warm_up=False),
    "fast_cold_pre": Removal(
        label="…, no warm-up, pre-norm",
        rate=2.0,
        warm_up=False,
        options={"pre_norm": True},
    ),
}
"""The chapter's ablations: the published model, nine removals, three faster runs."""


def train_without(
    task: TranslationTask,
    removal: Removal,
    preset: TransformerPreset,
    *,
    pairs: Sequence[Pair],
    epochs: int,
    seed: int,
    checkpoint: Path | None = None,
) -> Transformer:
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
    """
    sizes = {**preset.sizes, **removal.options}
    model = task.build(Transformer, TransformerConfig, seed, **sizes)
    if removal.change is not None:
        removal.change(model)
    plan = warm_up_plan(
        preset.batch,
        removal.rate * preset.learning_rate,
        preset.warmup_steps,
        warm_up=removal.warm_up,
    )
    try:
        task.fit(
            model,
            plan,
            epochs=epochs,
            seed=seed,
            pairs=pairs,
            checkpoint=checkpoint,
            description=removal.label,
        )
    except FloatingPointError as error:
        print(f"{removal.label}: {error}")
    return model


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
    """The models of :data:`LADDER`, with about equally many parameters.

    The recurrent ones have word vectors of 64 components and one layer; their hidden
    size is chosen.

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
        return task.build(Transformer, TransformerConfig, seed, **sizes)

    def builder(name: str) -> Callable[[int], nn.Module]:
        hidden = size_for_parameters(lambda size: recurrent(name, size), wanted)

        def build(seed: int) -> nn.Module:
            seed_everything(seed)
            return recurrent(name, hidden)

        return build

    wanted = count_parameters(transformer(0))
    return {name: builder(name) for name in LADDER[:3]} | {LADDER[3]: transformer}

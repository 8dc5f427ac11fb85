"""Heads of a translating Transformer: what they attend to, what their removal costs."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head import MultiHeadAttention, mask_heads
from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.data.vocab import BOS, EOS, UNK
from attention_book.evaluation.cost import multiplications, seconds_in_turns
from attention_book.evaluation.heads import (
    Weights,
    keys_at,
    last_marked,
    mean_entropy,
    share_of_weight,
)
from attention_book.functional import Mask, causal_mask, run_uncompiled
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.observe import record_weights
from attention_book.recipes.translation import TrainingPlan, TranslationTask
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.schedules import linear_decay

Head = tuple[str, int]
"""A head by the short name of its attention and its number, from 0."""

SCORED_TOGETHER = 250
"""Sentences that are scored in one batch."""

ALIGNED = ("partner", "before", "after")


@dataclass(frozen=True, kw_only=True)
class HeadPreset:
    """Sizes and training of Transformers that differ in their heads.

    Attributes:
        epochs: runs through the training pairs.
        batch: ``batch_size`` in pairs or ``max_tokens`` in padded tokens.
        learning_rate: of the Transformer's Adam at the end of the warm-up.
        warmup_steps: optimizer steps in which the rate rises, at most a quarter of
            all; then it falls to 0.
        num_layers: of each side of the model that is examined.
        num_heads: of each of its layers.
        compare: layers and heads of the models beside it.
        examined: number of sentences whose weights are looked at.
        kept: numbers of heads that pruned models keep.
        tune_steps: optimizer steps of a pruned model that is trained on.
        tune_rate: learning rate of these steps, after a warm-up.
        study: layers and heads of the models that are trained for longer, for records.
        study_epochs: runs through the pairs of each of these.
        sizes: all other fields of a
            :class:`~attention_book.models.transformer.config.TransformerConfig`.
    """

    epochs: int
    batch: Mapping[str, int]
    learning_rate: float
    warmup_steps: int
    num_layers: int
    num_heads: int = 4
    compare: tuple[tuple[int, int], ...]
    examined: int = 300
    kept: tuple[int, ...]
    tune_steps: int
    tune_rate: float
    study: tuple[tuple[int, int], ...] = ()
    study_epochs: int = 0
    sizes: Mapping[str, Any]


HEAD_PRESETS = {
    "quick": HeadPreset(
        epochs=1,
        batch={"batch_size": 32},
        learning_rate=4e-3,
        warmup_steps=50,
        num_layers=2,
        compare=((1, 1), (1, 4), (2, 1)),
        kept=(12, 6),
        tune_steps=60,
        tune_rate=1e-3,
        examined=200,
        study=tuple((layers, heads) for layers in (1, 2) for heads in (1, 2, 4, 8)),
        study_epochs=3,
        sizes={
            "embed_dim": 64,
            "hidden_dim": 128,
            "dropout": 0.0,
            "label_smoothing": 0.0,
            "share": "target",
        },
    ),
    "full": HeadPreset(
        epochs=20,
        batch={"max_tokens": 4096},
        learning_rate=3e-3,
        warmup_steps=500,
        num_layers=4,
        compare=((1, 1), (1, 4), (4, 1)),
        kept=(24, 12),
        tune_steps=500,
        tune_rate=1e-3,
        sizes={
            "embed_dim": 128,
            "hidden_dim": 256,
            "dropout": 0.3,
            "label_smoothing": 0.1,
            "share": "target",
        },
    ),
}
"""The chapter's settings by name: a minute on two CPU cores, and an hour on a GPU."""


def train_heads(
    task: TranslationTask,
    preset: HeadPreset,
    num_layers: int,
    num_heads: int,
    *,
    seed: int,
    epochs: int,
    removed: Collection[Head] = (),
    checkpoints: CheckpointFiles = no_checkpoints,
) -> Transformer:
    """Train a Transformer; the number of heads changes nothing else.

    With ``removed``, these heads are missing from the first step on. All other weights
    start as they would have, and see the same batches.

    Args:
        task: what it translates.
        preset: sizes and training.
        num_layers: of each side.
        num_heads: of each layer; the heads share ``embed_dim`` of the preset.
        seed: of the model and of the order of the pairs.
        epochs: runs through the training pairs.
        removed: heads that are missing; they are also to be removed when the model is
            used.
        checkpoints: give the run its file.
    """
    sizes = {**preset.sizes, "num_layers": num_layers, "num_heads": num_heads}
    model = task.build(Transformer, TransformerConfig, seed, **sizes)
    name = f"{num_layers} layers, {num_heads} heads"
    if removed:
        name += f", {len(removed)} missing"
    with heads_removed(model, removed):
        task.fit(
            model,
            head_plan(preset),
            epochs=epochs,
            seed=seed,
            checkpoint=checkpoints(name),
            description=name,
        )
    return model


def head_plan(
    preset: HeadPreset, *, learning_rate: float | None = None
) -> TrainingPlan:
    """How the chapter's translators are trained.

    Args:
        preset: sizes and training.
        learning_rate: at the end of the warm-up; None: that of the preset.
    """
    return TrainingPlan(
        batch=preset.batch,
        learning_rate=learning_rate or preset.learning_rate,
        optimizer="adam_transformer",
        schedule=lambda steps: linear_decay(
            steps, min(preset.warmup_steps, steps // 4)
        ),
    )


def attentions(model: nn.Module) -> dict[str, MultiHeadAttention]:
    """Return a Transformer's attentions by short names: "encoder 1", "cross 2"."""
    return {
        _short(name): module
        for name, module in model.named_modules()
        if isinstance(module, MultiHeadAttention)
    }


def heads_of(model: nn.Module) -> list[Head]:
    """Return all heads of a Transformer, attention by attention."""
    return [
        (name, head)
        for name, layer in attentions(model).items()
        for head in range(layer.num_heads)
    ]


@torch.no_grad()
def head_weights(model: Transformer, batch: PairBatch) -> dict[str, Weights]:
    """The weights of every attention while a model reads the right translations.

    Args:
        model: the model.
        batch: on the model's device.

    Returns:
        Weights by the attention's short name, on the CPU.
    """
    with record_weights(model) as recorded:
        model.loss(batch)
    return {_short(name): calls[0].cpu() for name, calls in recorded.items()}


def choose_example(pairs: Sequence[Pair], word: str) -> Pair:
    """Choose a short sentence with many different words and a certain one.

    Args:
        pairs: to choose from; the first one is taken if none fits.
        word: of the target side.
    """
    fitting = [p for p in pairs if word in p.target and 5 <= len(p.target) <= 8]
    return max(fitting or pairs[:1], key=lambda pair: len(set(pair.target)))


def weights_by_use(
    weights: Mapping[str, Weights],
) -> dict[str, Float[Tensor, "layers heads queries keys"]]:
    """The weights of the first sentence: all layers of each use of attention.

    Args:
        weights: by the attention's short name, as from :func:`head_weights`.
    """
    layers: dict[str, list[Tensor]] = {}
    for name, table in weights.items():
        layers.setdefault(name.split()[0], []).append(table[0])
    return {use: torch.stack(tables) for use, tables in layers.items()}


class HeadCount(NamedTuple):
    """What layers of attention cost, by their number of heads.

    Attributes:
        parameters: of a layer.
        products: multiplications for the whole batch.
        ratio: seconds, as a multiple of those of one head without its weights; by
            "h = 8, fused", "h = 8, with weights" or "8 of full width, fused".
    """

    parameters: dict[int, int]
    products: dict[int, int]
    ratio: dict[str, float]


@torch.no_grad()
def count_heads(
    embed_dim: int, num_tokens: int, *, counts: Sequence[int], batch: int, rounds: int
) -> HeadCount:
    """Count and time layers of self-attention that differ in their heads alone.

    Args:
        embed_dim: size of a token.
        num_tokens: of a sentence.
        counts: numbers of heads, the first one being 1.
        batch: sentences.
        rounds: how often each layer is timed; the fastest counts, because other
            programs can only make a round slower.
    """
    tokens = torch.randn(batch, num_tokens, embed_dim)
    layers = {count: MultiHeadAttention(embed_dim, count) for count in counts}
    most = max(counts)
    wide = [MultiHeadAttention(embed_dim, 1) for _ in range(most)]

    def attend(*members: MultiHeadAttention, need_weights: bool = False) -> None:
        for member in members:
            member(tokens, tokens, tokens, need_weights=need_weights)

    steps = {f"h = {h}, fused": partial(attend, own) for h, own in layers.items()}
    steps[f"h = {most}, with weights"] = partial(
        attend, layers[most], need_weights=True
    )
    steps[f"{most} of full width, fused"] = partial(attend, *wide)
    seconds = {
        name: min(times)
        for name, times in seconds_in_turns(steps, rounds=rounds).items()
    }
    return HeadCount(
        {h: sum(p.numel() for p in own.parameters()) for h, own in layers.items()},
        {
            h: multiplications(partial(attend, own, need_weights=True))
            for h, own in layers.items()
        },
        {name: own / seconds["h = 1, fused"] for name, own in seconds.items()},
    )


class SentenceScores(NamedTuple):
    """How well a model predicts each of some sentences, reading the right words.

    Attributes:
        loss: mean negative log-likelihood of its words, ``<eos>`` included, in nats.
        right: share of its words that come out right, from 0 to 1; or, if only whole
            sentences count, 1 where all do and 0 elsewhere.
    """

    loss: Float[np.ndarray, " sentences"]
    right: Float[np.ndarray, " sentences"]


@torch.no_grad()
def score_sentences(
    model: Transformer, batch: PairBatch, *, whole: bool
) -> SentenceScores:
    """Score one batch of sentences.

    Args:
        model: the model.
        batch: on the model's device.
        whole: whether only sentences without a wrong word count as right.
    """
    state = model.start(batch.source, batch.source_mask)
    logits, _ = model.decode(batch.target[:, :-1], state)
    target, real = batch.target[:, 1:], batch.target_mask[:, 1:]
    losses = F.cross_entropy(logits.transpose(1, 2), target, reduction="none") * real
    right = ((logits.argmax(dim=-1) == target) & real).sum(dim=1) / real.sum(dim=1)
    if whole:
        right = (right == 1).float()
    loss = losses.sum(dim=1) / real.sum(dim=1)
    return SentenceScores(loss.cpu().numpy(), right.cpu().numpy())


def score_pairs(
    model: Transformer, task: TranslationTask, pairs: Sequence[Pair], *, whole: bool
) -> SentenceScores:
    """Score many sentences, in batches; arguments as for :func:`score_sentences`."""
    parts = [
        score_sentences(
            model, task.batch(pairs[first : first + SCORED_TOGETHER]), whole=whole
        )
        for first in range(0, len(pairs), SCORED_TOGETHER)
    ]
    losses, rights = zip(*parts, strict=True)
    return SentenceScores(np.concatenate(losses), np.concatenate(rights))


HeadMeans = Mapping[str, Float[Tensor, "heads head_dim"]]
"""The mean output of every head of a model, by the short name of its attention."""


@contextmanager
def heads_removed(
    model: nn.Module, removed: Iterable[Head], *, means: HeadMeans | None = None
) -> Iterator[None]:
    """Let some heads of a model contribute nothing inside a ``with`` block.

    Args:
        model: a Transformer.
        removed: the heads.
        means: what stands in for them, as from :func:`mean_outputs`; None: zeros.

    Raises:
        ValueError: if the model has no such head.
    """
    gone, layers = set(removed), attentions(model)
    if unknown := gone - set(heads_of(model)):
        raise ValueError(f"the model has no heads {sorted(unknown)}")
    with ExitStack() as blocks:
        for name, layer in layers.items():
            gates = torch.ones(layer.num_heads)
            for head in range(layer.num_heads):
                if (name, head) in gone:
                    gates[head] = 0.0
            if gates.all():
                continue
            instead = None if means is None else means[name]
            blocks.enter_context(mask_heads(layer, gates, means=instead))
        yield


@torch.no_grad()
def mean_outputs(model: Transformer, batch: PairBatch) -> dict[str, Tensor]:
    """The mean output of each head over the real tokens of a batch.

    Args:
        model: the model, which reads the right translations.
        batch: on the model's device.

    Returns:
        For each attention, by its short name, (heads, head_dim).
    """
    found: dict[str, Tensor] = {}
    hooks = []

    def keep(name: str, layer: MultiHeadAttention) -> None:
        source = name.startswith("encoder")
        real = batch.source_mask if source else batch.target_mask[:, 1:]

        def look(_module: nn.Module, args: tuple[Tensor]) -> None:
            (side_by_side,) = args  # what W^O gets
            heads = side_by_side[real].mean(dim=0)
            found[name] = heads.unflatten(0, (layer.num_heads, -1))

        hooks.append(layer.out_proj.register_forward_pre_hook(look))

    for name, layer in attentions(model).items():
        keep(name, layer)
    try:
        with run_uncompiled():
            model.loss(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found


class HeadCosts(NamedTuple):
    """What the removal of each head alone costs.

    Attributes:
        loss: mean increase of the loss of a sentence, in nats per word.
        right: for each sentence by how much less of it comes out right.
    """

    loss: dict[Head, float]
    right: dict[Head, Float[np.ndarray, " sentences"]]


def costs_of_heads(
    model: Transformer,
    batch: PairBatch,
    *,
    whole: bool,
    means: HeadMeans | None = None,
) -> HeadCosts:
    """Remove each head in turn.

    Args:
        model: the model.
        batch: on the model's device.
        whole: as for :func:`score_sentences`.
        means: as for :func:`heads_removed`.
    """
    before = score_sentences(model, batch, whole=whole)
    costs = HeadCosts({}, {})
    for head in heads_of(model):
        with heads_removed(model, [head], means=means):
            after = score_sentences(model, batch, whole=whole)
        costs.loss[head] = float((after.loss - before.loss).mean())
        costs.right[head] = before.right - after.right
    return costs


def right_without(
    model: Transformer,
    removed: Iterable[Head],
    batch: PairBatch,
    *,
    whole: bool,
    means: HeadMeans | None = None,
) -> float:
    """Mean share that comes out right without some heads.

    Args:
        model: the model.
        removed: the heads.
        batch: on the model's device.
        whole: as for :func:`score_sentences`.
        means: as for :func:`heads_removed`.
    """
    with heads_removed(model, removed, means=means):
        return float(score_sentences(model, batch, whole=whole).right.mean())


@dataclass(frozen=True)
class AttentionUse:
    """One of the three uses of attention in a Transformer, and what to look for in it.

    Attributes:
        name: "encoder", "decoder" or "cross"; its attentions begin with it.
        relations: by name, True at the keys that stand in a relation to a query.
        real: True at queries that are no padding.
        allowed: True where a query may attend.
    """

    name: str
    relations: dict[str, Mask]
    real: Bool[Tensor, "batch queries"]
    allowed: Bool[Tensor, "batch queries keys"]

    def shares(self, weights: Weights) -> Float[Tensor, "heads relations"]:
        """The share of weight of each head on the keys of each relation.

        Relations of the alignment are averaged over the queries that have such a key.
        """
        columns = []
        for name, related in self.relations.items():
            queries = self.real
            if name in ALIGNED:
                queries = queries & related.any(dim=-1)
            columns.append(share_of_weight(weights, related, queries))
        return torch.stack(columns, dim=-1)

    @property
    def uniform(self) -> Weights:
        """The weights of a head that attends to all keys alike."""
        return (self.allowed / self.allowed.sum(dim=-1, keepdim=True))[:, None]


def power_ids(task: TranslationTask) -> tuple[list[int], list[int]]:
    """The words to look for on both sides: those that name a power of ten.

    In text there are none: there, the ten most frequent words take their place.

    Returns:
        Ids of the source and of the target vocabulary.
    """
    if task.has_alignment:
        words = (
            ["hundred", "thousand", "million"],
            ["hundert", "tausend", "Million", "Millionen"],
        )
    else:
        words = (
            _most_frequent(word for pair in task.train for word in pair.source),
            _most_frequent(word for pair in task.train for word in pair.target),
        )
    source, target = (
        [word for word in vocab.encode(side) if word != UNK]
        for vocab, side in zip(task.vocabs, words, strict=True)
    )
    return source, target


def attention_uses(
    task: TranslationTask, pairs: Sequence[Pair]
) -> dict[str, AttentionUse]:
    """The three uses with their relations, for one batch of pairs.

    Within a sentence: the token before, the token itself, the token behind, the mark
    (``<eos>`` of a source, ``<bos>`` of a target), words for powers of ten, the last of
    these so far. Across: mark and powers, and, where the alignment is known, the words
    that belong to the target word, to the one before and to the one behind.

    Args:
        task: whose vocabularies the pairs are encoded by.
        pairs: in the order of the batch.
    """
    batch = task.batch(pairs).to("cpu")
    powers = power_ids(task)
    target = batch.target[:, :-1]
    real, length = batch.target_mask[:, 1:], target.shape[1]
    source_keys = batch.source_mask[:, None]
    across: dict[str, Mask] = {
        "mark": (batch.source == EOS)[:, None],
        "power": _is_one_of(batch.source, powers[0])[:, None],
    }
    if task.has_alignment:
        across |= _aligned(pairs, length, batch.source.shape[1])
    return {
        "encoder": AttentionUse(
            "encoder",
            _within(batch.source, EOS, powers[0]),
            batch.source_mask,
            source_keys.expand(-1, batch.source.shape[1], -1),
        ),
        "decoder": AttentionUse(
            "decoder",
            _within(target, BOS, powers[1]),
            real,
            causal_mask(length).expand(len(target), -1, -1),
        ),
        "cross": AttentionUse(
            "cross", across, real, source_keys.expand(-1, length, -1)
        ),
    }


@dataclass(frozen=True)
class HeadTable:
    """Scores of all heads of one use of attention.

    Attributes:
        labels: name and number of each head, from 1.
        relations: names of the columns of ``shares``.
        shares: share of weight on the keys of each relation, from 0 to 1.
        entropy: mean entropy of the rows of each head, in nats.
        uniform_shares: the shares of a head that attends to all keys alike.
        uniform_entropy: its entropy.
    """

    labels: list[str]
    relations: list[str]
    shares: Float[Tensor, "heads relations"]
    entropy: Float[Tensor, " heads"]
    uniform_shares: Float[Tensor, "1 relations"]
    uniform_entropy: float

    def column(self, relation: str) -> Float[Tensor, " heads"]:
        """The shares of all heads for one relation."""
        return self.shares[:, self.relations.index(relation)]

    def uniform(self, relation: str) -> float:
        """The share of a head that attends to all keys alike."""
        return self.uniform_shares[0, self.relations.index(relation)].item()

    def best(self, relation: str) -> tuple[str, Head]:
        """The label and the position of the head with the largest share."""
        label = self.labels[int(self.column(relation).argmax())]
        name, head = label.split(", head ")
        return label, (name, int(head) - 1)

    def best_at(self, relation: str) -> tuple[int, int]:
        """Layer and head with the largest share, from 0."""
        _, (name, head) = self.best(relation)
        return int(name.split()[1]) - 1, head

    def panel(self) -> tuple[Float[Tensor, "rows relations"], list[str], list[str]]:
        """The shares with uniform weights in the last row, its rows and columns."""
        rows = torch.cat([self.shares, self.uniform_shares])
        return rows, [*self.labels, "uniform"], self.relations

    @property
    def entropies(self) -> list[float]:
        """The entropies of the rows of :meth:`panel`, in nats."""
        return [*self.entropy.tolist(), self.uniform_entropy]


def head_table(weights: Mapping[str, Weights], use: AttentionUse) -> HeadTable:
    """Score all heads of one use of attention.

    Args:
        weights: of all attentions, by their short names, as from :func:`head_weights`.
        use: which of them, and what to look for.
    """
    tables = {name: x for name, x in weights.items() if name.startswith(use.name)}
    alike, real = use.uniform, use.real
    return HeadTable(
        labels=[
            f"{name}, head {head + 1}"
            for name, table in tables.items()
            for head in range(table.shape[1])
        ],
        relations=list(use.relations),
        shares=torch.cat([use.shares(table) for table in tables.values()]),
        entropy=torch.cat([mean_entropy(table, real) for table in tables.values()]),
        uniform_shares=use.shares(alike),
        uniform_entropy=mean_entropy(alike, real).item(),
    )


def _short(name: str) -> str:
    """encoder.layers.0.self_attention as "encoder 1" and so on."""
    stack, _, number, kind = name.split(".")[:4]
    return f"{'cross' if kind.startswith('cross') else stack} {int(number) + 1}"


def _most_frequent(words: Iterable[str]) -> list[str]:
    return [word for word, _ in Counter(words).most_common(10)]


def _is_one_of(
    ids: Int[Tensor, "batch tokens"], wanted: list[int]
) -> Bool[Tensor, "batch tokens"]:
    return torch.isin(ids, torch.tensor(wanted))


def _within(
    ids: Int[Tensor, "batch tokens"], mark: int, powers: list[int]
) -> dict[str, Mask]:
    """Relations of the tokens of a sentence with each other."""
    length = ids.shape[1]
    power = _is_one_of(ids, powers)
    return {
        "previous": keys_at(-1, length, length),
        "same": keys_at(0, length, length),
        "next": keys_at(1, length, length),
        "mark": (ids == mark)[:, None],
        "power": power[:, None],
        "last power": last_marked(power),
    }


def _aligned(pairs: Sequence[Pair], queries: int, keys: int) -> dict[str, Mask]:
    """Relations of target words with source words that the alignment links."""
    partner = torch.zeros(len(pairs), queries, keys, dtype=torch.bool)
    for row, pair in enumerate(pairs):
        for source, target in pair.alignment or ():
            partner[row, target, source] = True
    nobody = torch.zeros_like(partner[:, :1])
    return {
        "partner": partner,
        "before": torch.cat([nobody, partner[:, :-1]], dim=1),
        "after": torch.cat([partner[:, 1:], nobody], dim=1),
    }

"""Heads of a translating Transformer: what they attend to, what their removal costs."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from attention_book.attention.multi_head import MultiHeadAttention, mask_heads
from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.data.vocab import BOS, EOS, UNK
from attention_book.evaluation.heads import (
    Weights,
    keys_at,
    last_marked,
    mean_distance,
    mean_entropy,
    share_of_weight,
)
from attention_book.functional import Mask, causal_mask
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.observe import record_weights
from attention_book.recipes.translation import TrainingPlan, TranslationTask
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.runtime import seed_everything
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
    sizes: Mapping[str, Any]


HEAD_PRESETS = {
    "quick": HeadPreset(
        epochs=1,
        batch={"batch_size": 32},
        learning_rate=4e-3,
        warmup_steps=50,
        num_layers=2,
        compare=((1, 1), (1, 2), (1, 4), (1, 8), (2, 1)),
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
        compare=((1, 1), (1, 2), (1, 4), (1, 8), (4, 1)),
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
    checkpoints: CheckpointFiles = no_checkpoints,
) -> Transformer:
    """Train a Transformer; the number of heads changes nothing else.

    Args:
        task: what it translates.
        preset: sizes and training.
        num_layers: of each side.
        num_heads: of each layer; the heads share ``embed_dim`` of the preset.
        seed: of the model and of the order of the pairs.
        epochs: runs through the training pairs.
        checkpoints: give the run its file.
    """
    sizes = {**preset.sizes, "num_layers": num_layers, "num_heads": num_heads}
    model = task.build(Transformer, TransformerConfig, seed, **sizes)
    plan = TrainingPlan(
        batch=preset.batch,
        learning_rate=preset.learning_rate,
        optimizer="adam_transformer",
        schedule=lambda steps: linear_decay(
            steps, min(preset.warmup_steps, steps // 4)
        ),
    )
    name = f"{num_layers} layers, {num_heads} heads"
    task.fit(
        model,
        plan,
        epochs=epochs,
        seed=seed,
        checkpoint=checkpoints(name),
        description=name,
    )
    return model


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


@contextmanager
def heads_removed(model: nn.Module, removed: Iterable[Head]) -> Iterator[None]:
    """Let some heads of a model contribute nothing inside a ``with`` block.

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
            blocks.enter_context(mask_heads(layer, gates))
        yield


class HeadCosts(NamedTuple):
    """What the removal of each head alone costs.

    Attributes:
        loss: mean increase of the loss of a sentence, in nats per word.
        right: for each sentence by how much less of it comes out right.
    """

    loss: dict[Head, float]
    right: dict[Head, Float[np.ndarray, " sentences"]]


def costs_of_heads(model: Transformer, batch: PairBatch, *, whole: bool) -> HeadCosts:
    """Remove each head in turn; arguments as for :func:`score_sentences`."""
    with heads_removed(model, []):
        before = score_sentences(model, batch, whole=whole)
    costs = HeadCosts({}, {})
    for head in heads_of(model):
        with heads_removed(model, [head]):
            after = score_sentences(model, batch, whole=whole)
        costs.loss[head] = float((after.loss - before.loss).mean())
        costs.right[head] = before.right - after.right
    return costs


def right_without(
    model: Transformer, removed: Iterable[Head], batch: PairBatch, *, whole: bool
) -> float:
    """Mean share that comes out right without some heads."""
    with heads_removed(model, removed):
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
    """Scores of all heads of one use of attention; printed, it is a table.

    Attributes:
        labels: name and number of each head, from 1.
        relations: names of the columns of ``shares``.
        shares: share of weight on the keys of each relation, from 0 to 1.
        entropy: mean entropy of the rows of each head, in nats.
        distance: mean distance of the key from the query in tokens; None where keys and
            queries are not of one sentence.
        uniform_shares: the shares of a head that attends to all keys alike.
        uniform_entropy: its entropy.
        uniform_distance: its distance.
    """

    labels: list[str]
    relations: list[str]
    shares: Float[Tensor, "heads relations"]
    entropy: Float[Tensor, " heads"]
    distance: Float[Tensor, " heads"] | None
    uniform_shares: Float[Tensor, "1 relations"]
    uniform_entropy: float
    uniform_distance: float | None

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

    def panel(self) -> tuple[Float[Tensor, "rows relations"], list[str], list[str]]:
        """The shares with uniform weights in the last row, its rows and columns."""
        rows = torch.cat([self.shares, self.uniform_shares])
        return rows, [*self.labels, "uniform"], self.relations

    def __str__(self) -> str:
        """A row for each head, and one for uniform weights."""
        rows, labels, _ = self.panel()
        head = f"{'':19}" + "".join(f"{name:>11}" for name in self.relations)
        lines = [head + "    entropy" + "   distance" * (self.distance is not None)]
        entropy = [*self.entropy.tolist(), self.uniform_entropy]
        distance: list[float] = []
        if self.distance is not None and self.uniform_distance is not None:
            distance = [*self.distance.tolist(), self.uniform_distance]
        for row, label in enumerate(labels):
            cells = "".join(f"{share:11.2f}" for share in rows[row].tolist())
            far = f"{distance[row]:11.1f}" if distance else ""
            lines.append(f"{label:19}{cells}{entropy[row]:11.2f}{far}")
        return "\n".join(lines)


def head_table(weights: Mapping[str, Weights], use: AttentionUse) -> HeadTable:
    """Score all heads of one use of attention.

    Args:
        weights: of all attentions, by their short names, as from :func:`head_weights`.
        use: which of them, and what to look for.
    """
    tables = {name: x for name, x in weights.items() if name.startswith(use.name)}
    alike, real = use.uniform, use.real
    distance = uniform_distance = None
    if use.name != "cross":
        distance = torch.cat([mean_distance(x, real) for x in tables.values()])
        uniform_distance = mean_distance(alike, real).item()
    return HeadTable(
        labels=[
            f"{name}, head {head + 1}"
            for name, table in tables.items()
            for head in range(table.shape[1])
        ],
        relations=list(use.relations),
        shares=torch.cat([use.shares(table) for table in tables.values()]),
        entropy=torch.cat([mean_entropy(table, real) for table in tables.values()]),
        distance=distance,
        uniform_shares=use.shares(alike),
        uniform_entropy=mean_entropy(alike, real).item(),
        uniform_distance=uniform_distance,
    )


NEIGHBOUR_TOKENS, NEIGHBOUR_VALUES = 8, 4


def neighbour_values(
    batch: int,
    width: int,
    generator: Generator,
    offsets: Sequence[int] = (1, -1),
) -> tuple[
    Float[Tensor, "batch tokens width"],
    Float[Tensor, "batch tokens width"],
    Float[Tensor, "batch tokens wanted"],
]:
    """A task that one head cannot solve: report the values of several neighbours.

    Eight tokens stand in a circle, each with a position and four random values.

    Args:
        batch: number of circles.
        width: size of queries, keys and values, at least 8; filled up with zeros.
        generator: draws the values.
        offsets: of the neighbours: 1 is the token before, -1 the token behind.

    Returns:
        The positions (one-hot, queries and keys of the task), the values, and for each
        token the values of its neighbours, side by side.
    """
    positions = torch.eye(NEIGHBOUR_TOKENS, width).expand(
        batch, NEIGHBOUR_TOKENS, width
    )
    shape = batch, NEIGHBOUR_TOKENS, NEIGHBOUR_VALUES
    values = torch.randn(shape, generator=generator)
    wanted = torch.cat([values.roll(offset, dims=1) for offset in offsets], dim=-1)
    return positions, F.pad(values, (0, width - NEIGHBOUR_VALUES)), wanted


def learn_neighbours(
    num_heads: int,
    width: int = 16,
    *,
    seed: int,
    offsets: Sequence[int] = (1, -1),
    readout: Float[Tensor, "wanted read"] | None = None,
    steps: int = 400,
) -> tuple[float, Float[Tensor, "heads queries keys"]]:
    """Train one layer on :func:`neighbour_values`.

    Args:
        num_heads: heads of the layer.
        width: size of the layer.
        seed: of the layer and of the values.
        offsets: of the neighbours.
        readout: what is asked for is ``wanted @ readout``; None: all values.
        steps: optimizer steps of 32 circles each.

    Returns:
        The mean squared error on 5,000 new circles, and the weights on one of them.
    """
    seed_everything(seed)
    layer = MultiHeadAttention(width, num_heads)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    generator = torch.Generator().manual_seed(operator.index(seed))

    def draw(batch: int) -> tuple[Tensor, Tensor, Tensor]:
        at, values, wanted = neighbour_values(batch, width, generator, offsets)
        return at, values, wanted if readout is None else wanted @ readout

    def error(found: Tensor, wanted: Tensor) -> Tensor:
        return (found[..., : wanted.shape[-1]] - wanted).square().mean()

    for _ in range(steps):
        at, values, wanted = draw(32)
        optimizer.zero_grad()
        error(layer(at, at, values)[0], wanted).backward()
        optimizer.step()
        schedule.step()
    at, values, wanted = draw(5000)
    with torch.no_grad():
        found, weights = layer(at, at, values, need_weights=True)
    return error(found, wanted).item(), weights[0]


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

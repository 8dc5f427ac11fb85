"""Small experiments with the mechanisms of later papers, one for each."""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.attention.dot_product import dot_product_attention
from attention_book.attention.later.addressing import NTMAddressing, write_memory
from attention_book.attention.later.gaussian import GaussianAttention
from attention_book.attention.later.sparse import (
    reach,
    strided_context,
    strided_masks,
)
from attention_book.data.sequences.glyphs import GlyphPairs, glyph_pairs
from attention_book.data.sequences.labelled import labelled_batches
from attention_book.data.sequences.memory_tasks import (
    ASPECT,
    CopyBatches,
    copy_batch,
    delayed_copy,
    mutual_words,
    nearest_marker,
)
from attention_book.data.sequences.sequence_tasks import SequenceBatch
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models.later.ntm import NTM, LSTMCopier, LSTMCopierConfig, NTMConfig
from attention_book.models.later.parts import PartNet, PartNetConfig
from attention_book.models.later.taggers import (
    CoupledTagger,
    CoupledTaggerConfig,
    NearestTagger,
    NearestTaggerConfig,
)
from attention_book.models.later.transformer_xl import (
    TransformerXL,
    TransformerXLConfig,
)
from attention_book.training.batches import Batches
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints
from attention_book.training.loop import fit

_Model = TypeVar("_Model", bound=nn.Module)
NUM_WORDS = 5  # of each kind in the sentences for the coupled attentions
SEGMENT, DELAY, LONG = 8, 12, 32  # tokens, for the segments with a memory
LENGTHS = (20, 60)  # of sequences with tags: in training, and beyond


class CopyTrace(NamedTuple):
    """What two heads did while a sequence was copied by dials set by hand.

    Attributes:
        wrong: share of wrong bits.
        written: weights of the writing head, one row per vector.
        read: weights of the reading head, one row per vector.
    """

    wrong: float
    written: Float[Tensor, "vectors locations"]
    read: Float[Tensor, "vectors locations"]


@torch.no_grad()
def copy_by_hand(
    num_vectors: int,
    *,
    num_locations: int = 128,
    certain: float = 1.0,
    sharpening: float = 1.0,
    overwrite: int | None = None,
    seed: int = 0,
) -> CopyTrace:
    """Copy vectors of bits with a memory whose dials are set by hand; no training.

    A mark is written first, then the vectors behind it, with a shift of one each time.
    To read, the head finds the mark by content and goes on with the same shift.

    Args:
        num_vectors: how many are copied.
        num_locations: rows of the memory.
        certain: weight of the shift by one; the rest stays where it is.
        sharpening: after each shift.
        overwrite: a vector whose location is erased between writing and reading, None
            for none.
        seed: of the bits.

    Example:
        >>> copy_by_hand(20).wrong, copy_by_hand(20, certain=0.9).wrong > 0.1
        (0.0, True)
    """
    bits = copy_batch(num_vectors, seed=seed).target[0]
    heads, ones = NTMAddressing(), torch.ones(1, 1, 9)
    memory = torch.full((1, num_locations, 9), 1e-6)
    weights = torch.eye(num_locations)[None, :1]
    on = {"gate": 0.0, "shift": (0.0, 1 - certain, certain), "sharpening": sharpening}
    mark = torch.eye(9)[8]
    written = []
    for vector in (mark, *torch.cat([bits, torch.zeros(num_vectors, 1)], dim=1)):
        memory = write_memory(memory, weights, ones, vector[None, None])
        written.append(weights[0, 0])
        _, weights = heads(ones, memory, memory, previous_weights=weights, **on)
    if overwrite is not None:
        memory[0, (1 + overwrite) % num_locations] = 1e-6
    _, weights = heads(mark[None, None], memory, memory, scale=50.0)
    outputs, read = [], []
    for _ in bits:
        found, weights = heads(ones, memory, memory, previous_weights=weights, **on)
        outputs.append(found[0, 0, :8])
        read.append(weights[0, 0])
    wrong = (torch.stack(outputs) > 0.5) != (bits > 0.5)
    return CopyTrace(
        wrong.float().mean().item(), torch.stack(written[1:]), torch.stack(read)
    )


COPIERS = ("NTM, feed-forward", "NTM, LSTM", "LSTM")
"""Systems for the copy task of the paper."""


def build_copier(name: str) -> nn.Module:
    """Make a system of the paper's sizes: three layers of 256 for the plain LSTM.

    Args:
        name: one of ``COPIERS``.

    Raises:
        ValueError: if there is no such system.

    Example:
        >>> build_copier("LSTM").lstm.num_layers
        3
    """
    if name not in COPIERS:
        raise ValueError(f"name must be one of {', '.join(COPIERS)}, got {name!r}")
    if name == "LSTM":
        return LSTMCopier(LSTMCopierConfig())
    return NTM(NTMConfig(controller=name.removeprefix("NTM, ").lower()))


def train_copier(
    name: str,
    *,
    count: int,
    seed: int,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
) -> nn.Module:
    """Train a system on sequences of 1 to 20 vectors of 8 bits, 16 in each batch.

    Args:
        name: one of ``COPIERS``.
        count: number of batches, and of optimizer steps.
        seed: decides the sequences and the initial weights.
        device: where the model is trained.
        checkpoint: file that keeps the run; None: none does.

    Raises:
        ValueError: if there is no such system.
    """
    torch.manual_seed(operator.index(seed))
    model = build_copier(name)
    batches = CopyBatches(count=count, longest=20, num_bits=8, batch_size=16, seed=seed)
    fit(
        model,
        batches,
        epochs=1,
        learning_rate=1e-3,
        clip_norm=10.0,
        device=device,
        checkpoint=checkpoint,
        description=name,
    )
    return model


@torch.no_grad()
def copy_errors(
    model: nn.Module, lengths: Sequence[int], *, count: int = 50, seed: int = 10**6
) -> dict[int, float]:
    """Measure the share of wrong bits at several lengths.

    Args:
        model: maps inputs to logits, in eval mode.
        lengths: numbers of vectors.
        count: sequences of each length.
        seed: of the sequences.

    Returns:
        By length; a guess is wrong in half of the bits.
    """
    device = next(model.parameters()).device
    errors = {}
    for length in lengths:
        batch = copy_batch(length, batch_size=count, seed=seed + length).to(device)
        wrong = (model(batch.inputs)[:, -length:] > 0) != (batch.target > 0.5)
        errors[length] = wrong.float().mean().item()
    return errors


class CoupledScores(NamedTuple):
    """How well words are labelled whose label depends on another word.

    Attributes:
        model: what was trained.
        later: share of right labels where no word of the other kind stands before.
        told: where one does.
    """

    model: CoupledTagger
    later: float
    told: float


class SegmentScores(NamedTuple):
    """How well tokens are answered whose answer stands a fixed distance before.

    Attributes:
        model: what was trained.
        by_position: share of right answers at each position of a segment.
        seen: at which positions the answer is in the segment or in the memory.
    """

    model: TransformerXL
    by_position: Float[Tensor, " positions"]
    seen: Bool[Tensor, " positions"]

    def right(self, *, seen: bool) -> float | None:
        """Mean share of right answers where the answer can be seen, or cannot.

        Args:
            seen: which of the two.

        Returns:
            The mean, or None if there is no such position.
        """
        chosen = self.by_position[self.seen == seen]
        return chosen.mean().item() if len(chosen) else None


class NearestScores(NamedTuple):
    """How well tokens are answered with the nearest tag.

    Attributes:
        model: what was trained.
        right: share of right answers by length.
        width: learned width of the prior; None without one.
    """

    model: NearestTagger
    right: dict[int, float]
    width: float | None


class PartScores(NamedTuple):
    """How well images are classified, and where the parts look.

    Attributes:
        model: what was trained.
        right: share of right classes.
        found: for each part (rows) the share of images in which its peak is on the
            corner, and on the T; empty without attention.
        overlap: weight that the parts have in common, from 0 to 1.
    """

    model: PartNet
    right: float
    found: Float[Tensor, "parts 2"]
    overlap: float


@dataclass(frozen=True, kw_only=True)
class SmallStudies:
    """The data and the training of the small experiments; one call trains one model.

    Attributes:
        seed: decides data and initial weights.
        epochs: runs through the training examples.
        examples: training examples of each experiment.
        device: where models are trained.
        checkpoints: give each training run its file.
    """

    seed: int
    epochs: int
    examples: int
    device: torch.device | str = "cpu"
    checkpoints: CheckpointFiles = no_checkpoints

    def coupled(self, name: str, **fields: Any) -> CoupledScores:
        """Train coupled attentions to label words that depend on each other.

        Args:
            name: of the run.
            **fields: of :class:`CoupledTaggerConfig`.
        """
        config = CoupledTaggerConfig(vocab_size=3 * NUM_WORDS)
        model = self._build(CoupledTagger, replace(config, **fields))
        train, _ = self.sentences(self.examples, 0)
        self._fit(model, [*_parts(train, 50)], name, learning_rate=0.02)
        test, open_words = self.sentences(1000, 1)
        with torch.no_grad():
            batch = test.to(self.device)
            logits = model(batch.ids, batch.mask).cpu()
        nouns = test.ids // NUM_WORDS == ASPECT
        said = torch.where(nouns, logits[:, 0], logits[:, 1]) > 0
        right = said == (test.target > 0)
        told = test.target_mask & ~open_words
        return CoupledScores(model, *(_mean(right[at]) for at in (open_words, told)))

    def sentences(
        self, count: int, part: int
    ) -> tuple[SequenceBatch, Bool[Tensor, "sentences tokens"]]:
        """Draw sentences of eight words for the coupled attentions.

        Args:
            count: number of sentences.
            part: 0 for training, 1 for testing.
        """
        seed = 2 * operator.index(self.seed) + part
        return mutual_words(count, num_tokens=8, num_words=NUM_WORDS, seed=seed)

    def segments(self, name: str, memory: int, **fields: Any) -> SegmentScores:
        """Train one layer on a copy of tokens that stand ``DELAY`` before.

        Args:
            name: of the run.
            memory: tokens whose states are kept between segments of ``SEGMENT``.
            **fields: further ones of :class:`TransformerXLConfig`.
        """
        config = TransformerXLConfig(
            vocab_size=8, segment=SEGMENT, memory=memory, **fields
        )
        model = self._build(TransformerXL, config)
        seed = 2 * operator.index(self.seed)
        count = max(1, self.examples * 2 // 5)
        train = delayed_copy(LONG, DELAY, batch_size=count, seed=seed)
        self._fit(model, [*_parts(train, 32)], name, learning_rate=5e-3, clip_norm=1.0)
        test = delayed_copy(LONG, DELAY, batch_size=200, seed=seed + 1)
        with torch.no_grad():
            said = model(test.ids.to(self.device)).argmax(dim=-1).cpu()
        right, at = said == test.target, torch.arange(LONG)
        counted = at >= 2 * SEGMENT  # from here on the memory is full
        shares = torch.stack(
            [
                right[:, counted & (at % SEGMENT == position)].float().mean()
                for position in range(SEGMENT)
            ]
        )
        return SegmentScores(model, shares, torch.arange(SEGMENT) + memory >= DELAY)

    def nearest(self, name: str, gaussian: bool) -> NearestScores:
        """Train one attention without positions to find the nearest tag.

        Args:
            name: of the run.
            gaussian: whether it has the prior.
        """
        config = NearestTaggerConfig(vocab_size=5, gaussian=gaussian)
        model = self._build(NearestTagger, config)
        seed = 3 * operator.index(self.seed)
        train = nearest_marker(LENGTHS[0], batch_size=self.examples, seed=seed)
        self._fit(model, [*_parts(train, 50)], name, learning_rate=0.01)
        right = {}
        for number, length in enumerate(LENGTHS, start=1):
            test = nearest_marker(length, batch_size=300, seed=seed + number)
            with torch.no_grad():
                said = model(test.ids.to(self.device)).argmax(dim=-1).cpu()
            right[length] = _mean((said == test.target)[test.target_mask])
        prior = model.attention.attention_fn
        width = prior.width.item() if isinstance(prior, GaussianAttention) else None
        return NearestScores(model, right, width)

    def parts(self, name: str, **fields: Any) -> PartScores:
        """Train a network on images with two signs.

        Args:
            name: of the run.
            **fields: of :class:`PartNetConfig`.
        """
        model = self._build(PartNet, PartNetConfig(num_classes=16, **fields))
        train, test = (
            self.images(max(1, self.examples * 4 // 5), 0),
            self.images(500, 1),
        )
        steps = max(1, len(train.labels) // 32) * self.epochs
        batches = labelled_batches(
            train.images, train.labels, batch_size=32, steps=steps, seed=self.seed
        )
        self._fit(model, batches, name, learning_rate=3e-3, epochs=1)
        with torch.no_grad():
            images = test.images.to(self.device)
            right = _mean(model(images).argmax(dim=-1).cpu() == test.labels)
            _, weights = model.look(images)
        if weights is None:
            return PartScores(model, right, torch.zeros(0, 2), 0.0)
        found = part_hits(weights.cpu(), test)
        overlap = weights.amin(dim=1).sum(dim=-1).mean().item()
        return PartScores(model, right, found, overlap)

    def images(self, count: int, part: int) -> GlyphPairs:
        """Draw images with two signs.

        Args:
            count: number of images.
            part: 0 for training, 1 for testing.
        """
        seed = 2 * operator.index(self.seed) + part
        return glyph_pairs(count, size=16, clutter=2, seed=seed)

    def _build(self, make: Callable[[Any], _Model], config: Any) -> _Model:
        torch.manual_seed(operator.index(self.seed))
        return make(config)

    def _fit(
        self,
        model: nn.Module,
        batches: Batches,
        name: str,
        *,
        learning_rate: float,
        epochs: int | None = None,
        clip_norm: float | None = None,
    ) -> None:
        fit(
            model,
            batches,
            epochs=self.epochs if epochs is None else epochs,
            learning_rate=learning_rate,
            clip_norm=clip_norm,
            device=self.device,
            checkpoint=self.checkpoints(name),
            description=name,
        )


def part_hits(
    weights: Float[Tensor, "images parts locations"], pairs: GlyphPairs
) -> Float[Tensor, "parts 2"]:
    """How often the peak of each part lies on each of the two signs.

    Args:
        weights: of the parts, one location for two by two pixels.
        pairs: the images.

    Returns:
        For each part the share of images in which its peak is within three pixels of
        the middle of the corner, and of the T, along rows and columns.
    """
    width = pairs.images.shape[-1] // 2
    peak = weights.argmax(dim=-1)
    pixels = 2 * torch.stack([peak // width, peak % width], dim=-1) + 0.5
    apart = (pixels[:, :, None] - pairs.centres[:, None]).abs().amax(dim=-1)
    return (apart <= 3).float().mean(dim=0)


class SparseCost(NamedTuple):
    """What attention costs at one length, dense and in the strided pattern.

    Attributes:
        tokens: the length n.
        stride: about the root of n.
        dense_scores: pairs of a query and a key that are not blocked.
        sparse_scores: the same in both steps of the pattern together.
        dense_seconds: time of a call on the fused kernel.
        sparse_seconds: time of both steps with gathered keys.
    """

    tokens: int
    stride: int
    dense_scores: int
    sparse_scores: int
    dense_seconds: float
    sparse_seconds: float


@torch.no_grad()
def sparse_costs(
    lengths: Sequence[int], *, dim: int = 32, rounds: int = 3, seed: int = 0
) -> list[SparseCost]:
    """Count scores and measure time against length.

    Args:
        lengths: powers of four, so that their roots divide them.
        dim: size of a vector, in one head.
        rounds: how often each is timed, in turns; the fastest counts.
        seed: of the vectors.

    Example:
        >>> cost = sparse_costs([64], rounds=1)[0]
        >>> cost.stride, cost.dense_scores, cost.sparse_scores
        (8, 2080, 828)
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    costs = []
    for n in lengths:
        stride = round(n**0.5)
        x = torch.randn(1, 1, n, dim, generator=generator)

        def dense(x: Tensor = x) -> Tensor:
            return dot_product_attention(x, x, x, causal=True)[0]

        def sparse(x: Tensor = x, stride: int = stride) -> Tensor:
            first = strided_context(x, x, x, stride, "first")
            return strided_context(first, first, first, stride, "second")

        times = seconds_in_turns({"dense": dense, "sparse": sparse}, rounds=rounds)
        scores = sum(int(mask.sum()) for mask in strided_masks(n, stride))
        seconds = min(times["dense"]), min(times["sparse"])
        costs.append(SparseCost(n, stride, n * (n + 1) // 2, scores, *seconds))
    return costs


def strided_reach(
    num_tokens: int, strides: Sequence[int]
) -> tuple[Float[Tensor, "strides tokens tokens"], list[str]]:
    """For each stride and query, which keys two strided steps reach, and at which cost.

    Args:
        num_tokens: length of the sequence.
        strides: of the pattern.

    Returns:
        With the last query first: 1 for a key that the query attends to in one of the
        steps, 0.5 for one that it reaches through another token, 0 for the rest; and a
        sentence on each stride and query.

    Example:
        >>> rows, texts = strided_reach(4, [2])
        >>> rows[0, 0].tolist()
        [0.5, 1.0, 1.0, 1.0]
        >>> texts[0]
        'query 3 attends to 3 of 4 keys, reaches 4; 15 scores of 20'
    """
    rows, texts = [], []
    for stride in strides:
        masks = strided_masks(num_tokens, stride)
        direct, far = (masks.first | masks.second)[0], reach(*masks)[0]
        rows.append(torch.where(direct, 1.0, 0.5 * far.float()).flip(0))
        scores = sum(int(mask.sum()) for mask in masks)
        both = num_tokens * (num_tokens + 1)  # of two dense steps
        texts += [
            f"query {i} attends to {int(direct[i].sum())} of {i + 1} keys, reaches "
            f"{int(far[i].sum())}; {scores} scores of {both}"
            for i in reversed(range(num_tokens))
        ]
    return torch.stack(rows), texts


def _parts(batch: SequenceBatch, size: int) -> Iterator[SequenceBatch]:
    for start in range(0, len(batch), size):
        yield batch.take(range(start, min(start + size, len(batch))))


def _mean(right: Bool[Tensor, "..."]) -> float:
    return right.float().mean().item()

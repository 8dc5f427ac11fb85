"""Synthetic tasks for a memory, a long context, a distance, and a sentence as a whole.

In each of them it is known which earlier or later token decides an answer.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.data.sequences.sequence_tasks import SequenceBatch
from attention_book.functional import check_counts

OTHER, ASPECT, OPINION = 0, 1, 2


@dataclass(frozen=True)
class CopyBatch:
    """Vectors of bits to be read, a mark, and then nothing while they are repeated.

    Attributes:
        inputs: the bits and a last feature that is 1 at the mark alone; as many zeros
            as there were vectors follow.
        target: the bits that are to be repeated in the last steps.
    """

    inputs: Float[Tensor, "batch steps features"]
    target: Float[Tensor, "batch vectors bits"]

    @property
    def num_tokens(self) -> int:
        """Number of bits to repeat."""
        return self.target.numel()

    def to(self, device: torch.device | str) -> "CopyBatch":
        """Return the same batch on ``device``."""
        return CopyBatch(self.inputs.to(device), self.target.to(device))


def copy_batch(
    num_vectors: int, *, num_bits: int = 8, batch_size: int = 1, seed: int
) -> CopyBatch:
    """Draw vectors of random bits that are to be repeated.

    Source: Graves, Wayne and Danihelka, arXiv:1410.5401, 4.1.

    Args:
        num_vectors: how many vectors there are in each sequence.
        num_bits: bits of a vector.
        batch_size: number of sequences.
        seed: decides everything, together with the other arguments.

    Raises:
        ValueError: if a number is less than 1.

    Example:
        >>> batch = copy_batch(2, num_bits=3, seed=0)
        >>> batch.inputs.shape, batch.inputs[0, :, -1].tolist()
        (torch.Size([1, 5, 4]), [0.0, 0.0, 1.0, 0.0, 0.0])
    """
    check_counts(num_vectors=num_vectors, num_bits=num_bits, batch_size=batch_size)
    shape = batch_size, num_vectors, num_bits
    bits = torch.randint(2, shape, generator=_draw(seed)).float()
    inputs = torch.zeros(batch_size, 2 * num_vectors + 1, num_bits + 1)
    inputs[:, :num_vectors, :-1] = bits
    inputs[:, num_vectors, -1] = 1.0
    return CopyBatch(inputs, bits)


@dataclass(frozen=True, kw_only=True)
class CopyBatches:
    """Batches of the copy task, each of one random length, drawn when they are asked.

    Attributes:
        count: number of batches; each run through them gives the same ones.
        longest: largest number of vectors; all numbers from 1 are equally likely.
        num_bits: bits of a vector.
        batch_size: sequences of a batch.
        seed: decides everything, together with the other numbers.

    Raises:
        ValueError: if a number other than ``seed`` is less than 1.

    Example:
        >>> batches = CopyBatches(count=20, longest=4, num_bits=2, batch_size=5, seed=0)
        >>> sorted({batch.target.shape[1] for batch in batches})
        [1, 2, 3, 4]
    """

    count: int
    longest: int
    num_bits: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        check_counts(
            count=self.count,
            longest=self.longest,
            num_bits=self.num_bits,
            batch_size=self.batch_size,
        )

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[CopyBatch]:
        shape = self.count, 2
        draws = torch.randint(2**31, shape, generator=_draw(self.seed)).tolist()
        for length, seed in draws:
            yield copy_batch(
                1 + length % self.longest,
                num_bits=self.num_bits,
                batch_size=self.batch_size,
                seed=seed,
            )


def delayed_copy(
    num_tokens: int, delay: int, *, vocab_size: int = 8, batch_size: int = 1, seed: int
) -> SequenceBatch:
    r"""Draw random tokens, each to be answered with the one so many tokens before.

    The answer to :math:`x_t` is :math:`x_{t - D}`; the first :math:`D` tokens have no
    answer.

    Args:
        num_tokens: length of a sequence.
        delay: :math:`D`, less than ``num_tokens``.
        vocab_size: number of different tokens, all equally likely.
        batch_size: number of sequences.
        seed: decides everything, together with the other arguments.

    Raises:
        ValueError: if a number is less than 1, or ``delay`` not less than
            ``num_tokens``.

    Example:
        >>> batch = delayed_copy(4, 2, seed=0)
        >>> torch.equal(batch.target[:, 2:], batch.ids[:, :2]), batch.num_tokens
        (True, 2)
    """
    check_counts(delay=delay, vocab_size=vocab_size, batch_size=batch_size)
    if delay >= num_tokens:
        raise ValueError(f"delay ({delay}) must be less than num_tokens ({num_tokens})")
    shape = batch_size, num_tokens
    ids = torch.randint(vocab_size, shape, generator=_draw(seed))
    answered = (torch.arange(num_tokens) >= delay).expand(shape)
    target = ids.roll(delay, dims=1).masked_fill(~answered, 0)
    return _batch(ids, target, answered)


def nearest_marker(
    num_tokens: int,
    *,
    num_tags: int = 4,
    every: int = 5,
    batch_size: int = 1,
    seed: int,
) -> SequenceBatch:
    """Draw sequences with a few tags, and ask each token for the nearest of them.

    Token 0 stands for nothing; the tags are 1 to ``num_tags``. A token as far from one
    tag as from another is not asked, nor are the tags themselves.

    Args:
        num_tokens: length of a sequence.
        num_tags: number of different tags.
        every: there is one tag for so many tokens, at a random position.
        batch_size: number of sequences.
        seed: decides everything, together with the other arguments.

    Raises:
        ValueError: if a number is less than 1, or ``every`` greater than
            ``num_tokens``.

    Example:
        >>> batch = nearest_marker(6, every=3, seed=1)
        >>> batch.ids.tolist(), (batch.target * batch.target_mask).tolist()
        ([[0, 2, 0, 0, 1, 0]], [[2, 0, 2, 1, 0, 1]])
    """
    check_counts(num_tags=num_tags, every=every, batch_size=batch_size)
    if every > num_tokens:
        raise ValueError(
            f"every ({every}) must not be greater than num_tokens ({num_tokens})"
        )
    generator, count = _draw(seed), num_tokens // every
    order = torch.rand(batch_size, num_tokens, generator=generator).argsort(dim=1)
    is_tag = order < count  # so many random positions
    tags = torch.randint(1, num_tags + 1, is_tag.shape, generator=generator)
    ids = torch.where(is_tag, tags, 0)
    at = torch.arange(num_tokens)
    distance = (at[:, None] - at).abs().expand(batch_size, -1, -1)
    distance = distance.masked_fill(~is_tag[:, None], 2 * num_tokens)
    nearest, where = distance.min(dim=-1)
    alone = (distance == nearest[..., None]).sum(dim=-1) == 1
    answered = alone & ~is_tag
    target = ids.gather(1, where).masked_fill(~answered, 0)
    return _batch(ids, target, answered)


def mutual_words(
    count: int, *, num_tokens: int = 10, num_words: int = 10, seed: int
) -> tuple[SequenceBatch, Bool[Tensor, "sentences tokens"]]:
    """Draw sentences in which two kinds of words decide each other's label.

    A noun is an aspect term if there is an adjective in the sentence, and an adjective
    an opinion term if there is a noun; other words are neither. Each sentence has one
    or two words of one kind, and half of the sentences one or two of the other kind as
    well. Labels are 0, ``ASPECT`` and ``OPINION``.

    Args:
        count: number of sentences.
        num_tokens: length of a sentence.
        num_words: different words of each kind, and other words. Ids below
            ``num_words`` are other words, then come nouns, then adjectives.
        seed: decides everything, together with the other arguments.

    Returns:
        The sentences, in which only nouns and adjectives are to be labelled, and where
        a noun or adjective stands that has no word of the other kind before it: there
        the label depends on what follows.

    Raises:
        ValueError: if a number is less than 1, or a sentence shorter than four words.

    Example:
        >>> batch, open_words = mutual_words(1, num_tokens=5, num_words=2, seed=3)
        >>> batch.ids.tolist(), batch.target.tolist(), open_words.int().tolist()
        ([[0, 0, 3, 1, 2]], [[0, 0, 0, 0, 0]], [[0, 0, 1, 0, 1]])
    """
    check_counts(count=count, num_words=num_words)
    if num_tokens < 4:
        raise ValueError(f"num_tokens must be at least 4, got {num_tokens}")
    generator = _draw(seed)

    def draw(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    ids = draw(num_words, count, num_tokens)
    first, both = draw(2, count, 1), draw(2, count, 1) == 1
    how_many = draw(2, count, 2) + 1
    rank = torch.rand(count, num_tokens, generator=generator).argsort(dim=1)
    end = how_many[:, :1]
    words = draw(num_words, count, num_tokens)
    ids = torch.where(rank < end, words + num_words * (1 + first), ids)
    second = both & (rank >= end) & (rank < end + how_many[:, 1:])
    ids = torch.where(second, words + num_words * (2 - first), ids)
    kinds = ids // num_words  # 0, 1 for nouns, 2 for adjectives
    target = torch.where(both, kinds, OTHER)
    noun_before = ((kinds == 1).cumsum(dim=1) > 0) & (kinds == 2)
    adjective_before = ((kinds == 2).cumsum(dim=1) > 0) & (kinds == 1)
    told = noun_before | adjective_before
    return _batch(ids, target, kinds > 0), (kinds > 0) & ~told


def _draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(operator.index(seed))


def _batch(ids: Tensor, target: Tensor, answered: Tensor) -> SequenceBatch:
    real = torch.ones_like(ids, dtype=torch.bool)
    return SequenceBatch(ids, real, target, answered, int(answered.sum()))

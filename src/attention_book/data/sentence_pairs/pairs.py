"""Pairs of sentences that a model compares, and batches of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader, pad_ids
from attention_book.data.vocab import Vocab


@dataclass(frozen=True)
class SentencePair:
    """Two sentences, with a label, a score or other annotations.

    Attributes:
        first: words of the first sentence, such as a question.
        second: words of the second sentence, such as a candidate answer.
        label: class from 0; for yes or no, 1 is yes. None: unknown.
        score: graded similarity. None: unknown.
        group: number of the question, for pairs that are ranked. None: no question.
        features: further numbers that a model may use besides the words.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    label: int | None = None
    score: float | None = None
    group: int | None = None
    features: tuple[float, ...] = ()


@dataclass(frozen=True)
class SentencePairBatch:
    """Padded word ids of pairs of sentences; no special token is added.

    Attributes:
        first: ids of the first sentences, padded on the right.
        first_mask: True at real words.
        second: ids of the second sentences, padded on the right.
        second_mask: True at real words.
        label: classes; None if the pairs have none.
        score: graded similarities; None if the pairs have none.
        features: further numbers of each pair; None if the pairs have none.
    """

    first: Int[Tensor, "batch first_tokens"]
    first_mask: Bool[Tensor, "batch first_tokens"]
    second: Int[Tensor, "batch second_tokens"]
    second_mask: Bool[Tensor, "batch second_tokens"]
    label: Int[Tensor, " batch"] | None = None
    score: Float[Tensor, " batch"] | None = None
    features: Float[Tensor, "batch features"] | None = None

    def __len__(self) -> int:
        return len(self.first)

    @property
    def num_tokens(self) -> int:
        """Number of predictions, one per pair, for the training loop."""
        return len(self)

    def to(self, device: torch.device | str) -> "SentencePairBatch":
        """Return the same batch on ``device``."""
        moved: dict[str, Any] = {
            name: None if x is None else x.to(device) for name, x in vars(self).items()
        }
        return SentencePairBatch(**moved)


def pair_words(pairs: Iterable[SentencePair]) -> Iterator[str]:
    """Yield all words of all pairs, for a vocabulary."""
    for pair in pairs:
        yield from pair.first
        yield from pair.second


def lowercase(pairs: Iterable[SentencePair]) -> list[SentencePair]:
    """Return the pairs in lower case, for word vectors that know no other."""
    return [
        replace(
            pair,
            first=tuple(word.lower() for word in pair.first),
            second=tuple(word.lower() for word in pair.second),
        )
        for pair in pairs
    ]


def sentence_pair_batch(
    pairs: Sequence[SentencePair], vocab: Vocab, *, max_tokens: int | None = None
) -> SentencePairBatch:
    """Put pairs into one batch of padded ids.

    Args:
        pairs: the pairs, in the batch's order.
        vocab: of both sentences; a word that it does not know becomes ``UNK``.
        max_tokens: words of a sentence that are kept, from its start; None: all.

    Returns:
        The batch, on the CPU.

    Raises:
        ValueError: if there are no pairs, a sentence has no words, ``max_tokens`` is
            not positive, or one pair has what another lacks: a label, a score, or as
            many features.

    Example:
        >>> pairs = [SentencePair(("a", "cat"), ("a", "dog", "barks"), label=0)]
        >>> batch = sentence_pair_batch(pairs, Vocab(["a", "cat", "dog"]))
        >>> batch.first, batch.second, batch.label
        (tensor([[4, 5]]), tensor([[4, 6, 3]]), tensor([0]))
    """
    return _collate(_encode(pairs, vocab, max_tokens))


def sentence_pair_loader(
    pairs: Sequence[SentencePair],
    vocab: Vocab,
    *,
    batch_size: int,
    max_tokens: int | None = None,
    seed: int | None = None,
) -> DataLoader:
    """Batches of pairs, in an order that depends on ``seed`` alone.

    Args:
        pairs: the pairs; they are encoded once.
        vocab: as for :func:`sentence_pair_batch`.
        batch_size: number of pairs in a batch.
        max_tokens: as for :func:`sentence_pair_batch`.
        seed: seed of the random order, which the loader's ``generator`` draws. None:
            the order of ``pairs``, for evaluation.

    Returns:
        A loader of :class:`SentencePairBatch`; its length is the number of batches.

    Raises:
        ValueError: as :func:`sentence_pair_batch`, or if ``batch_size`` is not
            positive.
    """
    encoded = _encode(pairs, vocab, max_tokens)
    return make_loader(encoded, _collate, batch_size=batch_size, seed=seed)


# Ids of both sentences, and the pair itself.
_Encoded = tuple[Tensor, Tensor, SentencePair]


def _encode(
    pairs: Sequence[SentencePair], vocab: Vocab, max_tokens: int | None
) -> list[_Encoded]:
    if not len(pairs):
        raise ValueError("pairs must hold at least one pair, got none")
    if max_tokens is not None and max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1 or None, got {max_tokens}")
    encoded = []
    for number, pair in enumerate(pairs):
        for name in ("first", "second"):
            if not getattr(pair, name):
                raise ValueError(f"the {name} sentence of pair {number} has no words")
        if _known(pair) != _known(pairs[0]):
            raise ValueError(
                f"all pairs must have the same of label, score and features: pair 0 "
                f"has {_known(pairs[0])}, pair {number} has {_known(pair)}"
            )
        sides = (pair.first[:max_tokens], pair.second[:max_tokens])
        first, second = (torch.tensor(vocab.encode(side)) for side in sides)
        encoded.append((first, second, pair))
    return encoded


def _known(pair: SentencePair) -> str:
    present = [n for n in ("label", "score") if getattr(pair, n) is not None]
    return " and ".join([*present, f"{len(pair.features)} features"])


def _collate(batch: list[_Encoded]) -> SentencePairBatch:
    pairs = [pair for _, _, pair in batch]
    first, first_mask = pad_ids([ids for ids, _, _ in batch])
    second, second_mask = pad_ids([ids for _, ids, _ in batch])
    labels, scores = [p.label for p in pairs], [p.score for p in pairs]
    return SentencePairBatch(
        first,
        first_mask,
        second,
        second_mask,
        label=None if labels[0] is None else torch.tensor(labels),
        score=None if scores[0] is None else torch.tensor(scores).float(),
        features=torch.tensor([p.features for p in pairs]).float()
        if pairs[0].features
        else None,
    )

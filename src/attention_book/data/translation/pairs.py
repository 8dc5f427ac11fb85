"""Sentence pairs for translation: read them, batch them."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader, pad_ids
from attention_book.data.text_files import read_lines
from attention_book.data.vocab import BOS, EOS, Vocab

# Source ids, target ids; "_" since each pair of a list has lengths of its own.
EncodedPair = tuple[Int[Tensor, " _"], Int[Tensor, " _"]]


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation, as words.

    Attributes:
        source: words of the source sentence.
        target: words of the target sentence.
        alignment: links (source position, target position), positions from 0, between
            words that mean the same; None where nobody knows them.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    alignment: frozenset[tuple[int, int]] | None = None


@dataclass(frozen=True)
class PairBatch:
    """Padded token ids of sentence pairs.

    A source ends in ``EOS``; a target starts with ``BOS`` and ends in ``EOS``.

    Attributes:
        source: ids, padded on the right.
        source_mask: True at real tokens, special ones included.
        target: ids, padded on the right.
        target_mask: True at real tokens, special ones included.
        num_tokens: number of tokens to predict, the real target tokens without
            ``BOS``. It is counted when the batch is made, on the CPU as a rule, so that
            reading it does not wait for a GPU.
        num_source_tokens: number of real source tokens, counted in the same way.

    Raises:
        ValueError: if a mask does not have the shape of its ids, or there are not as
            many targets as sources.
        TypeError: if a mask is not boolean.
    """

    source: Int[Tensor, "batch source_tokens"]
    source_mask: Bool[Tensor, "batch source_tokens"]
    target: Int[Tensor, "batch target_tokens"]
    target_mask: Bool[Tensor, "batch target_tokens"]
    num_tokens: int = field(init=False)
    num_source_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        for name in "source", "target":
            ids, mask = getattr(self, name), getattr(self, f"{name}_mask")
            if mask.shape != ids.shape:
                raise ValueError(
                    f"{name}_mask must have the shape of {name}, {tuple(ids.shape)}, "
                    f"got {tuple(mask.shape)}"
                )
            if mask.dtype != torch.bool:
                raise TypeError(f"{name}_mask must be boolean, got {mask.dtype}")
        if len(self.source) != len(self.target):
            raise ValueError(
                f"target must have a row for each source ({len(self.source)}), got "
                f"{len(self.target)}"
            )
        counts = int(self.target_mask[:, 1:].sum()), int(self.source_mask.sum())
        object.__setattr__(self, "num_tokens", counts[0])
        object.__setattr__(self, "num_source_tokens", counts[1])

    def __len__(self) -> int:
        return len(self.source)

    def to(self, device: torch.device | str) -> "PairBatch":
        """Return the same batch on ``device``."""
        moved = copy(self)  # with its counts: counting again would wait for a GPU
        for name in "source", "source_mask", "target", "target_mask":
            object.__setattr__(moved, name, getattr(self, name).to(device))
        return moved


def read_pairs(path: str | Path) -> list[Pair]:
    """Read lines ``source <tab> target`` of words separated by spaces.

    Args:
        path: a UTF-8 file, gzip-compressed if its name ends in ``.gz``.

    Returns:
        A pair for each line.

    Raises:
        ValueError: if a line does not have two fields with words, naming file and line;
            if the file is empty.
    """
    pairs = []
    for number, line in enumerate(_some_lines(path), start=1):
        fields = line.split("\t")
        if len(fields) != 2:
            raise ValueError(f"{path}:{number}: want 2 fields, got {len(fields)}")
        source, target = (
            _words(field, str.split, f"{path}:{number}") for field in fields
        )
        pairs.append(Pair(source, target))
    return pairs


def read_parallel(
    source_path: str | Path,
    target_path: str | Path,
    tokenize: Callable[[str], list[str]],
    limit: int | None = None,
) -> list[Pair]:
    """Read two files whose lines of the same number translate each other.

    Args:
        source_path: a UTF-8 file, gzip-compressed if its name ends in ``.gz``.
        target_path: as ``source_path``.
        tokenize: cuts a line into words.
        limit: largest number of lines, the first; None: all.

    Returns:
        A pair for each line.

    Raises:
        ValueError: if one file has more lines than the other, if a file is empty, if a
            line has no words, naming file and line, or if ``limit`` is negative.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit must not be negative, got {limit}")
    sources, targets = _some_lines(source_path), _some_lines(target_path)
    if len(sources) != len(targets):
        raise ValueError(
            f"{source_path} has {len(sources)} lines, {target_path} {len(targets)}: "
            f"line {min(len(sources), len(targets)) + 1} has no partner"
        )
    return [
        Pair(
            _words(source, tokenize, f"{source_path}:{number}"),
            _words(target, tokenize, f"{target_path}:{number}"),
        )
        for number, (source, target) in enumerate(
            zip(sources[:limit], targets[:limit], strict=True), start=1
        )
    ]


def pair_batch(pairs: Sequence[Pair], vocabs: tuple[Vocab, Vocab]) -> PairBatch:
    """Put pairs into one batch of padded ids.

    Args:
        pairs: the pairs, in the batch's order.
        vocabs: of the source and of the target language.

    Returns:
        The batch, on the CPU.

    Raises:
        ValueError: if there are no pairs, or a sentence has no words.

    Example:
        >>> pairs = [Pair(("ja",), ("yes",)), Pair(("ach", "ja"), ("oh", "yes"))]
        >>> vocabs = Vocab(["ja", "ach"]), Vocab(["oh", "yes"])
        >>> batch = pair_batch(pairs, vocabs)
        >>> batch.source
        tensor([[5, 2, 0],
                [4, 5, 2]])
        >>> batch.target
        tensor([[1, 5, 2, 0],
                [1, 4, 5, 2]])
        >>> batch.num_tokens
        5
    """
    return _collate(_encode(pairs, vocabs))


def pair_loader(
    pairs: Sequence[Pair],
    vocabs: tuple[Vocab, Vocab],
    *,
    batch_size: int | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
) -> DataLoader:
    """Batches of pairs, in an order that depends on ``seed`` alone.

    All random numbers come from the loader's ``generator``: who saves its state between
    two epochs and restores it gets the same batches again. With ``max_tokens`` and a
    seed, a batch holds sentences of similar length: which of those of one length go
    together, and the order of the batches, is drawn anew each epoch.

    Args:
        pairs: the pairs; they are encoded once.
        vocabs: of the source and of the target language.
        batch_size: number of pairs in a batch. Give this or ``max_tokens``.
        max_tokens: largest size of a batch in padded tokens, special ones included:
            its number of pairs times its longest sentence, of either language.
        seed: of the random order. None: the order of ``pairs``, for evaluation.

    Returns:
        A loader of :class:`PairBatch`; its length is the number of batches.

    Raises:
        ValueError: if both or none of ``batch_size`` and ``max_tokens`` are given, if
            ``batch_size`` is not positive, if a pair is longer than ``max_tokens``
            (naming its number), if there are no pairs, or if a sentence has no words.
    """
    encoded = _encode(pairs, vocabs)
    lengths = None
    if max_tokens is not None:
        lengths = torch.tensor([max(map(len, sides)) for sides in encoded])
    return make_loader(
        encoded,
        _collate,
        batch_size=batch_size,
        max_tokens=max_tokens,
        lengths=lengths,
        seed=seed,
    )


def _encode(pairs: Iterable[Pair], vocabs: tuple[Vocab, Vocab]) -> list[EncodedPair]:
    source_vocab, target_vocab = vocabs
    encoded = []
    for number, pair in enumerate(pairs):
        for name in ("source", "target"):
            if not getattr(pair, name):
                raise ValueError(f"the {name} of pair {number} has no words: {pair}")
        source = [*source_vocab.encode(pair.source), EOS]
        target = [BOS, *target_vocab.encode(pair.target), EOS]
        encoded.append((torch.tensor(source), torch.tensor(target)))
    if not encoded:
        raise ValueError("pairs must hold at least one pair, got none")
    return encoded


def _collate(batch: list[EncodedPair]) -> PairBatch:
    source, target = zip(*batch, strict=True)
    return PairBatch(*pad_ids(source), *pad_ids(target))


def _some_lines(path: str | Path) -> list[str]:
    lines = read_lines(path)
    if not lines:
        raise ValueError(f"{path} has no lines")
    return lines


def _words(
    text: str, tokenize: Callable[[str], list[str]], place: str
) -> tuple[str, ...]:
    words = tuple(tokenize(text))
    if not words:
        raise ValueError(f"{place}: a sentence without words: {text!r}")
    return words

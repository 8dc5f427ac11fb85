"""Loaders: examples in batches, in an order that depends on a seed alone."""

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

from attention_book.data.vocab import PAD
from attention_book.functional import token_mask

Example = TypeVar("Example")


def make_loader(
    examples: Sequence[Example],
    collate: Callable[[list[Example]], Any],
    *,
    batch_size: int | None = None,
    max_tokens: int | None = None,
    lengths: Int[Tensor, " examples"] | None = None,
    seed: int | None = None,
) -> DataLoader:
    """Batches of examples, in an order that depends on ``seed`` alone.

    All random numbers come from the loader's ``generator``. Saving its state between
    two epochs and restoring it later gives the same batches again, which is what a
    checkpoint of :func:`attention_book.training.loop.fit` does.

    Args:
        examples: the examples; at least one.
        collate: puts a list of examples into one batch.
        batch_size: number of examples in a batch. Give this or ``max_tokens``.
        max_tokens: largest size of a batch in padded tokens, see
            :class:`TokenBudgetSampler`.
        lengths: tokens of each example, for ``max_tokens``.
        seed: seed of the random order. None: the order of ``examples``, for evaluation.

    Returns:
        A loader; its length is the number of batches.

    Raises:
        ValueError: if both or neither of ``batch_size`` and ``max_tokens`` are given,
            ``batch_size`` is not positive, ``lengths`` do not come with ``max_tokens``
            or are not one per example, or an example is longer than ``max_tokens``.

    Example:
        >>> loader = make_loader([3, 1, 4, 1, 5], torch.tensor, batch_size=2)
        >>> list(loader)
        [tensor([3, 1]), tensor([4, 1]), tensor([5])]
    """
    if (batch_size is None) == (max_tokens is None):
        raise ValueError(
            f"give either batch_size or max_tokens, got {batch_size} and {max_tokens}"
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if (max_tokens is None) != (lengths is None):
        raise ValueError("max_tokens and lengths must be given together")
    # PyTorch's loaders take any sequence, its annotations only data sets.
    dataset = cast(Dataset[Example], examples)
    # A loader without a generator draws from PyTorch's global one, even in evaluation.
    generator = torch.Generator().manual_seed(
        0 if seed is None else operator.index(seed)
    )
    shuffle = seed is not None
    if max_tokens is None or lengths is None:
        return DataLoader(
            dataset, batch_size, shuffle, collate_fn=collate, generator=generator
        )
    if len(lengths) != len(examples):
        raise ValueError(
            f"lengths must be one per example, got {len(lengths)} for {len(examples)}"
        )
    sampler = TokenBudgetSampler(lengths, max_tokens, generator if shuffle else None)
    return DataLoader(
        dataset, batch_sampler=sampler, collate_fn=collate, generator=generator
    )


def pad_ids(
    sentences: Sequence[Int[Tensor, " _"]],
) -> tuple[Int[Tensor, "batch tokens"], Bool[Tensor, "batch tokens"]]:
    """Put token ids into one batch, padded on the right.

    Args:
        sentences: ids of each sentence.

    Returns:
        The ids, and a mask that is True at real tokens.

    Example:
        >>> pad_ids([torch.tensor([7]), torch.tensor([5, 6])])[0]
        tensor([[7, 0],
                [5, 6]])
    """
    ids = pad_sequence(list(sentences), batch_first=True, padding_value=PAD)
    lengths = torch.tensor([len(sentence) for sentence in sentences])
    return ids, token_mask(lengths, ids.shape[1])


class TokenBudgetSampler(Sampler[list[int]]):
    """Cut a data set into batches of at most ``max_tokens`` padded tokens.

    With a generator, a batch holds items of similar length, so that there is little
    padding. The order of the batches, and which items of equal length share a batch,
    are drawn anew each epoch. Without one, items keep their order.

    Args:
        lengths: tokens of each item; in a batch each item is padded to the longest.
        max_tokens: largest size of a batch, its items times the longest of them; at
            least the length of the longest item.
        generator: generator of the random order; None: the order of the data set.

    Raises:
        ValueError: if there are no items, or the longest does not fit.

    Example:
        >>> list(TokenBudgetSampler(torch.tensor([3, 2, 2, 1, 4]), 6, None))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        lengths: Int[Tensor, " items"],
        max_tokens: int,
        generator: torch.Generator | None,
    ) -> None:
        if not len(lengths):
            raise ValueError("lengths must hold at least one item, got none")
        if lengths.max() > max_tokens:
            raise ValueError(
                f"max_tokens ({max_tokens}) is less than the {lengths.max()} tokens, "
                f"special ones included, of item {lengths.argmax()} (from 0)"
            )
        self.lengths, self.max_tokens = lengths, max_tokens
        self.generator = generator
        # Sorted lengths are the same in every order, so the number of batches is too.
        order = torch.arange(len(lengths)) if generator is None else lengths.argsort()
        self._num_batches = sum(1 for _ in self._cut(order))

    def __len__(self) -> int:
        return self._num_batches

    def __iter__(self) -> Iterator[list[int]]:
        if self.generator is None:
            yield from self._cut(torch.arange(len(self.lengths)))
            return
        order = torch.randperm(len(self.lengths), generator=self.generator)
        order = order[self.lengths[order].argsort(stable=True)]
        batches = list(self._cut(order))
        for i in torch.randperm(len(batches), generator=self.generator).tolist():
            yield batches[i]

    def _cut(self, order: Int[Tensor, " items"]) -> Iterator[list[int]]:
        batch: list[int] = []
        longest = 0
        for index, length in zip(
            order.tolist(), self.lengths[order].tolist(), strict=True
        ):
            longest = max(longest, length)
            if longest * (len(batch) + 1) > self.max_tokens:
                yield batch
                batch, longest = [], length
            batch.append(index)
        yield batch

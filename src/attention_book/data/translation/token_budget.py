"""Batches of similar length with a bounded number of tokens."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Sampler


class TokenBudgetSampler(Sampler[list[int]]):
    """Cut a data set into batches of at most ``max_tokens`` padded tokens.

    With a generator, a batch holds items of similar length, so that little is padding:
    which of those of one length go together, and the order of the batches, is drawn
    anew each epoch. Without one, items keep their order.

    Args:
        lengths: tokens of each item, padded to the longest item of its batch.
        max_tokens: largest size of a batch, items times longest item; at least the
            length of the longest item.
        generator: of the random order; None: the order of the data set.

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
        batch, longest = [], 0
        for index, length in zip(
            order.tolist(), self.lengths[order].tolist(), strict=True
        ):
            longest = max(longest, length)
            if longest * (len(batch) + 1) > self.max_tokens:
                yield batch
                batch, longest = [], length
            batch.append(index)
        yield batch

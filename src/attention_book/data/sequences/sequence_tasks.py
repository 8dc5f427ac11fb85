"""Digits to be copied, delayed, reversed or sorted: tasks in which order matters."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader

TASKS = ("copy", "late", "reverse", "sort")
PAD, FRONT, END = 0, 1, 2
NUM_DIGITS, NUM_SPECIAL = 10, 3
VOCAB_SIZE = NUM_SPECIAL + NUM_DIGITS
# Largest part of all sequences of one length that is used, so that draws rarely repeat.
MOST_USED = 1 / 2


@dataclass(frozen=True)
class SequenceBatch:
    """Padded sequences with a mark at each end, and the target of each token.

    Attributes:
        ids: ``FRONT``, the digits plus ``NUM_SPECIAL``, ``END``, padded on the right.
        mask: True at real tokens, the marks included.
        target: digit to predict, 0 where there is none.
        target_mask: True where there is a digit to predict.
        num_tokens: number of digits to predict; a plain number, so that reading it does
            not wait for a GPU.
    """

    ids: Int[Tensor, "batch tokens"]
    mask: Bool[Tensor, "batch tokens"]
    target: Int[Tensor, "batch tokens"]
    target_mask: Bool[Tensor, "batch tokens"]
    num_tokens: int

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> "SequenceBatch":
        """Return the same batch on ``device``."""
        return self._map(lambda tensor: tensor.to(device), self.num_tokens)

    def take(self, rows: Sequence[int]) -> "SequenceBatch":
        """Return some of the sequences, in the order of ``rows``."""
        chosen = torch.as_tensor(rows)
        count = int(self.target_mask[chosen].sum())
        return self._map(lambda tensor: tensor[chosen], count)

    def _map(
        self, change: Callable[[Tensor], Tensor], num_tokens: int
    ) -> "SequenceBatch":
        return SequenceBatch(
            change(self.ids),
            change(self.mask),
            change(self.target),
            change(self.target_mask),
            num_tokens,
        )


def answer(task: str, digits: str) -> str:
    """Return the right answer, which has as many digits as the question.

    Args:
        task: "copy": each token answers with itself; "late": each token answers with
            the digit before it, so that the end mark gives the last answer; "reverse":
            the digits from the last to the first; "sort": in increasing order.
        digits: the digits of the question, such as "3704".

    Raises:
        ValueError: if there is no such task.

    Example:
        >>> [answer(task, "3704") for task in TASKS]
        ['3704', '3704', '4073', '0347']
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    if task == "reverse":
        return digits[::-1]
    return "".join(sorted(digits)) if task == "sort" else digits


def digit_sequences(
    lengths: Sequence[int], *, sizes: Sequence[int], seed: int
) -> list[list[str]]:
    """Draw sequences of digits in several parts; no sequence is drawn twice.

    Size: as requested; each part has equally many sequences of each length, or one more
    of the first lengths.

    Args:
        lengths: lengths in digits, each at least 1.
        sizes: number of sequences in each part, such as training, dev and test set.
        seed: seed of the sequences and their order.

    Returns:
        The parts, each in random order.

    Raises:
        ValueError: if there are no lengths, a length comes twice or is less than 1, a
            size is negative, or more than half of all sequences of a length are needed.

    Example:
        >>> train, test = digit_sequences([3, 5], sizes=[4, 2], seed=0)
        >>> sorted(map(len, train)), sorted(map(len, test))
        ([3, 3, 5, 5], [3, 5])
    """
    if not lengths or min(lengths) < 1 or len(set(lengths)) < len(lengths):
        raise ValueError(
            f"lengths must be different numbers from 1 on, got {list(lengths)}"
        )
    if min(sizes, default=0) < 0:
        raise ValueError(f"sizes must not be negative, got {list(sizes)}")
    generator = torch.Generator().manual_seed(operator.index(seed))
    parts: list[list[str]] = [[] for _ in sizes]
    for number, length in enumerate(lengths):
        # Shares differ by one at most.
        shares = [(size + len(lengths) - 1 - number) // len(lengths) for size in sizes]
        drawn = iter(_distinct(length, sum(shares), generator))
        for part, share in zip(parts, shares, strict=True):
            part += [next(drawn) for _ in range(share)]
    orders = [torch.randperm(len(part), generator=generator) for part in parts]
    return [
        [part[i] for i in order.tolist()]
        for part, order in zip(parts, orders, strict=True)
    ]


def sequence_batch(sequences: Sequence[str], task: str) -> SequenceBatch:
    """Put sequences of digits into one batch, with a task's answers.

    Args:
        sequences: the digits, in the batch's order.
        task: as for :func:`answer`.

    Raises:
        ValueError: if there are no sequences, one has no digits or another character,
            or there is no such task.

    Example:
        >>> batch = sequence_batch(["37", "4"], "late")
        >>> batch.ids
        tensor([[ 1,  6, 10,  2],
                [ 1,  7,  2,  0]])
        >>> batch.target * batch.target_mask
        tensor([[0, 0, 3, 7],
                [0, 0, 4, 0]])
    """
    if not sequences:
        raise ValueError("sequences must hold at least one sequence, got none")
    for number, digits in enumerate(sequences):
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError(f"sequence {number} must be digits, got {digits!r}")
    num_tokens = max(map(len, sequences)) + 2
    first = 2 if task == "late" else 1  # token of the first answer
    ids = torch.zeros(len(sequences), num_tokens, dtype=torch.long)
    target, at = torch.zeros_like(ids), torch.arange(num_tokens)
    lengths = torch.tensor([len(digits) for digits in sequences])[:, None]
    inside = (at >= 1) & (at <= lengths)
    answered = (at >= first) & (at < first + lengths)
    ids[inside] = _values("".join(sequences)) + NUM_SPECIAL
    target[answered] = _values("".join(answer(task, digits) for digits in sequences))
    ids[:, 0] = FRONT
    ids[at == lengths + 1] = END
    return SequenceBatch(
        ids, at < lengths + 2, target, answered, num_tokens=int(lengths.sum())
    )


def sequence_loader(
    sequences: Sequence[str], task: str, *, batch_size: int, seed: int | None = None
) -> DataLoader:
    """Batches of sequences, in an order that depends on ``seed`` alone.

    Args:
        sequences: the digits; they are encoded once.
        task: as for :func:`answer`.
        batch_size: number of sequences in a batch.
        seed: seed of the random order. None: the order of ``sequences``, for
            evaluation.

    Returns:
        A loader of :class:`SequenceBatch`, all padded to the longest sequence.

    Raises:
        ValueError: if ``batch_size`` is not positive, or as :func:`sequence_batch`.
    """
    whole = sequence_batch(sequences, task)
    return make_loader(range(len(whole)), whole.take, batch_size=batch_size, seed=seed)


def _values(digits: str) -> Int[Tensor, " digits"]:
    return torch.frombuffer(bytearray(digits, "ascii"), dtype=torch.uint8).long() - 48


def _distinct(length: int, count: int, generator: torch.Generator) -> list[str]:
    """Draw ``count`` different sequences of a length, in the order of the draws."""
    if count > MOST_USED * NUM_DIGITS**length:
        raise ValueError(
            f"{count} sequences of length {length} are needed, which is more than half "
            f"of all {NUM_DIGITS**length}"
        )
    found: dict[str, None] = {}
    while len(found) < count:
        rows = torch.randint(
            NUM_DIGITS, (count - len(found), length), generator=generator
        )
        found |= dict.fromkeys("".join(map(str, row)) for row in rows.tolist())
    return list(found)

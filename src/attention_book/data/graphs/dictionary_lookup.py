"""Dictionary lookup: graphs in which each query must find its own key."""

import math
import operator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

MOST_GRAPHS = 32_000


@dataclass(frozen=True)
class LookupBatch:
    """Several graphs side by side, numbered on as one.

    Attributes:
        attribute: of each node.
        value: of each node; for a query the one that stands for "unknown".
        edges: from each key to each query of its graph.
        query: the nodes that are queries.
        answer: the value of the key that has the query's attribute.
    """

    attribute: Int[Tensor, " nodes"]
    value: Int[Tensor, " nodes"]
    edges: Int[Tensor, "2 edges"]
    query: Int[Tensor, " queries"]
    answer: Int[Tensor, " queries"]

    @property
    def num_tokens(self) -> int:
        """Number of queries to answer."""
        return len(self.query)

    def to(self, device: torch.device) -> "LookupBatch":
        """Return the same batch on ``device``."""
        moved = {name: value.to(device) for name, value in vars(self).items()}
        return replace(self, **moved)


class LookupSplits(NamedTuple):
    """Graphs for training and for testing, one row of values each.

    Attributes:
        train: graphs of which all pairs of attribute and value are allowed.
        test: the others: each has a pair that occurs in no training graph.
    """

    train: Int[Tensor, "train_graphs keys"]
    test: Int[Tensor, "test_graphs keys"]


def lookup_splits(num_keys: int, seed: int) -> LookupSplits:
    r"""Make dictionaries: which value belongs to which attribute.

    All permutations of the values, or 32,000 random ones where there are more. Of the
    :math:`k^2` pairs of attribute and value, :math:`\lfloor 0.8^{1/k} k^2 \rfloor`
    are allowed in training; a graph that needs another one is for testing.

    Source: the code of Brody et al., arXiv:2105.14491, section 4.1.

    Args:
        num_keys: :math:`k`, from 2.
        seed: of the pairs, and of the permutations where they are drawn.

    Raises:
        ValueError: if ``num_keys`` is less than 2.

    Example:
        >>> splits = lookup_splits(4, seed=0)
        >>> len(splits.train), len(splits.test)
        (18, 6)
    """
    if num_keys < 2:
        raise ValueError(f"num_keys must be at least 2, got {num_keys}")
    generator = torch.Generator().manual_seed(operator.index(seed))
    if math.factorial(num_keys) <= MOST_GRAPHS:
        values = torch.tensor(list(permutations(range(num_keys))))
    else:
        values = torch.rand(MOST_GRAPHS, num_keys, generator=generator).argsort(dim=1)
    pairs = num_keys**2
    allowed = torch.zeros(pairs, dtype=torch.bool)
    order = torch.randperm(pairs, generator=generator)
    allowed[order[: math.floor(0.8 ** (1 / num_keys) * pairs)]] = True
    in_train = allowed[torch.arange(num_keys) * num_keys + values].all(dim=1)
    return LookupSplits(values[in_train], values[~in_train])


def lookup_batch(values: Int[Tensor, "graphs keys"]) -> LookupBatch:
    """Build the graphs of some dictionaries: queries first, then keys.

    Args:
        values: for each graph the value that belongs to each attribute.

    Example:
        >>> batch = lookup_batch(torch.tensor([[1, 0]]))
        >>> batch.attribute.tolist(), batch.value.tolist()
        ([0, 1, 0, 1], [2, 2, 1, 0])
        >>> batch.edges
        tensor([[2, 3, 2, 3],
                [0, 0, 1, 1]])
    """
    graphs, num_keys = values.shape
    number = torch.arange(num_keys)
    first = 2 * num_keys * torch.arange(graphs)[:, None]
    query = first + number
    key = query + num_keys
    source = key[:, None, :].expand(-1, num_keys, -1)
    target = query[:, :, None].expand(-1, -1, num_keys)
    unknown = torch.full_like(values, num_keys)
    return LookupBatch(
        attribute=number.repeat(2 * graphs),
        value=torch.cat([unknown, values], dim=1).flatten(),
        edges=torch.stack([source.flatten(), target.flatten()]),
        query=query.flatten(),
        answer=values.flatten(),
    )

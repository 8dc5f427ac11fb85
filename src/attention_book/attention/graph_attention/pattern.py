"""Products with sparse matrices whose places stay and whose entries change."""

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from attention_book.functional import in_order, segment_sum


class SparsePattern:
    """The places of a sparse matrix, sorted once for its products and their gradients.

    Args:
        row: row of each entry, counted from 0.
        column: its column.
        num_rows: number of rows; some may be empty.
        num_columns: number of columns.

    Example:
        >>> row, column = torch.tensor([1, 0, 0]), torch.tensor([1, 0, 1])
        >>> pattern = SparsePattern(row, column, 2, 2)
        >>> vectors = torch.tensor([[1.0], [10.0]])
        >>> pattern.product(torch.tensor([3.0, 1.0, 2.0]), vectors)
        tensor([[21.],
                [30.]])
    """

    def __init__(
        self,
        row: Int[Tensor, " entries"],
        column: Int[Tensor, " entries"],
        num_rows: int,
        num_columns: int,
    ) -> None:
        self.row, self.column = row, column
        self.num_rows, self.num_columns = num_rows, num_columns
        self._order = None if in_order(row) else row.argsort()
        self._bags: dict[int, tuple[Tensor, Tensor]] = {}

    @cached_property
    def transposed(self) -> "SparsePattern":
        """The pattern of the transposed matrix, with the entries as they stand here."""
        return SparsePattern(self.column, self.row, self.num_columns, self.num_rows)

    def product(
        self,
        entries: Float[Tensor, " entries *heads"],
        vectors: Float[Tensor, "columns *heads dim"],
    ) -> Float[Tensor, "rows *heads dim"]:
        r"""Multiply by vectors: in each row, add up the vectors of its entries.

        .. math:: c_i = \sum_{e : r(e) = i} w_e \, v_{c(e)}

        Args:
            entries: :math:`w`, the numbers of one matrix, or of one for each head.
            vectors: :math:`v`, one for each column, and head where there are heads.

        Returns:
            The sums in float32 or wider: in half precision a sum of many small values
            stops growing.

        Memory: linear in entries and vectors. No vector is written down for an entry,
            but in the gradient of the entries.
        """
        heads, dim = entries.shape[1:], vectors.shape[-1]
        wide = torch.promote_types(vectors.dtype, torch.float32)
        sums = _SparseProduct.apply(
            entries.to(wide).reshape(len(self.row), heads.numel()),
            vectors.to(wide).reshape(self.num_columns, heads.numel(), dim),
            self,
        )
        return sums.view(self.num_rows, *heads, dim)

    def sums(
        self,
        entries: Float[Tensor, "heads entries"],
        vectors: Float[Tensor, "columns heads dim"],
    ) -> Float[Tensor, "rows heads dim"]:
        """The product, without a gradient: a row and head is a bag of vectors.

        Args:
            entries: heads first, one after the other in memory.
            vectors: one for each column and head.
        """
        heads, dim = vectors.shape[1:]
        if heads not in self._bags:
            self._bags[heads] = self._bags_of(heads)
        if self._order is not None:
            entries = entries.index_select(1, self._order)
        found = F.embedding_bag(
            self._bags[heads][0],
            vectors.reshape(-1, dim),
            self._bags[heads][1],
            mode="sum",
            per_sample_weights=entries.flatten(),
        )
        return found.unflatten(0, (heads, self.num_rows)).transpose(0, 1).contiguous()

    def _bags_of(self, heads: int) -> tuple[Tensor, Tensor]:
        """The vectors of all bags, head after head, and where each bag starts."""
        row, column = self.row, self.column
        if self._order is not None:
            row, column = row[self._order], column[self._order]
        head = torch.arange(heads, device=row.device)[:, None]
        row = row.contiguous()
        start = torch.searchsorted(row, torch.arange(self.num_rows, device=row.device))
        return (column * heads + head).flatten(), (start + head * len(row)).flatten()


def sparse_product(
    places: Int[Tensor, "2 entries"],
    entries: Float[Tensor, " entries *heads"],
    vectors: Float[Tensor, "columns *heads dim"],
    num_rows: int,
    *,
    owner: Tensor,
) -> Float[Tensor, "rows *heads dim"]:
    """Multiply a sparse matrix, or one for each head, by vectors.

    Args:
        places: row and column of each entry.
        entries: see :meth:`SparsePattern.product`.
        vectors: one for each column, and head where there are heads.
        num_rows: number of rows.
        owner: the tensor from which the places were read. As long as it lives and does
            not change, they are not sorted again.

    Example:
        >>> edges = torch.tensor([[1, 0, 0], [1, 0, 1]])
        >>> entries, vectors = torch.tensor([3.0, 1, 2]), torch.tensor([[1.0], [10]])
        >>> sparse_product(edges, entries, vectors, 2, owner=edges)
        tensor([[21.],
                [30.]])
    """
    if torch.compiler.is_compiling():  # which fuses this, and could keep nothing
        taken = entries[..., None] * vectors.index_select(0, places[1])
        return segment_sum(taken, places[0], num_rows)
    pattern = pattern_of(owner, places, num_rows, len(vectors))
    return pattern.product(entries, vectors)


_patterns: WeakIdKeyDictionary = WeakIdKeyDictionary()


def pattern_of(
    owner: Tensor,
    places: Int[Tensor, "2 entries"],
    num_rows: int,
    num_columns: int,
) -> SparsePattern:
    """The pattern with these places, kept until their owner changes or is gone.

    A graph is the same at each step of training, so its edges are sorted once.

    Args:
        owner: the tensor from which the places were read.
        places: row and column of each entry.
        num_rows: number of rows.
        num_columns: number of columns.

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 1]])
        >>> kept = pattern_of(edges, edges, 2, 2)
        >>> pattern_of(edges, edges, 2, 2) is kept
        True
    """
    if owner.is_inference():
        return SparsePattern(places[0], places[1], num_rows, num_columns)
    state = owner._version, num_rows, num_columns
    kept = _patterns.get(owner)
    if kept is None or kept[0] != state:
        # A copy: views of their owner would keep it alive for ever.
        row, column = places.clone()
        pattern = SparsePattern(row, column, num_rows, num_columns)
        _patterns[owner] = kept = state, pattern
    return kept[1]


class _SparseProduct(torch.autograd.Function):
    """The gradient of the vectors is the product with the transposed matrix."""

    @staticmethod
    def forward(
        ctx: Any, entries: Tensor, vectors: Tensor, pattern: SparsePattern
    ) -> Tensor:
        """Return (rows, heads, dim); entries are (entries, heads)."""
        heads_first = entries.t().contiguous()
        ctx.save_for_backward(heads_first, vectors)
        ctx.pattern = pattern
        return pattern.sums(heads_first, vectors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of entries and vectors."""
        heads_first, vectors = ctx.saved_tensors
        pattern, of_entries, of_vectors = ctx.pattern, None, None
        if ctx.needs_input_grad[0]:
            pairs = gradient.index_select(0, pattern.row)
            pairs.mul_(vectors.index_select(0, pattern.column))
            of_entries = head_products(pairs, pairs.new_ones(pairs.shape[1:]))
        if ctx.needs_input_grad[1]:
            of_vectors = pattern.transposed.sums(heads_first, gradient)
        return of_entries, of_vectors, None


def head_products(
    vectors: Float[Tensor, "vectors heads dim"], weight: Float[Tensor, "heads dim"]
) -> Float[Tensor, "vectors heads"]:
    """In each head, the dot products of many vectors with one.

    One product of matrices does it for all heads, with zeros where two heads meet: with
    few and small heads that takes a fraction of the time of multiplying and summing.

    Args:
        vectors: of all heads.
        weight: one vector for each head.

    Example:
        >>> head_products(torch.ones(1, 2, 3), torch.tensor([[1.0, 2, 3], [0, 0, 4]]))
        tensor([[6., 4.]])
    """
    return vectors.flatten(1) @ torch.block_diag(*weight[..., None])

"""Products with sparse matrices whose places stay and whose entries change."""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from attention_book.functional import (
    in_order,
    segment_softmax,
    segment_starts,
    segment_sum,
)


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
        self._bags: dict[int, _Bags] = {}

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

        Memory: linear in entries and vectors. No vector is written down for an entry.
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
        entries: Float[Tensor, "entries heads"],
        vectors: Float[Tensor, "columns heads dim"],
    ) -> Float[Tensor, "rows heads dim"]:
        """The product, without a gradient: a row and head is a bag of vectors.

        Args:
            entries: one for each place and head.
            vectors: one for each column and head.
        """
        heads, dim = vectors.shape[1:]
        bags = self._bags_of(heads)
        found = F.embedding_bag(
            bags.vectors,
            vectors.reshape(-1, dim),
            bags.start[:-1],
            mode="sum",
            per_sample_weights=entries.flatten().index_select(0, bags.entries),
        )
        return found.view(self.num_rows, heads, dim)

    def samples(
        self,
        left: Float[Tensor, "rows heads dim"],
        right: Float[Tensor, "columns heads dim"],
    ) -> Float[Tensor, "entries heads"]:
        """At each entry, the dot product of its row's vector and its column's.

        The gradient of a product's entries has this form. Without a gradient itself.

        Args:
            left: one vector for each row and head.
            right: one for each column and head.
        """
        heads, dim = left.shape[1:]
        bags = self._bags_of(heads)
        found = bags.zeros(left.dtype, heads * self.num_columns)
        # Products of vectors of other sizes than multiples of 8 take much longer.
        left, right = (F.pad(x.reshape(-1, dim), (0, -dim % 8)) for x in (left, right))
        torch.sparse.sampled_addmm(
            found,
            left,
            right.t(),
            beta=0.0,
            out=found,  # otherwise the places are copied
        )
        return found.values().index_select(0, bags.place).view(-1, heads)

    def end_sums(
        self,
        left: Float[Tensor, "rows dim"],
        right: Float[Tensor, "columns dim"],
    ) -> Float[Tensor, "entries dim"]:
        """At each entry, the sum of its row's vector and its column's.

        Args:
            left: one vector for each row.
            right: one for each column.
        """
        return _EndSums.apply(left, right, self)

    def softmax(
        self, scores: Float[Tensor, " entries *heads"]
    ) -> Float[Tensor, " entries *heads"]:
        """Normalise scores within rows; see :func:`segment_softmax`.

        Args:
            scores: one for each entry, and head where there are heads.
        """
        return segment_softmax(scores, self.row, self.num_rows, starts=self._starts)

    @cached_property
    def _starts(self) -> Tensor | None:
        """Where the rows start and the last one ends, if their entries are in order."""
        known = in_order(self.row)
        return segment_starts(self.row, self.num_rows) if known else None

    def row_sums(
        self, vectors: Float[Tensor, "entries dim"]
    ) -> Float[Tensor, "rows dim"]:
        """In each row, the sum of the vectors of its entries; without a gradient.

        Args:
            vectors: one for each entry.
        """
        bags = self._bags_of(1)
        return F.embedding_bag(bags.entries, vectors, bags.start[:-1], mode="sum")

    def _bags_of(self, heads: int) -> "_Bags":
        if heads not in self._bags:
            self._bags[heads] = _Bags(self, heads)
        return self._bags[heads]


class _Bags:
    """The entries of a pattern for several heads, sorted by row and head.

    Args:
        pattern: of each head.
        heads: their number.

    Attributes:
        entries: the entries bag after bag, by their places in (entries, heads).
        place: where each of those stands among the bags.
        vectors: the vector of each, by its place in (columns, heads).
        start: where each bag starts, and the end of the last one.
    """

    def __init__(self, pattern: SparsePattern, heads: int) -> None:
        head = torch.arange(heads, device=pattern.row.device)
        bag = (pattern.row[:, None] * heads + head).flatten()
        entries = bag.argsort(stable=True)
        place = torch.empty_like(bag)
        place[entries] = torch.arange(len(bag), device=bag.device)
        vectors = (pattern.column[:, None] * heads + head).flatten()[entries]
        start = segment_starts(bag[entries], pattern.num_rows * heads)
        # Half as wide, the numbers are read in less time.
        largest = max(len(bag), heads * pattern.num_rows, heads * pattern.num_columns)
        dtype = torch.int32 if largest < 2**31 else torch.int64
        self.entries, self.place = entries.to(dtype), place.to(dtype)
        self.vectors, self.start = vectors.to(dtype), start.to(dtype)

    def zeros(self, dtype: torch.dtype, num_columns: int) -> Tensor:
        """Return a sparse matrix of zeros with a row for each bag.

        Args:
            dtype: of its entries.
            num_columns: number of vectors.
        """
        entries = torch.zeros(len(self.entries), dtype=dtype, device=self.start.device)
        with warnings.catch_warnings():  # the format is said to be in beta state
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(
                self.start,
                self.vectors,
                entries,
                (len(self.start) - 1, num_columns),
                check_invariants=False,
            )


def sparse_product(
    places: Callable[[], Int[Tensor, "2 entries"]],
    entries: Float[Tensor, " entries *heads"],
    vectors: Float[Tensor, "columns *heads dim"],
    num_rows: int,
    *,
    owner: Tensor,
) -> Float[Tensor, "rows *heads dim"]:
    """Multiply a sparse matrix, or one for each head, by vectors.

    Args:
        places: returns row and column of each entry; called if they are not known.
        entries: see :meth:`SparsePattern.product`.
        vectors: one for each column, and head where there are heads.
        num_rows: number of rows.
        owner: the tensor from which the places are read. As long as it lives and does
            not change, they are not sorted again.

    Example:
        >>> edges = torch.tensor([[1, 0, 0], [1, 0, 1]])
        >>> entries, vectors = torch.tensor([3.0, 1, 2]), torch.tensor([[1.0], [10]])
        >>> sparse_product(lambda: edges, entries, vectors, 2, owner=edges)
        tensor([[21.],
                [30.]])
    """
    if torch.compiler.is_compiling():  # which fuses this, and could keep nothing
        row, column = places()
        taken = entries[..., None] * vectors.index_select(0, column)
        return segment_sum(taken, row, num_rows)
    pattern = pattern_of(owner, places, num_rows, len(vectors))
    return pattern.product(entries, vectors)


_patterns: WeakIdKeyDictionary = WeakIdKeyDictionary()


def pattern_of(
    owner: Tensor,
    places: Callable[[], Int[Tensor, "2 entries"]],
    num_rows: int,
    num_columns: int,
) -> SparsePattern:
    """The pattern with these places, kept until their owner changes or is gone.

    A graph is the same at each step of training, so its edges are sorted once.

    Args:
        owner: the tensor from which the places are read.
        places: returns row and column of each entry; called if they are not known.
        num_rows: number of rows.
        num_columns: number of columns.

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 1]])
        >>> kept = pattern_of(edges, lambda: edges, 2, 2)
        >>> pattern_of(edges, lambda: edges, 2, 2) is kept
        True
    """
    if owner.is_inference():
        row, column = places()
        return SparsePattern(row, column, num_rows, num_columns)
    state = owner._version, num_rows, num_columns
    kept = _patterns.get(owner)
    if kept is None or kept[0] != state:
        # A copy: views of their owner would keep it alive for ever.
        row, column = places().clone()
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
        ctx.save_for_backward(entries, vectors)
        ctx.pattern = pattern
        return pattern.sums(entries, vectors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of entries and vectors."""
        entries, vectors = ctx.saved_tensors
        pattern, of_entries, of_vectors = ctx.pattern, None, None
        if ctx.needs_input_grad[0]:
            of_entries = pattern.samples(gradient, vectors)
        if ctx.needs_input_grad[1]:
            of_vectors = pattern.transposed.sums(entries, gradient)
        return of_entries, of_vectors, None


class _EndSums(torch.autograd.Function):
    """The gradient of a row's vector is a sum over the entries of the row."""

    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, pattern: SparsePattern
    ) -> Tensor:
        """Return (entries, dim)."""
        ctx.pattern = pattern
        found = left.index_select(0, pattern.row)
        return found.add_(right.index_select(0, pattern.column))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of both."""
        pattern = ctx.pattern
        wide = gradient.to(torch.promote_types(gradient.dtype, torch.float32))
        sums = pattern.row_sums(wide), pattern.transposed.row_sums(wide)
        return *(rows.to(gradient.dtype) for rows in sums), None


def head_products(
    vectors: Float[Tensor, "vectors heads dim"], *weights: Float[Tensor, "heads dim"]
) -> tuple[Float[Tensor, "vectors heads"], ...]:
    """In each head, the dot products of many vectors with one, or with several.

    One product of matrices does it for all, with zeros where two heads meet: with few
    and small heads that takes a fraction of the time of multiplying and summing.

    Args:
        vectors: of all heads.
        *weights: each has one vector for each head.

    Returns:
        The products with each of ``weights``.

    Example:
        >>> head_products(torch.ones(1, 2, 3), torch.tensor([[1.0, 2, 3], [0, 0, 4]]))
        (tensor([[6., 4.]]),)
    """
    blocks = [torch.block_diag(*weight[:, None]) for weight in weights]
    return F.linear(vectors.flatten(1), torch.cat(blocks)).chunk(len(weights), dim=1)

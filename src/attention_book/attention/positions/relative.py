"""Relative positions: a vector for each distance (Shaw et al., 2018)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import Bias, check_shapes, weigh_scores
from attention_book.attention.positions.absolute import token_positions
from attention_book.functional import Mask, check_counts, dot_scores


class RelativePositions(nn.Module):
    r"""Add to each key and to each value a vector that depends on its distance.

    .. math::
        e_{ij} = \frac{q_i (k_j + a^K_{ij})^\top}{\sqrt{d_z}}, \qquad
        z_i = \sum_j \alpha_{ij} (v_j + a^V_{ij}), \qquad
        a_{ij} = w_{\mathrm{clip}(j - i, -k, k)}

    with ``query`` :math:`q`, ``key`` :math:`k_j`, ``value`` :math:`v`, the context
    :math:`z`, and tables :math:`w^K, w^V` of :math:`2k + 1` rows, shared by all heads.
    Pass it to :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``attention_fn``.

    The sums :math:`k_j + a^K_{ij}` are never formed for all pairs. Each query is scored
    against every row of :math:`w^K` once, and these scores are looked up by distance.
    Likewise the weights are summed by distance before they multiply :math:`w^V`.

    Args:
        head_dim: :math:`d_z`, size of a query, key and value in a head.
        max_distance: :math:`k`, in tokens; greater distances share one vector.

    Raises:
        ValueError: if one of them is less than 1.

    Memory: queries x keys numbers per head; the fused kernel cannot be used.
    Source: arXiv:1803.02155, equations (3) and (4). Initial values are ours.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=RelativePositions(4, 16))
        >>> x = torch.randn(1, 3, 8)
        >>> layer(x, x, x)[0].shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, head_dim: int, max_distance: int) -> None:
        super().__init__()
        check_counts(head_dim=head_dim, max_distance=max_distance)
        self.max_distance = max_distance
        rows = 2 * max_distance + 1
        self.key_table = nn.Parameter(torch.empty(rows, head_dim))  # w^K
        self.value_table = nn.Parameter(torch.empty(rows, head_dim))  # w^V
        nn.init.xavier_uniform_(self.key_table)
        nn.init.xavier_uniform_(self.value_table)

    one_sequence = True

    def check_heads(self, num_heads: int, head_dim: int) -> None:
        """Refuse heads of another size.

        Raises:
            ValueError: if ``head_dim`` is not that of the tables.
        """
        own = self.key_table.shape[1]
        if own != head_dim:
            raise ValueError(
                f"the relative positions are for head_dim {own}, got head_dim "
                f"{head_dim} in {num_heads} heads"
            )

    def forward(
        self,
        query: Float[Tensor, "batch heads queries head_dim"],
        key: Float[Tensor, "batch heads keys head_dim"],
        value: Float[Tensor, "batch heads keys head_dim"],
        mask: Mask | None = None,
        *,
        bias: Bias | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        need_weights: bool = False,
    ) -> tuple[
        Float[Tensor, "batch heads queries head_dim"],
        Float[Tensor, "batch heads queries keys"] | None,
    ]:
        """Return ``(context, weights)``; arguments as for ``dot_product_attention``.

        Queries and keys come from one sequence, of which the queries are the last
        tokens: all of them, or in a decoder with a cache the new ones.

        Raises:
            ValueError: if ``head_dim`` is not the layer's, there are more queries than
                keys, or as from ``dot_product_attention``.
        """
        self._check_sizes(query, value)
        check_shapes(query, key, value)
        at_query, at_key = token_positions(query.shape[-2], key.shape[-2], query.device)
        distance = (at_key - at_query[:, None]).clamp(
            -self.max_distance, self.max_distance
        )
        row = (distance + self.max_distance).expand(*query.shape[:-1], -1)
        by_distance = (query / math.sqrt(self.key_table.shape[1])) @ self.key_table.mT
        scores = dot_scores(query, key) + by_distance.gather(-1, row)  # with q a^K
        weights = weigh_scores(scores, mask, bias=bias, causal=causal)
        used = F.dropout(weights, dropout)
        by_distance = torch.zeros_like(by_distance).scatter_add(-1, row, used)
        context = used @ value + by_distance @ self.value_table
        return context, weights if need_weights else None

    def _check_sizes(
        self,
        query: Float[Tensor, "batch heads queries _"],
        value: Float[Tensor, "batch heads keys _"],
    ) -> None:
        head_dim = self.key_table.shape[1]
        if query.shape[-1] != head_dim or value.shape[-1] != head_dim:
            raise ValueError(
                f"query and value must be of size {head_dim}, got "
                f"{query.shape[-1]} and {value.shape[-1]}"
            )


def relative_shift(
    by_distance: Float[Tensor, "*axes queries distances"], num_keys: int
) -> Float[Tensor, "*axes queries keys"]:
    r"""Turn scores by distance into scores by key, without an index.

    .. math:: y_{ij} = x_{i,\; j - i + n - 1}

    with ``by_distance`` :math:`x` for :math:`n` queries: row :math:`i` has to move
    :math:`i` columns to the left. To do so, add a column at the end of each row, read
    all rows as one long row, and cut it into rows that are one column shorter: each row
    then starts one column later than the row above it.

    Args:
        by_distance: for each query, scores for the distances :math:`j - i` of a key at
            :math:`j` from a query at :math:`i`, from :math:`-(n - 1)` to
            ``num_keys`` - 1.
        num_keys: number of keys, at least 1.

    Raises:
        ValueError: if the number of distances is not :math:`n` + ``num_keys`` - 1, or
            there are no queries or keys.

    Cost: one copy. :class:`RelativePositions` has fewer distances, which are clipped,
        and looks them up by an index.
    Source: Dai et al., arXiv:1901.02860, appendix B.

    Example:
        >>> x = torch.tensor([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
        >>> relative_shift(x, 2)
        tensor([[ 0.,  1.],
                [-1.,  0.]])
    """
    queries, distances = by_distance.shape[-2:]
    if queries < 1 or num_keys < 1 or distances != queries + num_keys - 1:
        raise ValueError(
            "by_distance must have a row for each query, at least one, and "
            f"queries + num_keys - 1 columns, got shape {tuple(by_distance.shape)} "
            f"for {num_keys} keys"
        )
    longer = F.pad(by_distance, (0, 1)).flatten(-2)
    # The first row's score for key 0 is in column n - 1.
    cut = longer[..., queries - 1 : queries - 1 + queries * distances]
    return cut.unflatten(-1, (queries, distances))[..., :num_keys]

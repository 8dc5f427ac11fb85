"""Relative scores for segments with a memory: Transformer-XL (Dai et al., 2019)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import Bias, check_shapes, weigh_scores
from attention_book.attention.positions.absolute import sinusoid_frequencies
from attention_book.attention.positions.relative import relative_shift
from attention_book.functional import Mask, check_counts


class TransformerXLAttention(nn.Module):
    r"""Score content and distance apart, each with a vector that no query owns.

    .. math::
        A_{ij} = q_i^\top k_j + q_i^\top W_{k,R} R_{i-j}
        + u^\top k_j + v^\top W_{k,R} R_{i-j}, \qquad
        \alpha_{ij} = \mathrm{softmax}_j(A_{ij} / \sqrt{d_h})

    with ``query`` :math:`q_i`, ``key`` :math:`k_j`, sinusoids :math:`R` of the distance
    and, for each head, learned vectors :math:`u` and :math:`v`. Keys may reach further
    back than queries: the queries are the last positions of the keys, and the keys in
    front of them come from the memory. Pass it to
    :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``attention_fn``.

    The scores of the distances are computed once for all distances and then moved into
    place by :func:`attention_book.attention.positions.relative.relative_shift`.

    Args:
        num_heads: heads of the attention.
        head_dim: :math:`d_h`, size of a query and key in a head; the sinusoids have
            ``num_heads`` x ``head_dim`` features, an even number.

    Raises:
        ValueError: if a size is less than 1, or the number of features is odd.

    Memory: queries x keys numbers per head, twice; the fused kernel cannot be used.
    Source: arXiv:1901.02860, 3.3. In the authors' PyTorch code all layers share
        :math:`u` and :math:`v`; here each layer has its own, as in their TensorFlow
        runs on WikiText-103.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=TransformerXLAttention(2, 4))
        >>> x = torch.randn(1, 3, 8)
        >>> layer(x, x, x, causal=True)[0].shape
        torch.Size([1, 3, 8])
    """

    one_sequence = True

    def __init__(self, num_heads: int, head_dim: int) -> None:
        super().__init__()
        check_counts(num_heads=num_heads, head_dim=head_dim)
        size = num_heads * head_dim
        self.num_heads, self.head_dim = num_heads, head_dim
        sinusoid_frequencies(size)  # refuses an odd number of features
        self.distance_proj = nn.Linear(size, size, bias=False)  # W_{k,R}
        self.content_query = nn.Parameter(torch.empty(num_heads, 1, head_dim))  # u
        self.distance_query = nn.Parameter(torch.empty(num_heads, 1, head_dim))  # v
        nn.init.normal_(self.content_query, std=0.02)
        nn.init.normal_(self.distance_query, std=0.02)

    def check_heads(self, num_heads: int, head_dim: int) -> None:
        """Refuse heads of another number or size.

        Raises:
            ValueError: if the heads are not those of the learned vectors.
        """
        if (num_heads, head_dim) != (self.num_heads, self.head_dim):
            raise ValueError(
                f"the learned vectors are for {self.num_heads} heads of size "
                f"{self.head_dim}, got {num_heads} heads of size {head_dim}"
            )

    def forward(
        self,
        query: Float[Tensor, "batch heads queries head_dim"],
        key: Float[Tensor, "batch heads keys head_dim"],
        value: Float[Tensor, "batch heads keys value_dim"],
        mask: Mask | None = None,
        *,
        bias: Bias | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        need_weights: bool = False,
    ) -> tuple[
        Float[Tensor, "batch heads queries value_dim"],
        Float[Tensor, "batch heads queries keys"] | None,
    ]:
        """Return ``(context, weights)``; arguments as for ``dot_product_attention``.

        Raises:
            ValueError: if the heads are not the layer's, there are more queries than
                keys, or as from ``dot_product_attention``.
        """
        check_shapes(query, key, value)
        self.check_heads(query.shape[1], query.shape[3])
        num_keys = key.shape[2]
        distances = self.distance_keys(query.shape[2], num_keys)
        content = (query + self.content_query) @ key.mT
        by_distance = (query + self.distance_query) @ distances.mT
        scores = content + relative_shift(by_distance, num_keys)
        scores = scores / math.sqrt(self.head_dim)
        weights = weigh_scores(scores, mask, bias=bias, causal=causal)
        context = F.dropout(weights, dropout) @ value
        return context, weights if need_weights else None

    def distance_keys(
        self, num_queries: int, num_keys: int
    ) -> Float[Tensor, "heads distances head_dim"]:
        """Return :math:`W_{k,R} R` of every distance that occurs.

        Args:
            num_queries: the last tokens.
            num_keys: all tokens, those of the memory included.

        Returns:
            One row for each distance :math:`i - j`, from ``num_keys`` - 1 down to
            1 - ``num_queries``: negative where a key stands after its query.

        Raises:
            ValueError: if there are more queries than tokens.
        """
        if num_queries > num_keys:
            raise ValueError(
                "the queries must be the last of the keys, got "
                f"{num_queries} queries and {num_keys} keys"
            )
        start, end = num_keys - 1, -num_queries
        weight = self.distance_proj.weight
        distance = torch.arange(start, end, -1, device=weight.device)
        # In bfloat16 distances 256 and 257 would be one.
        wide = torch.promote_types(weight.dtype, torch.float32)
        rates = sinusoid_frequencies(len(weight), weight.device).to(wide)
        angles = distance[:, None] * rates
        table = torch.cat([angles.sin(), angles.cos()], dim=-1)  # not interleaved
        rows = self.distance_proj(table.to(weight.dtype))
        rows = rows.unflatten(-1, (self.num_heads, -1))
        return rows.transpose(0, 1)

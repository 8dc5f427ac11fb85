"""Several attentions at once, each in a subspace of its own (Vaswani et al., 2017)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import (
    Bias,
    check_tokens,
    dot_product_attention,
)
from attention_book.functional import Mask


class MultiHeadAttention(nn.Module):
    r"""Attend in several subspaces, and project what the heads found back together.

    .. math::
        \mathrm{head}_i = \mathrm{softmax}\Bigl(
            \frac{(Q W_i^Q) (K W_i^K)^\top}{\sqrt{d_k}} + B_i \Bigr) V W_i^V, \qquad
        C = [\mathrm{head}_1; \ldots; \mathrm{head}_h]\, W^O

    with ``query`` :math:`Q`, ``key`` :math:`K`, ``value`` :math:`V`, ``bias``
    :math:`B` (in the paper: none) and :math:`d_k` = ``embed_dim`` / ``num_heads``. One
    matrix, ``in_proj``, holds the :math:`W_i^Q` of all heads, below them all
    :math:`W_i^K` and all :math:`W_i^V`: self-attention, ``layer(x, x, x)``, is
    projected by a single product.

    Args:
        embed_dim: size of a token, and of a context.
        num_heads: :math:`h`.
        bias: whether the projections add a vector, as those of PyTorch do; the paper's
            equations have none.
        dropout: probability in training that a weight is set to 0.
        attention_fn: what attends within the heads and knows where tokens stand, such
            as :class:`attention_book.attention.positions.rotary.RotaryAttention`; None:
            :func:`attention_book.attention.dot_product.dot_product_attention`, which
            does not know. It is called with arguments like that function's and
            returns the same.

    Raises:
        ValueError: if ``num_heads`` does not divide ``embed_dim``, one of them is less
            than 1, or ``dropout`` is not a probability.

    Memory: that of :func:`attention_book.attention.dot_product.dot_product_attention`.
    Source: arXiv:1706.03762, 3.2.2. Initial values are those of
        :class:`torch.nn.MultiheadAttention`, whose results the layer's equal. Dropout
        on weights is not in the paper; its authors' program and PyTorch have it.

    Example:
        >>> import torch
        >>> layer, x = MultiHeadAttention(6, 2), torch.randn(3, 4, 6)
        >>> context, weights = layer(x, x, x, need_weights=True)
        >>> context.shape, weights.shape
        (torch.Size([3, 4, 6]), torch.Size([3, 2, 4, 4]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        attention_fn: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1:
            raise ValueError(
                f"embed_dim and num_heads must be at least 1, got {embed_dim} and "
                f"{num_heads}"
            )
        if embed_dim % num_heads:
            raise ValueError(
                f"embed_dim ({embed_dim}) must be divisible by num_heads ({num_heads})"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be from 0 to less than 1, got {dropout}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_fn = attention_fn
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim, bias=bias)  # W^Q, W^K, W^V
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)  # W^O
        nn.init.xavier_uniform_(self.in_proj.weight)
        if bias:
            nn.init.zeros_(self.in_proj.bias)
            nn.init.zeros_(self.out_proj.bias)

    def project_kv(
        self,
        key: Float[Tensor, "batch keys embed_dim"],
        value: Float[Tensor, "batch keys embed_dim"],
    ) -> tuple[
        Float[Tensor, "batch heads keys head_dim"],
        Float[Tensor, "batch heads keys head_dim"],
    ]:
        """Return keys and values as the heads see them, for more than one call.

        A decoder projects the source once, however many words will look at it.

        Args:
            key: what is compared with the queries.
            value: what is averaged.

        Raises:
            ValueError: if the two do not fit the layer and each other.

        Example:
            >>> import torch
            >>> layer = MultiHeadAttention(4, 2)
            >>> x, source = torch.randn(1, 3, 4), torch.randn(1, 5, 4)
            >>> projected = layer.project_kv(source, source)
            >>> context, _ = layer(x, source, source, projected_kv=projected)
            >>> torch.allclose(context, layer(x, source, source)[0])
            True
        """
        check_tokens(key, key, value, self.embed_dim)
        if key is value:
            _, both = self._cut(1, 2)
            projected = F.linear(key, *both).chunk(2, dim=-1)
        else:
            _, for_key, for_value = self._cut(1, 1, 1)
            projected = F.linear(key, *for_key), F.linear(value, *for_value)
        keys, values = (self._split(tokens) for tokens in projected)
        return keys, values

    def project_qkv(
        self, tokens: Float[Tensor, "batch tokens embed_dim"]
    ) -> tuple[
        Float[Tensor, "batch heads tokens head_dim"],
        Float[Tensor, "batch heads tokens head_dim"],
        Float[Tensor, "batch heads tokens head_dim"],
    ]:
        """Return the same tokens as queries, keys and values, by a single product.

        A decoder that gets a word at a time appends the new key and value to those of
        the words before, along the axis of the keys, and attends to all of them.

        Args:
            tokens: what looks at itself.

        Raises:
            ValueError: if they do not fit the layer.

        Example:
            >>> import torch
            >>> layer, words = MultiHeadAttention(4, 2), torch.randn(1, 3, 4)
            >>> _, *before = layer.project_qkv(words[:, :2])
            >>> word = words[:, 2:]
            >>> query, *new = layer.project_qkv(word)
            >>> so_far = (torch.cat(pair, dim=2) for pair in zip(before, new))
            >>> context, _ = layer(word, word, word, projected_kv=(query, *so_far))
            >>> whole, _ = layer(words, words, words, causal=True)
            >>> torch.allclose(context[:, 0], whole[:, 2], atol=1e-6)
            True
        """
        check_tokens(tokens, tokens, tokens, self.embed_dim)
        parts = self.in_proj(tokens).chunk(3, dim=-1)
        queries, keys, values = (self._split(part) for part in parts)
        return queries, keys, values

    def forward(
        self,
        query: Float[Tensor, "batch queries embed_dim"],
        key: Float[Tensor, "batch keys embed_dim"],
        value: Float[Tensor, "batch keys embed_dim"],
        mask: Mask | None = None,
        *,
        need_weights: bool = False,
        bias: Bias | None = None,
        causal: bool = False,
        projected_kv: tuple[Tensor, ...] | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries embed_dim"],
        Float[Tensor, "batch heads queries all_keys"] | None,
    ]:
        """Return ``(context, weights)``, or ``(context, None)``.

        Args:
            query: what asks.
            key: what is compared with the queries.
            value: what is averaged.
            mask: True where a query may attend, (batch, queries, keys) for all heads;
                None: everywhere.
            need_weights: whether the weights of each head are returned, as they are
                before dropout.
            bias: finite numbers added to the scores, (batch, heads, queries, keys) with
                axes of full size or 1; None: nothing.
            causal: whether each query may attend to its own position and to those
                before it, the queries being the last ones of the keys; in place of a
                mask, and faster.
            projected_kv: what :meth:`project_kv` or :meth:`project_qkv` returned, for
                all keys, and if the queries are among it for all queries; of ``query``,
                ``key`` and ``value`` those are then not looked at. None: computed here.

        Returns:
            The context, and None or the weights. A query that may attend to nothing
            gets zeros in both, the projection's bias left out.

        Raises:
            ValueError: if the shapes do not fit each other, or there is a mask besides
                ``causal``.
            TypeError: if ``mask`` is not boolean or ``bias`` holds no floats.
        """
        if projected_kv is None:
            check_tokens(query, key, value, self.embed_dim)
            alone = query is key and key is value
            projected_kv = (
                self.project_qkv(query) if alone else self.project_kv(key, value)
            )
        if len(projected_kv) == 2:
            check_tokens(query, query, query, self.embed_dim)
            for_query, _ = self._cut(1, 2)
            projected_kv = self._split(F.linear(query, *for_query)), *projected_kv
        queries, keys, values = projected_kv
        nothing = keys.shape[2] == 0
        attention = self.attention_fn or dot_product_attention
        context, weights = attention(
            queries,
            keys,
            values,
            mask,
            bias=bias,
            causal=causal,
            dropout=self.dropout if self.training else 0.0,
            need_weights=need_weights,
        )
        # Without gradients nobody needs them: their memory serves the next product.
        del projected_kv, queries, keys, values
        context = self.out_proj(context.transpose(1, 2).flatten(2))
        if mask is not None:  # W^O has a bias, which is no part of what was found
            context = context.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
        elif nothing:
            context = context * 0.0
        return context, weights

    def _cut(self, *shares: int) -> list[tuple[Tensor, Tensor | None]]:
        """Cut ``in_proj`` into layers of so many times ``embed_dim`` outputs."""
        # A split, not slices: these would each get a gradient as large as the whole.
        sizes = [share * self.embed_dim for share in shares]
        weights = self.in_proj.weight.split(sizes)
        if self.in_proj.bias is None:
            return [(weight, None) for weight in weights]
        return list(zip(weights, self.in_proj.bias.split(sizes), strict=True))

    def _split(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, embed_dim) as (batch, heads, tokens, head_dim), a view."""
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

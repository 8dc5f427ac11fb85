"""Several attentions at once, each in a subspace of its own (Vaswani et al., 2017)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import (
    Bias,
    check_tokens,
    dot_product_attention,
)
from attention_book.functional import Mask, check_counts


class MultiHeadAttention(nn.Module):
    r"""Attend in several subspaces, and project the joined outputs of the heads.

    .. math::
        \mathrm{head}_i = \mathrm{softmax}\Bigl(
            \frac{(Q W_i^Q) (K W_i^K)^\top}{\sqrt{d_k}} + B_i \Bigr) V W_i^V, \qquad
        C = [\mathrm{head}_1; \ldots; \mathrm{head}_h]\, W^O

    with ``query`` :math:`Q`, ``key`` :math:`K`, ``value`` :math:`V`, ``bias``
    :math:`B` (in the paper: none) and :math:`d_k` = ``embed_dim`` / ``num_heads``. One
    matrix, ``in_proj``, stacks the :math:`W_i^Q` of all heads, then all :math:`W_i^K`,
    then all :math:`W_i^V`, so that self-attention, ``layer(x, x, x)``, needs a single
    product for its projections.

    Args:
        embed_dim: size of a token and of a context vector.
        num_heads: :math:`h`.
        bias: whether the projections add a vector, as in PyTorch; the paper's
            equations have none.
        dropout: probability in training that a weight is set to 0.
        attention_fn: attention within the heads, called with the arguments of
            :func:`attention_book.attention.dot_product.dot_product_attention`, which is
            used where this is None. Pass
            :class:`attention_book.attention.positions.rotary.RotaryAttention` or
            another encoding of positions to make the scores depend on distance. If it
            has a method ``check_heads(num_heads, head_dim)``, that is called here; if
            its attribute ``one_sequence`` is True, the layer refuses cross-attention,
            in which distances have no meaning.

    Raises:
        ValueError: if ``num_heads`` does not divide ``embed_dim``, one of them is less
            than 1, ``dropout`` is not a probability, or ``attention_fn`` was made for
            another number or size of heads.

    Memory: that of :func:`attention_book.attention.dot_product.dot_product_attention`.
    Source: arXiv:1706.03762, 3.2.2. Initial values are those of
        :class:`torch.nn.MultiheadAttention`, and so are the results. Dropout on the
        weights is not in the paper; the authors' code and PyTorch have it.

    Example:
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
        attention_fn: Callable[..., tuple[Tensor, Tensor | None]] | None = None,
    ) -> None:
        super().__init__()
        check_counts(embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(
                f"embed_dim ({embed_dim}) must be divisible by num_heads ({num_heads})"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be from 0 to less than 1, got {dropout}")
        check_heads = getattr(attention_fn, "check_heads", None)
        if check_heads is not None:
            check_heads(num_heads, embed_dim // num_heads)
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
        """Return the projected keys and values of all heads, for several calls.

        A decoder projects the source once and attends to it at every step.

        Args:
            key: vectors that are scored against each query.
            value: vectors that are averaged.

        Raises:
            ValueError: if the two do not fit the layer and each other.

        Example:
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
        """Return the queries, keys and values of one sequence, by a single product.

        A decoder that reads one token at a time appends the new key and value to those
        of the earlier tokens, along the axis of the keys, and attends to all of them.

        Args:
            tokens: the sequence that attends to itself.

        Raises:
            ValueError: if ``tokens`` does not fit the layer.

        Example:
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
        r"""Return ``(context, weights)``, or ``(context, None)``.

        Args:
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors that are averaged.
            mask: True where a query may attend, (batch, queries, keys) for all heads;
                None: everywhere.
            need_weights: whether the weights of each head are returned, as they are
                before dropout.
            bias: numbers added to the scores, (batch, heads, queries, keys) with axes
                of full size or 1, :math:`-\infty` where a head may not attend; None:
                nothing.
            causal: whether each query may attend only to its own position and to
                earlier ones, where the queries are the last positions of the keys.
                Replaces a mask, and is faster.
            projected_kv: result of :meth:`project_kv` for all keys, or of
                :meth:`project_qkv` with the keys and values of earlier tokens in front;
                ``key`` and ``value``, and in the second case ``query``, are then not
                used. None: projected here.

        Returns:
            The context, and the weights or None. A query that ``mask`` lets attend to
            nothing gets zeros in both, without the bias of the output projection.

        Raises:
            ValueError: if the shapes do not fit each other, there is a mask besides
                ``causal``, or ``attention_fn`` is for one sequence and query and key
                are not known to be one: neither the same tensor nor from
                :meth:`project_qkv`.
            TypeError: if ``mask`` is not boolean or ``bias`` does not hold floats.
        """
        self._check_sequences(query, key, projected_kv)
        queries, keys, values = self._project(query, key, value, projected_kv)
        nothing = keys.shape[2] == 0
        attention = self.attention_fn or dot_product_attention
        dropout = self.dropout if self.training else 0.0
        how = {"causal": causal, "need_weights": need_weights}
        context, weights = attention(
            queries, keys, values, mask, bias=bias, dropout=dropout, **how
        )
        # Without gradients they are not needed: the next product reuses their memory.
        del queries, keys, values, projected_kv
        context = self.out_proj(context.transpose(1, 2).flatten(2))
        return _zero_without_keys(context, mask, nothing), weights

    @classmethod
    def from_torch(cls, layer: nn.MultiheadAttention) -> "MultiHeadAttention":
        """Build a layer with the weights of a layer of PyTorch, and its results.

        The inputs come batch first, whatever ``layer.batch_first`` is.

        Args:
            layer: with keys and values of size ``embed_dim``; its weights are copied,
                and frozen ones stay frozen.

        Raises:
            ValueError: if ``layer`` has ``kdim``, ``vdim``, ``add_bias_kv`` or
                ``add_zero_attn``, which this class does not have.

        Example:
            >>> theirs = nn.MultiheadAttention(6, 2, batch_first=True)
            >>> ours, x = MultiHeadAttention.from_torch(theirs), torch.randn(3, 4, 6)
            >>> torch.allclose(ours(x, x, x)[0], theirs(x, x, x)[0], atol=1e-6)
            True
        """
        sizes = layer.embed_dim, layer.kdim, layer.vdim
        if len(set(sizes)) > 1 or layer.bias_k is not None or layer.add_zero_attn:
            raise ValueError(
                "layer must have kdim and vdim equal to embed_dim, and neither "
                f"add_bias_kv nor add_zero_attn, got embed_dim, kdim, vdim {sizes}, "
                f"add_bias_kv {layer.bias_k is not None}, add_zero_attn "
                f"{layer.add_zero_attn}"
            )
        with torch.device("meta"):  # nothing is drawn for weights that are replaced
            ours = cls(
                layer.embed_dim,
                layer.num_heads,
                bias=layer.in_proj_bias is not None,
                dropout=layer.dropout,
            )
        weights = {
            name.replace("in_proj_", "in_proj."): weight.detach().clone()
            for name, weight in layer.state_dict().items()
        }
        ours.load_state_dict(weights, assign=True)
        for name, weight in layer.named_parameters():
            found = ours.get_parameter(name.replace("in_proj_", "in_proj."))
            found.requires_grad_(weight.requires_grad)
        return ours.train(layer.training)

    def to_torch(self) -> nn.MultiheadAttention:
        """Build a layer of PyTorch with these weights; the inverse of `from_torch`.

        It has ``batch_first=True``.

        Raises:
            ValueError: if there is an ``attention_fn``, which PyTorch's layer has not.

        Example:
            >>> MultiHeadAttention(6, 2).to_torch().in_proj_weight.shape
            torch.Size([18, 6])
        """
        if self.attention_fn is not None:
            raise ValueError(
                "attention_fn must be None, as PyTorch's layer has only dot products, "
                f"got {_name(self.attention_fn)}"
            )
        theirs = nn.MultiheadAttention(
            self.embed_dim,
            self.num_heads,
            dropout=self.dropout,
            bias=self.in_proj.bias is not None,
            batch_first=True,
            device="meta",
        )
        weights = {
            name.replace("in_proj.", "in_proj_"): weight.detach().clone()
            for name, weight in self.state_dict().items()
        }
        theirs.load_state_dict(weights, assign=True)
        for name, weight in self.named_parameters():
            found = theirs.get_parameter(name.replace("in_proj.", "in_proj_"))
            found.requires_grad_(weight.requires_grad)
        return theirs.train(self.training)

    def _check_sequences(
        self, query: Tensor, key: Tensor, projected_kv: tuple[Tensor, ...] | None
    ) -> None:
        """Distances between queries and keys have a meaning in one sequence only."""
        known = query is key if projected_kv is None else len(projected_kv) == 3
        if not known and getattr(self.attention_fn, "one_sequence", False):
            raise ValueError(
                f"attention_fn {_name(self.attention_fn)} is for one sequence: query "
                "and key must be the same tensor, or projected_kv come from "
                "project_qkv; cross-attention takes attention_fn=None"
            )

    def _project(
        self,
        query: Float[Tensor, "batch queries embed_dim"],
        key: Float[Tensor, "batch keys embed_dim"],
        value: Float[Tensor, "batch keys embed_dim"],
        projected_kv: tuple[Tensor, ...] | None,
    ) -> tuple[Tensor, ...]:
        """Queries, keys and values of all heads; what is there is not made again."""
        if projected_kv is None:
            check_tokens(query, key, value, self.embed_dim)
            if query is key and key is value:
                return self.project_qkv(query)
            projected_kv = self.project_kv(key, value)
        if len(projected_kv) == 3:
            return projected_kv
        check_tokens(query, query, query, self.embed_dim)
        for_query, _ = self._cut(1, 2)
        return self._split(F.linear(query, *for_query)), *projected_kv

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


def _name(attention_fn: object) -> str:
    return getattr(attention_fn, "__name__", type(attention_fn).__name__)


def _zero_without_keys(
    context: Float[Tensor, "batch queries embed_dim"], mask: Mask | None, nothing: bool
) -> Float[Tensor, "batch queries embed_dim"]:
    """Remove the bias of W^O where a query had no key; ``nothing``: none had one."""
    if mask is not None:
        return context.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    return context * 0.0 if nothing else context

"""Scaled dot-product attention (Vaswani et al., 2017), as a function on tensors."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attention_book.functional import Mask, check_mask, dot_scores, masked_softmax

Bias = Float[Tensor, "..."]
"""Numbers added to scores: one axis for each axis of the scores, of full size or 1."""


def dot_product_attention(
    query: Float[Tensor, "batch *heads queries dim"],
    key: Float[Tensor, "batch *heads keys dim"],
    value: Float[Tensor, "batch *heads keys value_dim"],
    mask: Mask | None = None,
    *,
    bias: Bias | None = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    need_weights: bool = False,
) -> tuple[
    Float[Tensor, "batch *heads queries value_dim"],
    Float[Tensor, "batch *heads queries keys"] | None,
]:
    r"""Average the values of each query by its scaled dot products with the keys.

    .. math:: C = A V, \qquad A = \mathrm{softmax}(s Q K^\top + B)

    with ``query`` :math:`Q`, ``key`` :math:`K`, ``value`` :math:`V`, ``bias``
    :math:`B`, context :math:`C`, weights :math:`A` and :math:`s = 1 / \sqrt{d}`. If the
    weights are not needed, PyTorch's fused kernel computes the context without them.

    Args:
        query: vectors that attend, with one axis of heads or none.
        key: vectors that are scored against each query, with the same axes.
        value: vectors that are averaged; blocked ones must be finite.
        mask: True where a query may attend, (batch, queries, keys) and the same for
            all heads; None: everywhere.
        bias: numbers added to the scores, with the axes of the weights,
            :math:`-\infty` where a head may not attend; None: nothing.
        causal: whether each query may attend only to its own position and to earlier
            ones, where the queries are the last positions of the keys. Replaces a mask;
            for whole sequences the kernel then skips the blocked half.
        scale: :math:`s`; None: one over the square root of ``dim``.
        dropout: probability that a weight is set to 0; the others are scaled up. The
            caller passes 0 outside of training.
        need_weights: whether the weights are returned.

    Returns:
        ``(context, weights)``, the weights before dropout or None. A query without a
        key gets zeros in both.

    Raises:
        ValueError: if the shapes do not fit each other, there is a mask besides
            ``causal``, or ``causal`` with more queries than keys.
        TypeError: if ``mask`` is not boolean or ``bias`` does not hold floats.

    Memory: queries x keys numbers per head with ``need_weights``, with dropout, and
        with a bias that is trained. Otherwise that of the fused kernel, which grows
        with queries + keys.
    Source: arXiv:1706.03762, equation (1).

    Example:
        >>> x = torch.eye(2)[None]
        >>> dot_product_attention(x, x, x, causal=True, need_weights=True)[1]
        tensor([[[1.0000, 0.0000],
                 [0.3302, 0.6698]]])
    """
    check_shapes(query, key, value)
    if query.ndim == 3:  # one head: the fused kernel needs an axis for it
        context, weights = dot_product_attention(
            query[:, None],
            key[:, None],
            value[:, None],
            mask,
            bias=None if bias is None else bias[:, None],
            causal=causal,
            scale=scale,
            dropout=dropout,
            need_weights=need_weights,
        )
        return context[:, 0], None if weights is None else weights[:, 0]
    if need_weights:
        scores = dot_scores(query, key, scale)
        weights = weigh_scores(scores, mask, bias=bias, causal=causal)
        return F.dropout(weights, dropout) @ value, weights
    queries, keys = query.shape[-2], key.shape[-2]
    _check_options(mask, bias, causal, (*query.shape[:-1], keys))
    # The kernel's own flag is for whole sequences, without a mask or bias.
    if causal and (bias is not None or queries < keys):
        causal, mask = False, _last_queries(query, queries, keys)
    if mask is not None:
        mask = mask[:, None]  # the same for all heads
    if bias is not None:
        bias = bias.to(query.dtype)
        mask = bias if mask is None else bias.masked_fill(~mask, -torch.inf)
    context = F.scaled_dot_product_attention(
        query, key, value, mask, dropout, is_causal=causal, scale=scale
    )
    return context, None


def weigh_scores(
    scores: Float[Tensor, "batch heads queries keys"],
    mask: Mask | None = None,
    *,
    bias: Bias | None = None,
    causal: bool = False,
) -> Float[Tensor, "batch heads queries keys"]:
    r"""Turn the scores of all heads into weights.

    Args:
        scores: scores before ``bias`` is added.
        mask: as for :func:`dot_product_attention`.
        bias: as for :func:`dot_product_attention`; a key with :math:`-\infty` is
            blocked, as in the fused kernel.
        causal: as for :func:`dot_product_attention`.

    Raises:
        ValueError: from :func:`dot_product_attention`.
        TypeError: from :func:`dot_product_attention`.

    Example:
        >>> weigh_scores(torch.zeros(1, 1, 2, 2), causal=True)
        tensor([[[[1.0000, 0.0000],
                  [0.5000, 0.5000]]]])
    """
    _check_options(mask, bias, causal, scores.shape)
    if causal:
        mask = _last_queries(scores, *scores.shape[-2:])
    if mask is not None:
        mask = mask[:, None]  # the same for all heads
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
        finite = bias != -torch.inf  # the softmax of a row of -inf would be NaN
        mask = finite if mask is None else mask & finite
    return masked_softmax(scores, mask)


def check_bias(bias: Bias, shape: tuple[int, ...]) -> None:
    """Refuse a bias that does not fit its scores.

    Args:
        bias: numbers that will be added to the scores.
        shape: shape of the scores.

    Raises:
        TypeError: if ``bias`` does not hold floats, as a mask does not.
        ValueError: if ``bias`` does not have one axis for each axis of the scores, of
            full size or of size 1.

    Example:
        >>> check_bias(torch.zeros(1, 3, 2), (2, 3, 2))
    """
    if not bias.is_floating_point():
        raise TypeError(f"bias must hold floats, got {bias.dtype}")
    fits = bias.ndim == len(shape) and all(
        size in (1, full) for size, full in zip(bias.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"bias must have one axis for each axis of the scores {tuple(shape)}, "
            f"of full size or 1, got {tuple(bias.shape)}"
        )


def check_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Refuse queries, keys and values that do not fit each other.

    Args:
        query: expected to be (batch, queries, dim), or with heads after the batch.
        key: expected to have the axes of ``query``, apart from the number of keys.
        value: expected to have the axes of ``key``, apart from the size of a vector.

    Raises:
        ValueError: if one of them has another shape.

    Example:
        >>> key = torch.zeros(2, 5, 7)
        >>> check_shapes(torch.zeros(2, 3, 7), key, torch.zeros(2, 5, 9))
    """
    *batch, _, dim = query.shape
    if query.ndim not in (3, 4):
        raise ValueError(
            "query must have shape (batch, queries, dim) or (batch, heads, queries, "
            f"dim), got {tuple(query.shape)}"
        )
    if key.ndim != query.ndim or [*key.shape[:-2], key.shape[-1]] != [*batch, dim]:
        raise ValueError(
            f"key must have shape {(*batch, 'keys', dim)} to fit query "
            f"{tuple(query.shape)}, got {tuple(key.shape)}"
        )
    if value.shape[:-1] != key.shape[:-1]:
        raise ValueError(
            f"value must have shape {(*key.shape[:-1], 'value_dim')} to fit key "
            f"{tuple(key.shape)}, got {tuple(value.shape)}"
        )


def check_tokens(query: Tensor, key: Tensor, value: Tensor, embed_dim: int) -> None:
    """Refuse inputs that do not fit a layer with one size of tokens.

    Args:
        query: expected to be (batch, queries, embed_dim).
        key: expected to be (batch, keys, embed_dim).
        value: expected to have the shape of ``key``.
        embed_dim: size of a token.

    Raises:
        ValueError: if one of them has another shape.

    Example:
        >>> check_tokens(torch.zeros(2, 3, 7), *torch.zeros(2, 2, 5, 7), 7)
    """
    named = {"query": query, "key": key, "value": value}
    for name, tokens in named.items():
        if tokens.ndim != 3 or tokens.shape[-1] != embed_dim:
            raise ValueError(
                f"{name} must have shape (batch, tokens, {embed_dim}), got "
                f"{tuple(tokens.shape)}"
            )
    if len(query) != len(key) or key.shape != value.shape:
        shapes = ", ".join(f"{name} {tuple(t.shape)}" for name, t in named.items())
        raise ValueError(
            "query, key and value must be of one batch, and key and value of one "
            f"length, got {shapes}"
        )


def _check_options(
    mask: Tensor | None, bias: Tensor | None, causal: bool, shape: tuple[int, ...]
) -> None:
    """Refuse options that do not fit scores (batch, heads, queries, keys)."""
    batch, _, queries, keys = shape
    if mask is not None:
        check_mask(mask, (batch, queries, keys))
    if bias is not None:
        check_bias(bias, shape)
    if causal and mask is not None:
        raise ValueError(
            "causal takes no mask besides: combine them into one, as in mask & "
            "causal_mask(num_tokens)"
        )
    if causal and queries > keys:
        raise ValueError(
            f"causal needs a key for every query, got {queries} queries and {keys} keys"
        )


def _last_queries(like: Tensor, queries: int, keys: int) -> Tensor:
    """The causal mask of queries that are the last positions of the keys."""
    everywhere = like.new_ones(1, queries, keys, dtype=torch.bool)
    return everywhere.tril(keys - queries)

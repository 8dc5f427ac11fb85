"""Query, key, value: the form that all attention shares, and self-attention."""

from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import check_tokens, dot_product_attention
from attention_book.functional import (
    Mask,
    additive_scores,
    check_mask,
    dot_scores,
    masked_softmax,
)


def query_key_value(
    query: Float[Tensor, "*axes queries query_dim"],
    key: Float[Tensor, "*axes keys key_dim"],
    value: Float[Tensor, "*axes keys value_dim"],
    mask: Mask | None = None,
    *,
    score: Callable[[Tensor, Tensor], Tensor] = dot_scores,
    normaliser: Callable[[Tensor, Mask | None], Tensor] = masked_softmax,
) -> tuple[
    Float[Tensor, "*axes queries value_dim"], Float[Tensor, "*axes queries keys"]
]:
    r"""Attend in the general form, of which every mechanism here is a case.

    .. math::
        e_{ij} = \mathrm{score}(q_i, k_j), \qquad
        \alpha_{i} = \mathrm{normaliser}(e_{i}), \qquad
        c_i = \sum_j \alpha_{ij} v_j

    with ``query`` :math:`q`, ``key`` :math:`k`, ``value`` :math:`v`. Projections are
    left to the caller.

    Args:
        query: vectors that attend.
        key: vectors that are scored against each query.
        value: vectors that are averaged; blocked ones must be finite.
        mask: True where a query may attend; None: everywhere.
        score: function from all queries and all keys to scores (..., queries, keys),
            such as :func:`attention_book.functional.dot_scores`.
        normaliser: function from scores and mask to weights, which are 0 for blocked
            keys, such as :func:`attention_book.functional.masked_softmax` or
            :func:`relu_over_length`.

    Returns:
        ``(context, weights)``: :math:`c` and :math:`\alpha`.

    Raises:
        ValueError: if ``value`` does not fit the scores, or from the normaliser.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
        >>> query_key_value(x, x, x)[1]
        tensor([[0.5000, 0.5000],
                [0.1956, 0.8044]])
    """
    scores = score(query, key)
    fitting = *scores.shape[:-2], scores.shape[-1], value.shape[-1]
    if value.shape != fitting:
        raise ValueError(
            f"value must have shape {(*fitting[:-1], 'value_dim')} to fit scores of "
            f"shape {tuple(scores.shape)}, got {tuple(value.shape)}"
        )
    weights = normaliser(scores, mask)
    return weights @ value, weights


def relu_over_length(
    scores: Float[Tensor, "*axes keys"], mask: Mask | None = None
) -> Float[Tensor, "*axes keys"]:
    r"""Turn scores into weights without normalising over the keys.

    .. math:: \alpha_j = \frac{m_j \max(0, e_j)}{\sum_k m_k}

    with ``scores`` :math:`e` and ``mask`` :math:`m` (1 for True). The denominator is
    the number of keys that the query may attend to. The weights need not sum to 1, and
    may all be 0.

    Args:
        scores: scores with any number of axes; the last one runs over the keys.
        mask: True where a query may attend; None: everywhere.

    Raises:
        TypeError: from :func:`attention_book.functional.check_mask`.
        ValueError: from :func:`attention_book.functional.check_mask`.

    Source: Wortsman et al., arXiv:2309.08586: ReLU in place of softmax, divided by the
        sequence length.

    Example:
        >>> import torch
        >>> relu_over_length(torch.tensor([-1.0, 1.0, 3.0, 4.0]))
        tensor([0.0000, 0.2500, 0.7500, 1.0000])
    """
    if mask is None:
        return scores.relu() / scores.shape[-1]
    check_mask(mask, scores.shape)
    allowed = mask.expand(*mask.shape[:-1], scores.shape[-1]).sum(-1, keepdim=True)
    # Filled, not multiplied: a blocked score may be infinite. Without a key the divisor
    # is 1.
    return scores.masked_fill(~mask, 0.0).relu() / allowed.clamp(min=1)


NORMALISERS = {"softmax": masked_softmax, "relu": relu_over_length}
"""Functions from scores to weights, by name."""


class SelfAttention(nn.Module):
    r"""Attend from every token of a sequence to all tokens of the same sequence.

    .. math::
        Q = X W^Q, \quad K = X W^K, \quad V = X W^V, \qquad
        C = \mathrm{normaliser}(\mathrm{score}(Q, K))\, V

    The tokens :math:`X` are ``query``, ``key`` and ``value`` at once:
    ``layer(x, x, x)``. With other keys and values the same layer attends to another
    sequence. All positions are computed in parallel, and nothing in the equation
    depends on their order.

    Args:
        embed_dim: size of a token.
        attention_dim: size of a projected query, key or value, and of a context vector.
        score: "dot", scaled by the root of ``attention_dim``, or "additive".
        normaliser: "softmax" or "relu", which is :func:`relu_over_length`.

    Raises:
        ValueError: if the score or the normaliser is unknown.

    Memory: queries x keys numbers, times ``attention_dim`` for "additive"; linear for
        "dot" with "softmax" if the weights are not needed.
    Source: arXiv:1706.03762, equation (1), for one head; the additive score is that of
        arXiv:1409.0473, A.1.2.

    Example:
        >>> import torch
        >>> layer, x = SelfAttention(4, 6), torch.randn(2, 3, 4)
        >>> context, weights = layer(x, x, x, need_weights=True)
        >>> context.shape, weights.shape
        (torch.Size([2, 3, 6]), torch.Size([2, 3, 3]))
    """

    def __init__(
        self,
        embed_dim: int,
        attention_dim: int,
        *,
        score: str = "dot",
        normaliser: str = "softmax",
    ) -> None:
        super().__init__()
        if score not in ("dot", "additive"):
            raise ValueError(f"score must be dot or additive, got {score!r}")
        if normaliser not in NORMALISERS:
            raise ValueError(
                f"normaliser must be one of {', '.join(NORMALISERS)}, got "
                f"{normaliser!r}"
            )
        self.normaliser = normaliser
        self.query_proj = nn.Linear(embed_dim, attention_dim, bias=False)  # W^Q
        self.key_proj = nn.Linear(embed_dim, attention_dim, bias=False)  # W^K
        self.value_proj = nn.Linear(embed_dim, attention_dim, bias=False)  # W^V
        self.score_proj: nn.Linear | None
        if score == "additive":
            self.score_proj = nn.Linear(attention_dim, 1, bias=False)  # v
        else:
            self.score_proj = None

    def forward(
        self,
        query: Float[Tensor, "batch queries embed_dim"],
        key: Float[Tensor, "batch keys embed_dim"],
        value: Float[Tensor, "batch keys embed_dim"],
        mask: Mask | None = None,
        *,
        need_weights: bool = False,
    ) -> tuple[
        Float[Tensor, "batch queries attention_dim"],
        Float[Tensor, "batch queries keys"] | None,
    ]:
        """Return ``(context, weights)``, or ``(context, None)``.

        Args:
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors that are averaged.
            mask: True where a query may attend; None: everywhere.
            need_weights: whether the weights are returned.

        Raises:
            ValueError: if query, key, value and mask do not fit each other.
            TypeError: if ``mask`` is not boolean.
        """
        check_tokens(query, key, value, self.query_proj.in_features)
        queries = self.query_proj(query)
        keys, values = self.key_proj(key), self.value_proj(value)
        if self.score_proj is None and self.normaliser == "softmax":
            return dot_product_attention(
                queries, keys, values, mask, need_weights=need_weights
            )
        score = dot_scores
        if self.score_proj is not None:
            score = partial(additive_scores, v=self.score_proj.weight)
        normaliser = NORMALISERS[self.normaliser]
        context, weights = query_key_value(
            queries, keys, values, mask, score=score, normaliser=normaliser
        )
        return context, weights if need_weights else None

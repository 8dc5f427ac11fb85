"""Biases that depend on distance; ALiBi (Press, Smith and Lewis, 2022)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.dot_product import Bias, dot_product_attention
from attention_book.attention.positions.absolute import token_positions
from attention_book.functional import Mask, check_counts


class DistanceBias(nn.Module):
    r"""Add to each score a bias that depends only on the head and the distance.

    .. math:: e_{ij} = \frac{q_i k_j^\top}{\sqrt{d}} + b(j - i)

    Pass it to :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``attention_fn``.

    Args:
        rule: :math:`b`, such as :class:`ALiBi` or
            :class:`attention_book.attention.positions.t5_bias.T5RelativeBias`: a
            function from distances (queries, keys) to biases (heads, queries, keys). If
            it has an attribute ``num_heads``, a layer with another number of heads is
            refused when it is built, otherwise when it is called.

    Memory: the bias holds heads x queries x keys numbers, several times if the rule is
        learned.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=DistanceBias(ALiBi(2)))
        >>> x = torch.randn(1, 3, 8)
        >>> layer(x, x, x)[0].shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rule = rule

    one_sequence = True

    def check_heads(self, num_heads: int, head_dim: int) -> None:
        """Refuse a layer whose number of heads is not that of the rule.

        Raises:
            ValueError: if the rule has another ``num_heads``.
        """
        own = getattr(self.rule, "num_heads", num_heads)
        if own != num_heads:
            raise ValueError(
                f"the rule of the biases is for {own} heads, got {num_heads} heads"
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

        Queries and keys come from one sequence, of which the queries are the last
        tokens: all of them, or in a decoder with a cache the new ones.

        Raises:
            ValueError: if the rule is for another number of heads, there are more
                queries than keys, or as from ``dot_product_attention``.
        """
        at_query, at_key = token_positions(query.shape[-2], key.shape[-2], query.device)
        own = self.rule(at_key - at_query[:, None])[None]
        _check_heads(own, query)
        return dot_product_attention(
            query,
            key,
            value,
            mask,
            bias=own if bias is None else own + bias,
            causal=causal,
            dropout=dropout,
            need_weights=need_weights,
        )


def linear_slopes(num_heads: int) -> Float[Tensor, " heads"]:
    r"""Return the slopes of ALiBi, a geometric sequence over the heads.

    .. math:: m_i = 2^{-8 i / h}, \qquad i = 1, \ldots, h

    if :math:`h` is a power of two. Otherwise the slopes are those for the next smaller
    power of two, followed by every other slope for the next larger one.

    Args:
        num_heads: :math:`h`, at least 1.

    Raises:
        TypeError: if ``num_heads`` is not an integer.
        ValueError: if it is less than 1.

    Source: Press, Smith and Lewis, arXiv:2108.12409, section 3; the rule for other
        numbers of heads is that of the authors' code.

    Example:
        >>> linear_slopes(4).tolist()
        [0.25, 0.0625, 0.015625, 0.00390625]
    """
    check_counts(num_heads=num_heads)
    power = 2 ** (int(num_heads).bit_length() - 1)  # the next smaller one

    def sequence(heads: int) -> Tensor:
        return 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)

    return torch.cat([sequence(power), sequence(2 * power)[::2][: num_heads - power]])


class ALiBi(nn.Module):
    r"""Lower the scores in proportion to the distance, with one slope per head.

    .. math:: b(j - i) = -m \, |j - i|

    Args:
        num_heads: heads of the attention.

    Source: arXiv:2108.12409, section 3. The paper's attention is causal; treating keys
        after the query like those before it is our choice.

    Example:
        >>> ALiBi(8)(torch.tensor([[-2, -1, 0]]))[0]
        tensor([[-1.0000, -0.5000,  0.0000]])
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.slopes: Tensor
        self.register_buffer("slopes", linear_slopes(num_heads), persistent=False)

    def forward(
        self, distance: Int[Tensor, "queries keys"]
    ) -> Float[Tensor, "heads queries keys"]:
        """Return the bias of each head for each distance."""
        return self.slopes[:, None, None] * -distance.abs()


def _check_heads(
    own: Float[Tensor, "1 rule_heads queries keys"],
    query: Float[Tensor, "batch heads queries head_dim"],
) -> None:
    if own.shape[1] != query.shape[1]:
        raise ValueError(
            f"the rule of the biases is for {own.shape[1]} heads, got "
            f"{query.shape[1]} heads"
        )

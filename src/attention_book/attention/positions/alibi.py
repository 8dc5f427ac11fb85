"""Numbers added to the scores by distance; ALiBi (Press, Smith and Lewis, 2022)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.dot_product import Bias, dot_product_attention
from attention_book.attention.positions.absolute import token_positions
from attention_book.functional import Mask


class DistanceBias(nn.Module):
    r"""Add to each score a number that depends on head and distance alone.

    .. math:: e_{ij} = \frac{q_i k_j^\top}{\sqrt{d}} + b(j - i)

    It is handed to
    :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``positions``.

    Args:
        rule: :math:`b`, such as :class:`ALiBi` or
            :class:`attention_book.attention.positions.t5_bias.T5RelativeBias`: makes
            (heads, queries, keys) of the distances (queries, keys).

    Memory: the bias holds heads x queries x keys numbers, and more where the rule
        learns.

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

        The queries are the last ones of the keys, as from
        :func:`attention_book.attention.positions.absolute.token_positions`.

        Raises:
            ValueError: if the rule is for another number of heads, there are more
                queries than keys, or as from ``dot_product_attention``.
        """
        at_query, at_key = token_positions(query.shape[-2], key.shape[-2], query.device)
        own = self.rule(at_key - at_query[:, None])[None]
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
    r"""Return the slope of each head: a geometric sequence.

    .. math:: m_i = 2^{-8 i / h}, \qquad i = 1, \ldots, h

    for :math:`h` heads if that is a power of two. Else the slopes are those of the
    next smaller power of two, followed by every other one of those of the next larger.

    Args:
        num_heads: :math:`h`, at least 1.

    Raises:
        ValueError: if ``num_heads`` is less than 1.

    Source: Press, Smith and Lewis, arXiv:2108.12409, section 3; the rule for other
        numbers of heads is that of the authors' program.

    Example:
        >>> linear_slopes(4).tolist()
        [0.25, 0.0625, 0.015625, 0.00390625]
    """
    if num_heads < 1:
        raise ValueError(f"num_heads must be at least 1, got {num_heads}")
    power = 2 ** (num_heads.bit_length() - 1)  # the next smaller one

    def sequence(heads: int) -> Tensor:
        return 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)

    return torch.cat([sequence(power), sequence(2 * power)[::2][: num_heads - power]])


class ALiBi(nn.Module):
    r"""Lower the scores in proportion to the distance, each head with its slope: ALiBi.

    .. math:: b(j - i) = -m \, |j - i|

    Args:
        num_heads: of the attention.

    Source: arXiv:2108.12409, section 3. The paper's attention is causal; that keys
        behind the query count alike is our choice.

    Example:
        >>> ALiBi(8)(torch.tensor([[-2, -1, 0]]))[0]
        tensor([[-1.0000, -0.5000,  0.0000]])
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.register_buffer("slopes", linear_slopes(num_heads), persistent=False)

    def forward(
        self, distance: Int[Tensor, "queries keys"]
    ) -> Float[Tensor, "heads queries keys"]:
        """Return the number of each head for each distance."""
        return self.slopes[:, None, None] * -distance.abs()

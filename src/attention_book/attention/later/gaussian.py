"""A prior that favours near words: the Gaussian Transformer (Guo et al., 2019)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.dot_product import (
    Bias,
    check_shapes,
    dot_product_attention,
)
from attention_book.attention.positions.absolute import token_positions
from attention_book.functional import Mask


class GaussianAttention(nn.Module):
    r"""Multiply the weights by a Gaussian of the distance, inside the softmax.

    .. math::
        \alpha_{ij} = \mathrm{softmax}_j\Bigl(\frac{q_i^\top k_j}{\sqrt{d}}
        - \lvert w \pi\, d_{ij}^2 + b \rvert\Bigr), \qquad d_{ij} = \lvert i - j \rvert

    with ``query`` :math:`q`, ``key`` :math:`k` and two learned numbers, which all heads
    share: the width :math:`w > 0`, and :math:`b \le 0`, a penalty for the word itself.
    Without the absolute value :math:`b` would be the same for all keys and cancel.
    Pass it to :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``attention_fn``.

    Args:
        width: :math:`w` at first.
        penalty: :math:`-b` at first.

    Raises:
        ValueError: if one of them is not positive.

    Memory: that of ``dot_product_attention`` with a bias.
    Source: Guo, Zhang and Liu, AAAI 2019, after accounts of it: that the prior is added
        to the divided scores, and the initial values, are ours.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=GaussianAttention())
        >>> x = torch.randn(1, 3, 8)
        >>> layer(x, x, x)[0].shape
        torch.Size([1, 3, 8])
    """

    one_sequence = True

    def __init__(self, width: float = 0.05, penalty: float = 0.05) -> None:
        super().__init__()
        if not (width > 0 and penalty > 0):
            raise ValueError(
                f"width and penalty must be positive, got {width} and {penalty}"
            )
        # The softplus of these is positive, whatever an optimizer does to them.
        self.raw_width = nn.Parameter(torch.tensor(math.log(math.expm1(width))))
        self.raw_penalty = nn.Parameter(torch.tensor(math.log(math.expm1(penalty))))

    @property
    def width(self) -> Float[Tensor, ""]:
        """The number :math:`w`, positive."""
        return F.softplus(self.raw_width)

    @property
    def penalty(self) -> Float[Tensor, ""]:
        """The number :math:`-b`, positive."""
        return F.softplus(self.raw_penalty)

    def prior(
        self, num_queries: int, num_keys: int
    ) -> Float[Tensor, "1 1 queries keys"]:
        r"""Return :math:`-\lvert w \pi d^2 + b \rvert`, to be added to the scores.

        Args:
            num_queries: the last tokens of the sequence.
            num_keys: all its tokens.

        Raises:
            ValueError: if there are more queries than keys.
        """
        device = self.raw_width.device
        at_query, at_key = token_positions(num_queries, num_keys, device)
        square = (at_key - at_query[:, None]).square()
        return -(self.width * math.pi * square - self.penalty).abs()[None, None]

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
            ValueError: if there are more queries than keys, or as from
                ``dot_product_attention``.
        """
        check_shapes(query, key, value)
        own = self.prior(query.shape[-2], key.shape[-2])
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

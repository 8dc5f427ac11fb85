"""Rotary positions: turn queries and keys by where they stand (Su et al., 2021)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.dot_product import Bias, dot_product_attention
from attention_book.attention.positions.absolute import (
    sinusoid_frequencies,
    token_positions,
)
from attention_book.functional import Mask


def rotate(
    vectors: Float[Tensor, "*axes tokens head_dim"],
    positions: Int[Tensor, " tokens"],
) -> Float[Tensor, "*axes tokens head_dim"]:
    r"""Turn each pair of dimensions by an angle that grows with the position.

    .. math::
        \begin{pmatrix} x'_{2i} \\ x'_{2i+1} \end{pmatrix} =
        \begin{pmatrix}
            \cos \omega_i p & -\sin \omega_i p \\ \sin \omega_i p & \cos \omega_i p
        \end{pmatrix}
        \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}

    with ``positions`` :math:`p` and :math:`\omega_i` of
    :func:`attention_book.attention.positions.absolute.sinusoid_frequencies`. The
    product of a vector turned to :math:`p` with one turned to :math:`r` depends on
    :math:`r - p`, not on :math:`p`.

    Args:
        vectors: queries or keys, of even size.
        positions: of each of them, any integers.

    Raises:
        ValueError: if ``head_dim`` is odd.

    Source: arXiv:2104.09864, 3.2.2. Neighbours make a pair, as there;
        some programs pair the first half with the second.

    Example:
        >>> rotate(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        tensor([[1.0000, 0.0000],
                [0.5403, 0.8415]])
    """
    frequencies = sinusoid_frequencies(vectors.shape[-1]).to(positions.device)
    angles = positions[:, None] * frequencies
    sine, cosine = angles.sin().to(vectors), angles.cos().to(vectors)
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    turned = even * cosine - odd * sine, even * sine + odd * cosine
    return torch.stack(turned, dim=-1).flatten(-2)


class RotaryAttention(nn.Module):
    """Attend to keys by content and distance, both by one product of turned vectors.

    It is handed to
    :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``positions``. Nothing is learned, and no position is too far: what is beyond the
    lengths seen in training is computed like the rest.

    Source: arXiv:2104.09864, 3.2. The values are not turned.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=RotaryAttention())
        >>> x = torch.randn(1, 3, 8)
        >>> layer(x, x, x)[0].shape
        torch.Size([1, 3, 8])
    """

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

        The queries are the last ones of the keys: in a decoder that gets one word at a
        time the keys are all words so far, not yet turned.

        Raises:
            ValueError: if ``head_dim`` is odd, there are more queries than keys, or as
                from ``dot_product_attention``.
        """
        at_query, at_key = token_positions(query.shape[-2], key.shape[-2], query.device)
        return dot_product_attention(
            rotate(query, at_query),
            rotate(key, at_key),
            value,
            mask,
            bias=bias,
            causal=causal,
            dropout=dropout,
            need_weights=need_weights,
        )

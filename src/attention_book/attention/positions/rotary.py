"""Rotary positions: rotate queries and keys by their positions (Su et al., 2021)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.dot_product import (
    Bias,
    check_shapes,
    dot_product_attention,
)
from attention_book.attention.positions.absolute import (
    sinusoid_frequencies,
    token_positions,
)
from attention_book.functional import Mask


def rotate(
    vectors: Float[Tensor, "*axes tokens head_dim"],
    positions: Int[Tensor, " tokens"],
) -> Float[Tensor, "*axes tokens head_dim"]:
    r"""Rotate each pair of dimensions by an angle that grows with the position.

    .. math::
        \begin{pmatrix} x'_{2i} \\ x'_{2i+1} \end{pmatrix} =
        \begin{pmatrix}
            \cos \omega_i p & -\sin \omega_i p \\ \sin \omega_i p & \cos \omega_i p
        \end{pmatrix}
        \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}

    with ``positions`` :math:`p` and :math:`\omega_i` of
    :func:`attention_book.attention.positions.absolute.sinusoid_frequencies`. The dot
    product of a vector at position :math:`p` and one at :math:`r` depends on
    :math:`r - p` and not on :math:`p`.

    Args:
        vectors: queries or keys, of even size.
        positions: position of each vector, any integer.

    Raises:
        ValueError: if ``head_dim`` is odd.

    Source: arXiv:2104.09864, 3.2.2. Neighbouring dimensions form a pair, as there;
        some implementations pair the first half with the second.

    Example:
        >>> rotate(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        tensor([[1.0000, 0.0000],
                [0.5403, 0.8415]])
    """
    return _rotate(vectors, *_tables(positions, vectors))


class RotaryAttention(nn.Module):
    """Attend by content and distance at once, with dot products of rotated vectors.

    Pass it to :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``attention_fn``. Nothing is learned, and positions have no upper limit: a sequence
    longer than those seen in training is computed in the same way.

    Source: arXiv:2104.09864, 3.2. The values are not rotated.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=RotaryAttention())
        >>> x = torch.randn(1, 3, 8)
        >>> layer(x, x, x)[0].shape
        torch.Size([1, 3, 8])
    """

    one_sequence = True

    def check_heads(self, num_heads: int, head_dim: int) -> None:
        """Refuse heads of odd size, which :func:`rotate` cannot cut into pairs.

        Raises:
            ValueError: if ``head_dim`` is odd.
        """
        if head_dim % 2:
            raise ValueError(
                f"head_dim must be even for rotary positions, got {head_dim} in "
                f"{num_heads} heads"
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
        Keys are passed before their rotation.

        Raises:
            ValueError: if ``head_dim`` is odd, there are more queries than keys, or as
                from ``dot_product_attention``.
        """
        check_shapes(query, key, value)
        at_query, at_key = token_positions(query.shape[-2], key.shape[-2], query.device)
        sine, cosine = _tables(at_key, key)
        first = len(at_key) - len(at_query)
        return dot_product_attention(
            _rotate(query, sine[first:], cosine[first:]),
            _rotate(key, sine, cosine),
            value,
            mask,
            bias=bias,
            causal=causal,
            dropout=dropout,
            need_weights=need_weights,
        )


def _tables(positions: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Sines and cosines of all angles, on the device and in the dtype of ``like``."""
    frequencies = sinusoid_frequencies(like.shape[-1], positions.device)
    angles = positions[:, None] * frequencies
    return angles.sin().to(like.dtype), angles.cos().to(like.dtype)


def _rotate(vectors: Tensor, sine: Tensor, cosine: Tensor) -> Tensor:
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    rotated = even * cosine - odd * sine, even * sine + odd * cosine
    return torch.stack(rotated, dim=-1).flatten(-2)

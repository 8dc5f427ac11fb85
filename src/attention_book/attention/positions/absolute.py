"""Positions that are added to the tokens: sinusoids, and a learned table.

Positions that live inside the attention are in
:mod:`attention_book.attention.positions.rotary`,
:mod:`attention_book.attention.positions.relative` and
:mod:`attention_book.attention.positions.alibi`.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.functional import check_counts


def sinusoid_frequencies(
    embed_dim: int, device: torch.device | None = None
) -> Float[Tensor, " pairs"]:
    r"""Return the angle by which each pair of dimensions rotates per position.

    .. math:: \omega_i = 10000^{-2i/d}, \qquad i = 0, \ldots, d/2 - 1

    in radians: the wavelengths :math:`2\pi / \omega_i` grow from :math:`2 \pi` towards
    :math:`10000 \cdot 2 \pi` positions.

    Args:
        embed_dim: :math:`d`.
        device: device of the frequencies; None: PyTorch's default device.

    Returns:
        The frequencies in double precision, or in single precision on a device that has
        no other (MPS).

    Raises:
        ValueError: if ``embed_dim`` is odd or less than 2, as a sine needs its cosine.

    Source: arXiv:1706.03762, 3.5.

    Example:
        >>> sinusoid_frequencies(4).tolist()
        [1.0, 0.01]
    """
    if embed_dim < 2 or embed_dim % 2:
        raise ValueError(
            f"embed_dim must be even, for pairs of sine and cosine, got {embed_dim}"
        )
    # In double precision position 1,000 times a frequency keeps seven digits.
    wide = torch.float64
    if device is not None and device.type == "mps":
        wide = torch.float32
    pairs = torch.arange(embed_dim // 2, dtype=wide, device=device)
    return 10000.0 ** (-2 * pairs / embed_dim)


def sinusoids(num_positions: int, embed_dim: int) -> Float[Tensor, "positions dim"]:
    r"""Tabulate the position encoding of the Transformer.

    .. math::
        PE_{(p, 2i)} = \sin(\omega_i p), \qquad PE_{(p, 2i+1)} = \cos(\omega_i p)

    with :math:`\omega_i` of :func:`sinusoid_frequencies`.

    Args:
        num_positions: :math:`p` runs from 0 to ``num_positions`` - 1.
        embed_dim: :math:`d`, even.

    Returns:
        The table in double precision.

    Raises:
        ValueError: if ``embed_dim`` is odd, or ``num_positions`` is negative.

    Source: arXiv:1706.03762, 3.5.

    Example:
        >>> sinusoids(2, 4).float()
        tensor([[0.0000, 1.0000, 0.0000, 1.0000],
                [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    if num_positions < 0:
        raise ValueError(f"num_positions must not be negative, got {num_positions}")
    positions = torch.arange(num_positions, dtype=torch.float64)
    angles = positions[:, None] * sinusoid_frequencies(embed_dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def shift_matrix(offset: int, embed_dim: int) -> Float[Tensor, "dim dim"]:
    r"""Build the matrix that shifts the encoding of any position by ``offset``.

    .. math::
        PE_{p + k} = M_k PE_p, \qquad
        M_k = \mathrm{diag}\left(\begin{pmatrix}
            \cos \omega_i k & \sin \omega_i k \\ -\sin \omega_i k & \cos \omega_i k
        \end{pmatrix}\right)_i

    By the addition theorems of sine and cosine, :math:`M_k` rotates each pair by an
    angle that depends on :math:`k` and not on :math:`p`.

    Args:
        offset: :math:`k`, which may be negative.
        embed_dim: :math:`d`, even.

    Returns:
        :math:`M_k` in double precision. Encodings that are rows are shifted by
        ``pe @ M.mT``.

    Raises:
        ValueError: if ``embed_dim`` is odd.

    Source: arXiv:1706.03762, 3.5, states that there is such a map.

    Example:
        >>> table = sinusoids(9, 6)
        >>> torch.allclose(table[:6] @ shift_matrix(3, 6).mT, table[3:])
        True
    """
    angle = offset * sinusoid_frequencies(embed_dim)
    sine, cosine = angle.sin(), angle.cos()
    rows = torch.stack([cosine, sine], -1), torch.stack([-sine, cosine], -1)
    return torch.block_diag(*torch.stack(rows, dim=-2))


class SinusoidalPositions(nn.Module):
    """Add the sinusoids of the Transformer to the tokens; nothing is learned.

    Args:
        max_positions: length of the table, in tokens.
        embed_dim: size of a token, even.

    Raises:
        ValueError: if ``embed_dim`` is odd; from a call, if a position is beyond the
            table.

    Source: arXiv:1706.03762, 3.5.

    Example:
        >>> layer = SinusoidalPositions(9, 4)
        >>> layer(torch.zeros(1, 1, 4), first=1)
        tensor([[[0.8415, 0.5403, 0.0100, 0.9999]]])
    """

    def __init__(self, max_positions: int, embed_dim: int) -> None:
        super().__init__()
        table = sinusoids(max_positions, embed_dim).to(torch.get_default_dtype())
        self.table: Tensor
        self.register_buffer("table", table, persistent=False)

    def forward(
        self, tokens: Float[Tensor, "batch tokens embed_dim"], first: int = 0
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens with their positions added.

        Args:
            tokens: tokens at consecutive positions.
            first: position of the first one, counted from 0; greater than 0 in a
                decoder that reads one token at a time.
        """
        return tokens + _rows(self.table, tokens, first)


class LearnedPositions(nn.Module):
    """Add a learned vector to the tokens, one for each position.

    Args:
        max_positions: number of vectors, which bounds the length of a sentence.
        embed_dim: size of a token.

    Raises:
        ValueError: if one of them is less than 1; from a call, if a position is beyond
            the table.

    Source: arXiv:1706.03762, 3.5 and table 3, row E, following Gehring et al.,
        arXiv:1705.03122. The paper does not give initial values; here they are normal
        with standard deviation one over the square root of ``embed_dim``.

    Example:
        >>> LearnedPositions(9, 4)(torch.zeros(1, 3, 4)).shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, max_positions: int, embed_dim: int) -> None:
        super().__init__()
        check_counts(max_positions=max_positions, embed_dim=embed_dim)
        self.table = nn.Parameter(torch.empty(max_positions, embed_dim))
        nn.init.normal_(self.table, std=embed_dim**-0.5)

    def forward(
        self, tokens: Float[Tensor, "batch tokens embed_dim"], first: int = 0
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens with their positions added, as for sinusoids."""
        return tokens + _rows(self.table, tokens, first)


def token_positions(
    num_queries: int, num_keys: int, device: torch.device | None = None
) -> tuple[Int[Tensor, " queries"], Int[Tensor, " keys"]]:
    """Return the positions of queries and keys of one sequence, the queries last.

    In self-attention both have the same positions. In a decoder that reads one token at
    a time, the query has the position of the last key.

    Args:
        num_queries: number of queries, at most ``num_keys``.
        num_keys: number of keys, at positions 0 to ``num_keys`` - 1.
        device: device of the positions; None: PyTorch's default device.

    Returns:
        The positions of the queries, and those of the keys.

    Raises:
        ValueError: if there are more queries than keys, as in two sequences.

    Example:
        >>> token_positions(1, 3)
        (tensor([2]), tensor([0, 1, 2]))
    """
    if num_queries > num_keys:
        raise ValueError(
            f"positions are for queries and keys of one sequence, got {num_queries} "
            f"queries and {num_keys} keys"
        )
    at_key = torch.arange(num_keys, device=device)
    return at_key[num_keys - num_queries :], at_key


def _rows(table: Tensor, tokens: Tensor, first: int) -> Tensor:
    """The rows of a table for the positions of the tokens."""
    max_positions, embed_dim = table.shape
    if tokens.ndim != 3 or tokens.shape[-1] != embed_dim:
        raise ValueError(
            f"tokens must have shape (batch, tokens, {embed_dim}), got "
            f"{tuple(tokens.shape)}"
        )
    after = first + tokens.shape[1]
    if first < 0 or after > max_positions:
        raise ValueError(
            f"the table has positions from 0 to {max_positions - 1}, got tokens from "
            f"position {first} to {after - 1}"
        )
    return table[first:after]

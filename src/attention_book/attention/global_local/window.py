"""Windows around real-valued positions: list, gather and scatter their tokens.

Positions count from 0. Only :func:`scatter_window`, which returns whole rows, touches
more than the windows themselves.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.functional import Mask, check_mask


class PredictedCentre(nn.Module):
    r"""Predict the centre of the window from the query alone.

    .. math:: p_t = S \cdot \sigma(v_p^\top \tanh(W_p h_t))

    with ``query`` :math:`h_t` and ``length`` :math:`S`. :math:`p_t` is a real number
    between 0 and :math:`S`. It is not rounded, so that gradients pass through it.

    Args:
        query_dim: size of a query.

    Source: arXiv:1508.04025, section 3.2.

    Example:
        >>> centre = PredictedCentre(2)
        >>> centre(torch.zeros(1, 3, 2), torch.tensor([[8]])).tolist()
        [[4.0, 4.0, 4.0]]
    """

    def __init__(self, query_dim: int) -> None:
        super().__init__()
        self.hidden_proj = nn.Linear(query_dim, query_dim, bias=False)  # W_p
        self.centre_proj = nn.Linear(query_dim, 1, bias=False)  # v_p

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        length: Int[Tensor, "batch _"],
    ) -> Float[Tensor, "batch queries"]:
        """Return :math:`p_t` of each query."""
        logit = self.centre_proj(self.hidden_proj(query).tanh()).squeeze(-1)
        # Under autocast this may be bfloat16, which cannot distinguish 256 and 257.
        wide = torch.promote_types(logit.dtype, torch.float32)
        return length * logit.to(wide).sigmoid()


def window_positions(
    centre: Float[Tensor, "batch queries"], window: int, num_keys: int
) -> tuple[
    Int[Tensor, "batch queries slots"],
    Bool[Tensor, "batch queries slots"],
]:
    r"""List the positions in :math:`[p - D, p + D]` that are in the sentence.

    Args:
        centre: :math:`p`, any real number.
        window: :math:`D`, in tokens, at least 0.
        num_keys: positions from 0 to ``num_keys - 1`` are in the sentence.

    Returns:
        ``(positions, inside)``, each with :math:`2D + 1` slots, the number of positions
        if :math:`p` is an integer; otherwise there is one less. A slot outside of the
        interval or the sentence is False in ``inside`` and holds some position of the
        sentence, so that it can be looked up all the same.

    Example:
        >>> positions, inside = window_positions(torch.tensor([[2.5, 0.0]]), 1, 9)
        >>> positions[inside].tolist()  # of 2.5: 2 and 3, of 0: 0 and 1
        [2, 3, 0, 1]
    """
    slots = torch.arange(2 * window + 1, device=centre.device)
    positions = (centre - window).ceil().long()[..., None] + slots
    inside = (positions >= 0) & (positions < num_keys)
    inside = inside & (positions <= centre[..., None] + window)
    return positions.clamp(0, num_keys - 1), inside


def gaussian(
    positions: Int[Tensor, "batch queries slots"],
    centre: Float[Tensor, "batch queries"],
    window: int,
) -> Float[Tensor, "batch queries slots"]:
    r"""Return factors that favour positions near the centre.

    .. math:: \exp\Bigl(-\frac{(s - p)^2}{2 \sigma^2}\Bigr), \qquad \sigma = \frac D 2

    Args:
        positions: :math:`s`.
        centre: :math:`p`; the factor is differentiable in it.
        window: :math:`D`, at least 1.

    Source: arXiv:1508.04025, section 3.2.

    Example:
        >>> gaussian(torch.tensor([[[2, 3, 4]]]), torch.tensor([[3.0]]), 2)
        tensor([[[0.6065, 1.0000, 0.6065]]])
    """
    sigma = window / 2
    return torch.exp(-((positions - centre[..., None]) ** 2) / (2 * sigma**2))


def gather_window(
    tokens: Float[Tensor, "batch keys dim"],
    positions: Int[Tensor, "batch queries slots"],
) -> Float[Tensor, "batch queries slots dim"]:
    """Look up the tokens of each window; nothing outside of the windows is read.

    Args:
        tokens: one vector per position; copied as a whole unless it is contiguous.
        positions: positions of the slots of each window.

    Example:
        >>> gather_window(torch.tensor([[[5.0], [6.0]]]), torch.tensor([[[1, 1, 0]]]))
        tensor([[[[6.],
                  [6.],
                  [5.]]]])
    """
    batch, num_keys, _ = tokens.shape
    first = torch.arange(batch, device=tokens.device)[:, None, None] * num_keys
    # As rows of one table: the fastest of four ways that were tried.
    return nn.functional.embedding(positions + first, tokens.flatten(0, 1))


def expand_mask(
    mask: Mask, shape: tuple[int, int, int]
) -> Bool[Tensor, "batch queries keys"]:
    """Expand a mask to its full size, without a copy.

    Args:
        mask: (batch, queries, keys), each axis of full size or 1.
        shape: the full sizes.

    Raises:
        TypeError: from :func:`check_mask`.
        ValueError: from :func:`check_mask`.

    Example:
        >>> expand_mask(torch.tensor([[[True, False]]]), (1, 2, 2)).tolist()
        [[[True, False], [True, False]]]
    """
    check_mask(mask, shape)
    return mask.expand(shape)


def scatter_window(
    weights: Float[Tensor, "batch queries slots"],
    positions: Int[Tensor, "batch queries slots"],
    num_keys: int,
) -> Float[Tensor, "batch queries keys"]:
    """Scatter the weights of windows into whole rows, with 0 elsewhere.

    Args:
        weights: weight of each slot, 0 for a slot outside of the sentence.
        positions: position of each slot.
        num_keys: length of a row.

    Example:
        >>> positions = torch.tensor([[[0, 0, 1]]])  # the first slot is outside
        >>> scatter_window(torch.tensor([[[0.0, 0.7, 0.3]]]), positions, 4)
        tensor([[[0.7000, 0.3000, 0.0000, 0.0000]]])
    """
    # Added, not set: a slot outside shares its position with one inside.
    rows = weights.new_zeros(*weights.shape[:2], num_keys)
    return rows.scatter_add(-1, positions, weights)

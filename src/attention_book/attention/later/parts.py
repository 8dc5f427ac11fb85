"""Attention to the parts of an object: MA-CNN (Zheng et al., 2017)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, attend, check_counts, check_mask, dot_scores


class PartAttention(nn.Module):
    r"""Let an image choose, for each of several parts, which channels show it.

    .. math::
        d_i = \sigma\bigl(W_2^{(i)} \tanh(W_1^{(i)} \bar F)\bigr), \qquad
        z_i(x) = \tfrac1C \textstyle\sum_c d_{i,c} F_c(x), \qquad
        M_i(x) = \frac{\mathrm{softplus}(\tanh(\eta z_i(x)))^4}
            {\sum_{x'} \mathrm{softplus}(\tanh(\eta z_i(x')))^4}

    The feature map :math:`F` is ``key``, with one row for each location :math:`x`;
    :math:`\bar F` is its average over the locations. The weights are the maps
    :math:`M_i`, and the context is :math:`P_{i,c} = \sum_x M_i(x) F_c(x)`. There is no
    query from outside: the channel weights :math:`d_i` take its part.

    Args:
        channels: :math:`C`.
        num_parts: number of maps.
        hidden_dim: size of the hidden layer between :math:`W_1` and :math:`W_2`.
        gain: :math:`\eta`, 0.1 in the released network, whose maps have 512 channels
            and large values.

    Raises:
        ValueError: if a size is less than 1.

    Source: Zheng, Fu, Mei and Luo, ICCV 2017. The maps are those of the released
        network; accounts of the paper have :math:`\sigma(\sum_c d_{i,c} F_c)`, which is
        not normalised and, summed over hundreds of channels, close to 1 everywhere.

    Example:
        >>> layer = PartAttention(8, num_parts=2, hidden_dim=3)
        >>> context, weights = layer(torch.rand(1, 25, 8))
        >>> context.shape, weights.shape
        (torch.Size([1, 2, 8]), torch.Size([1, 2, 25]))
    """

    def __init__(
        self, channels: int, num_parts: int, hidden_dim: int, *, gain: float = 0.1
    ) -> None:
        super().__init__()
        check_counts(channels=channels, num_parts=num_parts, hidden_dim=hidden_dim)
        self.gain = gain
        self.hidden = nn.Parameter(torch.empty(num_parts, channels, hidden_dim))
        self.out = nn.Parameter(torch.empty(num_parts, hidden_dim, channels))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)

    def forward(
        self, key: Float[Tensor, "batch locations channels"], mask: Mask | None = None
    ) -> tuple[
        Float[Tensor, "batch parts channels"], Float[Tensor, "batch parts locations"]
    ]:
        """Return ``(context, weights)``.

        Args:
            key: the features at each location.
            mask: True where the parts may be, (batch, 1 or parts, locations); None:
                everywhere.

        Raises:
            ValueError: from :func:`attention_book.functional.check_mask`.
            TypeError: if ``mask`` is not boolean.
        """
        channels = self.channel_weights(key, mask)
        z = dot_scores(channels, key, 1 / key.shape[-1])
        scores = 4 * F.softplus((self.gain * z).tanh()).log()
        return attend(scores, key, mask)

    def channel_weights(
        self, key: Float[Tensor, "batch locations channels"], mask: Mask | None = None
    ) -> Float[Tensor, "batch parts channels"]:
        """Return :math:`d`, from 0 to 1, one row for each part.

        Args:
            key: the features at each location.
            mask: as for a call.

        Raises:
            ValueError: from :func:`attention_book.functional.check_mask`.
            TypeError: if ``mask`` is not boolean.
        """
        average = key.mean(dim=1)
        if mask is not None:
            check_mask(mask, (len(key), len(self.hidden), key.shape[1]))
            seen = mask.any(dim=1)[..., None].expand(len(key), key.shape[1], 1)
            sums = key.masked_fill(~seen, 0.0).sum(dim=1)
            average = sums / seen.sum(dim=1).clamp(min=1)
        hidden = torch.einsum("bc,pch->bph", average, self.hidden).tanh()
        return torch.einsum("bph,phc->bpc", hidden, self.out).sigmoid()


def part_spread(
    weights: Float[Tensor, "batch parts locations"], width: int
) -> Float[Tensor, ""]:
    r"""How far the weights of a part lie from their peak: the loss Dis.

    .. math:: \sum_x M_i(x)\, \lVert x - t_i \rVert^2, \qquad
        t_i = \mathrm{argmax}_x M_i(x)

    Args:
        weights: :math:`M`, row by row of an image.
        width: of the image in locations; distances are in locations.

    Returns:
        The mean over batch and parts. The peak is a constant: no gradient goes into it.

    Raises:
        ValueError: if ``width`` is less than 1 or does not divide the number of
            locations.

    Source: Zheng et al., ICCV 2017; the form is that of three ports of the code.

    Example:
        >>> part_spread(torch.tensor([[[0.75, 0.0, 0.25]]]), width=3)
        tensor(1.)
    """
    check_counts(width=width)
    if weights.shape[-1] % width:
        raise ValueError(
            f"width ({width}) must divide the {weights.shape[-1]} locations"
        )
    at = torch.arange(weights.shape[-1], device=weights.device)
    places = torch.stack([at // width, at % width], dim=-1)
    peak = places[weights.argmax(dim=-1)]  # (batch, parts, 2)
    square = (places - peak[:, :, None]).square().sum(dim=-1)
    return (weights * square).sum(dim=-1).mean()


def part_overlap(
    weights: Float[Tensor, "batch parts locations"],
) -> Float[Tensor, ""]:
    r"""How much the parts look at the same locations: the loss Div.

    .. math:: \sum_x M_i(x) \max_{k \ne i} M_k(x)

    Args:
        weights: :math:`M`, at least two parts.

    Returns:
        The mean over batch and parts.

    Raises:
        ValueError: if there is one part only.

    Source: Zheng et al., ICCV 2017. The paper subtracts a margin from the maximum; with
        weights that sum to 1 that is a constant, and left out here.

    Example:
        >>> part_overlap(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
        tensor(0.)
    """
    parts = weights.shape[1]
    if parts < 2:
        raise ValueError(f"weights must be of at least two parts, got {parts}")
    # In row i, the maximum over all maps but the i-th.
    others = weights[:, None].expand(-1, parts, -1, -1)
    same = torch.eye(parts, dtype=torch.bool, device=weights.device)
    most = others.masked_fill(same[None, :, :, None], 0.0).amax(dim=2)
    return (weights * most).sum(dim=-1).mean()

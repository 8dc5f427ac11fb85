"""What MPCNN sees of a sentence: filters over words, and poolings over places."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.functional import token_mask

POOLINGS = ("max", "min", "mean")


def window_mask(
    mask: Bool[Tensor, "batch tokens"], width: int
) -> Bool[Tensor, "batch places"]:
    """Mark where a filter of some width stands on real words only.

    A sentence of n words has n - width + 1 such places. A shorter sentence than the
    filter has one, the first: there the filter reads zeros after the last word.

    Args:
        mask: True at real words, all before the padding.
        width: of the filter, at most the padded length.

    Example:
        >>> window_mask(torch.tensor([[True, True, True], [True, False, False]]), 2)
        tensor([[ True,  True],
                [ True, False]])
    """
    places = (mask.sum(dim=1) - width + 1).clamp_min(1)
    return token_mask(places, mask.shape[1] - width + 1)


def masked_pool(
    values: Float[Tensor, "batch *inner places"],
    mask: Bool[Tensor, "batch places"],
    pooling: str,
) -> Float[Tensor, "batch ..."]:
    """Take the largest, the smallest or the mean value over the real places.

    Args:
        values: at each place.
        mask: True at real places, at least one a sentence.
        pooling: "max", "min" or "mean".

    Raises:
        ValueError: if there is no such pooling.

    Example:
        >>> values = torch.tensor([[[1.0, 3.0, 9.0]]])
        >>> masked_pool(values, torch.tensor([[True, True, False]]), "mean")
        tensor([[2.]])
    """
    mask = mask.view(len(mask), *[1] * (values.ndim - 2), -1)
    # .max and .min keep places for the way back, .amax and .amin all the values.
    if pooling == "max":
        return values.masked_fill(~mask, -torch.inf).max(dim=-1).values
    if pooling == "min":
        return values.masked_fill(~mask, torch.inf).min(dim=-1).values
    if pooling == "mean":
        return values.masked_fill(~mask, 0.0).sum(dim=-1) / mask.sum(dim=-1)
    raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")


class HolisticFilters(nn.Module):
    r"""Block A: each filter sees whole word vectors.

    .. math:: out_F[i] = \tanh(w_F \cdot sent_{i : i + ws - 1} + b_F)

    followed by a pooling over :math:`i`, in groups of filters of one width and one
    pooling that share nothing.

    Args:
        in_dim: size of a word vector.
        num_filters: :math:`n_A`, filters of each group.
        widths: :math:`ws`, in words.
        poolings: of "max", "min" and "mean".

    Source: He, Gimpel and Lin, EMNLP 2015, section 3. The authors' code has one more
        convolution of width 1 before the wider ones, which the paper has not.

    Example:
        >>> block = HolisticFilters(3, 5, widths=(1, 2), poolings=("max",))
        >>> words = torch.randn(2, 4, 3)
        >>> block(words, torch.ones(2, 4, dtype=torch.bool)).shape
        torch.Size([2, 1, 2, 5])
    """

    def __init__(
        self,
        in_dim: int,
        num_filters: int,
        widths: tuple[int, ...],
        poolings: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.poolings = poolings
        # All poolings' filters side by side: one convolution, no parameter shared.
        out_dim = len(poolings) * num_filters
        self.convs = nn.ModuleList(nn.Conv1d(in_dim, out_dim, w) for w in widths)

    def forward(
        self,
        words: Float[Tensor, "batch tokens dim"],
        mask: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch poolings widths filters"]:
        """Return the pooled output of every filter; ``mask`` is True at real words."""
        return _pooled(self.convs, words, mask, 1, self.poolings).squeeze(-1)


class PerDimensionFilters(nn.Module):
    r"""Block B: each filter sees one number of each word vector.

    .. math::
        out^{[k]}[i] = \tanh(w^{[k]} \cdot sent^{[k]}_{i : i + ws - 1} + b^{[k]})

    with weights of their own for every dimension :math:`k`: a convolution in as many
    groups as dimensions.

    Args:
        in_dim: size of a word vector.
        num_filters: :math:`n_B`, filters of each dimension in each group.
        widths: :math:`ws`, in words.
        poolings: of "max", "min" and "mean"; the paper has the first two.

    Memory: batch x tokens x in_dim x num_filters x poolings numbers for each width.
    Source: He, Gimpel and Lin, EMNLP 2015, section 3. The authors' code uses the same
        filters for all dimensions, the paper does not.

    Example:
        >>> block = PerDimensionFilters(3, 5, widths=(1, 2), poolings=("max",))
        >>> words = torch.randn(2, 4, 3)
        >>> block(words, torch.ones(2, 4, dtype=torch.bool)).shape
        torch.Size([2, 1, 2, 5, 3])
    """

    def __init__(
        self,
        in_dim: int,
        num_filters: int,
        widths: tuple[int, ...],
        poolings: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.poolings = poolings
        out_dim = in_dim * len(poolings) * num_filters
        self.convs = nn.ModuleList(
            nn.Conv1d(in_dim, out_dim, w, groups=in_dim) for w in widths
        )

    def forward(
        self,
        words: Float[Tensor, "batch tokens dim"],
        mask: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch poolings widths filters dim"]:
        """Return the pooled output of every filter; ``mask`` is True at real words."""
        return _pooled(self.convs, words, mask, words.shape[-1], self.poolings)


def _pooled(
    convs: nn.ModuleList,
    words: Float[Tensor, "batch tokens dim"],
    mask: Bool[Tensor, "batch tokens"],
    groups: int,
    poolings: tuple[str, ...],
) -> Float[Tensor, "batch poolings widths filters groups"]:
    """Convolve with each width, then pool each pooling's share of the filters."""
    channels = words.masked_fill(~mask[..., None], 0.0).transpose(1, 2)
    widest = max(conv.kernel_size[0] for conv in convs)
    missing = max(0, widest - mask.shape[1])
    channels, mask = F.pad(channels, (0, missing)), F.pad(mask, (0, missing))
    found = []
    for conv in convs:
        places = window_mask(mask, conv.kernel_size[0])
        # A group's outputs follow each other, in it those of a pooling.
        outputs = conv(channels).unflatten(1, (groups, len(poolings), -1))
        parts = zip(outputs.unbind(dim=2), poolings, strict=True)
        pooled = [_tanh_pool(part, places, pooling) for part, pooling in parts]
        found.append(torch.stack(pooled, dim=1))
    return torch.stack(found, dim=2).transpose(3, 4)


def _tanh_pool(values: Tensor, places: Tensor, pooling: str) -> Tensor:
    # tanh rises, so the largest of its values is that of the largest argument: the
    # same number, and a tanh of one place instead of all.
    if pooling == "mean":
        return masked_pool(values.tanh(), places, pooling)
    return masked_pool(values, places, pooling).tanh()

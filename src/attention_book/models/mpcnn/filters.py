"""How MPCNN encodes a sentence: filters over words, poolings over positions."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.functional import token_mask

POOLINGS = ("max", "min", "mean")


def window_mask(
    mask: Bool[Tensor, "batch tokens"], width: int
) -> Bool[Tensor, "batch positions"]:
    """Mark the positions where a filter of some width covers real words only.

    A sentence of n words has n - width + 1 such positions. A sentence shorter than the
    filter has one, the first, where the filter reads zeros after the last word.

    Args:
        mask: True at real words, all before the padding.
        width: width of the filter, at most the padded length.

    Example:
        >>> window_mask(torch.tensor([[True, True, True], [True, False, False]]), 2)
        tensor([[ True,  True],
                [ True, False]])
    """
    counts = (mask.sum(dim=1) - width + 1).clamp_min(1)
    return token_mask(counts, mask.shape[1] - width + 1)


def masked_pool(
    values: Float[Tensor, "batch *inner positions"],
    mask: Bool[Tensor, "batch positions"],
    pooling: str,
) -> Float[Tensor, "batch ..."]:
    """Take the largest, the smallest or the mean value over the real positions.

    Args:
        values: values at each position.
        mask: True at real positions, at least one in each sentence.
        pooling: "max", "min" or "mean".

    Raises:
        ValueError: if there is no such pooling.

    Example:
        >>> values = torch.tensor([[[1.0, 3.0, 9.0]]])
        >>> masked_pool(values, torch.tensor([[True, True, False]]), "mean")
        tensor([[2.]])
    """
    mask = mask.view(len(mask), *[1] * (values.ndim - 2), -1)
    # For the backward pass .max and .min keep indices, .amax and .amin all values.
    if pooling == "max":
        return values.masked_fill(~mask, -torch.inf).max(dim=-1).values
    if pooling == "min":
        return values.masked_fill(~mask, torch.inf).min(dim=-1).values
    if pooling == "mean":
        return values.masked_fill(~mask, 0.0).sum(dim=-1) / mask.sum(dim=-1)
    raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")


class HolisticFilters(nn.Module):
    r"""Block A: each filter reads whole word vectors.

    .. math:: out_F[i] = \tanh(w_F \cdot sent_{i : i + ws - 1} + b_F)

    followed by a pooling over :math:`i`. There is one group of filters for each width
    and each pooling; groups share no parameters.

    Args:
        in_dim: size of a word vector.
        num_filters: :math:`n_A`, filters of each group.
        widths: :math:`ws`, in words.
        poolings: of "max", "min" and "mean".

    Source: He, Gimpel and Lin, EMNLP 2015, section 3. The authors' code has one more
        convolution, of width 1 before the wider ones, that is not in the paper.

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
        self.widths, self.poolings = widths, poolings
        # The filters of all poolings side by side: one convolution, nothing shared.
        out_dim = len(poolings) * num_filters
        self.convs = nn.ModuleList(nn.Conv1d(in_dim, out_dim, w) for w in widths)

    def forward(
        self,
        words: Float[Tensor, "batch tokens dim"],
        mask: Bool[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch poolings widths filters"]:
        """Return the pooled output of every filter; ``mask`` is True at real words."""
        return filter_and_pool(self.convs, self.widths, words, mask, self.poolings)


class PerDimensionFilters(nn.Module):
    r"""Block B: each filter reads one component of each word vector.

    .. math::
        out^{[k]}[i] = \tanh(w^{[k]} \cdot sent^{[k]}_{i : i + ws - 1} + b^{[k]})

    with separate weights for every dimension :math:`k`: a convolution with as many
    groups as dimensions.

    Args:
        in_dim: size of a word vector.
        num_filters: :math:`n_B`, filters of each dimension in each group.
        widths: :math:`ws`, in words.
        poolings: of "max", "min" and "mean"; the paper has the first two.

    Memory: batch x tokens x in_dim x num_filters numbers for each width and pooling;
        for the gradient only the windows that were the largest or smallest are kept.
    Source: He, Gimpel and Lin, EMNLP 2015, section 3. The authors' code, unlike the
        paper, uses the same filters for all dimensions.

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
        self.widths, self.poolings = widths, poolings
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
        channels, mask = _channels(words, mask, max(self.widths))
        groups, pooled_widths = words.shape[-1], []
        for conv, width in zip(self.convs, self.widths, strict=True):
            windows = channels.unfold(2, width, 1).transpose(0, 1)
            real = window_mask(mask, width)
            weight, bias = map(conv.get_parameter, ("weight", "bias"))
            parts = zip(
                weight.view(groups, len(self.poolings), -1, width).unbind(1),
                bias.view(groups, len(self.poolings), -1).unbind(1),
                self.poolings,
                strict=True,
            )
            pooled = [pool_windows(windows, real, *part) for part in parts]
            pooled_widths.append(torch.stack(pooled))
        return torch.stack(pooled_widths).permute(3, 1, 0, 4, 2).contiguous()


def pool_windows(
    windows: Float[Tensor, "groups batch positions width"],
    mask: Bool[Tensor, "batch positions"],
    weight: Float[Tensor, "groups filters width"],
    bias: Float[Tensor, "groups filters"],
    pooling: str,
) -> Float[Tensor, "groups batch filters"]:
    """Apply the filters of each group to its windows, a tanh, and a pooling.

    For a maximum or minimum the outputs at all positions only serve to find the right
    window; no gradient passes through the others. With many small filters that takes a
    fraction of the time and memory of a convolution whose outputs are pooled.

    Args:
        windows: what a filter reads at each position.
        mask: True at real positions, at least the first of each sentence.
        weight: the filters of each group.
        bias: one number for each filter.
        pooling: "max", "min" or "mean".

    Raises:
        ValueError: if there is no such pooling.

    Example:
        >>> windows, mask = torch.tensor([[[[1.0], [-3.0]]]]), torch.ones(1, 2) > 0
        >>> one = torch.ones(1, 1)
        >>> pool_windows(windows, mask, one[None], one, "min")
        tensor([[[-0.9640]]])
    """
    # A copy of the first window changes neither maximum nor minimum.
    windows = torch.where(mask[..., None], windows, windows[:, :, :1])
    if pooling not in ("max", "min"):
        values = torch.einsum("gbpw,gfw->bgfp", windows, weight) + bias[..., None]
        return masked_pool(values.tanh(), mask, pooling).transpose(0, 1)
    with torch.no_grad():
        flat = torch.bmm(windows.flatten(1, 2), weight.transpose(1, 2))
        outputs = flat.unflatten(1, windows.shape[1:3])
        best = outputs.max(dim=2) if pooling == "max" else outputs.min(dim=2)
    width = windows.shape[-1]
    chosen = windows.gather(2, best.indices[..., None].expand(-1, -1, -1, width))
    found = torch.einsum("gbfw,gfw->gbf", chosen, weight) + bias[:, None]
    return found.tanh()  # it increases, so it may follow the pooling


def filter_and_pool(
    convs: Iterable[nn.Module],
    widths: tuple[int, ...],
    words: Float[Tensor, "batch tokens dim"],
    mask: Bool[Tensor, "batch tokens"],
    poolings: tuple[str, ...],
) -> Float[Tensor, "batch poolings widths filters"]:
    """Convolve with each width, then apply each pooling to its filters.

    Args:
        convs: for each width all filters of all poolings, side by side.
        widths: of the filters, in words.
        words: vectors of the words.
        mask: True at real words.
        poolings: of "max", "min" and "mean".
    """
    channels, mask = _channels(words, mask, max(widths))
    pooled_widths = []
    for conv, width in zip(convs, widths, strict=True):
        windows = window_mask(mask, width)
        outputs = conv(channels).chunk(len(poolings), dim=1)
        parts = zip(outputs, poolings, strict=True)
        pooled = [_tanh_pool(part, windows, pooling) for part, pooling in parts]
        pooled_widths.append(torch.stack(pooled, dim=1))
    return torch.stack(pooled_widths, dim=2)


def _channels(words: Tensor, mask: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Words as channels, zeros at the padding, and at least as long as a filter."""
    channels = words.masked_fill(~mask[..., None], 0.0).transpose(1, 2)
    missing = max(0, width - mask.shape[1])
    return F.pad(channels, (0, missing)), F.pad(mask, (0, missing))


def _tanh_pool(values: Tensor, windows: Tensor, pooling: str) -> Tensor:
    # tanh is increasing, so it commutes with max and min: the same value for one tanh
    # instead of one at each position.
    if pooling == "mean":
        return masked_pool(values.tanh(), windows, pooling)
    return masked_pool(values, windows, pooling).tanh()

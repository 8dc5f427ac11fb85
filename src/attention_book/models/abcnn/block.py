"""A block of ABCNN: a wide convolution, its pooling, and attention around it."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.attention.abcnn import AttentionMaps, AttentionPooling, window_sum
from attention_book.models.abcnn.config import ABCNNConfig

# Of sentence 0 and of sentence 1: (batch, tokens, dim), and masks (batch, tokens).
Both = tuple[Tensor, Tensor]


class ABCNNBlock(nn.Module):
    r"""A wide convolution and its pooling, with attention before, after or both.

    .. math:: p_i = \tanh(W c_i + b), \qquad 0 < i < n + w

    where :math:`c_i` are the columns :math:`i - w + 1` to :math:`i`, zeros outside the
    sentence of :math:`n` words. So it has :math:`n + w - 1` columns, and the pooling
    over each :math:`w` of them gives back :math:`n`. In a batch the padding is zeros as
    well: the first :math:`n + w - 1` columns are what the sentence gives alone, and all
    others are masked.

    Args:
        in_dim: size of a column that comes in.
        config: sizes and parts.

    Source: arXiv:1512.05193, sections 3 and 4.
    """

    def __init__(self, in_dim: int, config: ABCNNConfig) -> None:
        super().__init__()
        self.width = config.width
        before = config.variant in ("ABCNN-1", "ABCNN-3")
        after = config.variant in ("ABCNN-2", "ABCNN-3")
        self.maps = (
            AttentionMaps(in_dim, config.max_tokens, shared=config.shared_maps)
            if before
            else None
        )
        # The attention map is a second channel, here beside the first in one column.
        channels = 2 * in_dim if before else in_dim
        self.conv = nn.Conv1d(
            channels, config.num_filters, config.width, padding=config.width - 1
        )
        self.attention_pool = AttentionPooling(config.width) if after else None

    def forward(self, columns: Both, masks: Both) -> tuple[Both, Both]:
        """Return ``(pooled, summary)`` of both sentences.

        Args:
            columns: of sentence 0 and 1, zeros at padding.
            masks: True at real words.

        Returns:
            ``pooled``: as many columns as came in, zeros at padding (w-ap).
            ``summary``: one vector a sentence (all-ap): the mean over the real columns,
            weighed by attention if it comes after the convolution.
        """
        if self.maps is not None:
            maps, _ = self.maps(*columns, _pairwise(*masks))
            columns = tuple(
                torch.cat(channels, dim=-1)
                for channels in zip(columns, maps, strict=True)
            )
        places = tuple(wide_mask(mask, self.width) for mask in masks)
        found = tuple(
            self.conv(sentence.transpose(1, 2))
            .tanh()
            .transpose(1, 2)
            .masked_fill(~place[..., None], 0.0)
            for sentence, place in zip(columns, places, strict=True)
        )
        if self.attention_pool is not None:
            (pooled, found), _ = self.attention_pool(*found, _pairwise(*places))
        else:
            pooled = tuple(window_sum(c, self.width) / self.width for c in found)
        pooled = tuple(
            sentence.masked_fill(~mask[..., None], 0.0)
            for sentence, mask in zip(pooled, masks, strict=True)
        )
        return pooled, tuple(map(all_ap, found, places))


def wide_mask(
    mask: Bool[Tensor, "batch tokens"], width: int
) -> Bool[Tensor, "batch places"]:
    """Mark the columns that a wide convolution makes of real words: n + width - 1.

    Args:
        mask: True at real words, all before the padding.
        width: of the filters.

    Example:
        >>> wide_mask(torch.tensor([[True, True, False]]), 2)
        tensor([[ True,  True,  True, False]])
    """
    # One more for each word to the left, in a sentence that has any.
    return F.pad(mask, (width - 1, 0), value=True) & mask.any(dim=1, keepdim=True)


def all_ap(
    columns: Float[Tensor, "batch places dim"], mask: Bool[Tensor, "batch places"]
) -> Float[Tensor, "batch dim"]:
    """Average a sentence's real columns into one vector.

    Args:
        columns: zeros where ``mask`` is False.
        mask: True at real columns.
    """
    return columns.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp_min(1)


def _pairwise(first: Tensor, second: Tensor) -> Tensor:
    return first[:, :, None] & second[:, None]

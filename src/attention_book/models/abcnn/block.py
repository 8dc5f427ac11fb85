"""A block of ABCNN: a wide convolution, its pooling, and attention around it."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.attention.abcnn import AttentionMaps, AttentionPooling, window_sum
from attention_book.models.abcnn.config import ABCNNConfig

Both = tuple[Tensor, Tensor]
"""One tensor for each of the two sentences: columns (batch, tokens, dim), or masks
(batch, tokens)."""


class ABCNNBlock(nn.Module):
    r"""A wide convolution and its pooling, with attention before, after or both.

    .. math:: p_i = \tanh(W c_i + b), \qquad 0 < i < n + w

    where :math:`c_i` are the columns :math:`i - w + 1` to :math:`i`, zeros outside the
    sentence of :math:`n` words. The output has :math:`n + w - 1` columns, and pooling
    over each window of :math:`w` of them returns :math:`n`. In a batch the padding is
    zeros as well, so the first :math:`n + w - 1` columns do not depend on it, and all
    others are masked.

    Args:
        in_dim: size of an input column.
        config: sizes and parts.

    Source: arXiv:1512.05193, sections 3 and 4.
    """

    def __init__(self, in_dim: int, config: ABCNNConfig) -> None:
        super().__init__()
        self.width = config.width
        before = config.variant in ("ABCNN-1", "ABCNN-3")
        after = config.variant in ("ABCNN-2", "ABCNN-3")
        self.maps = (
            AttentionMaps(
                in_dim,
                config.max_tokens,
                shared=config.shared_maps,
                values=config.map_values,
                softmax=config.map_softmax,
            )
            if before
            else None
        )
        # The attention map is a second channel, concatenated to the first.
        channels = 2 * in_dim if before else in_dim
        self.conv = nn.Conv1d(
            channels, config.num_filters, config.width, padding=config.width - 1
        )
        self.attention_pool = AttentionPooling(config.width) if after else None

    def forward(self, columns: Both, masks: Both) -> tuple[Both, Both]:
        """Return ``(pooled, summary)`` of both sentences.

        Args:
            columns: columns of sentences 0 and 1, zeros at padding.
            masks: True at real words.

        Returns:
            ``pooled``: as many columns as in the input, zeros at padding (w-ap).
            ``summary``: one vector for each sentence (all-ap), the mean over the real
            columns, weighted if attention comes after the convolution.
        """
        first, second = columns
        if self.maps is not None:
            maps, _ = self.maps(first, second, _pairwise(*masks))
            first = torch.cat([first, maps[0]], dim=-1)
            second = torch.cat([second, maps[1]], dim=-1)
        wide = wide_mask(masks[0], self.width), wide_mask(masks[1], self.width)
        outputs = self._convolve(first, wide[0]), self._convolve(second, wide[1])
        if self.attention_pool is not None:
            (pooled, outputs), _ = self.attention_pool(*outputs, _pairwise(*wide))
        else:
            first, second = (window_sum(c, self.width) / self.width for c in outputs)
            pooled = first, second
        return (
            (_masked(pooled[0], masks[0]), _masked(pooled[1], masks[1])),
            (all_ap(outputs[0], wide[0]), all_ap(outputs[1], wide[1])),
        )

    def _convolve(
        self,
        columns: Float[Tensor, "batch tokens channels"],
        mask: Bool[Tensor, "batch columns"],
    ) -> Float[Tensor, "batch columns filters"]:
        return _masked(self.conv(columns.transpose(1, 2)).tanh().transpose(1, 2), mask)


def wide_mask(
    mask: Bool[Tensor, "batch tokens"], width: int
) -> Bool[Tensor, "batch columns"]:
    """Mark the n + width - 1 output columns of a wide convolution over n real words.

    Args:
        mask: True at real words, all before the padding.
        width: width of the filters.

    Example:
        >>> wide_mask(torch.tensor([[True, True, False]]), 2)
        tensor([[ True,  True,  True, False]])
    """
    # width - 1 more on the left, unless the sentence has no words.
    return F.pad(mask, (width - 1, 0), value=True) & mask.any(dim=1, keepdim=True)


def all_ap(
    columns: Float[Tensor, "batch columns dim"], mask: Bool[Tensor, "batch columns"]
) -> Float[Tensor, "batch dim"]:
    """Average a sentence's real columns into one vector.

    Args:
        columns: zeros where ``mask`` is False.
        mask: True at real columns.
    """
    return columns.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp_min(1)


def _pairwise(first: Tensor, second: Tensor) -> Tensor:
    return first[:, :, None] & second[:, None]


def _masked(columns: Tensor, mask: Tensor) -> Tensor:
    return columns.masked_fill(~mask[..., None], 0.0)

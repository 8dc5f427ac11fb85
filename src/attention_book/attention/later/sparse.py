"""Keys chosen in advance by position: Sparse Transformer (Child et al., 2019)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.attention.dot_product import (
    Bias,
    check_shapes,
    dot_product_attention,
)
from attention_book.functional import Mask, check_counts, check_mask

PATTERNS = ("strided", "fixed")
STEPS = ("first", "second", "both")


class TwoSteps(NamedTuple):
    """Masks of two attentions that together reach every earlier token.

    Attributes:
        first: who may attend to whom in the first step: tokens that are near.
        second: the same in the second step: tokens that stand for others.
    """

    first: Bool[Tensor, "1 tokens tokens"]
    second: Bool[Tensor, "1 tokens tokens"]


def strided_masks(
    num_tokens: int, stride: int, device: torch.device | str | None = None
) -> TwoSteps:
    r"""The last tokens; and every so many-th token before.

    .. math::
        A^{(1)}_i = \{\max(0, i - l), \ldots, i\}, \qquad
        A^{(2)}_i = \{j \le i : (i - j) \bmod l = 0\}

    Args:
        num_tokens: number of queries and of keys.
        stride: :math:`l`.
        device: device of the masks.

    Raises:
        ValueError: if ``stride`` is less than 1.

    Source: arXiv:1904.10509, 4.3.

    Example:
        >>> strided_masks(4, 2).second[0].int()
        tensor([[1, 0, 0, 0],
                [0, 1, 0, 0],
                [1, 0, 1, 0],
                [0, 1, 0, 1]], dtype=torch.int32)
    """
    check_counts(stride=stride)
    at = torch.arange(num_tokens, device=device)
    back = at[:, None] - at  # i - j
    near, same = (back <= stride), (back % stride == 0)
    return TwoSteps(((back >= 0) & near)[None], ((back >= 0) & same)[None])


def fixed_masks(
    num_tokens: int,
    stride: int,
    num_summary: int = 1,
    device: torch.device | str | None = None,
) -> TwoSteps:
    r"""The tokens of one's own block; and the last tokens of every block.

    .. math::
        A^{(1)}_i = \{j \le i : \lfloor j / l \rfloor = \lfloor i / l \rfloor\}, \qquad
        A^{(2)}_i = \{j \le i : j \bmod l \ge l - c\}

    Args:
        num_tokens: number of queries and of keys.
        stride: :math:`l`, length of a block.
        num_summary: :math:`c`, how many tokens at the end of a block stand for it.
        device: device of the masks.

    Returns:
        Both masks. In the second one the first :math:`l - c` rows are empty.

    Raises:
        ValueError: if ``stride`` or ``num_summary`` is less than 1, or ``num_summary``
            greater than ``stride``.

    Source: arXiv:1904.10509, 4.3; there the remainders go up to :math:`l`, which no
        remainder reaches.

    Example:
        >>> fixed_masks(4, 2).second[0].int()
        tensor([[0, 0, 0, 0],
                [0, 1, 0, 0],
                [0, 1, 0, 0],
                [0, 1, 0, 1]], dtype=torch.int32)
    """
    check_counts(stride=stride, num_summary=num_summary)
    if num_summary > stride:
        raise ValueError(
            f"num_summary ({num_summary}) must not exceed stride ({stride})"
        )
    at = torch.arange(num_tokens, device=device)
    past = at <= at[:, None]
    own = at // stride == (at // stride)[:, None]
    summary = at % stride >= stride - num_summary
    return TwoSteps((past & own)[None], (past & summary)[None])


def reach(
    *masks: Bool[Tensor, "1 tokens tokens"], residual: bool = False
) -> Bool[Tensor, "1 tokens tokens"]:
    """Tell from which tokens something can reach which others in several layers.

    Args:
        *masks: one for each layer, the first layer's first.
        residual: whether a token keeps what it knows besides what it attends to.

    Returns:
        True at (i, j) if what stood at j before the first layer can be at i after the
        last one.

    Example:
        >>> masks = fixed_masks(4, 2)
        >>> reach(*masks)[0, 2].tolist(), reach(*masks, residual=True)[0, 2].tolist()
        ([True, True, False, False], [True, True, True, False])
    """
    paths = torch.eye(masks[0].shape[-1], device=masks[0].device)[None]
    for mask in masks:
        after = mask.to(paths.dtype) @ paths
        paths = ((after + paths if residual else after) > 0).to(paths.dtype)
    return paths > 0


class SparseAttention(nn.Module):
    r"""Attend to a set of keys that depends on the positions alone.

    .. math:: \alpha_{ij} = \mathrm{softmax}_{j \in S_i}(q_i^\top k_j / \sqrt{d})

    :math:`S_i` is :math:`A^{(1)}_i`, :math:`A^{(2)}_i` or their union, of
    :func:`strided_masks` or :func:`fixed_masks`. Pass it to
    :class:`attention_book.attention.multi_head.layer.MultiHeadAttention` as
    ``attention_fn``. It is causal by itself.

    Args:
        stride: :math:`l`.
        pattern: "strided" or "fixed".
        step: "first" or "second" for layers that alternate, or "both" for the union,
            which the paper calls a merged head.
        num_summary: :math:`c` of the fixed pattern.

    Raises:
        ValueError: if an argument is out of its range.

    Memory: queries x keys numbers: this is the definition, with a dense mask, and saves
        nothing. :func:`strided_context` gathers the keys.
    Source: arXiv:1904.10509, 4.2 and 4.3.

    Example:
        >>> from attention_book.attention.multi_head.layer import MultiHeadAttention
        >>> layer = MultiHeadAttention(8, 2, attention_fn=SparseAttention(2))
        >>> x = torch.randn(1, 5, 8)
        >>> (layer(x, x, x, need_weights=True)[1][0, 0, 4] > 0).tolist()
        [True, False, True, True, True]
    """

    one_sequence = True

    def __init__(
        self,
        stride: int,
        pattern: str = "strided",
        *,
        step: str = "both",
        num_summary: int = 1,
    ) -> None:
        super().__init__()
        if pattern not in PATTERNS or step not in STEPS:
            raise ValueError(
                f"pattern must be one of {', '.join(PATTERNS)} and step one of "
                f"{', '.join(STEPS)}, got {pattern!r} and {step!r}"
            )
        self.stride, self.pattern, self.step = stride, pattern, step
        self.num_summary = num_summary
        self.allowed(1)  # refuses sizes out of their range

    def allowed(
        self, num_tokens: int, device: torch.device | None = None
    ) -> Bool[Tensor, "1 tokens tokens"]:
        """Return the mask of a whole sequence.

        Args:
            num_tokens: its length.
            device: device of the mask.
        """
        if self.pattern == "strided":
            masks = strided_masks(num_tokens, self.stride, device)
        else:
            masks = fixed_masks(num_tokens, self.stride, self.num_summary, device)
        if self.step == "both":
            return masks.first | masks.second
        return masks.first if self.step == "first" else masks.second

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

        The queries are the last positions of the keys. ``causal`` changes nothing.

        Raises:
            ValueError: if there are more queries than keys, or as from
                ``dot_product_attention``.
        """
        check_shapes(query, key, value)
        num_queries, num_keys = query.shape[-2], key.shape[-2]
        if num_queries > num_keys:
            raise ValueError(
                "the queries must be the last of the keys, got "
                f"{num_queries} queries and {num_keys} keys"
            )
        allowed = self.allowed(num_keys, query.device)[:, num_keys - num_queries :]
        if mask is not None:
            check_mask(mask, (len(query), num_queries, num_keys))
            allowed = allowed & mask
        return dot_product_attention(
            query,
            key,
            value,
            allowed,
            bias=bias,
            dropout=dropout,
            need_weights=need_weights,
        )


def strided_context(
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch heads tokens dim"],
    value: Float[Tensor, "batch heads tokens value_dim"],
    stride: int,
    step: str,
) -> Float[Tensor, "batch heads tokens value_dim"]:
    """Compute one step of the strided pattern from the keys that it needs, and no more.

    First step: the sequence is cut into blocks, and each block attends to itself and to
    the block before. Second step: the sequence is written into rows of ``stride``
    tokens, and each column attends to itself.

    Args:
        query: one for each token.
        key: one for each token.
        value: one for each token.
        stride: :math:`l`, must divide the number of tokens.
        step: "first" or "second".

    Raises:
        ValueError: if ``stride`` is less than 1 or does not divide the number of
            tokens, or ``step`` is neither.

    Cost: 2 tokens x stride scores in the first step, of which half are masked, and
        tokens x tokens / stride in the second.

    Example:
        >>> x = torch.randn(1, 1, 6, 2)
        >>> near = SparseAttention(2, step="first")(x, x, x)[0]
        >>> torch.allclose(strided_context(x, x, x, 2, "first"), near, atol=1e-6)
        True
    """
    check_shapes(query, key, value)
    check_counts(stride=stride)
    num_tokens = query.shape[2]
    if num_tokens % stride or step not in STEPS[:2]:
        raise ValueError(
            f"stride ({stride}) must divide {num_tokens} tokens, and step be one of "
            f"{', '.join(STEPS[:2])}, got {step!r}"
        )
    heads = query.shape[1]
    rows = [x.unflatten(2, (-1, stride)) for x in (query, key, value)]
    if step == "second":
        columns = [x.transpose(2, 3).flatten(1, 2) for x in rows]  # as heads
        context, _ = dot_product_attention(*columns, causal=True)
        return context.unflatten(1, (heads, stride)).transpose(2, 3).flatten(2, 3)
    blocks = [x.flatten(1, 2) for x in rows]  # as heads
    before = [F.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1].flatten(1, 2) for x in rows[1:]]
    wide = [torch.cat(pair, dim=2) for pair in zip(before, blocks[1:], strict=True)]
    bias = _blocks_bias(rows[0])
    context, _ = dot_product_attention(blocks[0], *wide, bias=bias)
    return context.unflatten(1, (heads, -1)).flatten(2, 3)


def _blocks_bias(
    rows: Float[Tensor, "batch heads blocks stride dim"],
) -> Float[Tensor, "1 all_blocks stride two_strides"]:
    """Minus infinity where a query of a block may not see its own or the last block."""
    _, heads, blocks, stride, _ = rows.shape
    at = torch.arange(2 * stride, device=rows.device)
    back = at[stride:, None] - at
    inside = (back >= 0) & (back <= stride)
    bias = rows.new_zeros(1, heads * blocks, *inside.shape)
    bias = bias.masked_fill(~inside, -torch.inf)
    bias[:, ::blocks, :, :stride] = -torch.inf  # there is nothing before the first
    return bias

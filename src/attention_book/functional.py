"""What all mechanisms share: masks, the softmax that respects them, the weighted sum.

One convention holds in the whole package: a mask is boolean and **True means "may
attend"**, as in :func:`torch.nn.functional.scaled_dot_product_attention`.
"""

import math
import operator
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, SupportsIndex

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

Mask = Bool[Tensor, "..."]
"""True where a query may attend: one axis for each axis of the scores, of full size
or of size 1."""
# An id that PyTorch's loss may leave out: one that no data have, in place of its -100.
NO_INDEX = torch.iinfo(torch.int64).min


def token_mask(
    lengths: Int[Tensor, " batch"], num_tokens: int
) -> Bool[Tensor, "batch tokens"]:
    """Mark the real tokens of right-padded sentences.

    Args:
        lengths: number of real tokens of each sentence, at most ``num_tokens``. This
            is not checked: reading the values would make the program wait for a GPU.
        num_tokens: length of the padded sentences.

    Returns:
        True at real tokens, False at padding. To mask attention scores, add an axis
        for the queries: ``token_mask(...)[:, None]``.

    Raises:
        ValueError: if ``lengths`` does not have shape (batch,), or ``num_tokens`` is
            negative.
        TypeError: if ``lengths`` does not hold integers.

    Example:
        >>> token_mask(torch.tensor([3, 1]), 3)
        tensor([[ True,  True,  True],
                [ True, False, False]])
    """
    if (
        lengths.is_floating_point()
        or lengths.is_complex()
        or lengths.dtype == torch.bool
    ):
        raise TypeError(f"lengths must hold integers, got {lengths.dtype}")
    if lengths.ndim != 1:
        raise ValueError(
            f"lengths must have shape (batch,), got {tuple(lengths.shape)}"
        )
    if num_tokens < 0:
        raise ValueError(f"num_tokens must not be negative, got {num_tokens}")
    positions = torch.arange(num_tokens, device=lengths.device)
    return positions < lengths[:, None]


def causal_mask(
    num_tokens: int, device: torch.device | str | None = None
) -> Bool[Tensor, "1 tokens tokens"]:
    """Let each token attend to itself and to the tokens before it.

    The first axis stands for the batch, so that the mask fits the scores of a layer and
    combines with a padding mask: ``causal_mask(n) & token_mask(...)[:, None]``.

    Args:
        num_tokens: number of queries and of keys.
        device: device of the mask; None: PyTorch's default device.

    Raises:
        ValueError: if ``num_tokens`` is negative.

    Example:
        >>> causal_mask(3)
        tensor([[[ True, False, False],
                 [ True,  True, False],
                 [ True,  True,  True]]])
    """
    if num_tokens < 0:
        raise ValueError(f"num_tokens must not be negative, got {num_tokens}")
    allowed = torch.ones(1, num_tokens, num_tokens, dtype=torch.bool, device=device)
    return allowed.tril()


def check_counts(**counts: SupportsIndex) -> None:
    """Refuse sizes and counts that are not integers from 1.

    A layer with ``num_heads=2.0`` would be built and fail when it is called.

    Args:
        **counts: by their names; integers of other libraries are welcome too.

    Raises:
        TypeError: if one is not an integer; True and False are not.
        ValueError: if one is less than 1.

    Example:
        >>> check_counts(embed_dim=8, num_heads=2)
    """
    for name, count in counts.items():
        if isinstance(count, bool) or not hasattr(count, "__index__"):
            raise TypeError(f"{name} must be an integer, got {count!r}")
        if operator.index(count) < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def check_mask(mask: Mask, shape: tuple[int, ...]) -> None:
    """Refuse a mask that does not fit its scores.

    Args:
        mask: True where a query may attend.
        shape: shape of the scores.

    Raises:
        TypeError: if ``mask`` is not boolean.
        ValueError: if ``mask`` does not have one axis for each axis of the scores, of
            full size or of size 1. A mask of shape (batch, keys) would otherwise
            broadcast silently wherever there are as many queries as sentences.

    Example:
        >>> check_mask(torch.tensor([[[True, False]]]), (2, 3, 2))
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be boolean, True = may attend, got {mask.dtype}")
    fits = mask.ndim == len(shape) and all(
        size in (1, full) for size, full in zip(mask.shape, shape, strict=True)
    )
    if not fits:
        hint = ""
        if len(shape) == 3 and mask.shape == (shape[0], shape[2]):
            hint = "; add an axis for the queries, mask[:, None]"
        raise ValueError(
            f"mask must have one axis for each axis of the scores {tuple(shape)}, "
            f"of full size or 1, got {tuple(mask.shape)}{hint}"
        )


def check_pair(query: Tensor, key: Tensor) -> None:
    """Refuse two sequences that are not of one batch and one size of vectors.

    Args:
        query: expected to be (batch, queries, dim).
        key: expected to be (batch, keys, dim).

    Raises:
        ValueError: if the shapes do not fit each other. A batch of one would otherwise
            broadcast silently.

    Example:
        >>> check_pair(torch.zeros(2, 3, 7), torch.zeros(2, 5, 7))
    """
    fits = query.ndim == key.ndim == 3 and len(query) == len(key)
    if not fits or query.shape[-1] != key.shape[-1]:
        raise ValueError(
            "query and key must have shapes (batch, queries, dim) and (batch, keys, "
            f"dim), got {tuple(query.shape)} and {tuple(key.shape)}"
        )


def dot_scores(
    query: Float[Tensor, "*axes queries dim"],
    key: Float[Tensor, "*axes keys dim"],
    scale: float | None = None,
) -> Float[Tensor, "*axes queries keys"]:
    r"""Score each key against each query by their scaled dot product.

    .. math:: e = s Q K^\top, \qquad s = 1 / \sqrt{d}

    Args:
        query: :math:`Q`, one row per query.
        key: :math:`K`, one row per key.
        scale: :math:`s`; None: one over the square root of ``dim``.

    Source: arXiv:1706.03762, equation (1).

    Example:
        >>> x = torch.tensor([[2.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
        >>> dot_scores(x, x)
        tensor([[2., 1.],
                [1., 1.]])
    """
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    # The queries are scaled and not the scores, of which there are more.
    return (query * scale) @ key.mT


def cosine_scores(
    query: Float[Tensor, "batch queries dim"], key: Float[Tensor, "batch keys dim"]
) -> Float[Tensor, "batch queries keys"]:
    r"""Score each key against each query by the cosine of the angle between them.

    .. math:: e_{ij} = \frac{q_i^\top k_j}{\lVert q_i \rVert \lVert k_j \rVert}

    Args:
        query: :math:`q`, one row per query.
        key: :math:`k`, one row per key. A vector of zeros has cosine 0 with all others.

    Raises:
        ValueError: from :func:`check_pair`.

    Example:
        >>> key = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]]])
        >>> cosine_scores(key[:, :1], key)
        tensor([[[1., 0., 0.]]])
    """
    check_pair(query, key)
    # In float16 PyTorch's own 1e-12 is 0, and 0 / 0 is NaN.
    least = max(1e-12, torch.finfo(query.dtype).tiny)
    query, key = (F.normalize(vectors, dim=-1, eps=least) for vectors in (query, key))
    return query @ key.mT


def additive_scores(
    query: Float[Tensor, "*axes queries hidden_dim"],
    key: Float[Tensor, "*axes keys hidden_dim"],
    v: Float[Tensor, "1 hidden_dim"],
) -> Float[Tensor, "*axes queries keys"]:
    r"""Score each key against each query with a network of one hidden layer.

    .. math:: e_{ij} = v_a^\top \tanh(W_a s_{i-1} + U_a h_j)

    Args:
        query: :math:`W_a s_{i-1}`, the queries after their projection.
        key: :math:`U_a h_j`, the keys after theirs.
        v: :math:`v_a^\top`, the weight of a linear layer with one output.

    Memory: the hidden layer holds queries x keys x hidden_dim numbers per sentence.
    Source: arXiv:1409.0473, A.1.2.

    Example:
        >>> key = torch.tensor([[0.0], [1.0]])
        >>> additive_scores(torch.zeros(1, 1), key, torch.tensor([[2.0]]))
        tensor([[0.0000, 1.5232]])
    """
    hidden = query[..., None, :] + key[..., None, :, :]
    # In place: this is the largest tensor, and only its tanh is needed.
    return F.linear(hidden.tanh_(), v).squeeze(-1)


def masked_softmax(
    scores: Float[Tensor, "*axes keys"], mask: Mask | None = None
) -> Float[Tensor, "*axes keys"]:
    r"""Normalise scores over the keys that a query may attend to.

    .. math:: \alpha_j = \frac{m_j \exp e_j}{\sum_k m_k \exp e_k}

    with ``scores`` :math:`e`, ``mask`` :math:`m` (1 for True) and weights
    :math:`\alpha`. The weight of a blocked key is exactly 0, even if its score is
    infinite or NaN. A query without a key gets a row of zeros and finite gradients,
    where a plain softmax over :math:`-\infty` gives NaN.

    Args:
        scores: scores with any number of axes; the last one runs over the keys.
        mask: True where a query may attend; None: everywhere.

    Raises:
        TypeError: if ``scores`` does not hold floats, or from :func:`check_mask`.
        ValueError: from :func:`check_mask`.

    Example:
        >>> mask = torch.tensor([[True, True, False], [False, False, False]])
        >>> masked_softmax(torch.zeros(2, 3), mask)
        tensor([[0.5000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.0000]])
    """
    if not scores.is_floating_point():
        raise TypeError(f"scores must hold floats, got {scores.dtype}")
    if mask is None:
        return scores.softmax(dim=-1)
    check_mask(mask, scores.shape)
    # In a row without a key, 0 replaces -inf: the softmax and its gradient then stay
    # finite, and the last line sets the weights to 0.
    no_key = ~mask.any(dim=-1, keepdim=True)
    scores = scores.masked_fill(~mask, -torch.inf).masked_fill(no_key, 0.0)
    return scores.softmax(dim=-1).masked_fill(~mask, 0.0)


def segment_softmax(
    scores: Float[Tensor, " edges *heads"],
    segment: Int[Tensor, " edges"],
    num_segments: int,
    *,
    starts: Int[Tensor, " starts"] | None = None,
) -> Float[Tensor, " edges *heads"]:
    r"""Normalise scores within segments, such as the edges that lead to one node.

    .. math:: \alpha_e = \frac{\exp s_e}{\sum_{e' : t(e') = t(e)} \exp s_{e'}}

    Args:
        scores: :math:`s`, one score per edge, and per head where there are heads.
        segment: :math:`t(e)`, the segment of each edge, counted from 0. Edges of one
            segment need not be neighbours.
        num_segments: number of segments; some may be empty.
        starts: where each segment starts and the last one ends, for those who know it
            of edges in order, ``num_segments + 1`` numbers. It saves some time.

    Returns:
        Weights :math:`\alpha` that sum to 1 in each segment, as ``scores``. If all
        scores of a segment are :math:`-\infty`, its weights are 0.

    Raises:
        ValueError: if ``segment`` does not hold one number per edge, or ``starts`` not
            one per segment and one more.

    Memory: linear in edges and segments.

    Example:
        >>> segment_softmax(torch.zeros(3), torch.tensor([0, 1, 0]), 2)
        tensor([0.5000, 1.0000, 0.5000])
    """
    if segment.shape != scores.shape[:1]:
        raise ValueError(
            f"segment must have shape {tuple(scores.shape[:1])}, one number per edge, "
            f"got {tuple(segment.shape)}"
        )
    if starts is not None and starts.shape != (num_segments + 1,):
        raise ValueError(
            f"starts must have shape {(num_segments + 1,)}, one number per segment and "
            f"the end of the last, got {tuple(starts.shape)}"
        )
    return SegmentSoftmax.apply(scores, segment, num_segments, starts)


class SegmentSoftmax(torch.autograd.Function):
    r"""What :func:`segment_softmax` computes, and its gradient.

    .. math::
        \frac{\partial L}{\partial s_e} = \alpha_e \Bigl(g_e
            - \sum_{e' : t(e') = t(e)} \alpha_{e'} \, g_{e'}\Bigr),
        \qquad g_e = \frac{\partial L}{\partial \alpha_e}

    The weights are all that the gradient needs; autograd would keep every step.

    Example:
        >>> SegmentSoftmax.apply(torch.zeros(3), torch.tensor([0, 1, 0]), 2, None)
        tensor([0.5000, 1.0000, 0.5000])
    """

    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        segment: Tensor,
        num_segments: int,
        starts: Tensor | None,
    ) -> Tensor:
        """Return the weights."""
        if starts is None and in_order(segment):
            starts = segment_starts(segment, num_segments)
        # The largest score of each segment is subtracted, so that nothing overflows.
        largest = _segment_max(scores, segment, num_segments, starts)
        largest = largest.masked_fill(largest == -torch.inf, 0.0)
        exponentials = (scores - largest.index_select(0, segment)).exp()
        sums = _segment_sum(exponentials, segment, num_segments, starts)
        sums = sums.masked_fill(sums == 0, 1.0)
        weights = (exponentials / sums.index_select(0, segment)).to(scores.dtype)
        ctx.save_for_backward(weights, segment)
        ctx.num_segments, ctx.starts = num_segments, starts
        return weights

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient of the scores."""
        weights, segment = ctx.saved_tensors
        parts = weights * gradient
        sums = _segment_sum(parts, segment, ctx.num_segments, ctx.starts)
        of_scores = parts - weights * sums.index_select(0, segment).to(parts.dtype)
        return of_scores, None, None, None


def _segment_max(
    scores: Tensor, segment: Tensor, num_segments: int, starts: Tensor | None
) -> Tensor:
    """The largest score of each segment, and -inf where there is none."""
    if starts is not None:  # in order; takes a fifth of the time
        return torch.segment_reduce(scores, "max", offsets=starts, unsafe=True)
    index = segment.view(-1, *[1] * (scores.ndim - 1)).expand_as(scores)
    least = scores.new_full((num_segments, *scores.shape[1:]), -torch.inf)
    return least.scatter_reduce(0, index, scores, "amax")


def _segment_sum(
    values: Tensor, segment: Tensor, num_segments: int, starts: Tensor | None
) -> Tensor:
    """What :func:`segment_sum` computes, faster in order, where a segment is a bag."""
    if starts is None or values.ndim != 2 or not values.numel():
        return segment_sum(values, segment, num_segments)
    places = torch.arange(len(segment), dtype=starts.dtype, device=segment.device)
    wide = values.to(torch.promote_types(values.dtype, torch.float32))
    return F.embedding_bag(places, wide, starts[:-1], mode="sum")


def segment_starts(
    segment: Int[Tensor, " entries"], num_segments: int
) -> Int[Tensor, " starts"]:
    """Return where each segment starts, and where the last one ends.

    Args:
        segment: numbers that do not decrease, from 0.
        num_segments: number of segments; an empty one starts where the next one does.

    Example:
        >>> segment_starts(torch.tensor([0, 0, 2]), 3)
        tensor([0, 2, 2, 3])
    """
    every = torch.arange(num_segments + 1, device=segment.device)
    return torch.searchsorted(segment.contiguous(), every)  # otherwise it warns


def in_order(numbers: Int[Tensor, " entries"]) -> bool:
    """Tell whether numbers are known not to decrease.

    Args:
        numbers: such as segments. On a GPU they are not looked at, because the program
            would wait for it; nor are they while a program is compiled.

    Example:
        >>> in_order(torch.tensor([0, 0, 2])), in_order(torch.tensor([1, 0]))
        (True, False)
    """
    readable = numbers.device.type == "cpu" and not torch.compiler.is_compiling()
    return readable and bool((numbers[1:] >= numbers[:-1]).all())


def segment_sum(
    values: Float[Tensor, " edges *axes"],
    segment: Int[Tensor, " edges"],
    num_segments: int,
) -> Float[Tensor, " segments *axes"]:
    """Add up values within segments, such as the edges that lead to one node.

    Args:
        values: one for each edge, numbers or vectors.
        segment: the segment of each edge, counted from 0.
        num_segments: number of segments; the sum of an empty one is 0.

    Returns:
        The sums in float32 or wider: in half precision a sum of many small values stops
        growing, that of ones at 256 in bfloat16.

    Example:
        >>> segment_sum(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 1, 0]), 3)
        tensor([5., 2., 0.])
    """
    wide = torch.promote_types(values.dtype, torch.float32)
    sums = values.new_zeros(num_segments, *values.shape[1:], dtype=wide)
    return sums.index_add(0, segment, values.to(wide))


def apply_dropout(
    values: Float[Tensor, "..."], probability: float
) -> Float[Tensor, "..."]:
    """Set values to 0 at random and enlarge the others, so that expectations stay.

    On a CPU it takes a fraction of the time of :func:`torch.nn.functional.dropout`:
    each of its numbers is drawn with 16 bits, four at once.

    Args:
        values: of any shape.
        probability: that a value is set to 0, below 1; rounded to a multiple of
            :math:`2^{-16}`.

    Example:
        >>> apply_dropout(torch.ones(2), 0.0)
        tensor([1., 1.])
    """
    dropped = min(round(probability * 2**16), 2**16 - 1)
    if not dropped:
        return values
    four = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device)
    drawn = four.random_(-(2**63), None).view(torch.int16)  # from -2 ** 15 on
    drawn = drawn[: values.numel()].view(values.shape)
    # Written as numbers at once: to turn truth values into numbers takes much longer.
    kept = torch.empty(values.shape, dtype=values.dtype, device=values.device)
    torch.ge(drawn, dropped - 2**15, out=kept)
    return values * kept.mul_(2**16 / (2**16 - dropped))


def check_value(value: Tensor, scores: Tensor) -> None:
    """Refuse values that do not fit their scores.

    Args:
        value: expected to be (..., keys, value_dim).
        scores: of shape (..., queries, keys).

    Raises:
        ValueError: if there is not one value for each key, with the axes of the scores.
            A batch of one would otherwise broadcast silently.

    Example:
        >>> check_value(torch.zeros(2, 5, 7), torch.zeros(2, 3, 5))
    """
    batch, keys = scores.shape[:-2], scores.shape[-1]
    if (
        scores.ndim < 2
        or value.ndim != scores.ndim
        or value.shape[:-1] != (*batch, keys)
    ):
        raise ValueError(
            f"value must have shape {(*batch, keys, 'value_dim')} to fit scores of "
            f"shape {tuple(scores.shape)}, got {tuple(value.shape)}"
        )


def attend(
    scores: Float[Tensor, "*axes queries keys"],
    value: Float[Tensor, "*axes keys value_dim"],
    mask: Mask | None = None,
) -> tuple[
    Float[Tensor, "*axes queries value_dim"], Float[Tensor, "*axes queries keys"]
]:
    r"""Turn scores into weights and average the values with them.

    .. math:: c_i = \sum_j \alpha_{ij} v_j, \qquad \alpha = \mathrm{softmax}(e)

    Args:
        scores: :math:`e`, before the softmax.
        value: :math:`v`, the vectors to average. Blocked ones must be finite, because
            0 times infinity is not 0.
        mask: True where a query may attend; None: everywhere.

    Returns:
        ``(context, weights)``: :math:`c` and :math:`\alpha`. A query without a key
        gets zeros in both.

    Raises:
        TypeError: from :func:`masked_softmax`.
        ValueError: from :func:`check_value` and :func:`masked_softmax`.

    Example:
        >>> value = torch.tensor([[[1.0], [3.0]]])
        >>> attend(torch.zeros(1, 1, 2), value)
        (tensor([[[2.]]]), tensor([[[0.5000, 0.5000]]]))
    """
    check_value(value, scores)
    weights = masked_softmax(scores, mask)
    return weights @ value, weights


def token_cross_entropy(
    logits: Float[Tensor, "batch tokens vocab"],
    target: Int[Tensor, "batch tokens"],
    mask: Bool[Tensor, "batch tokens"],
) -> Float[Tensor, ""]:
    r"""Mean negative log-likelihood of the real tokens, in nats per token.

    .. math:: -\frac{1}{\sum m} \sum_{b,t} m_{bt} \log p(y_{bt} \mid \ldots)

    Args:
        logits: unnormalised log-probabilities of the vocabulary at each position;
            those at padding do not count, even if they are infinite.
        target: :math:`y`, the ids of the tokens to predict, of any integer dtype; at
            padding any number.
        mask: :math:`m`, True at real tokens.

    Raises:
        ValueError: if the shapes do not fit each other.
        IndexError: PyTorch's, on the CPU, if a real token's id is not in the
            vocabulary. -100, which PyTorch's own loss leaves out in silence, is no
            exception. On a GPU, reading the ids would stall the device; there PyTorch
            reports a failed assertion later.

    Example:
        >>> logits, target = torch.zeros(1, 2, 4), torch.tensor([[3, 0]])
        >>> token_cross_entropy(logits, target, target != 0).exp()
        tensor(4.)
    """
    if logits.shape[:-1] != target.shape or target.shape != mask.shape:
        raise ValueError(
            f"target and mask must have shape {tuple(logits.shape[:-1])} to fit the "
            f"logits, got {tuple(target.shape)} and {tuple(mask.shape)}"
        )
    # Filled, not indexed: the size of logits[mask] depends on values, so the program
    # would wait for the GPU. Not multiplied either: 0 times infinity is NaN.
    target = target.masked_fill(~mask, 0).flatten()
    losses = F.cross_entropy(
        logits.flatten(0, 1),
        target.long(),  # PyTorch takes no other signed integers
        ignore_index=NO_INDEX,
        reduction="none",
    )
    return losses.masked_fill(~mask.flatten(), 0.0).sum() / mask.sum()


def run_uncompiled() -> AbstractContextManager[Any]:
    """Let compiled modules run without their compiled code, so that hooks are called.

    Code that :func:`torch.compile` made before a hook was registered does not call it.

    Example:
        >>> with run_uncompiled():
        ...     torch.nn.Linear(2, 3)(torch.randn(5, 2)).shape
        torch.Size([5, 3])
    """
    if "torch._dynamo" not in sys.modules:  # nothing is compiled; importing it is slow
        return nullcontext()
    return torch.compiler.set_stance("force_eager")

"""Label smoothing: targets that leave every word a little probability."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def smoothed_targets(
    target: Int[Tensor, "*axes"],
    vocab_size: int,
    smoothing: float,
    *,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "*axes vocab"]:
    r"""Return the distribution that the prediction of each word should match.

    .. math:: q(w) = (1 - \epsilon)\, \delta_{w y} + \frac{\epsilon}{V}

    All :math:`V` words of the vocabulary share :math:`\epsilon`, the right one and the
    special tokens included. Some libraries share it among the other words only, so
    their losses differ from these.

    Args:
        target: ids of the right words, :math:`y`, of any integer dtype.
        vocab_size: :math:`V`.
        smoothing: :math:`\epsilon`; with 0 the right word gets everything.
        dtype: floating dtype of the result. None: PyTorch's default.

    Raises:
        ValueError: if ``smoothing`` is not in [0, 1).

    Source: Szegedy et al., arXiv:1512.00567, section 7, which arXiv:1706.03762, 5.4,
        refers to. :func:`torch.nn.functional.cross_entropy` has the same.

    Example:
        >>> smoothed_targets(torch.tensor([2]), 4, 0.2)
        tensor([[0.0500, 0.0500, 0.8500, 0.0500]])
    """
    _check(smoothing)
    one_hot = torch.nn.functional.one_hot(target.long(), vocab_size)
    one_hot = one_hot.to(torch.get_default_dtype() if dtype is None else dtype)
    return (1 - smoothing) * one_hot + smoothing / vocab_size


def smoothed_cross_entropy(
    logits: Float[Tensor, "batch tokens vocab"],
    target: Int[Tensor, "batch tokens"],
    mask: Bool[Tensor, "batch tokens"],
    smoothing: float,
) -> Float[Tensor, ""]:
    r"""Cross-entropy with smoothed targets: the mean over real tokens, in nats.

    .. math:: -\frac{1}{\sum m} \sum_{b,t} m_{bt} \sum_w q_{bt}(w) \log p_{bt}(w)

    Padded positions, where :math:`m` is 0, do not count, whatever their logits and
    target are. A word with :math:`q(w) = 0` does not count either, even where its
    logit is minus infinity. This version is meant to be read: a model gets the same
    result faster from :func:`torch.nn.functional.cross_entropy`.

    Args:
        logits: scores of the words of the vocabulary; :math:`p` is their softmax. The
            loss has their dtype.
        target: ids of the right words, of any integer dtype.
        mask: :math:`m`, True at real tokens.
        smoothing: :math:`\epsilon` in :math:`q`, see :func:`smoothed_targets`.

    Raises:
        ValueError: if ``smoothing`` is not in [0, 1), or the shapes do not fit each
            other.

    Example:
        >>> logits, target = torch.zeros(1, 2, 4), torch.tensor([[3, 0]])
        >>> smoothed_cross_entropy(logits, target, target != 0, 0.1)  # log 4
        tensor(1.3863)
    """
    if logits.shape[:-1] != target.shape or target.shape != mask.shape:
        raise ValueError(
            f"target and mask must have shape {tuple(logits.shape[:-1])} to fit the "
            f"logits, got {tuple(target.shape)} and {tuple(mask.shape)}"
        )
    target = target.masked_fill(~mask, 0)  # padding may hold -100, as PyTorch's does
    aim = smoothed_targets(target, logits.shape[-1], smoothing, dtype=logits.dtype)
    # Chosen, not multiplied by 0, which would make NaN of an infinite logarithm.
    log_p = logits.log_softmax(dim=-1).masked_fill(aim == 0, 0.0)
    losses = -(aim * log_p).sum(dim=-1)
    return losses.masked_fill(~mask, 0.0).sum() / mask.sum()


def smoothing_floor(vocab_size: int, smoothing: float) -> float:
    r"""The smallest value of the smoothed loss, reached by a perfect prediction.

    .. math:: H(q) = -\sum_w q(w) \log q(w)

    Compare losses under label smoothing with this number, not with 0.

    Args:
        vocab_size: :math:`V`.
        smoothing: :math:`\epsilon`.

    Returns:
        The entropy of the smoothed target, in nats per token.

    Raises:
        ValueError: if ``smoothing`` is not in [0, 1).

    Example:
        >>> round(smoothing_floor(1000, 0.1), 3)
        1.015
    """
    _check(smoothing)
    other = smoothing / vocab_size
    right = 1 - smoothing + other
    rest = (vocab_size - 1) * other * math.log(other) if other else 0.0
    return -right * math.log(right) - rest


def _check(smoothing: float) -> None:
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")

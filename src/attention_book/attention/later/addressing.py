"""Addressing a memory as a Neural Turing Machine does (Graves et al., 2014)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import (
    Mask,
    check_value,
    cosine_scores,
    masked_softmax,
)

Dial = float | Float[Tensor, "batch queries"]
"""A number for all queries, or one for each."""


class NTMAddressing(nn.Module):
    r"""Find locations of a memory by content, then move on from there.

    .. math::
        w^c_t(i) &= \mathrm{softmax}_i\bigl(\beta_t \cos(k_t, M_t(i))\bigr) \\
        w^g_t &= g_t w^c_t + (1 - g_t) w_{t-1} \\
        \tilde w_t(i) &= \textstyle\sum_j w^g_t(j)\, s_t\bigl((i - j) \bmod N\bigr) \\
        w_t(i) &= \tilde w_t(i)^{\gamma_t} \big/
            \textstyle\sum_j \tilde w_t(j)^{\gamma_t}

    The paper's head :math:`k_t`, memory :math:`M_t` and weights :math:`w_t` are
    ``query``, ``key`` and ``weights``; its read vector :math:`r_t` is the context, with
    the memory as ``value``. The four other numbers of a head are options of a call:
    ``scale`` :math:`\beta`, ``gate`` :math:`g`, ``shift`` :math:`s` and ``sharpening``
    :math:`\gamma`. There is no parameter: a controller outputs all of them.

    The powers are taken as a softmax of :math:`\gamma \log \tilde w`, because small
    weights raised to a large :math:`\gamma` underflow.

    Source: arXiv:1410.5401, equations (2) and (5) to (9). Masks are ours; a blocked
        location can receive no weight by a shift either.

    Example:
        >>> memory = torch.eye(3)[None]
        >>> query = torch.tensor([[[0.0, 1.0, 0.0]]])
        >>> _, weights = NTMAddressing()(query, memory, memory, scale=50.0)
        >>> weights.round()
        tensor([[[0., 1., 0.]]])
        >>> options = {"scale": 50.0, "shift": (0.0, 0.0, 1.0)}
        >>> NTMAddressing()(query, memory, memory, **options)[1].round()
        tensor([[[0., 0., 1.]]])
    """

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        scale: Dial = 1.0,
        previous_weights: Float[Tensor, "batch queries keys"] | None = None,
        gate: Dial = 1.0,
        shift: Float[Tensor, "batch queries shifts"] | tuple[float, ...] | None = None,
        sharpening: Dial = 1.0,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"], Float[Tensor, "batch queries keys"]
    ]:
        r"""Return ``(context, weights)``.

        Args:
            query: what the heads look for.
            key: the rows of the memory, in their order.
            value: vectors that are averaged, in most uses the rows themselves.
            mask: True where a head may look; None: everywhere.
            scale: :math:`\beta`, positive; the larger, the more peaked is the softmax.
            previous_weights: :math:`w_{t-1}` of each head; None: the content decides
                alone, whatever ``gate`` is.
            gate: :math:`g`, from 0 (go on from the last weights) to 1 (content).
            shift: :math:`s`, weights for the shifts :math:`-r, \ldots, r`, which sum to
                1; an odd number of them. None: no shift.
            sharpening: :math:`\gamma`, at least 1.

        Raises:
            ValueError: if the tensors do not fit each other, or the number of shifts is
                even.
            TypeError: if ``mask`` is not boolean.
        """
        cosines = cosine_scores(query, key)
        check_value(value, cosines)
        weights = masked_softmax(_column("scale", scale, cosines) * cosines, mask)
        if previous_weights is not None:
            if previous_weights.shape != weights.shape:
                raise ValueError(
                    f"previous_weights must have shape {tuple(weights.shape)}, got "
                    f"{tuple(previous_weights.shape)}"
                )
            gate = _column("gate", gate, weights)
            weights = gate * weights + (1 - gate) * previous_weights
        if shift is not None:
            weights = shift_weights(weights, shift)
        weights = sharpen(weights, sharpening, mask)
        return weights @ value, weights


def shift_weights(
    weights: Float[Tensor, "batch queries keys"],
    shift: Float[Tensor, "batch queries shifts"] | tuple[float, ...],
) -> Float[Tensor, "batch queries keys"]:
    r"""Move weights along the memory, and around its end.

    .. math:: \tilde w(i) = \sum_j w(j)\, s\bigl((i - j) \bmod N\bigr)

    Args:
        weights: :math:`w`.
        shift: :math:`s`, for the shifts :math:`-r, \ldots, r`.

    Raises:
        ValueError: if the number of shifts is even, or there is not one row of them for
            each row of weights.

    Source: arXiv:1410.5401, equation (8).

    Example:
        >>> shift_weights(torch.tensor([[[0.0, 0.0, 1.0]]]), (0.0, 0.25, 0.75))
        tensor([[[0.7500, 0.0000, 0.2500]]])
    """
    parts: tuple[float | Tensor, ...] = (
        shift if isinstance(shift, tuple) else tuple(shift[..., None, :].unbind(-1))
    )
    if isinstance(shift, Tensor) and shift.shape[:-1] != weights.shape[:-1]:
        raise ValueError(
            f"shift must have shape {(*weights.shape[:-1], 'shifts')}, got "
            f"{tuple(shift.shape)}"
        )
    if len(parts) % 2 == 0:
        raise ValueError(f"shift must have an odd number of weights, got {len(parts)}")
    first = -(len(parts) // 2)
    moved = [
        part * weights.roll(first + number, dims=-1)
        for number, part in enumerate(parts)
    ]
    return torch.stack(moved).sum(dim=0)


def sharpen(
    weights: Float[Tensor, "batch queries keys"],
    sharpening: Dial,
    mask: Mask | None = None,
) -> Float[Tensor, "batch queries keys"]:
    r"""Make weights more peaked, and let them sum to 1.

    .. math:: w_i = \tilde w_i^\gamma / \sum_j \tilde w_j^\gamma

    Args:
        weights: :math:`\tilde w`, not negative.
        sharpening: :math:`\gamma`, at least 1.
        mask: True where there may be weight; None: everywhere.

    Raises:
        ValueError: if ``sharpening`` or ``mask`` does not fit the weights.
        TypeError: if ``mask`` is not boolean.

    Source: arXiv:1410.5401, equation (9).

    Example:
        >>> sharpen(torch.tensor([[[0.75, 0.25]]]), 2.0)
        tensor([[[0.9000, 0.1000]]])
    """
    least = torch.finfo(weights.dtype).tiny  # the logarithm of 0 would be infinite
    logs = weights.clamp(min=least).log()
    return masked_softmax(_column("sharpening", sharpening, logs) * logs, mask)


def write_memory(
    memory: Float[Tensor, "batch keys dim"],
    weights: Float[Tensor, "batch heads keys"],
    erase: Float[Tensor, "batch heads dim"],
    add: Float[Tensor, "batch heads dim"],
) -> Float[Tensor, "batch keys dim"]:
    r"""Erase, then add, at the locations to which the heads attend.

    .. math::
        M_t(i) = M_{t-1}(i) \odot \prod_h \bigl(1 - w_h(i)\, e_h\bigr)
        + \sum_h w_h(i)\, a_h

    Args:
        memory: :math:`M_{t-1}`, one row per location.
        weights: :math:`w_h` of each head that writes.
        erase: :math:`e_h`, from 0 to 1 for each feature.
        add: :math:`a_h`.

    Returns:
        The new memory :math:`M_t`; the old one is not changed.

    Source: arXiv:1410.5401, equations (3) and (4). All heads erase before one adds, so
        that their order does not matter.

    Example:
        >>> memory, one = torch.ones(1, 2, 1), torch.ones(1, 1, 1)
        >>> write_memory(memory, torch.tensor([[[1.0, 0.0]]]), one, 5 * one)
        tensor([[[5.],
                 [1.]]])
    """
    kept = (1 - weights[..., None] * erase[:, :, None]).prod(dim=1)
    return memory * kept + weights.mT @ add


def _column(name: str, dial: Dial, weights: Tensor) -> float | Tensor:
    """One number for all keys of a query."""
    if not isinstance(dial, Tensor) or not dial.ndim:
        return dial
    if dial.shape != weights.shape[:-1]:
        raise ValueError(
            f"{name} must be a number or have shape {tuple(weights.shape[:-1])}, one "
            f"for each query, got {tuple(dial.shape)}"
        )
    return dial[..., None]

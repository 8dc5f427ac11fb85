"""Learning rate schedules: a factor for each optimizer step, counted from 0."""

import math
from collections.abc import Callable


def halve_every(start: int, every: int) -> Callable[[int], float]:
    """Keep the learning rate at first, then halve it at regular intervals.

    Args:
        start: first step at half the learning rate.
        every: steps from one halving to the next.

    Returns:
        The factor as a function of the step.

    Raises:
        ValueError: if ``start`` is negative or ``every`` less than 1.

    Source: arXiv:1409.3215, 3.4: "after 5 epochs, we began halving the learning rate
    every half epoch". We let the first halving follow directly on the 5 epochs.

    Example:
        >>> [halve_every(3, 2)(step) for step in range(7)]
        [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    if start < 0:
        raise ValueError(f"start must not be negative, got {start}")
    if every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    return lambda step: 1.0 if step < start else 0.5 ** ((step - start) // every + 1)


def linear_decay(total_steps: int, warmup_steps: int = 0) -> Callable[[int], float]:
    r"""Raise the learning rate linearly during warm-up, then lower it linearly to 0.

    .. math:: f(n) = \begin{cases} (n + 1) / n_w & n < n_w \\
        (N - n) / (N - n_w) & n_w \le n \le N \end{cases}

    with ``total_steps`` :math:`N` and ``warmup_steps`` :math:`n_w`. After a warm-up two
    steps have the factor 1: the last one of the warm-up and the first one of the decay.
    :func:`inverse_sqrt_decay` has a single peak. A warm-up by :math:`n / n_w`, as in
    :func:`bert_decay`, would have one here too, but its first step would change
    nothing.

    Args:
        total_steps: step at which the factor reaches 0, the first one not trained.
        warmup_steps: number of steps in which the factor rises to 1; 0: no warm-up.

    Returns:
        The factor as a function of the step; 0 from ``total_steps`` on.

    Raises:
        ValueError: unless 0 <= ``warmup_steps`` < ``total_steps``.

    Example:
        >>> [linear_decay(6, warmup_steps=2)(step) for step in range(7)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    _check_total(total_steps, warmup_steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return max(0.0, (total_steps - step) / (total_steps - warmup_steps))

    return factor


def bert_decay(total_steps: int, warmup_steps: int = 0) -> Callable[[int], float]:
    r"""Lower the learning rate linearly to 0; a warm-up from 0 overrides the beginning.

    .. math:: f(n) = \begin{cases} n / n_w & n < n_w \\
        1 - n / N & n_w \le n \le N \end{cases}

    with ``total_steps`` :math:`N` and ``warmup_steps`` :math:`n_w`. The decay counts
    from the very first step, so the factor jumps at the end of the warm-up, from nearly
    1 to :math:`1 - n_w / N`. :func:`linear_decay` does not jump.

    Args:
        total_steps: step at which the factor reaches 0, the first one not trained.
        warmup_steps: number of steps in which the factor rises from 0; 0: no warm-up.

    Returns:
        The factor as a function of the step; 0 from ``total_steps`` on. With a warm-up
        the first step changes no weights.

    Raises:
        ValueError: unless 0 <= ``warmup_steps`` < ``total_steps``.

    Source: ``optimization.py`` in the authors' code of arXiv:1810.04805.

    Example:
        >>> [bert_decay(8, warmup_steps=2)(step) for step in range(9)]
        [0.0, 0.5, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0]
    """
    _check_total(total_steps, warmup_steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return step / warmup_steps
        return max(0.0, 1 - step / total_steps)

    return factor


def inverse_sqrt_decay(warmup_steps: int) -> Callable[[int], float]:
    r"""Raise the learning rate linearly, then lower it as one over the step's root.

    .. math:: f(n) = \min\left( \frac{n}{n_w}, \sqrt{\frac{n_w}{n}} \right)

    with ``warmup_steps`` :math:`n_w`; the paper's :math:`n` counts steps from 1, so
    that the first step has :math:`n = 1`. The factor is 1 at its peak, the last step
    of the warm-up.

    Args:
        warmup_steps: number of steps in which the factor rises to 1; with 1 it falls
            from the first step on.

    Returns:
        The factor as a function of the step, from 0.

    Raises:
        ValueError: if ``warmup_steps`` is less than 1.

    Source: arXiv:1706.03762, equation (3), divided by its largest value, which is
        :func:`transformer_peak`.

    Example:
        >>> [inverse_sqrt_decay(4)(step) for step in (0, 1, 3, 15, 63)]
        [0.25, 0.5, 1.0, 0.5, 0.25]
    """
    _check_warmup(warmup_steps)
    return lambda step: min(
        (step + 1) / warmup_steps, math.sqrt(warmup_steps / (step + 1))
    )


def transformer_peak(embed_dim: int, warmup_steps: int) -> float:
    r"""The largest learning rate of the Transformer's schedule.

    .. math:: lr = d^{-0.5} \min(n^{-0.5}, n\, n_w^{-1.5}), \qquad
        \max_n lr = (d\, n_w)^{-0.5}

    As ``learning_rate`` beside ``schedule=inverse_sqrt_decay(warmup_steps)`` it gives
    the paper's :math:`lr`.

    Args:
        embed_dim: :math:`d`, size of a token.
        warmup_steps: :math:`n_w`.

    Raises:
        ValueError: if one of them is less than 1.

    Source: arXiv:1706.03762, equation (3).

    Example:
        >>> round(transformer_peak(512, 4000), 6)
        0.000699
    """
    if embed_dim < 1:
        raise ValueError(f"embed_dim must be at least 1, got {embed_dim}")
    _check_warmup(warmup_steps)
    return 1 / math.sqrt(embed_dim * warmup_steps)


def _check_total(total_steps: int, warmup_steps: int) -> None:
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"warmup_steps ({warmup_steps}) must be from 0 to below total_steps "
            f"({total_steps})"
        )


def _check_warmup(warmup_steps: int) -> None:
    if warmup_steps < 1:
        raise ValueError(f"warmup_steps must be at least 1, got {warmup_steps}")

"""What code costs: seconds, taken in turns, and peak memory."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


def fair_clock() -> Callable[[], float]:
    """Return the clock that other programs on this machine disturb least.

    Returns:
        ``time.process_time``, the CPU time of this process, where one thread computes
        everything: it stands still while other programs have the core. Otherwise
        ``time.perf_counter``, wall-clock time: CPU time would count every thread, and
        nothing of what a GPU does.

    Example:
        >>> clock = fair_clock()
        >>> start = clock()
        >>> clock() - start < 60
        True
    """
    if torch.cuda.is_initialized() or torch.get_num_threads() > 1:
        return time.perf_counter
    return time.process_time


def seconds_in_turns(
    steps: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] | None = None,
) -> dict[str, list[float]]:
    """Time several pieces of code in turns, round after round.

    In turns, whatever else the machine does slows all of them down alike, so the ratio
    of two times of one round says more than either of them.

    Args:
        steps: the code to time, by name.
        rounds: number of times that each is timed, at least 1.
        warm_up: number of rounds before these, which do not count.
        clock: returns seconds; None: :func:`fair_clock`.

    Returns:
        Seconds of each round, by name.

    Raises:
        ValueError: if ``rounds`` is less than 1 or ``warm_up`` is negative.

    Example:
        >>> times = seconds_in_turns({"nothing": lambda: None}, rounds=3)
        >>> len(times["nothing"])
        3
    """
    if rounds < 1 or warm_up < 0:
        raise ValueError(
            f"rounds must be at least 1 and warm_up at least 0, got {rounds} and "
            f"{warm_up}"
        )
    clock = clock or fair_clock()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(-warm_up, rounds):
        for name, step in steps.items():
            _wait()
            start = clock()
            step()
            _wait()
            if number >= 0:
                times[name].append(clock() - start)
    return times


def peak_bytes(step: Callable[[], object]) -> int:
    """Measure the peak memory of tensors while some code runs.

    Only memory that the code allocates counts, until it is freed. PyTorch reports each
    allocation, including those inside its kernels, but not what it caches from earlier
    calls, nor Python's own memory. The code runs once, on the CPU, and more slowly than
    usual.

    Args:
        step: the code to run; its result is dropped.

    Example:
        >>> peak_bytes(lambda: torch.zeros(1000).neg())  # twice 1,000 floats of 4 bytes
        8000
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        step()
    # The entries that export_chrome_trace would write to a file.
    entries = profile.profiler.kineto_results.events()
    changes = [entry for entry in entries if entry.name() == "[memory]"]
    held = peak = 0
    for change in sorted(changes, key=lambda entry: entry.start_ns()):
        held += change.nbytes()
        peak = max(peak, held)
    return peak


def multiplications(step: Callable[[], object]) -> int:
    """Count the multiplications in the matrix products and convolutions of some code.

    PyTorch counts floating-point operations: a multiplication and an addition each.
    What is done number by number, such as a softmax, does not count. On a CPU it would
    count nothing inside of fused kernels of attention, so the code runs without them,
    and may need more memory than usual.

    Args:
        step: the code; it runs once.

    Example:
        >>> a, b = torch.ones(2, 3), torch.ones(3, 5)
        >>> multiplications(lambda: a @ b)
        30
    """
    from torch.utils.flop_counter import FlopCounterMode  # here: few need it

    # What PyTorch's counter does not know: products with a vector, and LSTMs on a CPU.
    aten = torch.ops.aten
    products: dict[Any, Any] = dict.fromkeys(
        (aten.mv, aten.dot, aten.vdot), lambda a, *_, **__: 2 * math.prod(a)
    )
    products[aten.addmv] = lambda _, a, *__, **___: 2 * math.prod(a)
    products[aten.mkldnn_rnn_layer] = _lstm_flops
    products[aten.mkldnn_rnn_layer_backward] = lambda *shapes, **__: (
        2 * _lstm_flops(*shapes)
    )
    with FlopCounterMode(display=False, custom_mapping=products) as counter, _unfused():
        step()
    return counter.get_total_flops() // 2


def kept_bytes(
    step: Callable[[], torch.Tensor], given: Iterable[torch.Tensor] = ()
) -> int:
    """Measure how much memory a computation keeps for its backward pass.

    Each piece of memory counts once, whole, even if only a part of it is kept.

    Args:
        step: what is run; it returns a tensor with a gradient.
        given: tensors that are there in any case, such as parameters and inputs: they
            do not count.

    Raises:
        ValueError: if the result has no gradient: nothing is kept for it.

    Example:
        >>> x = torch.ones(3, 5, requires_grad=True)
        >>> kept_bytes(lambda: (2 * x).exp().sum())  # the exponentials, in 4 bytes each
        60
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in given}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = step()
    # As long as the result is alive, nothing that was kept is freed and used again.
    if not result.requires_grad:
        raise ValueError("step must return a tensor with a gradient, this one has none")
    return sum(kept.values())


def crossing(
    sizes: Sequence[int], first: Sequence[float], second: Sequence[float]
) -> float | None:
    """Find the size above which one cost is higher than another.

    Args:
        sizes: sizes at which both were measured, increasing and positive.
        first: the cost that is lower at small sizes, positive.
        second: the other cost, positive.

    Returns:
        Where the lines between the points cross on logarithmic scales; the last
        crossing if there are several. None if ``first`` is not higher at the end, or
        is higher everywhere.

    Raises:
        ValueError: if there is not one cost of each kind for each size, sizes do not
            increase, or one of the numbers is not positive and finite.

    Example:
        >>> round(crossing([1, 4], [1.0, 16.0], [2.0, 8.0]), 2)
        2.0
    """
    if not len(sizes) == len(first) == len(second):
        raise ValueError(
            f"first and second must have {len(sizes)} costs, one per size, got "
            f"{len(first)} and {len(second)}"
        )
    if any(not 0 < x < math.inf for x in (*sizes, *first, *second)):
        raise ValueError(
            f"sizes and costs must be positive and finite, got {list(sizes)}, "
            f"{list(first)} and {list(second)}"
        )
    if any(a >= b for a, b in pairwise(sizes)):
        raise ValueError(f"sizes must increase, got {list(sizes)}")
    gaps = [math.log(a / b) for a, b in zip(first, second, strict=True)]
    below = [index for index, gap in enumerate(gaps) if gap <= 0]
    if not below or below[-1] == len(gaps) - 1:
        return None
    left, right = below[-1], below[-1] + 1
    share = gaps[left] / (gaps[left] - gaps[right])
    low, high = math.log(sizes[left]), math.log(sizes[right])
    return math.exp(low + share * (high - low))


@contextmanager
def _unfused() -> Iterator[None]:
    """Run attention and encoder layers as single matrix products."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _lstm_flops(inputs: Any, w_x: Any, w_h: Any, *_: Any, **__: Any) -> int:
    """Of one layer in one direction, from the shapes of its inputs and weights."""
    steps, batch, _ = inputs
    return 2 * steps * batch * (math.prod(w_x) + math.prod(w_h))


def _wait() -> None:
    """Wait for the GPU, which works through its kernels in the background."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()

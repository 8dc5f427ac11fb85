"""What code costs: seconds, taken in turns, and peak memory."""

import math
import time
from collections.abc import Callable, Sequence

import torch


def seconds_in_turns(
    steps: dict[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time several pieces of code, one after the other, again and again.

    In turns, whatever else the machine does slows all of them down alike: the quotient
    of two times of one round says more than either of them.

    Args:
        steps: what is timed, by name.
        rounds: how often each is timed, at least once.
        warm_up: rounds before these that do not count.
        clock: tells seconds; ``time.process_time`` tells those for which the process
            itself was at work, which on a busy machine says more, with one thread.

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
    """Measure how much memory tensors need while some code runs.

    What was there before does not count, and what the code frees counts until then.
    PyTorch reports each piece of memory that it takes or gives back, those inside its
    kernels too; what it keeps from earlier calls for later ones, and Python's own
    memory, do not appear. The code runs once, on the CPU, and more slowly than usual.

    Args:
        step: what is run; what it returns is let go.

    Example:
        >>> peak_bytes(lambda: torch.zeros(1000).neg())  # twice 1,000 floats of 4 bytes
        8000
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        step()
    # These are the entries of the file that export_chrome_trace writes, without it.
    entries = profile.profiler.kineto_results.events()
    changes = [entry for entry in entries if entry.name() == "[memory]"]
    held = peak = 0
    for change in sorted(changes, key=lambda entry: entry.start_ns()):
        held += change.nbytes()
        peak = max(peak, held)
    return peak


def crossing(
    sizes: Sequence[int], first: Sequence[float], second: Sequence[float]
) -> float | None:
    """Find the size from which on one cost is higher than another.

    Args:
        sizes: at which both were measured, growing, all above 0.
        first: the cost that is the lower one at small sizes, all above 0.
        second: the other one.

    Returns:
        Where straight lines between the points cross, on logarithmic scales; the last
        crossing if there are several. None if ``first`` is not higher at the end, or
        is higher everywhere.

    Raises:
        ValueError: if there is not one cost of each kind for each size.

    Example:
        >>> round(crossing([1, 4], [1.0, 16.0], [2.0, 8.0]), 2)
        2.0
    """
    if not len(sizes) == len(first) == len(second):
        raise ValueError(
            f"first and second must have {len(sizes)} costs, one a size, got "
            f"{len(first)} and {len(second)}"
        )
    gaps = [math.log(a / b) for a, b in zip(first, second, strict=True)]
    below = [place for place, gap in enumerate(gaps) if gap <= 0]
    if not below or below[-1] == len(gaps) - 1:
        return None
    left, right = below[-1], below[-1] + 1
    share = gaps[left] / (gaps[left] - gaps[right])
    low, high = math.log(sizes[left]), math.log(sizes[right])
    return math.exp(low + share * (high - low))


def _wait() -> None:
    """A GPU is given its work and does it later."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()

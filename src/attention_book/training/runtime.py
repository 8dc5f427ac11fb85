"""Around a run: its seed, its device, its time and memory."""

import operator
import random
import sys
import time
from typing import SupportsIndex

import numpy as np
import torch

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

GIB = 2**30


def check_seed(seed: SupportsIndex) -> int:
    """Return a seed as a plain integer, or refuse what is not a seed.

    Args:
        seed: an integer from 0 to 2**32 - 1, numpy's range; numpy's own integers are
            welcome too.

    Raises:
        TypeError: if ``seed`` is not an integer; True and False are not.
        ValueError: if ``seed`` is out of range.

    Example:
        >>> check_seed(np.int64(3))
        3
    """
    number = plain_integer(seed, "seed must be an integer")
    if not 0 <= number < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1, got {number}")
    return number


def plain_integer(value: SupportsIndex, needed: str) -> int:
    """Return an integer of any library as one of Python's.

    Args:
        value: an integer; True and False are not.
        needed: beginning of the message of the error.

    Raises:
        TypeError: if ``value`` is not an integer.

    Example:
        >>> plain_integer(np.int64(3), "limit must be an integer")
        3
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{needed}, got {value!r} ({type(value).__name__})") from None


def seed_everything(seed: SupportsIndex) -> None:
    """Seed the global generators of Python, numpy and PyTorch, on all devices.

    Args:
        seed: an integer from 0 to 2**32 - 1.

    Raises:
        TypeError: if ``seed`` is not an integer.
        ValueError: if ``seed`` is out of range.

    Example:
        >>> seed_everything(3)
        >>> first = torch.rand(2)
        >>> seed_everything(3)
        >>> torch.equal(first, torch.rand(2))
        True
    """
    seed = check_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries that draw from the old generator
    torch.manual_seed(seed)  # every accelerator too


def default_device(device: str | torch.device = "auto") -> torch.device:
    """Choose where to compute.

    Args:
        device: "auto", which is CUDA where there is a CUDA device and the CPU
            otherwise; or any device of PyTorch, such as "cpu", "cuda", "cuda:1", "mps"
            or "xpu".

    Raises:
        ValueError: if PyTorch does not know the name, or finds no such device here.

    Example:
        >>> default_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            'device must be "auto", "cpu", "cuda", "mps" or another device that '
            f"PyTorch knows, got {device!r}"
        ) from None
    if not _is_available(chosen):
        raise ValueError(
            f'device is "{chosen}", but PyTorch finds no such device here: use "auto" '
            'or "cpu", or install a build of PyTorch for your GPU and its driver'
        )
    return chosen


def _is_available(device: torch.device) -> bool:
    try:
        module = torch.get_device_module(device)
    except RuntimeError:  # a kind without memory, such as "meta"
        return False
    number = 0 if device.index is None else device.index
    return module.is_available() and number < module.device_count()


class RunMeter:
    """The time since it was created and the peak memory of the process.

    A chapter creates it in its first cell and prints it in its last one.

    Example:
        >>> meter = RunMeter()
        >>> print(meter)  # doctest: +ELLIPSIS
        run time ... s, peak memory ...
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the meter was created."""
        return time.perf_counter() - self._start

    @property
    def peak_gib(self) -> float | None:
        """Peak memory of the process, in GiB; None on Windows."""
        if resource is None:
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Bytes on macOS, KiB elsewhere.
        return peak / GIB if sys.platform == "darwin" else peak * 1024 / GIB

    @property
    def peak_cuda_gib(self) -> float | None:
        """Peak memory of tensors on the GPU, in GiB; None if it was not used."""
        if not torch.cuda.is_initialized():
            return None
        return torch.cuda.max_memory_allocated() / GIB

    def report(self) -> str:
        """Time and peak memory so far, PyTorch's version and the device."""
        peak, cuda = self.peak_gib, self.peak_cuda_gib
        memory = "not measured on this system" if peak is None else f"{peak:.2f} GiB"
        device = "the CPU"
        if cuda is not None:
            device = f"{torch.cuda.get_device_name()}, {cuda:.2f} GiB of its memory"
        return (
            f"run time {self.seconds:.1f} s, peak memory {memory}; "
            f"PyTorch {torch.__version__} on {device}"
        )

    def __str__(self) -> str:
        return self.report()

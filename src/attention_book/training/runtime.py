"""The run around a chapter: its seed, its device, its time and memory."""

import random
import sys
import time

import numpy as np
import torch

try:
    import resource
except ImportError:  # Windows
    resource = None

GIB = 2**30


def check_seed(seed: int) -> None:
    """Refuse what is not a seed.

    Args:
        seed: an integer from 0 to 2**32 - 1, the range that numpy takes.

    Raises:
        TypeError: if ``seed`` is not an integer; True and False are none.
        ValueError: if ``seed`` is out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(
            f"seed must be an integer, got {seed!r} ({type(seed).__name__})"
        )
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1, got {seed}")


def seed_everything(seed: int) -> None:
    """Seed the global random numbers of Python, numpy and PyTorch, CUDA included.

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
    check_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries that draw from the old generator
    torch.manual_seed(seed)  # every CUDA device too


def default_device(name: str = "auto") -> torch.device:
    """Choose where to compute.

    Args:
        name: "cpu", "cuda", or "auto": CUDA where there is one.

    Raises:
        ValueError: if the name is none of these, or if "cuda" was asked for and
            PyTorch finds none.

    Example:
        >>> default_device("cpu")
        device(type='cpu')
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f'device must be "auto", "cpu" or "cuda", got {name!r}')
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ValueError(
            'device is "cuda", but PyTorch finds no CUDA device here: use "auto" or '
            '"cpu", or install a build of PyTorch for your GPU and its driver'
        )
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


class RunMeter:
    """Time since it was made and peak memory of the process.

    Made in a chapter's first cell and printed in its last one.

    Example:
        >>> meter = RunMeter()
        >>> print(meter)  # doctest: +ELLIPSIS
        run time ... s, peak memory ...
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the meter was made."""
        return time.perf_counter() - self._start

    @property
    def peak_gib(self) -> float | None:
        """Most memory that the process ever held, in GiB; None on Windows."""
        if resource is None:
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Bytes on macOS, KiB elsewhere.
        return peak / GIB if sys.platform == "darwin" else peak * 1024 / GIB

    @property
    def peak_cuda_gib(self) -> float | None:
        """Most memory that tensors held on the GPU, in GiB; None if it was not used."""
        if not torch.cuda.is_initialized():
            return None
        return torch.cuda.max_memory_allocated() / GIB

    def report(self) -> str:
        """Time and peak memory so far, PyTorch's version and what it computed on."""
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

"""Seeds, devices, the meter of a run."""

import random
import re
import sys

import numpy as np
import pytest
import torch

from attention_book.training import runtime
from attention_book.training.runtime import (
    RunMeter,
    check_seed,
    default_device,
    seed_everything,
)


def draw():
    old = np.random.rand()  # noqa: NPY002 -- the generator that is to be seeded
    return random.random(), old, torch.rand(3).tolist()


def test_a_seed_gives_the_same_numbers_everywhere():
    seed_everything(7)
    first = draw()
    seed_everything(11)
    other = draw()
    seed_everything(7)
    assert draw() == first
    assert all(ours != theirs for ours, theirs in zip(first, other, strict=True))
    seed_everything(2**32 - 1)


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.int8, torch.tensor])
def test_integers_of_other_libraries_are_seeds(kind):
    seed_everything(3)
    wanted = draw()
    seed_everything(kind(3))
    assert draw() == wanted
    assert type(check_seed(kind(3))) is int


@pytest.mark.parametrize(
    "wrong", ["3", 3.0, True, None, np.float64(3), np.True_, torch.tensor(3.0)]
)
def test_seed_that_is_no_integer(wrong, no_shape_checks):
    message = re.escape(f"seed must be an integer, got {wrong!r}")
    with pytest.raises(TypeError, match=message):
        seed_everything(wrong)


@pytest.mark.parametrize("wrong", [-1, 2**32])
def test_seed_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"seed must be from 0 to .*got {wrong}"):
        seed_everything(wrong)


@pytest.mark.parametrize("has_cuda", [True, False])
def test_device_by_name(monkeypatch, has_cuda):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * has_cuda)
    assert default_device("cpu").type == "cpu"
    assert default_device().type == ("cuda" if has_cuda else "cpu")
    if has_cuda:
        assert default_device("cuda").type == "cuda"
        assert default_device("cuda:1") == torch.device("cuda", 1)
        with pytest.raises(ValueError, match='device is "cuda:2", but PyTorch finds'):
            default_device("cuda:2")
    else:
        with pytest.raises(ValueError, match='device is "cuda", but PyTorch finds no'):
            default_device("cuda")


@pytest.mark.parametrize("device", ["mps", "xpu", torch.device("mps", 0)])
def test_devices_of_other_makers(monkeypatch, device):
    """By stand-ins for the modules that ask the system for such a device."""
    kind = torch.device(device).type
    module = getattr(torch, kind)
    monkeypatch.setattr(module, "device_count", lambda: 1)
    monkeypatch.setattr(module, "is_available", lambda: True)
    assert default_device(device) == torch.device(device)
    monkeypatch.setattr(module, "is_available", lambda: False)
    with pytest.raises(ValueError, match=f'device is "{kind}.*finds no such device'):
        default_device(device)


def test_a_device_is_returned_as_it_is():
    cpu = torch.device("cpu")
    assert default_device(cpu) == cpu


def test_unknown_device():
    with pytest.raises(ValueError, match=r'"mps" or another device .*tpu'):
        default_device("tpu")
    with pytest.raises(ValueError, match='device is "meta", but PyTorch finds no'):
        default_device("meta")


def test_meter_measures_time_and_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    meter = RunMeter()
    peak = meter.peak_gib
    held = np.ones(2**26 // 8)  # 64 MiB
    del held
    assert meter.seconds > 0
    assert 0.05 < peak <= meter.peak_gib < 100  # GiB, whatever the system counts in
    assert re.fullmatch(
        r"run time \d+\.\d s, peak memory \d+\.\d\d GiB; PyTorch \S+ on the CPU",
        str(meter),
    )


def test_meter_on_other_systems(monkeypatch):
    meter = RunMeter()
    peak = meter.peak_gib
    if sys.platform == "linux":
        monkeypatch.setattr(sys, "platform", "darwin")  # the same number, as bytes
        assert meter.peak_gib == pytest.approx(peak / 1024, rel=0.1)
    monkeypatch.setattr(runtime, "resource", None)
    assert meter.peak_gib is None
    assert "peak memory not measured on this system" in meter.report()


def test_meter_tells_the_memory_of_the_gpu_where_one_was_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 2**29)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU 7")
    assert RunMeter().report().endswith("on GPU 7, 1.50 GiB of its memory")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert RunMeter().report().endswith("on the CPU")


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_smallest_and_the_largest_seed_are_accepted(seed):
    assert check_seed(seed) == seed

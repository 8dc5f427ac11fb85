"""Seconds in turns and peak memory."""

import math
import time
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attention_book.evaluation.cost import (
    crossing,
    fair_clock,
    kept_bytes,
    multiplications,
    peak_bytes,
    seconds_in_turns,
)


def test_steps_take_turns_and_the_first_rounds_do_not_count():
    calls, now = [], [0.0]

    def work(name, seconds):
        calls.append(name)
        now[0] += seconds

    steps = {"short": partial(work, "short", 1.0), "long": partial(work, "long", 5.0)}
    clock = partial(now.__getitem__, 0)
    times = seconds_in_turns(steps, rounds=3, warm_up=2, clock=clock)
    assert calls == ["short", "long"] * 5
    assert times == {"short": [1.0] * 3, "long": [5.0] * 3}
    assert len(seconds_in_turns(steps, rounds=1, warm_up=0)["short"]) == 1
    assert len(calls) == 12


def test_fair_clock_stands_still_only_where_one_thread_computes(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert fair_clock() is time.process_time
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert fair_clock() is time.perf_counter
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert fair_clock() is time.perf_counter


def test_peak_counts_what_is_held_at_once():
    size = 4 * 10_000  # bytes of 10,000 floats

    def one_after_the_other():
        for _ in range(5):
            torch.zeros(10_000)

    def together():
        return [torch.zeros(10_000) for _ in range(5)]

    before = torch.zeros(100_000)
    assert peak_bytes(one_after_the_other) == size
    assert peak_bytes(together) == 5 * size
    assert peak_bytes(lambda: before[:10].neg()) < 1000  # it was there before
    assert peak_bytes(lambda: None) == 0


def test_peak_sees_what_the_gradient_needs():
    x = torch.zeros(10_000, requires_grad=True)
    forward = peak_bytes(lambda: x.exp().exp().exp())
    both = peak_bytes(lambda: x.exp().exp().exp().sum().backward())
    assert forward >= 3 * 40_000
    assert both > forward


def test_crossing():
    sizes = [64, 128, 256, 512]
    linear = [float(n) for n in sizes]
    square = [n**2 / 200 for n in sizes]  # as large where n is 200
    assert crossing(sizes, square, linear) == pytest.approx(200)
    assert crossing(sizes, linear, square) is None
    assert crossing(sizes, [n**2 / 1000 for n in sizes], linear) is None  # not yet
    assert crossing(sizes, [n**2 / 10 for n in sizes], linear) is None  # long since
    assert crossing(sizes, [1.0, 3.0, 1.0, 3.0], [2.0] * 4) > 256  # the last one
    assert crossing(sizes, [2.0, 2.0, 3.0, 4.0], [2.0] * 4) == pytest.approx(128)
    assert crossing([], [], []) is None


def test_errors():
    with pytest.raises(ValueError, match=r"must have 2 costs.*got 1 and 2"):
        crossing([1, 2], [1.0], [1.0, 2.0])
    for wrong in 0.0, -1.0, math.inf, math.nan:
        with pytest.raises(ValueError, match="costs must be positive and finite"):
            crossing([1, 2], [1.0, wrong], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"sizes must increase, got \[2, 2\]"):
        crossing([2, 2], [1.0, 2.0], [1.0, 2.0])
    for settings in ({"rounds": 0}, {"rounds": 1, "warm_up": -1}):
        with pytest.raises(ValueError, match="rounds must be at least 1"):
            seconds_in_turns({}, **settings)


def test_multiplications_of_layers_are_those_of_their_formulas():
    attention, x = nn.MultiheadAttention(6, 2, batch_first=True), torch.randn(3, 5, 6)
    counted = multiplications(lambda: attention(x, x, x, need_weights=True))
    assert counted == 3 * (4 * 5 * 6 * 6 + 2 * 5 * 5 * 6)
    convolution = nn.Conv1d(6, 7, 3, padding=1)
    assert multiplications(lambda: convolution(x.mT)) == 3 * 5 * 3 * 6 * 7


def test_kept_memory_is_counted_once_and_without_what_is_given():
    x = torch.randn(7, 3, requires_grad=True)
    weight = torch.randn(3, 5, requires_grad=True)
    whole = kept_bytes(lambda: ((x @ weight).exp() * 2).sum())
    assert whole == 4 * (7 * 3 + 3 * 5 + 7 * 5)
    assert kept_bytes(lambda: ((x @ weight).exp() * 2).sum(), (x, weight)) == 4 * 7 * 5
    assert kept_bytes(lambda: (weight[1] * weight[:2]).sum()) == 4 * 3 * 5


def test_kept_memory_needs_a_gradient():
    with pytest.raises(ValueError, match="must return a tensor with a gradient"):
        kept_bytes(lambda: torch.zeros(3).exp())


def test_multiplications_inside_of_fused_kernels_count():
    b, n, d, heads = 3, 5, 8, 2
    x = torch.randn(b, n, d)
    products = 2 * b * n * n * d  # scores, then contexts
    split = x.view(b, n, heads, d // heads).transpose(1, 2)
    fused = partial(F.scaled_dot_product_attention, split, split, split)
    assert multiplications(fused) == products
    encoder = nn.TransformerEncoderLayer(d, heads, 7, batch_first=True).eval()
    projections = b * n * (4 * d * d + 2 * 7 * d)
    lstm, steps = nn.LSTM(d, 11), b * n * 4 * 11 * (d + 11)
    assert multiplications(lambda: lstm(x)[0].sum().backward()) == 3 * steps
    for grad in True, False:
        with torch.set_grad_enabled(grad):
            assert multiplications(lambda: encoder(x)) == projections + products
            assert multiplications(lambda: lstm(x)) == steps


def test_multiplications_with_vectors_count():
    a, v = torch.randn(3, 5), torch.randn(5)
    assert multiplications(lambda: a @ v) == 15
    assert multiplications(lambda: v @ v) == 5
    assert multiplications(lambda: F.linear(v, a, torch.ones(3))) == 15

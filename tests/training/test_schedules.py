"""Learning rate factors, step by step."""

import pytest

from attention_book.training.schedules import (
    bert_decay,
    halve_every,
    inverse_sqrt_decay,
    linear_decay,
    transformer_peak,
)


def test_halve_every_as_in_the_paper():
    half_epoch = 3  # optimizer steps
    factor = halve_every(start=10 * half_epoch, every=half_epoch)
    assert {factor(step) for step in range(30)} == {1.0}
    later = [factor(step) for step in range(30, 45)]  # epochs 5 to 7.5
    assert later == [0.5**n for n in range(1, 6) for _ in range(half_epoch)]


def test_linear_decay_without_and_with_warm_up():
    assert [linear_decay(5)(step) for step in range(5)] == [1.0, 0.8, 0.6, 0.4, 0.2]
    factor = linear_decay(9, warmup_steps=4)
    assert [factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert [factor(step) for step in range(4, 11)] == [1, 0.8, 0.6, 0.4, 0.2, 0, 0]


def test_bert_decay_counts_from_the_first_step():
    assert [bert_decay(4)(step) for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]
    total, warmup = 10, 4
    factor = bert_decay(total, warmup_steps=warmup)
    for step in range(total + 2):
        wanted = step / warmup if step < warmup else max(0, (total - step) / total)
        assert factor(step) == pytest.approx(wanted)


@pytest.mark.parametrize("warmup", [1, 7, 4000])
def test_inverse_sqrt_decay_times_its_peak_is_the_papers(warmup):
    factor, peak = inverse_sqrt_decay(warmup), transformer_peak(512, warmup)
    for step in range(1, 3 * warmup + 1):  # the paper counts from 1
        wanted = 512**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert peak * factor(step - 1) == pytest.approx(wanted)
    assert max(map(factor, range(3 * warmup))) == factor(warmup - 1) == 1.0


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        (halve_every, (-1, 2), "start must not be negative, got -1"),
        (bert_decay, (3, 3), r"warmup_steps \(3\) must be .* total_steps \(3\)"),
        (halve_every, (3, 0), "every must be at least 1, got 0"),
        (linear_decay, (0,), r"warmup_steps \(0\) .* total_steps \(0\)"),
        (linear_decay, (5, 5), r"warmup_steps \(5\) .* total_steps \(5\)"),
        (linear_decay, (5, -1), r"warmup_steps \(-1\) .* total_steps \(5\)"),
        (inverse_sqrt_decay, (0,), "warmup_steps must be at least 1, got 0"),
        (transformer_peak, (64, 0), "warmup_steps must be at least 1, got 0"),
        (transformer_peak, (0, 10), "embed_dim must be at least 1, got 0"),
    ],
)
def test_wrong_arguments(schedule, arguments, message):
    with pytest.raises(ValueError, match=message):
        schedule(*arguments)

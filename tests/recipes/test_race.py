import math

import pytest
import torch
from torch import nn

from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.recipes.race import (
    RaceRun,
    count_parameters,
    equal_time,
    equal_time_steps,
    pairs_for_steps,
    race_lines,
    race_means,
    race_table,
    run_race,
    size_for_parameters,
    train_variants,
    training_seconds,
)
from attention_book.recipes.translation import TrainingPlan, all_links, numbers_task

PLAN = TrainingPlan(batch={"batch_size": 4}, learning_rate=1e-2)
SIZES = {"embed_dim": 5, "hidden_dim": 6, "attention_dim": 7, "maxout_dim": 3}


@pytest.fixture(scope="module")
def task():
    cpu = torch.device("cpu")
    return numbers_task("en", "de", train=22, test=5, max_digits=3, device=cpu)


@pytest.fixture
def model(task):
    return task.build(RNNSearch, RNNSearchConfig, 0, **SIZES)


def test_shared_parameters_count_once():
    shared = nn.Linear(3, 5, bias=False)
    assert count_parameters(nn.Sequential(shared, nn.ReLU(), shared)) == 15


def test_the_size_is_the_nearest_one():
    def build(size):
        return nn.Linear(size, size, bias=False)

    found = [size_for_parameters(build, wanted) for wanted in (100, 110, 111, 1)]
    assert found == [10, 10, 11, 1]  # 10 * 10 = 100, 11 * 11 = 121
    assert size_for_parameters(build, 10**9, largest=37) == 37


def test_training_steps_are_timed_in_turns(task, model):
    ticks = iter(range(100))
    before = model.decoder.output_proj.weight.clone()
    models = {"a": model, "b": task.build(RNNSearch, RNNSearchConfig, 1, **SIZES)}
    times = training_seconds(
        models, task.batch(task.train[:3]), rounds=2, clock=lambda: float(next(ticks))
    )
    assert times == {"a": [1, 1], "b": [1, 1]}
    assert (model.decoder.output_proj.weight != before).any()


def test_steps_in_equal_time():
    seconds = {"a": 0.2, "b": 0.05, "c": 90.0}
    assert equal_time_steps(seconds, "a", 10) == {"a": 10, "b": 40, "c": 1}


def test_equal_time_of_models_on_a_clock(task):
    sizes = {"a": SIZES, "b": SIZES | {"hidden_dim": 9}}
    builders = {
        name: lambda seed, own=own: task.build(RNNSearch, RNNSearchConfig, seed, **own)
        for name, own in sizes.items()
    }
    # Two starts of the round that warms up; then start and end of each step in turns.
    ticks = iter([0.0, 0.0] + [0.0, 2.0, 10.0, 18.0] * 3)
    batch = task.batch(task.train[:3])
    found = equal_time(builders, batch, "a", 12, rounds=3, clock=lambda: next(ticks))
    assert found.step_seconds == {"a": 2.0, "b": 8.0}
    assert found.steps == {"a": 12, "b": 3}
    assert found.seconds == 24
    assert found.parameters["a"] == count_parameters(builders["a"](0))
    first, second = str(found).splitlines()
    assert first.endswith("2000.0 ms a step      12 steps in 24.0 s")
    assert second.startswith(f"b            {found.parameters['b']:9,} parameters")


def test_pairs_for_a_number_of_steps(task):
    assert task.num_steps(PLAN) == 6  # 22 pairs, 4 at a time
    pairs, epochs = pairs_for_steps(task, PLAN, task.train, 3)
    assert (len(pairs), epochs) == (11, 1)
    pairs, epochs = pairs_for_steps(task, PLAN, task.train, 9)
    assert (len(pairs), epochs) == (16, 2)  # 16.5, to the even number
    assert pairs == task.train[:16]
    assert pairs_for_steps(task, PLAN, task.train, 12) == (task.train, 2)


def test_variants_take_their_steps_with_every_seed(task, monkeypatch):
    seen = []
    fit = type(task).fit

    def spy(self, model, plan, **options):
        history = fit(self, model, plan, **options)
        seen.append((len(history.step_loss), options["seed"], options["choose"]))
        return history

    monkeypatch.setattr(type(task), "fit", spy)
    builders = {
        name: lambda seed, name=name: task.build(
            RNNSearch, RNNSearchConfig, seed, **SIZES, score=name
        )
        for name in ("dot", "additive")
    }
    steps = {"dot": 8, "additive": 2}
    names = []
    found = train_variants(
        task,
        PLAN,
        builders,
        steps,
        [3, 4],
        {"all": all_links},
        checkpoints=names.append,
    )
    assert names == [
        "dot, seed 3",
        "dot, seed 4",
        "additive, seed 3",
        "additive, seed 4",
    ]
    assert seen == [(8, 3, False), (8, 4, False), (2, 3, False), (2, 4, False)]
    assert [len(results) for results in found.values()] == [2, 2]
    first, second = found["additive"]
    assert first.loss != second.loss
    assert first.rates.keys() == {"all"}


def test_variants_with_batches_of_tokens_take_about_as_many_steps(task, monkeypatch):
    plan, seen = TrainingPlan(batch={"max_tokens": 30}, learning_rate=1e-2), []
    fit = type(task).fit

    def counted(self, *args, **options):
        history = fit(self, *args, **options)
        seen.append(len(history.step_loss))
        return history

    monkeypatch.setattr(type(task), "fit", counted)
    builders = {"one": lambda seed: task.build(RNNSearch, RNNSearchConfig, 0, **SIZES)}
    for wanted in (2, 2 * task.num_steps(plan)):
        train_variants(task, plan, builders, {"one": wanted}, [3], {})
        assert seen.pop() == pytest.approx(wanted, rel=0.25)  # longer ones pack better


def a_race(task, model, **options):
    steps = []

    def measure(other):
        assert other is model
        steps.append(None)
        return len(steps) / 10

    clock = iter([100.0, 102.0])
    found = run_race(
        task,
        PLAN,
        model,
        num_points=2,
        measure=measure,
        error=lambda other: float(len(steps)),
        seed=0,
        clock=lambda: next(clock),
        **options,
    )
    assert found.outputs == task.translate(model)
    assert found.decoding == sum(len(words) + 1 for words in found.outputs) / 2
    return found


def test_a_race_measures_after_equal_time_and_equal_data(task, model):
    found = a_race(task, model, time_steps=6, data_steps=4)
    assert found.right == {3: 0.1, 4: 0.2, 6: 0.3}
    assert (found.right_time, found.right_data) == (0.3, 0.2)
    assert (found.error_time, found.error_data) == (3.0, 2.0)


def test_a_race_that_was_stopped_has_its_measurements_again(task, tmp_path):
    """Two epochs of 6 steps, stopped in the second."""
    options = {"time_steps": 12, "data_steps": 4, "num_points": 4, "seed": 0}
    options |= {"error": lambda model: 0.5, "checkpoint": tmp_path / "run.pt"}
    measured = []

    def share(model):
        if len(measured) == stop_at:
            raise KeyboardInterrupt
        measured.append(None)
        return len(measured) / 10

    def run():
        model = task.build(RNNSearch, RNNSearchConfig, 0, **SIZES)
        return run_race(task, PLAN, model, measure=share, **options)

    stop_at = 3  # after 3, 4 and 6 steps, at 9
    with pytest.raises(KeyboardInterrupt):
        run()
    del measured[2:]  # what the first epoch had not kept is measured again
    stop_at = None
    found = run()
    assert found.right == {3: 0.1, 4: 0.2, 6: 0.3, 9: 0.4, 12: 0.5}
    assert (found.right_data, found.error_data) == (0.2, 0.5)


def test_equal_time_stays_what_it_was(task, tmp_path):
    builders = {"a": lambda seed: task.build(RNNSearch, RNNSearchConfig, seed, **SIZES)}
    batch, ticks = task.batch(task.train[:3]), iter(range(0, 10**6, 3))
    first, again = (
        equal_time(
            builders,
            batch,
            "a",
            5,
            rounds=2,
            clock=lambda: float(next(ticks)) ** 2,  # another time at each look
            checkpoint=tmp_path / "times.pt",
        )
        for _ in range(2)
    )
    assert first == again


def test_the_end_stands_for_steps_that_are_missing(task, model):
    # 9 steps would take 16.5 pairs in each of two epochs: 16 give 8 steps.
    found = a_race(task, model, time_steps=2, data_steps=9)
    assert found.right == {1: 0.1, 2: 0.2, 8: 0.3}
    assert (found.right_time, found.right_data) == (0.2, 0.3)
    assert (found.error_time, found.error_data) == (2.0, 3.0)
    assert not math.isnan(found.decoding)


def make_run(right, right_time, decoding):
    return RaceRun(right, right_time, 0.25, math.nan, 0.5, [], decoding)


RUNS = {"a": [make_run({4: 0.5, 2: 0.1}, x, y) for x, y in ((0.25, 9.0), (0.75, 1.0))]}
RUNS["a"].append(make_run({3: 1.0}, 0.5, 5.0))


def test_means_of_runs_and_their_table():
    means = race_means(RUNS)["a"]
    assert (means["right_time"], means["right_data"]) == (0.5, 0.25)
    assert math.isnan(means["error_time"])
    assert (means["error_data"], means["decoding"]) == (0.5, 5.0)
    _, line = race_table({"a": means}, {"a": 1234}, {"a": 7.0}).splitlines()
    assert line.split() == ["a", "1,234", "50.0%", "-", "25.0%", "50.0%", "7", "5"]


def test_lines_start_at_nothing_and_are_in_order():
    lines = race_lines(RUNS, {"a": 10.0})["a"]
    assert lines[0] == [(0, 0), (20, 0.1), (40, 0.5)]
    assert lines[2] == [(0, 0), (30, 1.0)]

"""Curves of what is learned against the seconds that it takes."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.recipes.scores import LearningCurve, learning_curve, race_scores
from attention_book.recipes.translation import TrainingPlan, all_links, numbers_task

PLAN = TrainingPlan(batch={"batch_size": 4}, learning_rate=1e-2)


@pytest.fixture(scope="module")
def task():
    cpu = torch.device("cpu")
    return numbers_task("en", "de", train=22, test=5, max_digits=3, device=cpu)


def build(task, score):
    sizes = {"embed_dim": 5, "hidden_dim": 6, "score": score}
    return lambda seed: task.build(LuongTranslator, LuongConfig, seed, **sizes)


class Clock:
    """Each reading is a second later; so is each measurement, by ten."""

    now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_seconds_to_a_value():
    curve = LearningCurve([1.0, 2.0, 4.0], [3.0, 2.0, 1.0], num_steps=9)
    assert curve.seconds_to(3.5) == 1.0
    assert curve.seconds_to(2.0) == 2.0
    assert curve.seconds_to(1.25) == 3.5
    assert math.isnan(curve.seconds_to(0.5))


def test_looks_do_not_count(task):
    clock = Clock()

    def measure(model):
        clock.now += 10.0
        return 5.0

    def learn(epochs, model):
        return learning_curve(
            task,
            PLAN,
            model,
            epochs=epochs,
            seed=0,
            measure=measure,
            num_looks=3,
            clock=clock,
        )

    model = build(task, "dot")(0)
    curve = learn(2, model)  # of 6 steps each
    assert curve.num_steps == 12
    assert curve.values == [5.0] * 4
    assert curve.seconds == [0.0, 1.0, 2.0, 3.0]


def test_a_run_that_goes_on_has_the_seconds_since_its_last_look(task, tmp_path):
    """Otherwise its steps would be the faster the more often it was stopped."""
    path, clock = tmp_path / "run.pt", Clock()

    def learn(stop_at):
        looks = iter(range(4))

        def measure(model):
            if next(looks) == stop_at:
                raise KeyboardInterrupt
            return 5.0

        return learning_curve(
            task,
            PLAN,
            build(task, "dot")(0),
            epochs=2,
            seed=0,
            measure=measure,
            num_looks=3,
            clock=clock,
            checkpoint=path,
        )

    with pytest.raises(KeyboardInterrupt):
        learn(stop_at=2)  # at step 8; the file is of step 6, a second after step 4
    curve = learn(stop_at=None)
    # A save reads the clock as well.
    assert curve.seconds == [0.0, 1.0, 3.0, 5.0]
    assert learn(stop_at=None).seconds == curve.seconds  # all of it is over


def test_scores_race_alike(task):
    builders = {name: build(task, name) for name in ("dot", "concat")}
    kinds = {"all links": all_links}
    names = []
    runs = race_scores(
        task,
        PLAN,
        builders,
        epochs=1,
        seed=3,
        kinds=kinds,
        num_looks=2,
        clock=Clock(),
        checkpoints=names.append,
    )
    assert names == ["score dot", "score concat"]
    for name, run in runs.items():
        model = builders[name](3)
        task.fit(model, PLAN, epochs=1, seed=3)
        with torch.no_grad():
            loss = model.loss(task.batch(task.test)).item()
        assert_close(run.curve.values[-1], loss)
        assert_close(run.measured.loss, loss)
        assert len(run.curve.values) == 3
        assert run.step_seconds == run.curve.seconds[-1] / 6
        values = run.values("slug_x", loss=1e9)
        assert values["slug_x_seconds_to"] == run.curve.seconds[0]
        assert values["slug_x_loss"] == run.measured.loss
        assert values["slug_x_aer_all_links"] == run.measured.rates["all links"]
        assert "slug_x_seconds_to" not in run.values("slug_x", loss=-1.0)

"""Watch: what is measured when, and that a checkpoint can hold it.

That a run which was stopped has its measurements again is tested in test_resume.
"""

from attention_book.training.loop import fit
from attention_book.training.watch import Watch


def test_it_measures_before_the_steps_it_is_told(Toy, data):
    model, seen = Toy(), []

    def measure(step):
        seen.append(step)
        return {"steps taken": model.steps}

    watch = Watch(measure, at={0, 3, 5}.__contains__)
    fit(model, data(1), epochs=2, learning_rate=0.1, on_step=watch, device="cpu")
    watch.take(8)
    assert watch.steps == seen == [0, 3, 5, 8]
    assert watch.values == [{"steps taken": step} for step in seen]


def test_its_state_there_and_back():
    watch, other = (Watch(lambda step: -step, at=lambda step: True) for _ in range(2))
    for step in (0, 1):
        watch(step)
    state = watch.state_dict()
    other.take(5)
    other.load_state_dict(state)
    other(2)
    assert other.steps == [0, 1, 2]
    assert other.values == [0, -1, -2]
    assert watch.steps == [0, 1]

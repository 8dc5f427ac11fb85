"""A run that was stopped goes on as if it had not been.

As a program, ``test_resume.py CHECKPOINT WHEN`` is a run that kills itself.
"""

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader
from attention_book.training import loop
from attention_book.training.averaging import RecentWeights
from attention_book.training.loop import fit
from attention_book.training.runtime import seed_everything
from attention_book.training.watch import Watch

EPOCHS, BATCHES = 5, 4
ALONE, BESIDE = ["run.pt"], ["run.pt", "run.pt.tmp"]
KILLS = {
    "in an epoch": (ALONE, 2 * BATCHES),
    "in an epoch, saved often": (ALONE, 2 * BATCHES + 3),
    "while saving": (BESIDE, 2 * BATCHES),
    "while saving often": (BESIDE, 2 * BATCHES + 2),
}  # what is left over, and after how many steps


def assert_same_run(ours, wanted):
    """Bit for bit."""
    (model, history), (wanted_model, wanted_history) = ours, wanted
    for name in "step_loss", "epoch_loss", "dev_loss", "best_epoch", "num_tokens":
        assert getattr(history, name) == getattr(wanted_history, name)
    for name, weight in wanted_model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name


def stop_at(step, error=KeyboardInterrupt):
    def at_step(model, now):
        if now == step:
            raise error

    return at_step


def test_interrupted_and_resumed(tmp_path, train):
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(path, stop_at(2 * BATCHES + 1))
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    kept = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        train(path, stop_at(2))  # third step of the third epoch
    assert path.read_bytes() == kept
    assert_same_run(train(path), train())


def test_interrupted_while_saving(tmp_path, monkeypatch, train):
    path = tmp_path / "run.pt"
    train(path, epochs=2)
    kept = path.read_bytes()

    def save_half(saved, file):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save_half)
        with pytest.raises(KeyboardInterrupt):
            train(path)
    assert path.read_bytes() == kept
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    assert_same_run(train(path), train())


class Clock:
    """Seconds that pass only when a test says so: one for each training step."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def tick(self, model, step):
        self.now += 1.0

    def tick_until(self, last):
        """A second for each step; the run is interrupted in the last one."""

        def at_step(model, step):
            self.now += 1.0
            if step == last:
                raise KeyboardInterrupt

        return at_step


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seconds(clock):
    """Options of a run whose seconds are its steps."""
    return {"clock": clock, "at_step": clock.tick}


@pytest.mark.parametrize("save_every", [1.0, 2.5])
@pytest.mark.parametrize("last", range(1, EPOCHS * BATCHES))
def test_interrupted_within_an_epoch(last, save_every, tmp_path, train, clock, seconds):
    """Saved after each step, or each third one and each epoch; no step is lost."""
    path, options = tmp_path / "run.pt", {"save_every": save_every}
    with pytest.raises(KeyboardInterrupt):
        train(path, **seconds | options | {"at_step": clock.tick_until(last)})
    kept = last if save_every == 1.0 else last - last % BATCHES % 3
    assert path.exists() == bool(kept)
    resumed = train(path, **seconds | options)
    assert resumed[0].steps == EPOCHS * BATCHES - kept  # no loss of what it had seen
    wanted = train(**seconds)
    assert_same_run(resumed, wanted)
    assert resumed[1] == wanted[1]
    assert resumed[1].seconds == EPOCHS * BATCHES


def test_interrupted_again_and_again(tmp_path, train, clock, seconds):
    path, options = tmp_path / "run.pt", seconds | {"save_every": 1.0}
    for _ in range(EPOCHS * BATCHES - 1):
        with pytest.raises(KeyboardInterrupt):
            train(path, **options | {"at_step": clock.tick_until(1)})
    resumed = train(path, **options)
    assert resumed[0].steps == 1
    assert_same_run(resumed, train(**seconds))
    assert resumed[1].seconds == EPOCHS * BATCHES


def test_ten_minutes_are_the_default(tmp_path, train, clock):
    def two_minutes(model, step):
        clock.now += 120.0
        if step == 13:
            raise KeyboardInterrupt

    path = tmp_path / "run.pt"
    options = {"clock": clock, "data": {"batch_size": 1}}
    with pytest.raises(KeyboardInterrupt):
        train(path, two_minutes, **options)
    saved = torch.load(path, weights_only=True)["progress"]
    assert len(saved["history"]["step_loss"]) == 10
    assert saved["history"]["seconds"] == 1200.0
    assert len(saved["num_tokens"]) == 10


def test_saving_takes_no_time_of_the_run(tmp_path, train, clock, seconds, monkeypatch):
    save = torch.save

    def slow_save(saved, file):
        clock.now += 100.0
        save(saved, file)

    monkeypatch.setattr(torch, "save", slow_save)
    _, history = train(tmp_path / "run.pt", **seconds, save_every=1.0)
    assert history.seconds == EPOCHS * BATCHES


def test_losses_that_were_not_read_are_read_before_a_save(
    tmp_path, train, clock, seconds, monkeypatch
):
    """As on a GPU, where losses are read in blocks."""
    monkeypatch.setattr(loop, "BLOCK", {"cpu": 3})
    path, options = tmp_path / "run.pt", seconds | {"save_every": 2.0}
    with pytest.raises(KeyboardInterrupt):
        train(path, **options | {"at_step": clock.tick_until(11)})
    saved = torch.load(path, weights_only=True)["progress"]
    assert len(saved["history"]["step_loss"]) == 10
    assert_same_run(train(path, **options), train(**seconds))


class Shuffled:
    """Batches in an order that all of the global generators decide."""

    def __init__(self, batches):
        self.batches = list(batches)

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        order = list(range(len(self)))
        random.shuffle(order)
        order = np.random.permutation(order)  # noqa: NPY002 -- fit resumes the global generator
        for i in torch.as_tensor(order)[torch.randperm(len(self))]:
            noise = torch.randn(1)  # drawn when the batch is made
            yield replace(self.batches[i], y=self.batches[i].y + noise)


def test_any_order_of_the_global_generators(tmp_path, Toy, data, clock):
    def run(checkpoint, at_step=clock.tick):
        seed_everything(0)
        model = Toy(at_step)
        loader = Shuffled(data(1))
        options = {"learning_rate": 0.1, "checkpoint": checkpoint, "save_every": 1.0}
        return model, fit(model, loader, epochs=4, device="cpu", clock=clock, **options)

    path = tmp_path / "run.pt"
    for last in (6, 3):
        with pytest.raises(KeyboardInterrupt):
            run(path, clock.tick_until(last))
    assert_same_run(run(path), run(None))


def test_batches_by_token_budget(tmp_path, Toy, data, clock):
    def run(checkpoint, at_step=clock.tick):
        torch.manual_seed(0)
        model, plain = Toy(at_step), data(1)
        loader = make_loader(
            plain.dataset,
            plain.collate_fn,
            max_tokens=12,
            lengths=torch.arange(15) % 4 + 2,
            seed=5,
        )
        options = {"learning_rate": 0.1, "checkpoint": checkpoint, "save_every": 1.0}
        return model, fit(model, loader, epochs=3, device="cpu", clock=clock, **options)

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        run(path, clock.tick_until(9))
    assert_same_run(run(path), run(None))


def test_what_was_measured_on_the_way_is_part_of_the_run(tmp_path, train, clock):
    def watched(checkpoint, at_step=clock.tick):
        watch = Watch(
            lambda step: {"norm": watch.model.layers[0].weight.norm()},
            at=lambda step: step % 3 == 0,
        )

        def build(model):
            watch.model = model
            return watch

        options = {"clock": clock, "save_every": 1.0, "on_step_of": build}
        return *train(checkpoint, at_step, **options), watch

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        watched(path, clock.tick_until(10))
    *resumed, watch = watched(path)
    *wanted, other = watched(None)
    assert_same_run(resumed, wanted)
    assert watch.steps == other.steps == [0, 3, 6, 9, 12, 15, 18]
    assert watch.values == other.values
    assert watched(path)[-1].values == other.values  # of the finished run
    with pytest.raises(ValueError, match="on_step is 'Watch' there, 'none' here"):
        train(path)


def test_copies_for_the_mean_are_part_of_the_run(tmp_path, train, clock):
    def averaged(checkpoint, at_step=clock.tick):
        kept = []

        def build(model):
            kept.append(RecentWeights(model, keep=3, every=2))
            return kept[0]

        options = {"clock": clock, "save_every": 1.0, "on_step_of": build}
        train(checkpoint, at_step, **options, keep="last")
        return kept[0].average()

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        averaged(path, clock.tick_until(17))
    assert_close(averaged(path), averaged(None), rtol=0, atol=0)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
@pytest.mark.parametrize("when", KILLS)
def test_killed_and_resumed(tmp_path, when, train):
    """The process is gone at once: only what is in the file can go on."""
    left_over, steps = KILLS[when]
    path = tmp_path / "run.pt"
    killed = subprocess.run(
        [sys.executable, __file__, path, when], capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == left_over
    saved = torch.load(path, weights_only=True)["progress"]["history"]
    assert len(saved["step_loss"]) == steps
    resumed = train(path)
    assert resumed[0].steps == EPOCHS * BATCHES - steps
    assert_same_run(resumed, train())
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_run_returns_at_once(tmp_path, train):
    path = tmp_path / "new" / "folder" / "run.pt"
    first = train(path)
    to_come = torch.rand(3)
    again = train(path, stop_at(0, AssertionError))
    assert_same_run(again, first)
    assert again[1] == first[1]  # its seconds too
    assert torch.equal(torch.rand(3), to_come)
    assert not again[0].training


def test_more_epochs_than_before(tmp_path, train):
    path = tmp_path / "run.pt"
    train(str(path), epochs=2)
    assert_same_run(train(path), train())
    with pytest.raises(
        ValueError, match=r"epochs \(3\) must not be less than the 5 in"
    ):
        train(path, epochs=3)


def test_an_epoch_that_was_begun_counts(tmp_path, train, clock, seconds):
    path, options = tmp_path / "run.pt", seconds | {"save_every": 1.0}
    with pytest.raises(KeyboardInterrupt):
        train(path, **options | {"at_step": clock.tick_until(2 * BATCHES + 1)})
    with pytest.raises(
        ValueError, match=r"epochs \(2\) must not be less than the 3 in"
    ):
        train(path, **options, epochs=2)
    assert_same_run(train(path, **options, epochs=3), train(epochs=3))


def test_an_epoch_that_was_begun_is_finished_before_patience_ends(
    tmp_path, train, clock, seconds
):
    path = tmp_path / "run.pt"
    options = seconds | {"save_every": 1.0, "schedule": lambda step: 0.0}
    with pytest.raises(KeyboardInterrupt):
        train(path, **options | {"at_step": clock.tick_until(2 * BATCHES + 1)})
    stopped = train(path, **options, patience=1)
    assert len(stopped[1].dev_loss) == 3


def test_patience_goes_on_counting(tmp_path, train):
    path, options = tmp_path / "run.pt", {"schedule": lambda step: 0.0}
    stopped = train(path, patience=2, **options)
    assert len(stopped[1].dev_loss) == 3  # the first was the best
    again = train(path, stop_at(0, AssertionError), patience=2, **options)
    assert again[1] == stopped[1]
    assert len(train(path, patience=3, **options)[1].dev_loss) == 4


def test_home_folder_in_the_path(tmp_path, monkeypatch, train):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    train("~/runs/run.pt", epochs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    again = train("~/runs/run.pt", stop_at(0, AssertionError), epochs=1)
    assert len(again[1].step_loss) == BATCHES
    train("~no one/run.pt", epochs=1)  # no such user: a name like any other
    assert (tmp_path / "~no one" / "run.pt").is_file()


@pytest.mark.parametrize("place", ["file/run.pt", "folder"])
def test_a_path_that_cannot_be_written_is_refused_before_the_first_step(
    tmp_path, place, train
):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=f"checkpoint must be a file .*{place}:"):
        train(tmp_path / place, stop_at(0, AssertionError))


def test_a_compiled_model_resumes_a_plain_one(tmp_path, data, Toy):
    path = tmp_path / "run.pt"

    def run(epochs, checkpoint, wrap):
        torch.manual_seed(0)
        model = wrap(Toy())
        options = {"learning_rate": 0.1, "device": "cpu", "dev_loader": data(3)}
        return fit(model, data(1), epochs=epochs, checkpoint=checkpoint, **options)

    def compiled(model):
        return torch.compile(model, backend="eager")

    run(2, path, compiled)
    resumed = run(4, path, lambda model: model)
    assert resumed.step_loss == run(4, None, lambda model: model).step_loss


def test_all_numbers_of_a_global_shuffle_are_restored_too(tmp_path, Toy, data):
    def run(checkpoint, epochs):
        torch.manual_seed(0)
        model = Toy()
        loader = data(1, shuffle=True)  # drawn from the global generator
        options = {"learning_rate": 0.1, "checkpoint": checkpoint, "device": "cpu"}
        return model, fit(model, loader, epochs=epochs, **options)

    run(tmp_path / "run.pt", 2)
    assert_same_run(run(tmp_path / "run.pt", 4), run(None, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": {"hidden_dim": 7}}, "config.hidden_dim is 5 there, 7 here"),
        ({"config": {"dropout": 0.1}}, "config.dropout is 0.5 there, 0.1 here"),
        ({"optimizer": "sgd"}, "optimizer is 'adam' there, 'sgd' here"),
        (
            {"optimizer_options": {"eps": 0.5}},
            "optimizer.eps is 'absent' there, 0.5 here",
        ),
        (
            {"optimizer": lambda model, rate: torch.optim.Adam(model.parameters())},
            "optimizer is 'adam' there, 'given' here",
        ),
        ({"learning_rate": 0.1}, "learning_rate is 0.3 there, 0.1 here"),
        ({"clip_norm": None}, "clip_norm is 1.0 there, None here"),
        ({"schedule": None}, "schedule is 'given' there, 'none' here"),
        ({"dev_loader": None}, "number of dev examples is 15 there, 0 here"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, options, message, train):
    path = tmp_path / "run.pt"
    train(path, epochs=1)
    with pytest.raises(ValueError, match=rf"run.pt is of another run: {message}$"):
        train(path, **options)


def test_a_checkpoint_of_other_data_is_refused(tmp_path, train, Toy, data):
    path = tmp_path / "run.pt"
    options = {"epochs": 1, "learning_rate": 0.3, "checkpoint": path, "device": "cpu"}
    fit(Toy(), data(1), **options)
    message = "number of training examples is 15 there, 2 here"
    with pytest.raises(ValueError, match=message):
        fit(Toy(), list(data(1))[:2], **options)
    same_examples = DataLoader(data(1).dataset, batch_size=1)
    with pytest.raises(ValueError, match="number of steps an epoch is"):
        fit(Toy(), same_examples, **options)


def test_a_damaged_checkpoint(tmp_path, train):
    path = tmp_path / "run.pt"
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match=r"run.pt is not a whole checkpoint"):
        train(path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_run_on_cuda_resumes(tmp_path, train):
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(path, stop_at(2 * BATCHES + 1), device="cuda")
    (_, ours), (_, wanted) = train(path, device="cuda"), train(device="cuda")
    assert_close(ours.step_loss, wanted.step_loss)
    assert_close(ours.dev_loss, wanted.dev_loss)


def killed_run(checkpoint, when):
    from conftest import toy_run  # beside this file, since it runs as a program

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    def kill_in_third_epoch(model, step):
        if step == 2 * BATCHES + 3:
            kill()

    often = {"save_every": 1e-9} if "often" in when else {}
    if when.startswith("in an epoch"):
        toy_run(checkpoint, kill_in_third_epoch, **often)
        return
    replace, calls = os.replace, []
    # Often is after each step, and once more at the end of each of two epochs.
    last = 2 * (BATCHES + 1) + 3 if often else 3

    def kill_at_last(*paths):
        calls.append(paths)
        return kill() if len(calls) == last else replace(*paths)

    os.replace = kill_at_last
    toy_run(checkpoint, **often)


if __name__ == "__main__":
    killed_run(Path(sys.argv[1]), sys.argv[2])


def test_epochs_that_are_shorter_than_a_save(tmp_path, train, clock, seconds):
    """Saved after each sixth step, wherever in an epoch, and at the end."""
    path, options = tmp_path / "run.pt", {"save_every": 6.0, "save_epochs": False}
    with pytest.raises(KeyboardInterrupt):
        train(path, **seconds | options | {"at_step": clock.tick_until(9)})
    saved = torch.load(path, weights_only=True)["progress"]
    assert len(saved["history"]["step_loss"]) == 6
    resumed = train(path, **seconds | options)
    assert resumed[0].steps == EPOCHS * BATCHES - 6
    wanted = train(**seconds)
    assert_same_run(resumed, wanted)
    assert resumed[1].seconds == EPOCHS * BATCHES
    assert train(path, **seconds | options)[0].steps == 0, "the end was saved"

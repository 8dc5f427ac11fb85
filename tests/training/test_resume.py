"""A run that was stopped goes on as if it had not been.

As a program, ``test_resume.py CHECKPOINT WHEN`` is a run that kills itself.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader

from attention_book.training.loop import fit

EPOCHS, BATCHES = 5, 4


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


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
@pytest.mark.parametrize("when", ["in an epoch", "while saving"])
def test_killed_and_resumed(tmp_path, when, train):
    path = tmp_path / "run.pt"
    killed = subprocess.run(
        [sys.executable, __file__, path, when], capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left_over = {"in an epoch": ["run.pt"], "while saving": ["run.pt", "run.pt.tmp"]}
    assert sorted(file.name for file in tmp_path.iterdir()) == left_over[when]
    saved = torch.load(path, weights_only=True)["history"]
    assert len(saved["epoch_loss"]) == 2
    resumed = train(path)
    assert resumed[0].steps == (EPOCHS - 2) * BATCHES
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
    with pytest.raises(ValueError, match=r"run.pt is not a whole checkpoint of fit"):
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
        if step == 2 * BATCHES + 1:
            kill()

    if when == "in an epoch":
        toy_run(checkpoint, kill_in_third_epoch)
        return
    replace, calls = os.replace, []

    def kill_at_third(*paths):
        calls.append(paths)
        return kill() if len(calls) == 3 else replace(*paths)

    os.replace = kill_at_third
    toy_run(checkpoint)


if __name__ == "__main__":
    killed_run(Path(sys.argv[1]), sys.argv[2])

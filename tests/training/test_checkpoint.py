"""Files: complete or not there, no pickle, and refused where they do not belong."""

import os
import pickle
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.training.checkpoint import (
    FORMAT,
    describe_model,
    load_checkpoint,
    load_weights,
    random_states,
    remember,
    require_same,
    restore_random_states,
    save_checkpoint,
    save_weights,
    unwrap,
)
from attention_book.training.files import require_writable


@dataclass(frozen=True, kw_only=True)
class Config:
    sizes: tuple[int, ...] = (3, 5)
    tied: bool = True
    folder: Path = Path("here")


class Model(nn.Module):
    def __init__(self, **config):
        super().__init__()
        self.config = Config(**config)
        self.first = nn.Linear(*self.config.sizes)
        self.norm = nn.BatchNorm1d(self.config.sizes[1])
        self.again = self.first  # one layer under two names


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_weights_there_and_back(tmp_path):
    path = tmp_path / "weights.safetensors"
    model, other = Model(), Model()
    model.norm(torch.randn(7, 5))  # a buffer of integers, and of floats
    save_weights(model, path)
    load_weights(other, str(path))
    assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert other.first is other.again
    assert names(tmp_path) == [path.name]


def test_home_folder_in_the_path(tmp_path, monkeypatch, run):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model, other = Model(), Model()
    save_weights(model, "~/weights")
    load_weights(other, "~/weights")
    assert_close(other.state_dict(), model.state_dict())
    save(run, Path("~/run.pt"))
    load_checkpoint(Path("~/run.pt"), **run)
    assert names(tmp_path) == ["run.pt", "weights"]
    with pytest.raises(FileNotFoundError, match="~no one/weights"):  # no such user
        load_weights(other, "~no one/weights")


def test_weights_of_a_compiled_model_are_those_of_the_model(tmp_path):
    model, other = Model(), Model()
    compiled = torch.compile(model, backend="eager")
    assert unwrap(compiled) is unwrap(model) is model
    save_weights(compiled, tmp_path / "compiled")
    save_weights(model, tmp_path / "plain")
    load_weights(other, tmp_path / "compiled")
    assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)
    compiled_other = torch.compile(Model(), backend="eager")
    load_weights(compiled_other, tmp_path / "plain")
    assert_close(unwrap(compiled_other).state_dict(), model.state_dict())


def test_weights_of_another_config_are_refused_by_name(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(Model(sizes=(3, 7), tied=False), path)
    model = Model()
    before = model.first.weight.clone()
    message = (
        r"weights.safetensors is of another run: config.sizes is \[3, 7\] there, "
        r"\[3, 5\] here; config.tied is False there, True here"
    )
    with pytest.raises(ValueError, match=message):
        load_weights(model, path)
    assert_close(model.first.weight, before)


def test_damaged_weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(Model(), path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"weights.safetensors is damaged"):
        load_weights(Model(), path)
    from safetensors.torch import save_file

    save_file({"first.weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="not written by save_weights"):
        load_weights(Model(), path)
    with pytest.raises(FileNotFoundError, match="absent"):
        load_weights(Model(), tmp_path / "absent")


def test_description_and_differences():
    described = describe_model(Model(folder=Path("there")))
    assert described == {
        "model": "Model",
        "config.sizes": [3, 5],
        "config.tied": True,
        "config.folder": "there",
    }
    require_same(Path("file"), described, dict(described))
    with pytest.raises(ValueError, match=r"file is .*: a is 1 there, 'absent' here; b"):
        require_same(Path("file"), {"a": 1}, {"b": None})


class Diary:
    """Something that is saved with a run."""

    def __init__(self):
        self.pages = [torch.ones(3)]

    def state_dict(self):
        return {"pages": self.pages}

    def load_state_dict(self, state):
        self.pages = state["pages"]


@pytest.fixture
def run():
    model = Model()
    model.first(torch.randn(2, 3)).sum().backward()
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.step()
    return {
        "model": model,
        "optimizer": optimizer,
        "watch": Diary(),
        "settings": describe_model(model) | {"clip_norm": None},
    }


def save(run, path):
    best = {name: 2 * part for name, part in run["model"].state_dict().items()}
    progress = {"history": {"step_loss": [0.1, 1 / 3], "best_epoch": 0}, "best": best}
    save_checkpoint(path, **progress, **run)
    return progress


def test_a_checkpoint_puts_everything_back(run, tmp_path):
    path = tmp_path / "run.pt"
    saved = save(run, path)
    weights = {name: x.clone() for name, x in run["model"].state_dict().items()}
    moments = run["optimizer"].state_dict()["state"][0]["exp_avg"].clone()
    run["model"].first.weight.data.zero_()
    run["optimizer"].state_dict()["state"][0]["exp_avg"].zero_()
    run["watch"].pages = []

    assert_close(load_checkpoint(path, **run), saved, rtol=0, atol=0)
    assert_close(dict(run["model"].state_dict()), weights, rtol=0, atol=0)
    assert_close(run["optimizer"].state_dict()["state"][0]["exp_avg"], moments)
    assert_close(run["watch"].pages, [torch.ones(3)])
    assert names(tmp_path) == ["run.pt"]


def test_all_generators_are_put_back():
    generator = torch.Generator().manual_seed(5)
    draws = [
        lambda: random.random(),
        lambda: np.random.rand(),  # noqa: NPY002 -- a checkpoint saves the global generator
        lambda: torch.rand(2).tolist(),
        lambda: torch.rand(2, generator=generator).tolist(),
    ]
    states = random_states(generator)
    wanted = [draw() for draw in draws]
    assert [draw() for draw in draws] != wanted
    restore_random_states(states, generator)
    assert [draw() for draw in draws] == wanted
    restore_random_states(random_states(None), None)


def test_what_was_measured_is_remembered(tmp_path, monkeypatch):
    values = iter([{"slow": [0.5, 0.25]}, "later"])
    path = tmp_path / "new" / "times.pt"
    for _ in range(2):
        assert remember(path, lambda: next(values)) == {"slow": [0.5, 0.25]}
    assert names(path.parent) == ["times.pt"]
    assert remember(None, lambda: next(values)) == "later"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert remember(Path("~/new/times.pt"), AssertionError) == {"slow": [0.5, 0.25]}
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match=r"times.pt is not a whole checkpoint"):
        remember(path, AssertionError)


def test_numbers_of_numpy_are_saved_as_those_of_python(run, tmp_path):
    """A learning rate from ``np.logspace``, a schedule of ``np.cos``, a mean score."""
    path = tmp_path / "run.pt"
    rate = np.float64(0.3)
    for group in run["optimizer"].param_groups:
        group["lr"] = rate
    run["watch"].pages = [(np.float32(0.5), {np.int64(3): np.bool_(True)})]
    run["settings"]["learning_rate"] = rate
    save_checkpoint(path, history={"dev_loss": [rate, 1.0]}, **run)
    assert load_checkpoint(path, **run) == {"history": {"dev_loss": [0.3, 1.0]}}
    assert run["watch"].pages == [(0.5, {3: True})]
    assert type(run["optimizer"].param_groups[0]["lr"]) is float
    assert remember(tmp_path / "value", lambda: np.float64(0.25)) == 0.25


def test_what_could_not_be_read_again_is_not_saved(run, tmp_path):
    path = tmp_path / "run.pt"
    save(run, path)
    kept = path.read_bytes()
    run["watch"].pages = [np.ones(3)]
    with pytest.raises(TypeError, match=r"run.pt can hold plain .* needs .*numpy"):
        save(run, path)
    assert path.read_bytes() == kept
    assert names(tmp_path) == ["run.pt"]
    with pytest.raises(TypeError, match=r"value can hold plain .* builtins.range"):
        remember(tmp_path / "value", lambda: range(3))
    assert names(tmp_path) == ["run.pt"]


def test_a_checkpoint_of_another_version_is_refused(run, tmp_path):
    path = tmp_path / "run.pt"
    torch.save({"format": "attention_book checkpoint 1", "settings": {}}, path)
    message = (
        "run.pt is from another version of the package: it has the format "
        "'attention_book checkpoint 1', not 'attention_book checkpoint 2'. Continue"
    )
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path, **run)


def test_other_settings_are_refused_before_anything_changes(run, tmp_path):
    path = tmp_path / "run.pt"
    save(run, path)
    run["settings"] = run["settings"] | {"clip_norm": 5.0, "config.tied": False}
    run["model"].first.weight.data.zero_()
    message = (
        "run.pt is .*config.tied is True there, False here; clip_norm is None there"
    )
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path, **run)
    assert not run["model"].first.weight.any()


def flip_a_bit_of_a_weight(path):
    weight = next(n for n in zipfile.ZipFile(path).namelist() if "data/0" in n)
    stored = zipfile.ZipFile(path).read(weight)
    whole = path.read_bytes()
    place = whole.index(stored)
    path.write_bytes(whole[:place] + bytes([stored[0] ^ 1]) + whole[place + 1 :])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"what is this?"),
        lambda path: path.write_bytes(pickle.dumps({"format": 1})),
        lambda path: torch.save({"weights": torch.zeros(3)}, path),
        lambda path: torch.save(Config(), path),  # a pickle of an object
        flip_a_bit_of_a_weight,
    ],
)
def test_damaged_checkpoints(run, tmp_path, damage):
    path = tmp_path / "run.pt"
    save(run, path)
    damage(path)
    message = r"run.pt is not a whole checkpoint.*put back a copy, or delete"
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path, **run)


def test_a_folder_is_no_checkpoint(run, tmp_path):
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        load_checkpoint(tmp_path, **run)


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, sprung):
        self.sprung = sprung

    def __reduce__(self):
        return os.mkdir, (str(self.sprung),)


def test_code_in_a_checkpoint_is_not_run(run, tmp_path):
    path, sprung = tmp_path / "run.pt", tmp_path / "sprung"
    trap = {"trap": Trap(sprung)}
    torch.save({"format": FORMAT, "settings": trap}, path)
    with pytest.raises(ValueError, match=r"run.pt is not a whole checkpoint"):
        load_checkpoint(path, **run)
    assert not sprung.exists()


@pytest.mark.parametrize("kind", [os.mkdir, os.mkfifo])
def test_a_folder_or_a_device_is_not_replaced(kind, tmp_path):
    """Renaming a file over /dev/null would take it from every program."""
    path = tmp_path / "weights"
    kind(path)
    before = path.stat().st_mode
    for refused in (save_weights, load_weights):
        with pytest.raises(ValueError, match="weights must be a file, but it is a"):
            refused(Model(), path)
    with pytest.raises(ValueError, match=r"weights: it is a folder or a device"):
        require_writable(path)
    assert path.stat().st_mode == before
    assert [other.name for other in tmp_path.iterdir()] == ["weights"]

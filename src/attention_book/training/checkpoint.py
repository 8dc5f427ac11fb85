"""Weights and whole runs on disk: complete or absent, and never a pickle."""

import json
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from attention_book.training.files import atomic_write

FORMAT = "attention_book checkpoint 2"

_Value = TypeVar("_Value")

CheckpointFiles = Callable[[str], Path | None]
"""Gives each of several training runs, by its name, its file; None: it has none."""


def no_checkpoints(name: str) -> None:
    """Keep no training run: the :data:`CheckpointFiles` of a run that is not saved."""


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside of what ``torch.compile`` returned, or the model itself.

    Both have the same weights, but the compiled one puts a prefix before their names.
    """
    return getattr(model, "_orig_mod", model)


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Save a model's weights together with its config, in safetensors format.

    Args:
        model: a model with a dataclass as ``config``, compiled or not: the file is the
            same.
        path: the file, written whole or not at all; "~" stands for the home folder.
    """
    from safetensors.torch import save

    # One copy per name, because safetensors refuses tied weights.
    weights = {name: part.detach().clone() for name, part in _weights(model).items()}
    with atomic_write(Path(path)) as file:
        file.write(save(weights, {"model": json.dumps(describe_model(model))}))


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load what :func:`save_weights` saved into a model of the same config.

    Args:
        model: the model to fill, compiled or not; its weights stay on their device.
        path: the file to read; "~" stands for the home folder.

    Raises:
        ValueError: if there is no regular file, it is damaged, or belongs to another
            model or config; the message names each difference.
        FileNotFoundError: if there is no such file.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(os.path.expanduser(path))
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} must be a file, but it is a folder or a device")
    try:
        with safe_open(path, framework="pt") as file:
            saved = json.loads((file.metadata() or {}).get("model", "null"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file: save or fetch it again"
        ) from error
    if saved is None:
        raise ValueError(f"{path} was not written by save_weights: it names no config")
    require_same(path, saved, describe_model(model))
    unwrap(model).load_state_dict(weights)


def describe_model(model: nn.Module) -> dict[str, Any]:
    """A model's class and config as plain values, ``config.<field>`` by name."""
    model = unwrap(model)
    described = {"model": type(model).__name__}
    config: Any = model.config
    described |= {f"config.{name}": x for name, x in asdict(config).items()}
    # Through JSON, so that a saved description equals a fresh one.
    return json.loads(json.dumps(described, default=str))


def require_same(path: Path, saved: dict, wanted: dict) -> None:
    """Raise an error unless a file belongs to the present run.

    Args:
        path: the file, for the message.
        saved: names and values that the file was written with.
        wanted: names and values of the present run.

    Raises:
        ValueError: naming the file and each differing name with both values.
    """
    differences = [
        f"{name} is {saved.get(name, 'absent')!r} there, {wanted.get(name, 'absent')!r}"
        " here"
        for name in dict.fromkeys([*saved, *wanted])
        if saved.get(name, "absent") != wanted.get(name, "absent")
    ]
    if differences:
        raise ValueError(f"{path} is of another run: {'; '.join(differences)}")


def random_states(generator: torch.Generator | None) -> dict[str, Any]:
    """Return the states of the global generators and of one more, as plain values.

    Args:
        generator: that of a loader; None: it has none of its own.
    """
    state: Any = np.random.get_state()  # noqa: NPY002 -- see seed_everything
    name, keys, *rest = state
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "loader": None if generator is None else generator.get_state(),
    }


def restore_random_states(
    states: dict[str, Any], generator: torch.Generator | None
) -> None:
    """Put all generators back to where :func:`random_states` has seen them.

    Args:
        states: what it returned.
        generator: the same generator as there.
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002 -- see seed_everything
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    if generator is not None and states["loader"] is not None:
        generator.set_state(states["loader"])


def save_checkpoint(
    path: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    watch: Any,
    settings: dict[str, Any],
    **progress: Any,
) -> None:
    """Write everything that a run needs to continue as if it had never stopped.

    Numbers of numpy are saved as Python's: a file that holds them cannot be read again.

    Args:
        path: the file to replace, atomically.
        model: the weights so far.
        optimizer: its moments and counts so far.
        watch: has ``state_dict()``: what was measured so far; None: nothing was.
        settings: settings that must be the same in a run that continues from here.
        **progress: how far the run has come, as plain values and tensors.

    Raises:
        TypeError: if there is something else to save, such as an array of numpy; the
            old file stays.
    """
    saved = {
        "format": FORMAT,
        "settings": settings,
        "progress": progress,
        "model": _weights(model),
        "optimizer": optimizer.state_dict(),
        "watch": None if watch is None else watch.state_dict(),
    }
    _write(path, saved)


def load_checkpoint(
    path: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    watch: Any,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Put model, optimizer and watch back to where a run was.

    Args:
        path: a file that :func:`save_checkpoint` wrote.
        model: receives the weights.
        optimizer: receives its moments and counts.
        watch: receives what was measured.
        settings: settings that must equal those of the file.

    Returns:
        The ``progress`` that was saved.

    Raises:
        ValueError: if the file is damaged, of another version of the package, or was
            written under other settings.
    """
    path = Path(os.path.expanduser(path))
    saved = _read(path)
    require_same(path, saved["settings"], settings)
    unwrap(model).load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    if watch is not None:
        watch.load_state_dict(saved["watch"])
    return saved["progress"]


def remember(path: Path | None, measure: Callable[[], _Value]) -> _Value:
    """Measure something once: a run that goes on reads what it had measured before.

    It is for what decides how a run continues but comes out differently each time, such
    as the time of a training step.

    Args:
        path: the file that holds the value; None: it is measured, and not kept.
        measure: returns plain values and tensors, in lists, tuples and dictionaries.

    Raises:
        ValueError: if the file is damaged.
        TypeError: if ``measure`` returns something else.

    Example:
        >>> remember(None, lambda: {"seconds": 0.5})
        {'seconds': 0.5}
    """
    if path is None:
        return measure()
    path = Path(os.path.expanduser(path))
    if not path.is_file():
        _write(path, {"format": FORMAT, "value": measure()})
    return _read(path)["value"]


def _weights(model: nn.Module) -> dict[str, Tensor]:
    # A plain dict: state_dict() returns an OrderedDict with attributes of its own.
    return dict(unwrap(model).state_dict())


def _write(path: Path, saved: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        torch.save(_without_numpy(saved), file)
        file.flush()
        # These _read would refuse, and whatever was saved would be lost.
        if others := torch.serialization.get_unsafe_globals_in_checkpoint(file.name):
            raise TypeError(
                f"{path} can hold plain values and tensors only, in lists, tuples and "
                f"dictionaries, but what is to be saved needs {', '.join(others)}"
            )


def _without_numpy(part: Any) -> Any:
    """The same with Python's numbers in place of numpy's."""
    if isinstance(part, np.generic):
        return part.item()
    if isinstance(part, dict):
        return {_without_numpy(k): _without_numpy(x) for k, x in part.items()}
    if type(part) in (list, tuple):
        return type(part)(map(_without_numpy, part))
    return part


def _read(path: Path) -> dict[str, Any]:
    otherwise = "or delete it to start from the beginning"
    message = (
        f"{path} is not a whole checkpoint (cut off, damaged or another file): put "
        f"back a copy, {otherwise}"
    )
    try:
        # torch.load does not look at the checksums that torch.save writes.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        saved: Any = None if damaged else torch.load(path, "cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # zipfile, torch and pickle each have their own
        raise ValueError(message) from error
    found = saved.get("format") if isinstance(saved, dict) else None
    if not isinstance(found, str) or not found.startswith(FORMAT.rstrip("0123456789")):
        raise ValueError(message)
    if found != FORMAT:
        raise ValueError(
            f"{path} is from another version of the package: it has the format "
            f"{found!r}, not {FORMAT!r}. Continue with that version, {otherwise}"
        )
    return saved

"""Weights and whole runs on disk: complete or absent, and never a pickle."""

import json
import random
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attention_book.training.files import atomic_write

FORMAT = "attention_book checkpoint 1"


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

    path = Path(path).expanduser()
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


def save_checkpoint(
    path: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator | None,
    best: dict[str, Tensor] | None,
    history: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Write everything that a run needs to continue as if it had never stopped.

    Args:
        path: the file to replace, atomically.
        model: the weights so far.
        optimizer: its moments and counts so far.
        generator: the generator of the data's order; None: PyTorch's global one.
        best: weights of the best epoch so far; None without a dev set.
        history: the measurements so far, as plain values.
        settings: settings that must be the same in a run that continues from here.
    """
    saved = {
        "format": FORMAT,
        "settings": settings,
        "history": history,
        "model": _weights(model),
        "best": best,
        "optimizer": optimizer.state_dict(),
        "generator": None if generator is None else generator.get_state(),
        "random": _random_states(),
    }
    with atomic_write(path) as file:
        torch.save(saved, file)


def load_checkpoint(
    path: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator | None,
    settings: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Tensor] | None]:
    """Put model, optimizer and all generators back to where a run was.

    Args:
        path: a file that :func:`save_checkpoint` wrote.
        model: receives the weights.
        optimizer: receives its moments and counts.
        generator: receives its state.
        settings: settings that must equal those of the file.

    Returns:
        ``(history, best)`` as they were saved.

    Raises:
        ValueError: if the file is damaged, or was written under other settings.
    """
    path = path.expanduser()
    saved = _read(path)
    require_same(path, saved["settings"], settings)
    unwrap(model).load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    if generator is not None and saved["generator"] is not None:
        generator.set_state(saved["generator"])
    _restore_random_states(saved["random"])
    return saved["history"], saved["best"]


def _weights(model: nn.Module) -> dict[str, Tensor]:
    # A plain dict: state_dict() returns an OrderedDict with attributes of its own.
    return dict(unwrap(model).state_dict())


def _read(path: Path) -> dict[str, Any]:
    message = (
        f"{path} is not a whole checkpoint of fit (cut off, damaged or another file): "
        "put back a copy, or delete it to train from the beginning"
    )
    try:
        # torch.load does not look at the checksums that torch.save writes.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        saved = None if damaged else torch.load(path, "cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # zipfile, torch and pickle each have their own
        raise ValueError(message) from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise ValueError(message)
    return saved


def _random_states() -> dict[str, Any]:
    state: Any = np.random.get_state()  # noqa: NPY002 -- see seed_everything
    name, keys, *rest = state
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def _restore_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002 -- see seed_everything
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])

"""The settings of a chapter's run, checked before anything is computed."""

import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from pprint import pformat
from types import SimpleNamespace
from typing import Any

from attention_book.chapters.exercises import require_asserts
from attention_book.training.checkpoint import require_same
from attention_book.training.files import atomic_write
from attention_book.training.runtime import (
    check_seed,
    default_device,
    plain_integer,
)

GIVEN = (
    *("preset", "seed", "device", "shortened"),
    *("checkpoints", "systems", "datasets", "presets"),
)
SETTINGS_FILE = "settings.json"


class Settings(SimpleNamespace):
    """A chapter's settings by name: ``settings.batch_size``.

    A namespace rather than a dataclass, because each chapter has its own names.
    ``vars(settings)`` is how models are trained: it has no ``checkpoints``,
    ``systems``, ``datasets`` or ``presets``.

    Attributes:
        preset: "quick" or "full".
        seed: for ``seed_everything``.
        device: the :class:`torch.device` to compute on.
        epochs: runs through the data; None: the chapter decides.
        limit: largest number of training examples; None: no limit.
        shortened: whether ``epochs`` or ``limit`` was set by hand. The chapter's claims
            are about the whole run, so they are not checked then.
        checkpoints: folder for the checkpoints of this run; None: none are kept.
        systems: names of the systems to train; None: all of the chapter's.
        datasets: names of the public data sets to train on: the chosen one, otherwise
            all, or the first one if ``systems`` are chosen. Empty where there are none.
        presets: what the chapter sets for each preset, by the preset's name.

    All other names are those of the preset.
    """

    # These are not in vars().
    __slots__ = ("_files", "checkpoints", "datasets", "presets", "systems")

    def __init__(
        self,
        *,
        checkpoints: Path | None = None,
        systems: tuple[str, ...] | None = None,
        datasets: tuple[str, ...] = (),
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.checkpoints, self.systems, self.datasets = checkpoints, systems, datasets
        self.presets = presets or {}
        self._files: dict[str, str] = {}

    def checkpoint(self, name: str) -> Path | None:
        """Return the file in which a training run of this chapter is kept.

        Pass it to :func:`attention_book.training.loop.fit`. The first call creates the
        folder, and notes the settings there: a later run with other ones is refused.

        Args:
            name: what the run is about, for instance "RNNsearch, seed 0"; each run of
                a chapter has a name of its own.

        Returns:
            A file in the folder ``checkpoints``; None if there is no such folder.

        Raises:
            ValueError: if the name has been used before or is empty, the folder cannot
                be created, or it belongs to a run with other settings.
        """
        folder = self.checkpoints
        if folder is None:
            return None
        stem = re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")
        if not stem:
            raise ValueError(f"name must have a letter from A to Z, got {name!r}")
        # Some file systems do not tell upper from lower case.
        if (first := self._files.get(stem.lower())) is not None:
            same = "" if first == name else f" (the same file as {first!r})"
            raise ValueError(
                f"the checkpoint {name!r}{same} is in use already: give each training "
                "run a name of its own. To run a cell again, first run the one with "
                "the settings"
            )
        self._claim(folder)
        self._files[stem.lower()] = name
        return folder / f"{stem}.pt"

    def _claim(self, folder: Path) -> None:
        """Note the settings in a folder, or compare them with those noted there."""
        own = {name: value for name, value in vars(self).items() if name != "device"}
        own = json.loads(json.dumps(own, default=str))  # as they are read again
        path = folder / SETTINGS_FILE
        try:
            if not path.exists():
                with atomic_write(path) as file:
                    file.write(json.dumps(own, indent=1).encode())
            require_same(path, json.loads(path.read_text("utf-8")), own)
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(
                f"checkpoints must be a folder for this run, got {folder}: {error}"
            ) from error

    def _repr_markdown_(self) -> str:
        """Show the settings on the page, folded, where a cell ends with them."""
        lines = []
        for name, value in vars(self).items():
            start = f"{name} = "
            shown = str(value) if name == "device" else value
            text = pformat(shown, width=80 - len(start), sort_dicts=False)
            lines.append(start + text.replace("\n", "\n" + " " * len(start)))
        return (
            "<details><summary>Settings of this run</summary>\n\n"
            "```python\n" + "\n".join(lines) + "\n```\n\n</details>"
        )


def choose_settings(
    *,
    preset: str,
    seed: int,
    device: str,
    epochs: int | None,
    limit: int | None,
    quick: dict[str, Any],
    full: dict[str, Any],
    checkpoints: str | Path | None = None,
    systems: str | None = None,
    known_systems: Collection[str] = (),
    dataset: str | None = None,
    known_datasets: Collection[str] = (),
    least_limit: int = 1,
) -> Settings:
    """Check a chapter's parameters and choose its settings.

    papermill passes on whatever the user typed, for instance text or a fraction in
    place of an integer. Nothing is seeded here.

    Args:
        preset: "quick" or "full".
        seed: an integer from 0 to 2**32 - 1.
        device: "auto" or the name of a device, see
            :func:`~attention_book.training.runtime.default_device`.
        epochs: at least 1, replaces the preset's; None: the preset's.
        limit: at least ``least_limit``, replaces the preset's; None: the preset's.
        quick: settings of the preset "quick", by name.
        full: settings of the preset "full", with the same names.
        checkpoints: folder in which the run is kept, so that it goes on from there if
            it is stopped; "~" stands for the home folder. None: it is not kept. The
            files come from :meth:`Settings.checkpoint`.
        systems: names of the systems to train, separated by commas; None: all.
        known_systems: the systems of a chapter that can train some of them alone.
        dataset: name of the only data set to train on; None: all of the preset's, or
            the first one if ``systems`` are chosen.
        known_datasets: the data sets of the preset "full", if there are several.
        least_limit: smallest ``limit`` with which the chapter can run.

    Returns:
        The settings of the chosen preset, and the parameters.

    Raises:
        ValueError: if a parameter has a wrong value, the device is not available, or
            the presets have different names or the name of a parameter.
        TypeError: if a parameter that must be an integer or text is something else.
        RuntimeError: if Python skips ``assert``, so that no claim would be checked.

    Example:
        >>> given = {"seed": 0, "device": "cpu", "epochs": 2, "limit": None}
        >>> quick, full = {"epochs": 5, "dim": 8}, {"epochs": 9, "dim": 64}
        >>> settings = choose_settings(
        ...     preset="full", quick=quick, full=full, **given
        ... )
        >>> settings.epochs, settings.dim, settings.shortened
        (2, 64, True)
    """
    require_asserts()
    if preset not in ("quick", "full"):
        raise ValueError(f'preset must be "quick" or "full", got {preset!r}')
    seed = check_seed(seed)
    set_by_hand = {}
    for name, value, least in ("epochs", epochs, 1), ("limit", limit, least_limit):
        if value is None:
            continue
        value = plain_integer(value, f"{name} must be None or an integer")
        if value < least:
            raise ValueError(f"{name} must be None or at least {least}, got {value}")
        set_by_hand[name] = value
    if alone := quick.keys() ^ full.keys():
        raise ValueError(
            f"quick and full must have the same names, only one of them has "
            f"{', '.join(sorted(alone))}"
        )
    if taken := quick.keys() & GIVEN:
        raise ValueError(
            f"a preset must not set {', '.join(sorted(taken))}: a parameter does"
        )
    entries = {
        "epochs": None,
        "limit": None,
        **(quick if preset == "quick" else full),
        **set_by_hand,
    }
    chosen = _check_systems(systems, known_systems)
    public = tuple(known_datasets) if preset == "full" else ()
    return Settings(
        preset=preset,
        seed=seed,
        device=default_device(device),
        shortened=bool(set_by_hand),
        checkpoints=_check_folder(checkpoints),
        systems=chosen,
        datasets=_check_dataset(dataset, public, first=chosen is not None),
        presets={"quick": dict(quick), "full": dict(full)},
        **entries,
    )


def _check_folder(checkpoints: str | Path | None) -> Path | None:
    if checkpoints is None:
        return None
    if not isinstance(checkpoints, str | Path):
        raise TypeError(
            f"checkpoints must be None or the name of a folder, got {checkpoints!r} "
            f"({type(checkpoints).__name__})"
        )
    if not str(checkpoints).strip():
        raise ValueError("checkpoints must be None or the name of a folder, got ''")
    folder = Path(os.path.expanduser(checkpoints)).absolute()
    for parent in (folder, *folder.parents):
        if parent.exists():
            if not parent.is_dir():
                raise ValueError(
                    f"checkpoints must be None or a folder, got {checkpoints}: "
                    f"{parent} is a file"
                )
            break
    return folder


def _check_dataset(
    dataset: str | None, known: tuple[str, ...], *, first: bool
) -> tuple[str, ...]:
    if dataset is None:
        return known[:1] if first else known
    if dataset not in known:
        raise ValueError(
            f"dataset must be None or one of {', '.join(known) or 'none'} with this "
            f"preset, got {dataset!r}"
        )
    return (dataset,)


def _check_systems(
    systems: str | None, known: Collection[str]
) -> tuple[str, ...] | None:
    if systems is None:
        return None
    if not isinstance(systems, str):
        raise TypeError(
            "systems must be None or names separated by commas, got "
            f"{systems!r} ({type(systems).__name__})"
        )
    names = tuple(name.strip() for name in systems.split(","))
    wrong = [name for name in names if name not in known]
    if wrong or len(set(names)) < len(names):
        raise ValueError(
            "systems must be None or different names out of "
            f"{', '.join(known) or 'none'}, got {systems!r}"
        )
    return names

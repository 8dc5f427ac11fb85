"""Records: the results of long runs, committed as small JSON files.

A run is a chapter's notebook, executed with some parameters. ``results/`` holds a file
for each chapter and preset, which lists the runs on one line each; sweeps write them
(:mod:`attention_book.sweeps`), chapters and the ledger read them.
"""

import ast
import json
import math
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from attention_book.training.files import atomic_write

FORMAT = "attention_book record 1"
RUN = "run"
"""The name under which a chapter says how it was run, beside its results."""

# Parameters that say where and how a run is computed, not what.
NOT_IDENTITY = ("preset", "device", "checkpoints")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One execution of a chapter.

    Attributes:
        parameters: what the chapter's parameters were set to, less the preset, the
            device and the folder of checkpoints.
        settings: all settings of the run by name, as plain values, less the above and
            the seed.
        values: what the chapter handed to ``glue``, by name.
        error: None; for a run that failed, ``{"type": ..., "message": ...}`` and, where
            they are known, the number of the ``cell``, the ``worker`` and its ``host``.
        seconds: wall-clock time of all its parts, interrupted ones included.
        peak_gib: peak memory of the process in GiB; None where it is not measured.
        peak_cuda_gib: peak memory of tensors on the GPU in GiB; None without one.
        device: the processor or GPU in words.
        threads: number of threads that PyTorch computed with.
        versions: of Python, the package and the libraries that decide results.
        commit: the commit of the checkout when the sweep began, "+" at its end if files
            differed from it; None outside of a checkout.
        data: SHA-256 or MD5 of each public file that was read, by its name.
        date: when the run ended, in ISO 8601, UTC.
    """

    parameters: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    seconds: float = 0.0
    peak_gib: float | None = None
    peak_cuda_gib: float | None = None
    device: str = ""
    threads: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    date: str = ""

    @property
    def identity(self) -> str:
        """What tells this run from others of its record."""
        return identity(self.parameters)

    @property
    def finished(self) -> bool:
        """Whether it ran to its end."""
        return self.error is None


def identity(parameters: Mapping[str, Any]) -> str:
    """The parameters that decide a run's results, as one line of text.

    Example:
        >>> identity({"seed": 3, "preset": "full", "device": "cpu", "limit": None})
        '{"seed": 3}'
    """
    kept = {
        name: value
        for name, value in sorted(parameters.items())
        if name not in NOT_IDENTITY and value is not None
    }
    return json.dumps(kept)


class RecordError(ValueError):
    """A file is not a record; the message says where and why."""


@dataclass
class Record:
    """All runs of a chapter's preset.

    Attributes:
        chapter: the chapter's slug.
        preset: "quick" or "full".
        runs: by :attr:`Run.identity`.
    """

    chapter: str
    preset: str
    runs: dict[str, Run] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read a file that :meth:`write` wrote.

        Raises:
            FileNotFoundError: if there is none.
            RecordError: if it is damaged or something else.
        """
        try:
            saved = json.loads(path.read_text("utf-8"))
            if saved["format"] != FORMAT:
                raise ValueError(f"its format is {saved['format']!r}")
            record = cls(saved["chapter"], saved["preset"])
            for entry in saved["runs"]:
                record.add(Run(**_from_json(entry)))
        except FileNotFoundError:
            raise
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{path} is not a record of runs: {error!r}") from error
        return record

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.chapter}.{self.preset}.json"

    def add(self, run: Run) -> None:
        """Put in a run; of two with the same parameters the better one is kept.

        A finished run is better than a failed one, otherwise the later one is.
        """
        old = self.runs.get(run.identity)
        if old is None or (run.finished, run.date) >= (old.finished, old.date):
            self.runs[run.identity] = run

    def merge(self, other: "Record") -> None:
        """Put in all runs of another machine's record of the same chapter and preset.

        Raises:
            RecordError: if it belongs to another chapter or preset.
        """
        if other.name != self.name:
            raise RecordError(f"{other.name} cannot be merged into {self.name}")
        for run in other.runs.values():
            self.add(run)

    def write(self, folder: Path) -> Path:
        """Write the record's file, whole or not at all; return its path."""
        lines = [
            json.dumps(_as_json(asdict(self.runs[key])), allow_nan=False)
            for key in sorted(self.runs, key=_order)
        ]
        head = {"format": FORMAT, "chapter": self.chapter, "preset": self.preset}
        text = json.dumps(head)[:-1] + ', "runs": [\n' + ",\n".join(lines) + "\n]}\n"
        path = folder / self.name
        with atomic_write(path) as file:
            file.write(text.encode())
        return path

    def update(self, folder: Path) -> Path:
        """Add the runs to the record's file; return its path.

        What others write at the same time is kept: one waits for the other.
        """
        from filelock import FileLock

        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{self.name}.lock"):
            self.merge(load_record(self.chapter, self.preset, folder))
            return self.write(folder)

    def finished(
        self, settings: Mapping[str, Any] | None = None, **parameters: Any
    ) -> list[Run]:
        """The finished runs with these parameters and settings, by their seed.

        Args:
            settings: settings that the runs must have had; None: any.
            parameters: values of parameters; None is a parameter that was not set.
        """
        found = [
            run
            for run in self.runs.values()
            if run.finished
            and all(run.parameters.get(k) == value for k, value in parameters.items())
            and (settings is None or not differences(run.settings, settings))
        ]
        return sorted(found, key=lambda run: run.parameters.get("seed", 0))


def differences(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """The names of settings in which a recorded run differs from the present ones.

    Example:
        >>> differences({"epochs": 5, "dim": 8}, {"epochs": 9, "dim": 8})
        ['epochs']
    """
    present = plain(present)
    return sorted(
        name
        for name in recorded.keys() | present.keys()
        if recorded.get(name, ...) != present.get(name, ...)
    )


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON holds them, without those that do not decide the results.

    None stands for a setting that was not set, and is left out, too.
    """
    left_out = (*NOT_IDENTITY, "seed", "shortened")
    kept = {
        name: value
        for name, value in settings.items()
        if name not in left_out and value is not None
    }
    return json.loads(json.dumps(kept, default=str))


def read_value(text: str) -> Any:
    """Read a result that ``glue`` stored as text.

    Example:
        >>> read_value("0.5"), read_value("'two words'"), read_value("nan")
        (0.5, 'two words', nan)
    """
    try:
        return ast.literal_eval(text)
    except ValueError:  # nan and inf are no literals
        return float(text)


def results_folder() -> Path:
    """Where the records are: in the checkout, or where an installation put them."""
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "results"
    return Path(sysconfig.get_path("data")) / "share" / "attention_book" / "results"


def load_record(chapter: str, preset: str, folder: Path | None = None) -> Record:
    """The record of a chapter's preset; an empty one if nothing was recorded.

    Args:
        chapter: the chapter's slug.
        preset: "quick" or "full".
        folder: where the records are; None: :func:`results_folder`.

    Raises:
        RecordError: if its file is damaged.
    """
    path = (folder or results_folder()) / f"{chapter}.{preset}.json"
    try:
        record = Record.read(path)
    except FileNotFoundError:
        return Record(chapter, preset)
    if record.name != path.name:
        raise RecordError(f"{path} holds the record {record.name}")
    return record


def merge_files(paths: Iterable[Path], folder: Path | None = None) -> list[Path]:
    """Merge records of other machines into those here.

    Args:
        paths: files of records.
        folder: where the records are; None: :func:`results_folder`.

    Returns:
        The files that were written.

    Raises:
        FileNotFoundError: if a file is not there.
        RecordError: if one is no record. Nothing is written then.
    """
    folder = folder or results_folder()
    merged: dict[str, Record] = {}
    for path in paths:
        other = Record.read(path)
        if other.name not in merged:
            merged[other.name] = load_record(other.chapter, other.preset, folder)
        merged[other.name].merge(other)
    return [record.update(folder) for record in merged.values()]


# JSON has no numbers for these; a record holds their names.
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _as_json(part: Any) -> Any:
    def name(leaf: Any) -> Any:
        finite = not isinstance(leaf, float) or math.isfinite(leaf)
        return leaf if finite else repr(leaf)

    return _everywhere(name, part)


def _from_json(part: Any) -> Any:
    def number(leaf: Any) -> Any:
        return _NOT_FINITE.get(leaf, leaf) if isinstance(leaf, str) else leaf

    return _everywhere(number, part)


def _everywhere(change: Callable[[Any], Any], part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _everywhere(change, value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_everywhere(change, value) for value in part]
    return change(part)


def _order(key: str) -> tuple:
    # By seed as a number, then by the other parameters.
    parameters = json.loads(key)
    seed = parameters.pop("seed", -1)
    return json.dumps(parameters, sort_keys=True), seed

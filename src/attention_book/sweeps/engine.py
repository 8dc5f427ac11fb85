"""Execute a chapter over seeds and parameters on a dask cluster; record the runs."""

import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from tqdm import tqdm

from attention_book.chapters.provenance import commit, fingerprint
from attention_book.chapters.records import (
    Record,
    Run,
    differences,
    identity,
    load_record,
    results_folder,
)
from attention_book.sweeps.execute import Job, failed
from attention_book.sweeps.notebooks import (
    find_chapter,
    parameters_of,
    settings_of,
)
from attention_book.sweeps.worker import run_job

WRITE_SECONDS = 2.0
"""Shortest time between two writes of a record; what is finished meanwhile is safe in
the run's own folder."""

# Workers only wait for the processes of the runs. A profile of them and a look at their
# event loop every 20 ms, dask's defaults, would take processor time from the runs.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500 ms",
    "distributed.admin.tick.cycle": "5 s",
    "distributed.admin.system-monitor.interval": "5 s",
}

WAIT_SECONDS = 60
"""How long to wait for a scheduler and its first worker."""


class SweepError(RuntimeError):
    """A sweep cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Combination:
    """Parameters of one run, and what its record says of it.

    Attributes:
        parameters: the chapter's parameters, less the preset.
        settings: the settings that the chapter has for them now.
        state: "recorded", "missing", "failed" or "outdated".
    """

    parameters: dict[str, Any]
    settings: dict[str, Any]
    state: str


def combinations(
    slug: str,
    preset: str,
    seeds: Iterable[int],
    grid: Mapping[str, Sequence[Any]] | None = None,
    results: Path | None = None,
) -> list[Combination]:
    """All combinations of seeds and parameters, the seed changing slowest.

    Args:
        slug: the chapter.
        preset: "quick" or "full".
        seeds: one run for each.
        grid: for further parameters of the chapter, the values that each takes.
        results: folder of the records; None: that of the checkout.

    Raises:
        ValueError: if there is no such chapter or parameter, a value is refused by the
            chapter, or a combination comes twice.
        TypeError: if a parameter that must be an integer is not one.
    """
    notebook = nbformat.read(find_chapter(slug), as_version=4)
    grid = dict(grid or {})
    known = parameters_of(notebook)
    for name in grid:
        if name not in known or name in ("preset", "seed", "checkpoints"):
            free = [n for n in known if n not in ("preset", "seed", "checkpoints")]
            raise ValueError(
                f"{slug} has no parameter {name} to sweep over, only {', '.join(free)}"
            )
    record = load_record(slug, preset, results)
    found: dict[str, Combination] = {}
    settings: dict[str, dict[str, Any]] = {}
    for seed, *values in itertools.product(seeds, *grid.values()):
        parameters = {"seed": seed, **dict(zip(grid, values, strict=True))}
        key = identity(parameters)
        if key in found:
            raise ValueError(f"{slug}: the combination {key} comes twice")
        # The seed decides no other setting: chosen once for all seeds.
        others = identity({k: x for k, x in parameters.items() if k != "seed"})
        if others not in settings:
            settings[others] = settings_of(notebook, {"preset": preset, **parameters})
        now = settings[others]
        found[key] = Combination(parameters, now, _state(record.runs.get(key), now))
    return list(found.values())


def _state(run: Run | None, settings: Mapping[str, Any]) -> str:
    if run is None:
        return "missing"
    if not run.finished:
        return "failed"
    return "outdated" if differences(run.settings, settings) else "recorded"


def recorded_states(record: Record) -> list[str]:
    """For each run of a record "recorded", "failed" or "outdated", as of now.

    A run whose parameters the chapter no longer takes is outdated.
    """
    notebook = nbformat.read(find_chapter(record.chapter), as_version=4)
    settings: dict[str, dict[str, Any] | None] = {}
    states = []
    for run in record.runs.values():
        others = {k: x for k, x in run.parameters.items() if k != "seed"}
        key = identity(others)
        if key not in settings:
            try:
                given = {"preset": record.preset, **others}
                settings[key] = settings_of(notebook, given)
            except (TypeError, ValueError):
                settings[key] = None
        now = settings[key]
        states.append("outdated" if now is None else _state(run, now))
    return states


def sweep(
    slug: str,
    *,
    preset: str = "full",
    seeds: Iterable[int] = (0,),
    grid: Mapping[str, Sequence[Any]] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    threads: int = 1,
    folder: str | Path | None = None,
    results: Path | None = None,
    stall_seconds: float = 1800.0,
    run: Callable[[Job], Run] | None = None,
) -> Record:
    """Execute a chapter for each combination of seeds and parameters; record the runs.

    What the record already has is skipped; what was interrupted goes on from its
    checkpoints, on the machine that has them; what failed is tried again. A run that
    fails is recorded with its error and does not stop the others.

    Args:
        slug: the chapter.
        preset: "quick" or "full".
        seeds: one run for each.
        grid: for further parameters of the chapter, the values that each takes, for
            example ``{"systems": ["BCNN", "ABCNN-1"]}``.
        workers: number of runs at a time on this machine; None: one for each of
            ``threads`` processors.
        scheduler: address of an existing dask scheduler, such as "tcp://host:8786";
            None: a cluster on this machine, for the time of the sweep.
        threads: number of threads of each run.
        folder: where runs keep their checkpoints; None: ``_build/sweeps`` in the
            checkout. Workers on other machines need it there, too.
        results: folder of the records; None: ``results`` in the checkout.
        stall_seconds: a run that saves nothing for so long is stopped.
        run: what a worker does with a job; None: execute the notebook.

    Returns:
        The record with all its runs, old and new.

    Raises:
        ValueError: if an argument is wrong, see :func:`combinations`.
        SweepError: if the scheduler cannot be reached or goes away, there is no worker,
            or the record cannot be written.
    """
    if workers is not None and scheduler is not None:
        raise ValueError("workers are those of the scheduler: leave one of both out")
    for name, number in ("workers", workers), ("threads", threads):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    results = results or results_folder()
    folder = Path(folder or results_folder().parent / "_build" / "sweeps").resolve()
    open_ones = [
        each
        for each in combinations(slug, preset, seeds, grid, results)
        if each.state != "recorded"
    ]
    record = load_record(slug, preset, results)
    if not open_ones:
        return record
    text = find_chapter(slug).read_text("utf-8")
    code, state = fingerprint(), commit()
    jobs = [
        Job(
            chapter=slug,
            preset=preset,
            parameters=each.parameters,
            settings=each.settings,
            notebook=text,
            fingerprint=code,
            folder=str(folder),
            commit=state,
            threads=threads,
            stall_seconds=stall_seconds,
        )
        for each in open_ones
    ]
    if workers is None:
        workers = max(1, (os.cpu_count() or 1) // threads)
    workers = min(workers, len(jobs))
    writer = _Writer(record, results)
    with _client(workers, scheduler) as client:
        try:
            for done in _finished(client, jobs, run):
                writer.add(done)
        finally:
            writer.write()
    return record


class _Writer:
    """Writes a record while runs come in, not more often than needed."""

    def __init__(self, record: Record, folder: Path) -> None:
        self.record = record
        self.folder = folder
        self.due = 0.0
        self.new = False

    def add(self, run: Run) -> None:
        self.record.add(run)
        self.new = True
        if time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        if not self.new:
            return
        start = time.monotonic()
        try:
            self.record.update(self.folder)
        except OSError as error:
            raise SweepError(
                f"{self.folder / self.record.name} cannot be written: {error}. The "
                "finished runs are in their own folders: make room and start the same "
                "sweep again"
            ) from error
        self.new = False
        # A long record takes long to write: at most a tenth of the time goes there.
        spent = time.monotonic() - start
        self.due = time.monotonic() + max(WRITE_SECONDS, 10 * spent)


@contextlib.contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(QUIET))
        if scheduler is None:
            # A folder that goes with the cluster: dask leaves its own one behind.
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(dask.config.set({"temporary-directory": folder}))
            scheduler = stack.enter_context(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=0,  # the runs are processes of their own
                    dashboard_address=":0",
                    silence_logs=50,
                )
            )
        try:
            client = stack.enter_context(Client(scheduler, timeout=WAIT_SECONDS))
            client.wait_for_workers(1, timeout=WAIT_SECONDS)
        except (OSError, TimeoutError) as error:
            raise SweepError(
                f"no scheduler with a worker at {scheduler}: {error}. Start them with "
                "`dask scheduler` and `dask worker`"
            ) from error
        yield client


def _require_package(client: Any) -> None:
    """Check that all workers have the package, before they are sent what needs it.

    Raises:
        SweepError: naming those that do not.
    """
    # A lambda travels by value: nothing of the package is needed to receive it.
    found = client.run(
        lambda: __import__("importlib.util").util.find_spec("attention_book") is None
    )
    names = {
        address: f"{worker['name']} at {address}"
        for address, worker in client.scheduler_info(n_workers=-1)["workers"].items()
    }
    lacking = [names.get(address, address) for address, lacks in found.items() if lacks]
    if lacking:
        raise SweepError(
            f"the package attention_book is not installed for these workers: "
            f"{', '.join(lacking)}"
        )


def _finished(
    client: Any, jobs: Sequence[Job], run: Callable[[Job], Run] | None
) -> Iterator[Run]:
    """The runs of the jobs, as they come in."""
    from distributed import CancelledError, as_completed

    _require_package(client)
    futures = client.map(run or run_job, jobs, pure=False, retries=0)
    waiting = dict(zip(futures, jobs, strict=True))
    bar = tqdm(total=len(jobs), unit="run", desc=f"{jobs[0].chapter} {jobs[0].preset}")
    with bar:
        for future in as_completed(futures):
            job = waiting.pop(future)
            try:
                done = future.result()
            except CancelledError as error:
                raise SweepError(
                    f"the scheduler went away; {len(waiting) + 1} of {len(jobs)} runs "
                    "are not recorded: start the same sweep again"
                ) from error
            except Exception as error:  # a worker that was killed, several times
                done = failed(job, type(error).__name__, str(error))
            if done.error is not None:
                said = {"worker": "unknown", "host": "unknown", **done.error}
                place = f"worker {said['worker']} on host {said['host']}"
                text = f"{job}: {said['type']}: {said['message']} ({place})"
                bar.write(text, file=sys.stderr)
            bar.update()
            yield done

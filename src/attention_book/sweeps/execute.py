"""Execute one run of a sweep in a process of its own.

The process reads a :class:`Job` from a file and listens to its standard input: when
that ends, whoever started it is gone, and it stops, so that no run goes on unseen. What
it knows of the run is written to ``run.json`` in the run's folder, whole or not at
all.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from attention_book.chapters.provenance import processor, versions
from attention_book.chapters.records import (
    NOT_IDENTITY,
    Run,
    differences,
    identity,
)
from attention_book.sweeps.notebooks import scraps, split_run
from attention_book.training.files import atomic_write

LOCK_SECONDS = 60
"""How long to wait for a process that still holds the run's folder."""

# What a kernel must not inherit: `assert` without effect, kernels of another
# installation, settings of figures. dask sets the last one for its workers: memory goes
# back to the system at once, and training takes half as long again.
FOREIGN = ("JUPYTER_PATH", "MATPLOTLIBRC", "PYTHONOPTIMIZE", "MALLOC_TRIM_THRESHOLD_")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run to be executed.

    Attributes:
        chapter: the chapter's slug.
        preset: "quick" or "full".
        parameters: values of the chapter's parameters, less the preset.
        settings: the settings that the chapter chooses for them, as a record holds
            them.
        notebook: the chapter's notebook as text.
        fingerprint: of the package that the run belongs to.
        commit: of the checkout that the notebook and the package are from. It may have
            moved on by the time of the run.
        folder: where runs keep their checkpoints and results until they are recorded.
        threads: number of threads of the kernel.
        stall_seconds: stop the run if it has saved nothing for so long.
    """

    chapter: str
    preset: str
    parameters: dict[str, Any]
    settings: dict[str, Any]
    notebook: str
    fingerprint: str
    folder: str
    commit: str | None = None
    threads: int = 1
    stall_seconds: float = 1800.0

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.parameters.items()]
        return " ".join([self.chapter, self.preset, *words])

    @property
    def own_folder(self) -> Path:
        """The folder of this run alone; a run with the same parameters has the same."""
        text = identity(self.parameters)
        seed = self.parameters.get("seed", 0)
        name = f"seed-{seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        folder = Path(os.path.expanduser(self.folder))
        return folder / f"{self.chapter}.{self.preset}" / name


def recorded_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as a record holds them."""
    return {name: x for name, x in parameters.items() if name not in NOT_IDENTITY}


def failed(job: Job, kind: str, message: str, **more: Any) -> Run:
    """A run that failed, with its error."""
    return Run(
        parameters=recorded_parameters(job.parameters),
        settings=job.settings,
        error={"type": kind, "message": message, **more},
        versions=versions(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def execute(job: Job) -> Run:
    """Execute a run here and now, or take over what an earlier process finished.

    Returns:
        The run; its ``error`` says what went wrong in the notebook.

    Raises:
        OSError: if the run's folder cannot be written, for instance on a full disk.
        TimeoutError: if another process holds the folder.
    """
    folder = job.own_folder
    folder.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.reads(job.notebook, as_version=4)
    given = {"preset": job.preset, **job.parameters}
    with _lock(folder / "lock"):
        result = folder / "run.json"
        if result.exists():
            run = Run(**json.loads(result.read_text("utf-8")))
            if run.finished and not differences(run.settings, job.settings):
                return run
        _drop_other_checkpoints(job, folder)
        run = _execute(job, notebook, given, folder)
        with atomic_write(result) as file:
            file.write(json.dumps(asdict(run)).encode())
    return run


def _drop_other_checkpoints(job: Job, folder: Path) -> None:
    """Delete what an interrupted run with other settings has left."""
    note = folder / "settings.json"
    wanted = json.dumps(job.settings, sort_keys=True)
    if not note.exists() or note.read_text("utf-8") != wanted:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        with atomic_write(note) as file:
            file.write(wanted.encode())


def _execute(
    job: Job,
    notebook: nbformat.NotebookNode,
    given: dict[str, Any],
    folder: Path,
) -> Run:
    from papermill.exceptions import PapermillExecutionError

    source, output = folder / "notebook.ipynb", folder / "executed.ipynb"
    checkpoints = folder / "checkpoints"
    nbformat.write(notebook, source)
    clock = _Clock(folder / "seconds.txt")
    error = None
    try:
        with _kernel_environment(job.threads), clock:
            _papermill(source, output, given | {"checkpoints": str(checkpoints)})
    except PapermillExecutionError as raised:
        error = {
            "type": raised.ename,
            "message": str(raised.evalue),
            "cell": raised.exec_count,
        }
    except OSError:
        raise  # the folder cannot be written: not the notebook's fault
    except Exception as raised:  # a kernel that died, for instance
        error = {"type": type(raised).__name__, "message": str(raised)}
    executed = nbformat.read(output, as_version=4) if output.exists() else notebook
    values, described = split_run(scraps(executed))
    return Run(
        parameters=recorded_parameters(job.parameters),
        settings=described.get("settings", job.settings),
        values=values,
        error=error,
        seconds=round(clock.seconds, 1),
        peak_gib=described.get("peak_gib"),
        peak_cuda_gib=described.get("peak_cuda_gib"),
        device=described.get("device", processor()),
        threads=described.get("threads", job.threads),
        versions=described.get("versions", versions()),
        commit=job.commit,
        data=described.get("data", {}),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _papermill(source: Path, output: Path, parameters: dict[str, Any]) -> None:
    # Imported here, where it is needed: it takes a second.
    import papermill

    for attempt in range(3):
        try:
            papermill.execute_notebook(
                source,
                output,
                parameters,
                cwd=source.parent,
                kernel_name="python3",
                progress_bar=False,
                start_timeout=300,
                iopub_timeout=300,  # on a busy machine outputs come late
            )
        except RuntimeError as error:
            # Two kernels that start at the same moment may choose the same port; the
            # second one then dies before it has executed anything.
            if "Kernel died before replying" not in str(error) or attempt == 2:
                raise
        else:
            return


@contextlib.contextmanager
def _kernel_environment(threads: int) -> Iterator[None]:
    before = dict(os.environ)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Clock:
    """Wall-clock seconds of a run over all processes that worked on it.

    The sum is on the disk, at most half a minute old.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.before = float(path.read_text())
        except (OSError, ValueError):  # none yet, or cut off
            self.before = 0.0
        self.start = time.monotonic()
        self.stopped = threading.Event()

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.start

    def __enter__(self) -> None:
        threading.Thread(target=self._keep, daemon=True).start()

    def __exit__(self, *error: object) -> None:
        self.stopped.set()

    def _keep(self) -> None:
        while not self.stopped.wait(30):
            with contextlib.suppress(OSError):
                self.path.write_text(str(self.seconds))


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        raise TimeoutError(
            f"another process is executing the run in {path.parent}"
        ) from None
    try:
        yield
    finally:
        lock.release()


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started, in whatever groups they are."""
    import psutil

    try:
        process = psutil.Process(pid)
        processes = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _stop_with_parent() -> None:
    """Stop this process and its kernel when the standard input ends."""

    def listen() -> None:
        sys.stdin.read()
        kill_tree(os.getpid())

    threading.Thread(target=listen, daemon=True).start()


def main() -> None:
    """Execute the job in the file that the command line names."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    _stop_with_parent()
    try:
        execute(job)
    except Exception as error:
        # The parent reads the last line.
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

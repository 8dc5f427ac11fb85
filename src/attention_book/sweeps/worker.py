"""What a worker of the cluster does: run a job in a process and watch over it."""

import json
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from attention_book.chapters.provenance import fingerprint
from attention_book.chapters.records import Run
from attention_book.sweeps.execute import Job, failed, kill_tree

MODULE = "attention_book.sweeps.execute"
LOOK_SECONDS = 0.1
"""Time between two looks at a process."""


def run_job(job: Job) -> Run:
    """Run a job in a process of its own and wait for it.

    A process that saves nothing for ``job.stall_seconds``, neither an executed cell nor
    a checkpoint, is stopped, and so is everything it started.

    Returns:
        The run. Whatever goes wrong, also outside of the notebook, is its ``error``.
    """
    folder = job.own_folder
    try:
        require_same_code(job)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.json").write_text(json.dumps(asdict(job)), "utf-8")
        stderr = (folder / "stderr.txt").open("w+b")
    except (OSError, RuntimeError) as error:
        return failed(job, type(error).__name__, str(error), **where())
    with stderr:
        with subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder / "job.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        ) as process:
            try:
                stalled = _wait(process, folder, job.stall_seconds)
            finally:
                kill_tree(process.pid)
        stderr.seek(0)
        said = stderr.read().decode(errors="replace").strip()
    result = folder / "run.json"
    if stalled:
        message = (
            f"nothing was saved for {job.stall_seconds:.0f} seconds: the notebook "
            "hangs, or it trains without checkpoints"
        )
        return failed(job, "Stalled", message, **where())
    if process.returncode != 0 or not result.exists():
        last = said.splitlines()[-1] if said else f"exit status {process.returncode}"
        kind, _, message = last.partition(": ")
        return failed(job, kind, message, **where())
    run = Run(**json.loads(result.read_text("utf-8")))
    if run.error is not None:
        run.error.update(where())
    else:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return run


def where() -> dict[str, str]:
    """The worker and its host, by these names."""
    from distributed import get_worker

    try:
        worker = str(get_worker().name)
    except ValueError:  # not on a cluster
        worker = "this process"
    return {"worker": worker, "host": socket.gethostname()}


def require_same_code(job: Job) -> None:
    """Check that this machine has the code that the job belongs to.

    Raises:
        RuntimeError: if its package is another one.
    """
    if fingerprint() != job.fingerprint:
        raise RuntimeError(
            "the package attention_book of this worker is not the same as that of the "
            "sweep: install the same commit"
        )


def _wait(process: subprocess.Popen, folder: Path, patience: float) -> bool:
    """Wait for the end; True if the process saved nothing for too long."""
    started, looked = time.time(), time.monotonic()
    while process.poll() is None:
        time.sleep(LOOK_SECONDS)
        if time.monotonic() - looked < min(patience, 5):
            continue
        looked = time.monotonic()
        if time.time() - max(started, _last_change(folder)) > patience:
            return True
    return False


def _last_change(folder: Path) -> float:
    times = []
    for path in folder.rglob("*"):
        if path.name in ("seconds.txt", "lock"):  # written by the clock, not the run
            continue
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # replaced at this moment
            continue
    return max(times, default=0.0)

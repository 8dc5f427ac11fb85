"""What sweeps cost beside bare papermill, and recording alone.

``python benchmarks/sweep.py`` measures, in one run, alternating:

- eight quick runs of a chapter by a sweep with n workers, over the same eight by n bare
  papermill processes side by side,
- the same with a scheduler and n workers in processes of their own,
- a sweep of 10,000 runs without work.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from attention_book.chapters.records import Run
from attention_book.sweeps.engine import sweep
from attention_book.sweeps.execute import Job
from attention_book.sweeps.notebooks import find_chapter

RUNS = 8


def no_work(job: Job) -> Run:
    """A run that does nothing."""
    return Run(parameters=job.parameters, settings=job.settings)


def bare(chapter: str, workers: int, folder: Path) -> float:
    """Seconds of the runs as bare papermill processes, ``workers`` at a time."""

    def run(seed: int) -> None:
        output = folder / f"{seed}.ipynb"
        command = [sys.executable, "-m", "papermill", str(find_chapter(chapter))]
        command += [str(output), "-p", "seed", str(seed), "--no-progress-bar"]
        subprocess.run(command, check=True, cwd=folder, stderr=subprocess.DEVNULL)

    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, range(RUNS)))
    return time.perf_counter() - start


def swept(chapter: str, folder: Path, **options: int | str) -> float:
    """Seconds of the same runs by a sweep."""
    start = time.perf_counter()
    record = sweep(
        chapter,
        preset="quick",
        seeds=range(RUNS),
        folder=folder / "runs",
        results=folder / "results",
        **options,
    )
    seconds = time.perf_counter() - start
    assert len(record.finished()) == RUNS
    return seconds


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[str]:
    """A scheduler with some workers, in processes of their own; its address."""
    file = folder / "scheduler.json"
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    cli = [sys.executable, "-m"]
    scheduler = [*cli, "distributed.cli.dask_scheduler", "--port", "0"]
    scheduler += ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
    worker = [*cli, "distributed.cli.dask_worker", "--scheduler-file", file]
    worker += ["--nthreads", "1", "--no-dashboard"]
    processes = [subprocess.Popen(scheduler, **options)]
    processes += [subprocess.Popen(worker, **options) for _ in range(workers)]
    try:
        while not file.exists():
            time.sleep(0.1)
        import json

        yield json.loads(file.read_text())["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chapter", default="taxonomy", help="default: taxonomy")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--many", type=int, default=10_000, help="default: 10,000")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as name:

        def folder() -> Path:
            path = Path(name, str(next(numbers)))
            path.mkdir()
            return path

        for _ in range(given.rounds):
            alone = bare(given.chapter, given.workers, folder())
            local = swept(given.chapter, folder(), workers=given.workers)
            with cluster(given.workers, folder()) as address:
                remote = swept(given.chapter, folder(), scheduler=address)
            print(
                f"{RUNS} runs of {given.chapter}, {given.workers} at a time: "
                f"papermill {alone:.1f} s, sweep {local / alone:.3f} of it, "
                f"on a scheduler {remote / alone:.3f} of it",
                flush=True,
            )
        place = folder()
        start = time.perf_counter()
        record = sweep(
            given.chapter,
            preset="quick",
            seeds=range(given.many),
            folder=place / "runs",
            results=place / "results",
            run=no_work,
        )
        assert len(record.finished()) == given.many
        seconds = time.perf_counter() - start
        print(f"{given.many} runs without work: {seconds:.0f} s")


if __name__ == "__main__":
    main()

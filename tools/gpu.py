"""Everything in the book that wants a GPU, in one go: ``make gpu``.

In this order, so that a first useful set is there within ten minutes: the tests that
need a GPU, every chapter's quick run, the benchmarks' rows, then full runs, seed after
seed, until the time is over. Runs are records like any others, written to
``_build/gpu``; ``attention-book merge _build/gpu/*.json`` takes them into ``results``.
What was not finished goes on from its checkpoints at the next call.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attention_book.chapters.ledger import Published, published

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "_build" / "gpu"
TESTS = ("tests/test_gpu.py", "tests/attention/test_laws.py")
BENCHMARKS = (
    ("transformer.py", "--device", "cuda", "--rounds", "5"),
    ("transformer.py", "--device", "cuda", "--rounds", "5", "--compile"),
)
LEAST_MINUTES = 2
"""A full run is not started when less time than this is left."""


class TimeIsOver(Exception):
    """The limit is reached."""


class Runner:
    """Runs commands until a time limit; what the limit cuts off is stopped.

    Args:
        minutes: the limit, from now on.
        clock: gives the time in seconds.
    """

    def __init__(
        self, minutes: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.end = clock() + 60 * minutes
        self.failed: list[str] = []

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.end - self.clock()

    def run(self, title: str, arguments: Sequence[str], log: Path) -> None:
        """Run this Python with some arguments; its output goes to a file.

        Raises:
            TimeIsOver: if the limit is reached before it ends.
        """
        if self.left <= 0:
            raise TimeIsOver
        print(f"{title} ({self.left / 60:.1f} minutes left)", flush=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            try:
                done = subprocess.run(
                    [sys.executable, *arguments],
                    cwd=ROOT,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=self.left,
                )
            except subprocess.TimeoutExpired:
                raise TimeIsOver from None
        if done.returncode:
            self.failed.append(title)
            lines = log.read_text("utf-8").splitlines()
            print("\n".join(["  failed:", *lines[-5:], f"  all of it: {log}"]))


def steps(workers: int, peak: float | None) -> Iterator[tuple[str, list[str], str]]:
    """What is run before the full runs: title, arguments, name of the log."""
    pytest = ["-m", "pytest", "-q", "-k", "cuda or gpu", *TESTS]
    yield "tests that need a GPU", pytest, "tests"
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        slug = path.stem
        quick = sweep(slug, "quick", "0", workers=workers)
        yield f"{slug}, quick", quick, f"{slug}.quick"
    options = [] if peak is None else ["--peak", str(peak)]
    for number, (name, *arguments) in enumerate(BENCHMARKS):
        command = [f"benchmarks/{name}", *arguments, *options]
        yield f"benchmark {name} {' '.join(arguments)}", command, f"benchmark.{number}"


def full_rows() -> list[Published]:
    """The rows of the ledger that need a full run of their own."""
    rows = {
        (part.chapter, json.dumps(part.parameters)): part
        for row in published()
        for part in row.parts()
        if row.preset == "full"
    }
    return list(rows.values())


def full_runs(
    rows: Sequence[Published], workers: int
) -> Iterator[tuple[str, list[str], str]]:
    """Full runs of some rows, seed after seed, without end."""
    for seed in itertools.count():
        for number, row in enumerate(rows):
            given = [
                word
                for name, value in row.parameters.items()
                for word in ("-p", f"{name}={value}")
            ]
            command = sweep(row.chapter, "full", str(seed), *given, workers=workers)
            title = " ".join([row.chapter, "full", f"seed {seed}", *given[1::2]])
            yield title, command, f"{row.chapter}.full.{number}"


def sweep(chapter: str, preset: str, seeds: str, *more: str, workers: int) -> list[str]:
    """The command that records a chapter's run on the GPU."""
    return [
        *("-m", "attention_book.sweeps.command", "sweep", chapter),
        *("--preset", preset, "--seeds", seeds, "-p", "device=cuda", *more),
        *("--workers", str(workers)),
        *("--results", str(FOLDER), "--folder", str(FOLDER / "runs")),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it all; the exit status is 1 if something failed, 2 without a GPU."""
    parser = argparse.ArgumentParser(prog="make gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="time limit")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time")
    parser.add_argument("--peak", type=float, help="the GPU's bfloat16 TFLOP/s")
    given = parser.parse_args(arguments)

    import torch

    if not torch.cuda.is_available():
        print("PyTorch finds no CUDA device here: nothing was run", file=sys.stderr)
        return 2
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    runner = Runner(given.minutes)
    rows, broken = full_rows(), set()
    try:
        for title, command, name in steps(given.workers, given.peak):
            runner.run(title, command, FOLDER / "logs" / f"{name}.txt")
        for title, command, name in full_runs(rows, given.workers):
            if runner.left < 60 * LEAST_MINUTES:
                break
            if name not in broken:
                failures = len(runner.failed)
                runner.run(title, command, FOLDER / "logs" / f"{name}.txt")
                if len(runner.failed) > failures:
                    broken.add(name)  # with another seed it would fail again
            elif len(broken) == len(rows):
                break
    except TimeIsOver:
        pass
    print(f"The time is over. Records and logs: {FOLDER}")
    for title in runner.failed:
        print(f"failed: {title}")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Sweeps: combinations, what is skipped, what is recorded, what survives kill -9."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from attention_book.chapters import records
from attention_book.chapters.records import Record, Run, load_record
from attention_book.sweeps import engine
from attention_book.sweeps.engine import (
    SweepError,
    combinations,
    recorded_states,
    sweep,
)
from tests.sweeps.conftest import REPORT, WORK, write_chapter

pytestmark = pytest.mark.filterwarnings("ignore")

SLOW = """
import os, time
from pathlib import Path
Path(checkpoints).mkdir(exist_ok=True)
steps = Path(checkpoints, "steps.txt")
while not steps.exists() or len(steps.read_text()) < 40:
    with steps.open("a") as file:
        file.write("." if os.environ.get("PART") == "1" else ",")
    time.sleep(0.1)
glue("tiny_steps", steps.read_text())
"""


@pytest.fixture
def place(book, tmp_path):
    return {"folder": tmp_path / "runs", "results": tmp_path / "results"}


def simulated(job):
    """No work."""
    seed = job.parameters["seed"]
    if seed == 3:
        raise RuntimeError("three")
    return Run(
        parameters=job.parameters, settings=job.settings, values={"tiny_x": seed}
    )


def test_combinations_and_their_states(book, tmp_path):
    found = combinations("tiny", "full", [4, 2], {"systems": ["A", "B"]}, tmp_path)
    assert [each.parameters for each in found] == [
        {"seed": seed, "systems": system} for seed in (4, 2) for system in "AB"
    ]
    assert found[1].settings == {"sizes": [2, 5], "systems": "B"}
    record = Record("tiny", "full")
    for parameters, settings, error in (
        ({"seed": 4, "systems": "A"}, found[0].settings, None),
        ({"seed": 4, "systems": "B"}, {"sizes": [2, 4], "systems": "B"}, None),
        ({"seed": 2, "systems": "A"}, {}, {"type": "E", "message": ""}),
    ):
        record.add(Run(parameters=parameters, settings=settings, error=error))
    record.write(tmp_path)
    found = combinations("tiny", "full", [4, 2], {"systems": ["A", "B"]}, tmp_path)
    states = ["recorded", "outdated", "failed", "missing"]
    assert [each.state for each in found] == states
    gone = {"seed": 1, "no_such": 1}
    record.add(Run(parameters={"seed": -1}))
    assert recorded_states(record) == ["recorded", "outdated", "failed", "outdated"]
    record.add(Run(parameters=gone, settings=found[0].settings))
    assert recorded_states(record)[-1] == "outdated"


def test_wrong_combinations_are_refused(book, tmp_path):
    for arguments, message in (
        (("tiny", "full", [0], {"size": [1]}), "no parameter size to sweep over, only"),
        (("tiny", "full", [0], {"seed": [1]}), "only device, epochs, limit, systems"),
        (("tiny", "full", [1, 1]), "comes twice"),
        (("other", "full", [0]), "chapter must be one of tiny, got other"),
    ):
        with pytest.raises(ValueError, match=message):
            combinations(*arguments)
    with pytest.raises(ValueError, match="workers are those of the scheduler"):
        sweep("tiny", workers=1, scheduler="tcp://a:1")
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        sweep("tiny", threads=0)


def test_a_sweep_skips_what_is_recorded_and_tries_again_what_failed(
    place, capsys, tmp_path, monkeypatch
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    record = sweep("tiny", seeds=range(5), workers=2, run=simulated, **place)
    assert [run.values["tiny_x"] for run in record.finished()] == [0, 1, 2, 4]
    assert load_record("tiny", "full", place["results"]) == record
    (failed,) = [run for run in record.runs.values() if run.error]
    assert failed.error["message"] == "three"
    error = capsys.readouterr().err
    assert "tiny full seed=3: RuntimeError: three" in error
    assert "5/5" in error
    assert not list(temporary.iterdir())  # the cluster leaves nothing behind
    calls = []

    def counted(client, jobs, run):
        calls.extend((job.parameters["seed"], job.commit) for job in jobs)
        return iter(())

    monkeypatch.setattr(engine, "commit", lambda: "abc")
    original, engine._finished = engine._finished, counted
    try:
        sweep("tiny", seeds=range(6), run=simulated, **place)
    finally:
        engine._finished = original
    assert calls == [(3, "abc"), (5, "abc")]


def test_a_notebook_is_executed_on_the_cluster(place, book):
    write_chapter(book, "tiny", WORK, REPORT)
    record = sweep("tiny", preset="quick", seeds=[7], workers=1, **place)
    (run,) = record.finished()
    assert run.values == {"tiny_score": 7.5, "tiny_name": "a"}
    assert not list(place["folder"].rglob("checkpoints"))
    # With other settings the record is outdated, and the run is made again.
    write_chapter(book, "tiny", "raise ValueError(0)", size=6)
    record = sweep("tiny", preset="quick", seeds=[7], workers=1, **place)
    assert recorded_states(record) == ["outdated"]  # a failure does not replace it


def test_a_full_disk_is_a_clear_error(place, monkeypatch):
    def full(self, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.Record, "write", full)
    with pytest.raises(SweepError, match=r"tiny.full.json cannot be written: .*No spa"):
        sweep("tiny", seeds=[0], run=simulated, **place)


def test_what_another_sweep_recorded_meanwhile_is_kept(tmp_path):
    record = Record("tiny", "full")
    writer = engine._Writer(record, tmp_path)
    other = Record("tiny", "full")
    other.add(Run(parameters={"seed": 1}))
    other.write(tmp_path)
    writer.add(Run(parameters={"seed": 2}))
    assert len(load_record("tiny", "full", tmp_path).runs) == 2
    writer.add(Run(parameters={"seed": 3}))
    assert len(load_record("tiny", "full", tmp_path).runs) == 2  # not due yet
    writer.write()
    assert len(load_record("tiny", "full", tmp_path).runs) == 3


def test_a_scheduler_that_is_not_there(place, monkeypatch):
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.3)
    with pytest.raises(SweepError, match="no scheduler with a worker at tcp://127"):
        sweep("tiny", scheduler="tcp://127.0.0.1:9", **place)


def test_a_worker_without_the_package_is_named():
    class Client:
        def run(self, function):
            assert function() is False
            return {"tcp://a:1": True, "tcp://b:2": False}

        def scheduler_info(self, n_workers):
            return {"workers": {"tcp://a:1": {"name": "left"}}}

    with pytest.raises(SweepError, match=r"these workers: left at tcp://a:1$"):
        engine._require_package(Client())


# Real processes, killed.


def start_sweep(tmp_path, seeds, *arguments, part="1"):
    """The command in a process of its own, on the book in ``tmp_path``."""
    program = (
        "import sys; from pathlib import Path\n"
        "from attention_book.sweeps import notebooks, command\n"
        f"notebooks.book_folder = lambda: Path({str(tmp_path / 'book')!r})\n"
        "if __name__ == '__main__': sys.exit(command.main(sys.argv[1:]))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    places = ["--folder", tmp_path / "runs", "--results", tmp_path / "results"]
    return subprocess.Popen(
        [
            sys.executable,
            script,
            "sweep",
            "tiny",
            "--seeds",
            seeds,
            *places,
            *arguments,
        ],
        env={**os.environ, "PART": part},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process):
    """Wait until something is so, as long as the process that is to do it lives."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def steps(tmp_path):
    """The steps of all runs on the disk so far, by their folder."""
    found = (tmp_path / "runs").rglob("steps.txt")
    return {path: len(path.read_text()) for path in found}


def test_a_killed_client_loses_nothing(book, tmp_path):
    write_chapter(book, "tiny", SLOW, REPORT)
    first = start_sweep(tmp_path, "0-1", "--workers", "1")
    record = tmp_path / "results" / "tiny.full.json"
    wait_for(lambda: record.exists() and any(steps(tmp_path).values()), first)
    wait_for(lambda: max(steps(tmp_path).values()) > 5, first)
    mine = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    first.stderr.close()
    # Nobody goes on unseen.
    _, alive = psutil.wait_procs(mine, timeout=120)
    assert alive == []
    assert len(load_record("tiny", "full", record.parent).finished()) == 1
    second = start_sweep(tmp_path, "0-1", "--workers", "1", part="2")
    assert second.wait() == 0, second.stderr.read()
    second.stderr.close()
    runs = load_record("tiny", "full", record.parent).finished()
    assert [run.parameters["seed"] for run in runs] == [0, 1]
    assert set(runs[0].values["tiny_steps"]) == {"."}  # not computed again
    resumed = runs[1].values["tiny_steps"]
    assert resumed.startswith(".....")
    assert resumed.endswith(",")
    assert len(resumed) == 40


@pytest.fixture
def cluster(tmp_path):
    """A scheduler, and a function that starts workers, in processes of their own."""
    started = []
    environ = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}
    environ["DASK_TEMPORARY_DIRECTORY"] = str(tmp_path)

    def start(*arguments):
        command = [sys.executable, "-m", "distributed.cli." + arguments[0]]
        log = (tmp_path / f"{arguments[0]}.{len(started)}.log").open("w")
        started.append(
            (
                subprocess.Popen(
                    [*command, *arguments[1:]],
                    stdout=log,
                    stderr=log,
                    env=environ,
                    cwd=tmp_path,
                ),
                log,
            )
        )
        return started[-1][0]

    file = tmp_path / "scheduler.json"
    options = ["--no-dashboard", "--host", "127.0.0.1", "--port", "0"]
    scheduler = start("dask_scheduler", *options, "--scheduler-file", str(file))
    wait_for(lambda: file.exists() and file.read_text().endswith("}"), scheduler)
    address = json.loads(file.read_text())["address"]

    def start_worker(name):
        options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", name]
        return start("dask_worker", address, *options)

    yield address, scheduler, start_worker
    for process, log in started:
        process.kill()
        process.wait()
        log.close()


def test_a_killed_worker_and_then_a_killed_scheduler(book, tmp_path, cluster):
    write_chapter(book, "tiny", SLOW, REPORT)
    address, scheduler, start_worker = cluster
    worker = start_worker("first")
    sweeping = start_sweep(tmp_path, "0-1", "--scheduler", address)
    wait_for(lambda: max(steps(tmp_path).values(), default=0) > 5, sweeping)
    before = steps(tmp_path)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    start_worker("second")
    record = tmp_path / "results" / "tiny.full.json"
    wait_for(record.exists, sweeping)
    (run,) = load_record("tiny", "full", record.parent).finished()
    # The other worker went on from the checkpoint.
    assert len(run.values["tiny_steps"]) == 40 >= max(before.values())
    scheduler.send_signal(signal.SIGKILL)
    error = sweeping.communicate(timeout=300)[1]
    assert sweeping.returncode == 2
    assert "the scheduler went away" in error
    assert len(load_record("tiny", "full", record.parent).finished()) == 1


def test_each_worker_is_named_in_the_error(book, tmp_path, cluster):
    address, _, start_worker = cluster
    write_chapter(book, "tiny", "raise FileNotFoundError('train.de.gz')")
    start_worker("on-the-left")
    sweeping = start_sweep(tmp_path, "5", "--scheduler", address)
    error = sweeping.communicate()[1]
    assert sweeping.returncode == 1
    assert "tiny full seed=5: FileNotFoundError: train.de.gz (worker on-the-" in error
    record = load_record("tiny", "full", Path(tmp_path, "results"))
    (run,) = record.runs.values()
    assert run.error["worker"] == "on-the-left"

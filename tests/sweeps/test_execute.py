"""One run: executed, recorded with its error, taken over, alone in its folder."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import filelock
import psutil
import pytest

from attention_book.chapters.provenance import fingerprint
from attention_book.sweeps import execute as module
from attention_book.sweeps.execute import Job, execute, failed, kill_tree
from tests.sweeps.conftest import WORK, write_chapter

# papermill and the Jupyter client warn of their own use of older interfaces.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def job(book, tmp_path):
    return Job(
        chapter="tiny",
        preset="quick",
        parameters={"seed": 3, "epochs": 2},
        settings={"sizes": [2, 5], "epochs": 2},
        notebook=(book / "tiny.ipynb").read_text(),
        fingerprint=fingerprint(),
        folder=str(tmp_path / "runs"),
    )


def test_a_run_and_its_second_start(job, monkeypatch):
    run = execute(job)
    assert run.error is None
    assert run.parameters == {"seed": 3, "epochs": 2}
    assert run.values == {"tiny_score": 3.5, "tiny_name": "a"}
    assert run.settings == {"sizes": [2, 5]}
    assert (run.peak_gib, run.threads, run.device) == (0.5, 1, "d")
    assert run.data == {"a.gz": "sha256:1"}
    assert run.seconds > 0.1
    # The settings of the run differ from those that the chapter has now: done anew.
    started = []

    def started_again(*arguments):
        started.append(arguments)
        raise ValueError("started")

    monkeypatch.setattr(module, "_papermill", started_again)
    again = execute(replace(job, settings=run.settings))
    assert again == run
    assert started == []
    other = execute(job)
    assert len(started) == 1
    assert other.error["message"] == "started"
    assert other.values == run.values  # those that were there


def test_the_commit_is_that_of_the_code_and_not_that_of_the_end(job, monkeypatch):
    """Runs take hours, in which the checkout goes on."""
    monkeypatch.setattr(module, "_papermill", lambda *_: None)
    assert execute(replace(job, commit="abc+")).commit == "abc+"


def test_an_error_of_the_notebook_is_part_of_the_run(job, book):
    write_chapter(book, "tiny", WORK, "raise KeyError('no such word')")
    run = execute(replace(job, notebook=(book / "tiny.ipynb").read_text()))
    assert run.error == {"type": "KeyError", "message": "'no such word'", "cell": 6}
    assert run.values == {"tiny_score": 3.5, "tiny_name": "a"}
    assert run.settings == job.settings


def test_checkpoints_of_other_settings_are_deleted(job, monkeypatch):
    kept = job.own_folder / "checkpoints" / "model.pt"

    def stopped(*arguments):
        kept.parent.mkdir(exist_ok=True)
        kept.touch()
        raise ValueError("stopped")

    monkeypatch.setattr(module, "_papermill", stopped)
    execute(job)
    seen = []
    monkeypatch.setattr(module, "_papermill", lambda *_: seen.append(kept.exists()))
    execute(job)
    (job.own_folder / "run.json").unlink()
    execute(replace(job, settings={"sizes": [2, 6]}))
    assert seen == [True, False]


def test_a_kernel_does_not_inherit_what_slows_or_changes_it(job, monkeypatch):
    for name in ("PYTHONOPTIMIZE", "MALLOC_TRIM_THRESHOLD_"):  # the second by dask
        monkeypatch.setenv(name, "1")
    seen = {}
    monkeypatch.setattr(module, "_papermill", lambda *_: seen.update(os.environ))
    execute(job)
    assert not {"PYTHONOPTIMIZE", "MALLOC_TRIM_THRESHOLD_"} & set(seen)
    assert seen["OMP_NUM_THREADS"] == "1"
    assert os.environ["PYTHONOPTIMIZE"] == "1"  # of this process, as before


def test_two_processes_do_not_share_a_folder(job, monkeypatch):
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    job.own_folder.mkdir(parents=True)
    with (
        filelock.FileLock(job.own_folder / "lock"),
        pytest.raises(TimeoutError, match="another process is executing the run in"),
    ):
        execute(job)


def test_a_kernel_that_lost_its_port_is_started_again(job, monkeypatch):
    papermill = pytest.importorskip("papermill")
    calls = []

    def unlucky(*arguments, **options):
        calls.append(options)
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(papermill, "execute_notebook", unlucky)
    assert execute(job).error["type"] == "RuntimeError"
    assert len(calls) == 3


def test_the_time_of_interrupted_parts_counts(job):
    job.own_folder.mkdir(parents=True)
    clock = job.own_folder / "seconds.txt"
    clock.write_text("1000.0")
    assert 1000 < execute(job).seconds < 1600
    clock.write_text("")
    (job.own_folder / "run.json").unlink()
    assert execute(job).seconds < 600


def test_a_folder_for_each_combination(job):
    folders = {
        replace(job, **change).own_folder
        for change in (
            {},
            {"preset": "full"},
            {"parameters": {"seed": 4, "epochs": 2}},
            {"parameters": {"seed": 3, "epochs": 2, "systems": "A"}},
        )
    }
    assert len(folders) == 4
    cuda = job.parameters | {"device": "cuda", "limit": None}
    assert replace(job, parameters=cuda).own_folder == job.own_folder
    assert str(job) == "tiny quick seed=3 epochs=2"


def test_a_failed_run_names_its_error(job):
    run = failed(job, "OSError", "disk full", worker="w", host="h")
    assert run.error == {
        "type": "OSError",
        "message": "disk full",
        "worker": "w",
        "host": "h",
    }
    assert not run.finished
    assert run.settings == job.settings


def test_all_that_a_process_started_is_killed():
    inner = "import time; print('up', flush=True); time.sleep(600)"
    program = (
        "import subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-c', {inner!r}], start_new_session=True); "
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"up\n"
        (child,) = psutil.Process(process.pid).children()
        kill_tree(process.pid)
        process.wait()
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    kill_tree(process.pid)  # nothing is there any more


def test_the_program_stops_when_its_parent_is_gone(job, book):
    write_chapter(book, "tiny", "import time\ntime.sleep(600)")
    job = replace(job, notebook=(book / "tiny.ipynb").read_text())
    file = book.parent / "job.json"
    file.write_text(json.dumps(asdict(job)))
    command = [sys.executable, "-m", "attention_book.sweeps.execute", str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        me = psutil.Process(process.pid)
        while not (kernels := me.children()):
            assert process.poll() is None
            time.sleep(0.05)
        threading.Timer(0.2, process.stdin.close).start()
        process.wait()
    psutil.wait_procs(kernels, timeout=60)
    assert not any(
        k.is_running() and k.status() != psutil.STATUS_ZOMBIE for k in kernels
    )

"""A worker: what goes wrong around a run is an error that names worker and host."""

import socket
import sys
from dataclasses import replace

import pytest

from attention_book.chapters.provenance import fingerprint
from attention_book.sweeps import worker
from attention_book.sweeps.execute import Job
from attention_book.sweeps.worker import require_same_code, run_job, where
from tests.sweeps.conftest import WORK, write_chapter

pytestmark = pytest.mark.filterwarnings("ignore")
HERE = {"worker": "this process", "host": socket.gethostname()}


@pytest.fixture
def job(book, tmp_path):
    return Job(
        chapter="tiny",
        preset="quick",
        parameters={"seed": 3},
        settings={"sizes": [2, 5]},
        notebook=(book / "tiny.ipynb").read_text(),
        fingerprint=fingerprint(),
        folder=str(tmp_path / "runs"),
    )


def with_cells(job, book, *cells):
    write_chapter(book, "tiny", *cells)
    return replace(job, notebook=(book / "tiny.ipynb").read_text())


def test_a_run_leaves_no_checkpoints_when_it_is_finished(job, book):
    make = "from pathlib import Path\nPath(checkpoints).mkdir()\n" + WORK
    run = run_job(with_cells(job, book, make))
    assert run.error is None
    assert run.values["tiny_score"] == 3.5
    assert not (job.own_folder / "checkpoints").exists()


def test_a_failed_run_keeps_its_checkpoints(job, book):
    make = "from pathlib import Path\nPath(checkpoints).mkdir()\nraise ValueError(1)"
    run = run_job(with_cells(job, book, make))
    assert run.error == {"type": "ValueError", "message": "1", "cell": 5, **HERE}
    assert (job.own_folder / "checkpoints").exists()


def test_a_notebook_that_hangs_is_stopped(job, book):
    hangs = with_cells(job, book, "import time\ntime.sleep(600)")
    run = run_job(replace(hangs, stall_seconds=2.0))
    assert run.error["type"] == "Stalled"
    assert "nothing was saved for 2 seconds: the notebook hangs" in run.error["message"]
    assert run.error.items() >= HERE.items()


def test_a_kernel_that_is_killed_is_an_error(job, book):
    dies = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    run = run_job(with_cells(job, book, dies))
    assert run.error["type"] == "DeadKernelError"


def test_other_code_is_refused(job):
    require_same_code(job)
    other = replace(job, fingerprint="0")
    with pytest.raises(RuntimeError, match="install the same commit"):
        require_same_code(other)
    run = run_job(other)
    assert run.error["type"] == "RuntimeError"
    assert run.error.items() >= HERE.items()


def test_a_folder_that_cannot_be_made(job, tmp_path):
    (tmp_path / "file").write_text("")
    run = run_job(replace(job, folder=str(tmp_path / "file" / "below")))
    assert run.error["type"] == "NotADirectoryError"
    assert run.error.items() >= HERE.items()


def test_a_program_that_ends_badly_says_its_last_line(job, monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text(
        "#!/bin/sh\necho 'OSError: [Errno 28] No space left' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    run = run_job(job)
    assert (
        run.error == {"type": "OSError", "message": "[Errno 28] No space left"} | HERE
    )
    program.write_text("#!/bin/sh\nexit 3\n")
    assert run_job(job).error["type"] == "exit status 3"


def test_outside_of_a_cluster_there_is_no_worker():
    assert where() == HERE
    assert worker.LOOK_SECONDS < 1

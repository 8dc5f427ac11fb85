"""A run of some systems ends early, and nobody takes that for an error."""

import subprocess
import sys

import nbformat
import papermill
import pytest

from attention_book.chapters.partial import end_of_partial_run
from attention_book.chapters.settings import Settings
from attention_book.training.runtime import RunMeter
from tools.execution import PATIENCE

PARAMETERS = "systems = None"
SETTINGS = """
from attention_book.chapters import choose_settings, end_of_partial_run, glue
from attention_book.training import RunMeter

meter = RunMeter()
settings = choose_settings(
    preset="quick", seed=0, device="cpu", epochs=None, limit=None, quick={}, full={},
    systems=systems, known_systems=("BCNN", "ABCNN-1"),
)
"""
TRAINING = """
for system in settings.systems or ("BCNN", "ABCNN-1"):
    glue(**{f"slug_{system}": 0.5})
end_of_partial_run(settings, meter)
"""
CELLS = [SETTINGS, TRAINING, 'print("the rest of the chapter")']
LINE = "This run was to train BCNN alone, so it ends here"


@pytest.fixture
def notebook(tmp_path):
    parameters = nbformat.v4.new_code_cell(
        PARAMETERS, metadata={"tags": ["parameters"]}
    )
    cells = [parameters, *map(nbformat.v4.new_code_cell, CELLS)]
    made = nbformat.v4.new_notebook(cells=cells)
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    made.metadata.kernelspec = kernel
    nbformat.write(made, tmp_path / "chapter.ipynb")
    return tmp_path / "chapter.ipynb"


def test_without_chosen_systems_nothing_ends(capsys):
    end_of_partial_run(Settings(checkpoints=None, systems=None), RunMeter())
    assert capsys.readouterr().out == ""


def test_a_script_ends_with_status_0():
    program = "\n".join(['systems = "BCNN"', *CELLS])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    time, line = done.stdout.splitlines()
    assert time.startswith("run time ")
    assert line.startswith(LINE)


def test_papermill_takes_it_as_success(notebook):
    """It stores what a reader of JupyterLab sees: the line stands above SystemExit."""
    out = notebook.with_name("out.ipynb")
    done = papermill.execute_notebook(
        notebook, out, parameters={"systems": "BCNN"}, progress_bar=False, **PATIENCE
    )
    *_, training, rest = done.cells
    assert rest.outputs == []
    glued, _, reported, printed, ended = training.outputs[:5]
    assert glued.metadata.scrapbook.name == "slug_BCNN"
    assert reported.metadata.scrapbook.name == "run"
    assert LINE in printed.text
    assert (ended.ename, ended.evalue) == ("SystemExit", "0")
    assert nbformat.read(out, as_version=4).cells[-1].outputs == []


def test_papermill_runs_the_whole_chapter_without_systems(notebook):
    done = papermill.execute_notebook(notebook, None, progress_bar=False, **PATIENCE)
    (printed,) = done.cells[-1].outputs
    assert printed.text == "the rest of the chapter\n"

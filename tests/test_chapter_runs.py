"""Every chapter run with other settings than its own, as papermill's users do."""

import os
import time
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from attention_book.data.downloads import is_here

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
MINUTES = 2
# Files that a full run needs and that are too large to be fetched for a test.
LARGE = {"soft_hard": "flickr8k/Flickr8k_Dataset.zip"}

# papermill and the Jupyter client warn of their own use of older interfaces.
pytestmark = [pytest.mark.chapter, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def run(path, folder, **parameters):
    return papermill.execute_notebook(
        path, folder / path.name, parameters, progress_bar=False, cwd=folder
    )


def printed(notebook, tag):
    (cell,) = [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]
    return "".join(out.text for out in cell.outputs if out.output_type == "stream")


def test_shortened_run_with_another_seed_leaves_the_claims_out(path, tmp_path):
    notebook = run(path, tmp_path, seed=3, epochs=1, limit=600, device="cpu")
    assert "Skipped" in printed(notebook, "claims")
    assert list(tmp_path.iterdir()) == [tmp_path / path.name]  # no files left about


def test_full_preset_on_the_real_files(path, tmp_path):
    if "ATTENTION_BOOK_MIRROR" not in os.environ:
        pytest.skip("ATTENTION_BOOK_MIRROR does not name a folder with the real files")
    if path.stem in LARGE and not is_here(LARGE[path.stem]):
        pytest.skip(f"{LARGE[path.stem]} is neither in the mirror nor in the cache")
    start = time.perf_counter()
    notebook = run(path, tmp_path, preset="full", epochs=1, limit=100, device="cpu")
    assert "Skipped" in printed(notebook, "claims")
    assert time.perf_counter() - start < MINUTES * 60


def test_a_wrong_parameter_stops_papermill_at_the_next_cell(path, tmp_path):
    with pytest.raises(PapermillExecutionError, match="preset must be") as caught:
        run(path, tmp_path, preset="fast")
    assert caught.value.exec_count == 4  # bootstrap, parameters, injected, settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("preset", "fast", 'preset must be "quick" or "full"'),
        ("preset", 1, "preset"),
        ("device", "gpu", 'device must be "auto", "cpu" or "cuda"'),
        ("seed", -1, "seed must be"),
        ("seed", "one", "seed must be an integer"),
        ("epochs", 0, "epochs must be"),
        ("epochs", "many", "epochs must be"),
        ("epochs", 1.5, "epochs must be"),
        ("limit", 0, "limit must be"),
        ("limit", True, "limit must be"),
    ],
)
def test_wrong_values_are_clear_errors_in_the_settings_cell(
    path, name, value, message, no_shape_checks
):
    code = [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    scope = {}
    exec(code[1].source, scope)
    scope[name] = value
    with pytest.raises((TypeError, ValueError), match=message):
        exec(code[2].source, scope)

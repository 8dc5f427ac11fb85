"""The two commands: set-up, the build's cache, the repository's address, the pins."""

import collections
import copy
import importlib.metadata
import os
import queue
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import build, execution, repository, setup

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = shutil.ignore_patterns(".*", "__pycache__")
ELSEWHERE = "https://github.com/some-one/other.book"


@pytest.mark.parametrize("version", [(3, 10, 13), (3, 15, 0), (4, 0, 0)])
def test_python_without_the_pinned_packages_gets_one_sentence(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    have = re.escape("{}.{}".format(*version))
    with pytest.raises(
        SystemExit, match=rf"needs Python 3\.11 to 3\.14, .* is Python {have}: .*"
    ):
        setup.check_python()


def test_pythons_that_are_named_are_accepted(monkeypatch):
    text = (ROOT / "README.md").read_text("utf-8")
    assert "Python 3.11 to 3.14" in text
    for minor in range(11, 15):
        monkeypatch.setattr(sys, "version_info", (3, minor, 0))
        setup.check_python()


@pytest.mark.parametrize("name", ["a%20b", "a:b"])
def test_folder_that_tools_cannot_handle_gets_one_sentence(monkeypatch, name):
    monkeypatch.setattr(setup, "ROOT", f"/home/reader/{name}")
    with pytest.raises(SystemExit, match=f"The folder .*{name} has a [%:] in its name"):
        setup.check_folder()


def test_folder_with_a_space_is_no_reason_to_start_afresh(monkeypatch, tmp_path):
    folder = tmp_path / "my books"
    folder.mkdir()
    monkeypatch.setattr(setup, "ROOT", str(folder))
    setup.check_folder()
    made_by_hand(folder, "exit 0")
    assert setup.works(str(folder / "bin" / "python"))


def test_environment_that_was_moved_is_made_anew(tmp_path):
    made_by_hand(tmp_path, "exit 0")
    python = str(tmp_path / "bin" / "python")
    pip = tmp_path / "bin" / "pip"
    pip.write_text(f"#!{python}\n")
    assert setup.works(python)
    pip.write_text("#!/elsewhere/.venv/bin/python\n")
    assert not setup.works(python)


def test_settings_that_send_packages_elsewhere_are_left_out(monkeypatch, tmp_path):
    elsewhere = "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONOPTIMIZE", "PYTHONPATH"
    for name in (*elsewhere, "PIP_USER"):
        monkeypatch.setenv(name, "1")
    for name in ("PIP_EXTRA_INDEX_URL", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "https://index")
    found = setup.surroundings()
    assert found["PIP_EXTRA_INDEX_URL"] == found["HTTPS_PROXY"] == "https://index"
    assert found["PIP_USER"] == "0"
    assert not found.keys() & set(elsewhere)


def test_packages_that_went_elsewhere_are_noticed(monkeypatch, tmp_path):
    made_by_hand(tmp_path, "exit 0")
    monkeypatch.setattr(setup, "VENV", str(tmp_path))
    monkeypatch.setattr(setup, "installed", lambda python: False)
    with pytest.raises(
        SystemExit, match=r"the packages are not in \.venv: `pip config"
    ):
        setup.install()
    assert (tmp_path / "setup.stamp").read_text() == setup.UNFINISHED


def test_make_passes_on_nothing_that_would_mislead(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text("utf-8"))
    with (tmp_path / "Makefile").open("a") as stream:
        stream.write("show:\n\t@env\n")
    foreign = ("MPLBACKEND", "JUPYTER_PATH", "PYTHONOPTIMIZE", "PIP_TARGET", "PIP_USER")
    foreign += ("PYTHONPATH", "PYTHONHOME", "JUPYTER_CONFIG_PATH")
    environ = {**os.environ, **dict.fromkeys((*foreign, "IPYTHONDIR"), "/foreign")}
    done = subprocess.run(
        ["make", "show"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "/foreign" not in done.stdout
    found = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    for name in (*execution.FOLDERS, "UV_CACHE_DIR"):
        assert Path(found[name]).is_relative_to(tmp_path)


def test_setup_is_readable_by_old_pythons():
    # What Python 2.7 cannot parse would be a traceback instead of the sentence.
    text = (ROOT / "tools" / "setup.py").read_text("ascii")
    assert not re.search(r"""\bf["']|:=|\basync\b|->|^\s*nonlocal\b""", text, re.M)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_python_without_venv_gets_one_sentence(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match=f"no module {module}.*python3-venv"):
        setup.check_python()


def test_full_disk_gets_one_sentence(monkeypatch, tmp_path):
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0.4e9))
    monkeypatch.setattr(setup, "VENV", str(tmp_path / ".venv"))
    with pytest.raises(SystemExit, match=r"about 3 GB .* has 0\.4 GB free: make room"):
        setup.install()
    assert not (tmp_path / ".venv").exists()


def test_failed_install_shows_pips_last_words(monkeypatch, tmp_path, capsys):
    made_by_hand(tmp_path, 'echo "ERROR: No space left on device"; exit 2')
    monkeypatch.setattr(setup, "VENV", str(tmp_path))
    with pytest.raises(SystemExit, match="The disk is full: make room"):
        setup.install()
    assert "No space left" in capsys.readouterr().out
    assert (tmp_path / "setup.stamp").read_text() == setup.UNFINISHED


def test_set_up_twice_does_nothing_the_second_time(monkeypatch, tmp_path):
    log = tmp_path / "log"
    made_by_hand(tmp_path, f'echo "$@" >> {log}')
    monkeypatch.setattr(setup, "VENV", str(tmp_path))
    setup.install()
    setup.install()
    assert log.read_text().count("-m pip install") == 1


def test_cut_off_install_starts_afresh(monkeypatch, tmp_path):
    made_by_hand(tmp_path, "exit 0")
    (tmp_path / "setup.stamp").write_text(setup.UNFINISHED)
    monkeypatch.setattr(setup, "VENV", str(tmp_path))
    commands = []
    monkeypatch.setattr(subprocess, "check_call", commands.append)
    setup.install()
    assert commands == [[sys.executable, "-m", "venv", "--clear", str(tmp_path)]]


def made_by_hand(venv, script):
    """A stand-in for .venv, whose python answers pip's command with a shell script."""
    python = venv / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\n{script}\n')
    python.chmod(0o755)


@pytest.fixture
def tree(tmp_path):
    """A copy of what the build and the repository's address depend on."""
    for name in ("src", "book", "results"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=HIDDEN)
    for pattern in ("*.toml", "*.txt", "*.yml", "*.md", "*.cff"):
        for path in ROOT.glob(pattern):
            shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["src/attention_book/functional.py", "requirements.txt", "constraints.txt"],
)
def test_cache_is_emptied_when_an_input_changes(tree, name):
    assert execution.drop_stale_cache(tree)
    outputs = tree / "_build" / ".jupyter_cache" / "outputs"
    outputs.mkdir()
    assert not execution.drop_stale_cache(tree)
    assert outputs.exists()
    (tree / name).write_text((tree / name).read_text("utf-8") + "\n# new\n", "utf-8")
    assert execution.drop_stale_cache(tree)
    assert not outputs.exists()


@pytest.mark.parametrize(
    "name",
    [
        "book/index.md",
        "_config.yml",
        "src/attention_book/.ipynb_checkpoints/functional-checkpoint.py",
        "src/attention_book/.DS_Store",
    ],
)
def test_cache_is_kept_when_no_result_depends_on_what_changes(tree, name):
    execution.drop_stale_cache(tree)
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text("new\n")
    assert not execution.drop_stale_cache(tree)


def test_pages_do_not_depend_on_hidden_files(tree):
    before = set(build.sources(tree))
    for folder in ("src/attention_book", "book", "results", "tools"):
        copies = tree / folder / ".ipynb_checkpoints"
        copies.mkdir(parents=True)
        (copies / "index-checkpoint.md").write_text("new\n")
    assert set(build.sources(tree)) == before


@pytest.fixture
def notebook(tree):
    """A notebook of three lines, and the same as the cache would keep it."""
    cells = ["x = 2 # why", "print(x)", "x"]
    cells = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook = nbformat.v4.new_notebook(cells=cells)
    for path in (tree / "book").rglob("*.ipynb"):
        path.unlink()
    nbformat.write(notebook, tree / "book" / "some.ipynb")
    run = copy.deepcopy(notebook)
    run.cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="2")]
    result = {"data": {"text/plain": "2"}, "execution_count": 3}
    run.cells[2].outputs = [nbformat.v4.new_output("execute_result", **result)]
    return notebook, run


def test_only_notebooks_without_stored_outputs_are_executed(tree, notebook):
    execution.drop_stale_cache(tree)
    bare, run = notebook
    assert execution.stored(tree, bare) is None
    assert build.new_notebooks(tree) == ["book/some.ipynb"]
    execution.store(tree, tree / "book" / "some.ipynb", run, 1.5)
    assert build.new_notebooks(tree) == []
    assert execution.stored(tree, bare).cells[1].outputs[0].text == "2"
    bare.cells[0].source = "x = 3"
    assert execution.stored(tree, bare) is None


def test_a_chapter_whose_records_change_is_executed_again(tree, notebook):
    bare, run = notebook
    other = copy.deepcopy(run)
    other.cells[0].source = "x = 5"
    execution.drop_stale_cache(tree)
    before = set(build.sources(tree))
    for name, entry in (("some", run), ("other", other)):
        execution.store(tree, tree / "book" / f"{name}.ipynb", entry, 1.5)
    assert not execution.drop_stale_cache(tree)
    assert execution.stored(tree, bare) is not None
    record = tree / "results" / "some.full.json"
    for text in ("new", "newer"):
        execution.store(tree, tree / "book" / "some.ipynb", run, 1.5)
        record.write_text(text)
        assert not execution.drop_stale_cache(tree)
        assert execution.stored(tree, bare) is None
        assert execution.stored(tree, other) is not None
    assert set(build.sources(tree)) == {*before, record}


def test_stored_outputs_come_as_from_a_kernel(notebook):
    kernel = execution.StoredKernel(notebook[1])
    found = []
    for cell in notebook[0].cells:
        id = kernel.execute_cell_input(cell.source, allow_stdin=False)
        kernel.await_reply(id, timeout=1)
        while (message := kernel.get_message("iopub", timeout=1)) and (
            message["msg_type"] != "status"
        ):
            found.append((message["msg_type"], message["content"]))
    assert [kind for kind, _ in found] == ["stream", "execute_result"]
    assert found[0][1]["text"] == "2"
    assert found[1][1]["data"] == {"text/plain": "2"}
    with pytest.raises(queue.Empty):
        kernel.get_message("iopub", timeout=1)


def test_nbval_executes_once_and_only_what_runs_through_is_kept(tree, notebook):
    """The plugin in a copy of the repository, on three notebooks."""
    (tree / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "execution.py", tree / "tools")
    bare, _ = notebook
    bare.cells[0].source = "open('runs', 'a').write('x'); x = 2"
    environ = "import os; print(os.environ['MPLBACKEND'], os.environ['MPLCONFIGDIR'])"
    bare.cells[1].source = environ + "; assert 'PYTHONOPTIMIZE' not in os.environ"
    nbformat.write(bare, tree / "book" / "some.ipynb")
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(broken, tree / "book" / "broken.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "tools.execution", "--nbval-lax"]
    command += ["--nbval-current-env", "-q", "book"]
    surroundings = {**os.environ, "MPLBACKEND": "agg", "JUPYTER_PATH": "/nowhere"}
    for _ in range(2):
        done = subprocess.run(
            command, cwd=tree, env=surroundings, capture_output=True, text=True
        )
        assert "1 failed, 3 passed" in done.stdout
        assert "ZeroDivisionError" in done.stdout
        assert "without encryption" not in done.stdout + done.stderr
    assert (tree / "book" / "runs").read_text() == "x"
    assert build.new_notebooks(tree) == ["book/broken.ipynb"]
    (printed,) = execution.stored(tree, bare).cells[1].outputs
    backend, folder = printed.text.split()
    assert backend == "module://matplotlib_inline.backend_inline"
    assert Path(folder).is_relative_to(tree)


def test_kernels_inherit_no_foreign_settings(monkeypatch, tmp_path):
    for name in execution.FOREIGN:
        monkeypatch.setenv(name, "/foreign")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", "/home/reader/.ipython")
    found = execution.kernel_environment(tmp_path)
    assert not {name for name, text in found.items() if "/foreign" in text}
    assert "inline" in found["MPLBACKEND"]
    assert Path(found["IPYTHONDIR"]).is_relative_to(tmp_path)
    (profile,) = Path(found["IPYTHONDIR"]).rglob("ipython_kernel_config.py")
    assert "svg" in profile.read_text()
    with execution.environment(found):
        assert dict(os.environ) == found
    assert os.environ["MPLBACKEND"] == "agg"


@pytest.mark.parametrize(
    ("status", "words"), [(0, "index.html"), (1, "The book was not built")]
)
def test_build_says_where_the_book_is_or_that_it_failed(
    monkeypatch, capsys, tree, status, words
):
    monkeypatch.setattr(build, "ROOT", tree)
    monkeypatch.setattr(build, "build", lambda root: status)
    assert build.main() == status
    assert words in "".join(capsys.readouterr())


def test_build_does_nothing_where_nothing_changed(monkeypatch, capsys, tree):
    calls = []

    def render(root):
        index = root / "_build" / "html" / "index.html"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("")
        calls.append(root)
        return len(calls) == 3  # the third time it fails

    monkeypatch.setattr(build, "ROOT", tree)
    monkeypatch.setattr(build, "build", render)
    assert build.main() == build.main() == 0
    assert len(calls) == 1
    assert "Nothing has changed" in capsys.readouterr().out
    (tree / "book" / "index.md").write_text("# New\n")
    build.main()
    assert len(calls) == 2
    (tree / "_toc.yml").write_text("# new\n")
    assert build.main()
    assert not build.main()  # what failed is tried again
    assert len(calls) == 4


def test_address_is_the_same_everywhere():
    url = repository.address(ROOT)
    page = f"https://{repository.forms(url)[2]}/"
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert settings["html"]["baseurl"] == citation["url"] == page
    assert citation["repository-code"] == url
    assert f'Repository = "{url}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")
    for name in ("README.md", "book/index.md"):
        assert f"git clone {url} attention-book\n" in (ROOT / name).read_text("utf-8")


def test_address_changes_everywhere_and_back(tree):
    before = {path: path.read_bytes() for path in repository.followers(tree)}
    url = repository.address(tree)
    repository.set_address(tree, ELSEWHERE)
    for path in repository.followers(tree):
        text = path.read_text("utf-8")
        assert not [form for form in repository.forms(url) if form in text], path
    assert repository.address(tree) == ELSEWHERE
    repository.set_address(tree, url)
    assert before == {path: path.read_bytes() for path in repository.followers(tree)}


@pytest.mark.parametrize(
    "url", ["", "github.com/a/b", "https://github.com/a", "https://github.com/a/b.git"]
)
def test_wrong_address_is_an_error(url):
    with pytest.raises(ValueError, match="URL must be like https"):
        repository.forms(url)


def pins(name):
    """Name and version of every pinned package of a requirements file."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    found = [line.split("==") for line in lines if "==" in line]
    return {canonicalize_name(package): version for package, version in found}


def test_every_package_of_the_environment_is_pinned():
    own, others = pins("requirements.txt"), pins("constraints.txt")
    assert not own.keys() & others.keys()
    assert not [version for version in others.values() if "+" in version]
    seen, queue = set(), list(own)
    while queue:
        package = queue.pop()
        if package in seen:
            continue
        seen.add(package)
        for line in importlib.metadata.requires(package) or []:
            needed = Requirement(line)
            if needed.marker and not needed.marker.evaluate({"extra": ""}):
                continue
            if package != "torch" or not needed.name.startswith(("nvidia", "cuda")):
                queue.append(canonicalize_name(needed.name))
    loose = seen - own.keys() - others.keys()
    assert loose <= {"setuptools", "pip", "wheel", "triton", "attention-book"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.stem
)
def test_workflows_are_well_formed(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", True, "jobs"} <= workflow.keys()  # YAML reads `on` as True
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(r"[\w./-]+@v\d+", step.get("uses", "a@v1"))

"""The command: what is typed, what it says, its exit status."""

import argparse

import pytest

from attention_book.chapters.records import Record, Run
from attention_book.sweeps import command, engine
from attention_book.sweeps.command import main, parse_parameter, parse_seeds, parser


def test_seeds():
    assert parse_seeds("7") == [7]
    assert parse_seeds("0-2,9") == [0, 1, 2, 9]
    for wrong in ("", "a", "3-1", "1-", "-1"):
        with pytest.raises(argparse.ArgumentTypeError, match="seeds must look like"):
            parse_seeds(wrong)


def test_parameters():
    assert parse_parameter("limit=None") == ("limit", [None])
    assert parse_parameter("systems=A,B") == ("systems", ["A,B"])
    assert parse_parameter("systems=A|B c") == ("systems", ["A", "B c"])
    assert parse_parameter("x=") == ("x", [""])
    for wrong in ("x", "1=2", "=3"):
        with pytest.raises(argparse.ArgumentTypeError, match="parameter must look"):
            parse_parameter(wrong)


def test_a_parameter_that_is_given_twice(capsys):
    """The first one would be dropped without a word."""
    given = ["sweep", "tiny", "-p", "systems=A", "-p", "epochs=1", "-p", "systems=B"]
    with pytest.raises(SystemExit):
        parser().parse_args(given)
    assert 'systems is given twice: write its values as "systems=A|B"' in (
        capsys.readouterr().err
    )
    assert parser().parse_args(given[:-2]).parameters == {
        "systems": ["A"],
        "epochs": [1],
    }
    assert parser().parse_args(["sweep"]).parameters == {}


@pytest.fixture
def swept(monkeypatch, book, tmp_path):
    """The arguments with which the command calls ``sweep``."""
    calls = []

    def record_call(slug, **options):
        calls.append((slug, options))
        record = Record(slug, options["preset"])
        for each in engine.combinations(
            slug, options["preset"], options["seeds"], options["grid"]
        )[:2]:
            record.add(Run(parameters=each.parameters, settings=each.settings))
        record.write(tmp_path)

    monkeypatch.setattr(engine, "sweep", record_call)
    return calls


def test_a_sweep(swept, tmp_path, capsys):
    given = "sweep tiny --seeds 0-1 -p epochs=3 -p systems=A --threads 2 --workers 1"
    options = ["--results", str(tmp_path), "--folder", "f", "--stall-minutes", "0.5"]
    assert main([*given.split(), *options]) == 0
    ((slug, called),) = swept
    assert slug == "tiny"
    assert called == {
        "preset": "full",
        "seeds": [0, 1],
        "grid": {"epochs": [3], "systems": ["A"]},
        "results": tmp_path,
        "workers": 1,
        "scheduler": None,
        "threads": 2,
        "folder": command.Path("f"),
        "stall_seconds": 30.0,
    }
    assert capsys.readouterr().out == "2 of 2 runs are recorded\n"


def test_the_status_says_whether_all_runs_are_there(swept, tmp_path, capsys):
    given = ["sweep", "tiny", "--seeds", "0-3", "--results", str(tmp_path)]
    assert main(given) == 1
    assert capsys.readouterr().out == "2 of 4 runs are recorded\n"


def test_what_is_recorded_is_listed(book, tmp_path, capsys):
    where = ["--results", str(tmp_path)]
    record = Record("tiny", "quick")
    for seed in range(3):
        record.add(Run(parameters={"seed": seed}, settings={"sizes": [2, 5]}))
    record.add(Run(parameters={"seed": 3}, error={"type": "E", "message": ""}))
    record.write(tmp_path)
    assert main(["sweep", "--list", *where]) == 0
    lines = ["tiny quick: 3 recorded, 1 failed", "tiny full: missing"]
    assert capsys.readouterr().out.splitlines() == lines
    given = ["sweep", "tiny", "--list", "--preset", "quick", "--seeds", "2-4", *where]
    assert main(given) == 0
    assert capsys.readouterr().out.splitlines() == [
        "recorded  tiny quick seed=2",
        "failed    tiny quick seed=3",
        "missing   tiny quick seed=4",
    ]


def test_errors_are_one_line(book, tmp_path, capsys):
    assert main(["sweep", "other", "--list"]) == 2
    assert capsys.readouterr().err.startswith("attention-book: chapter must be one of")
    assert main(["sweep"]) == 2
    assert "name a chapter to sweep" in capsys.readouterr().err
    assert main(["sweep", "tiny", "-p", "nothing=1"]) == 2
    assert "tiny has no parameter nothing" in capsys.readouterr().err


def test_merging(tmp_path, capsys):
    record = Record("tiny", "quick")
    record.add(Run(parameters={"seed": 0}))
    path = record.write(tmp_path / "there")
    here = tmp_path / "here"
    assert main(["merge", str(path), "--results", str(here)]) == 0
    assert capsys.readouterr().out == f"{here / 'tiny.quick.json'}\n"
    assert main(["merge", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    assert "{sweep,merge,export}" in capsys.readouterr().out


def test_models_are_exported(tmp_path, capsys):
    given = ["--folder", str(tmp_path), "--limit", "16", "--epochs", "1"]
    assert main(["export", "one_vector", "scenes", *given]) == 0
    paths = [tmp_path / f"{name}.safetensors" for name in ("one_vector", "scenes")]
    lines = [f"{path}: {path.stat().st_size:,} bytes" for path in paths]
    assert capsys.readouterr().out.splitlines() == lines
    assert sorted(tmp_path.iterdir()) == paths


def test_an_unknown_model_is_an_error(tmp_path, capsys):
    assert main(["export", "one_vector", "gpt", "--folder", str(tmp_path)]) == 2
    assert "NAME must be among bahdanau" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

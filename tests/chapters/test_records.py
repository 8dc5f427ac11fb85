"""Records: written whole, read strictly, merged without losing a finished run."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest

from attention_book.chapters import records
from attention_book.chapters.records import (
    Record,
    RecordError,
    Run,
    differences,
    identity,
    load_record,
    merge_files,
    plain,
    read_value,
    results_folder,
)

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted((ROOT / "results").glob("[!.]*"))
SCHEMA = json.loads((ROOT / "results" / "schema" / "record.json").read_text("utf-8"))


def run(seed=0, *, date="2026-01-01T00:00:00+00:00", error=None, **more):
    parameters = {"seed": seed, **more.pop("parameters", {})}
    return Run(parameters=parameters, date=date, error=error, **more)


@pytest.mark.parametrize(
    "path", [p for p in COMMITTED if p.is_file()], ids=lambda path: path.name
)
def test_committed_records_follow_the_schema(path):
    jsonschema.validate(json.loads(path.read_text("utf-8")), SCHEMA)
    record = Record.read(path)
    assert record.name == path.name
    assert (ROOT / "book" / f"{record.chapter}.ipynb").exists()
    for each in record.runs.values():
        assert not (each.commit or "").endswith("+"), "of no commit"


def test_there_and_back(tmp_path):
    record = Record("abcnn", "full")
    record.add(run(10, values={"abcnn_map": 0.5, "abcnn_name": "x"}, commit="abc"))
    record.add(run(2, error={"type": "ValueError", "message": "no"}))
    record.add(run(1, parameters={"systems": "BCNN"}))
    path = record.write(tmp_path)
    assert path.name == "abcnn.full.json"
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    again = Record.read(path)
    assert again == record
    # A line for each run, by parameters and then by seed as a number.
    lines = path.read_text().splitlines()[1:-1]
    found = [json.loads(line.rstrip(","))["parameters"]["seed"] for line in lines]
    assert found == [1, 2, 10]


def test_numbers_that_are_not_finite_are_strict_json(tmp_path):
    values = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1.5, "e": "infinite"}
    record = Record("abcnn", "full")
    record.add(run(0, values=values, settings={"norms": [math.inf, 2.0]}))
    path = record.write(tmp_path)

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    saved = json.loads(path.read_text(), parse_constant=refuse)
    jsonschema.validate(saved, SCHEMA)
    [again] = Record.read(path).runs.values()
    assert math.isnan(again.values.pop("a"))
    assert again.values == {"b": math.inf, "c": -math.inf, "d": 1.5, "e": "infinite"}
    assert again.settings == {"norms": [math.inf, 2.0]}


def test_an_empty_record_there_and_back(tmp_path):
    record = Record("abcnn", "full")
    assert Record.read(record.write(tmp_path)) == record


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": "other"}',
        json.dumps({"format": records.FORMAT, "chapter": "a", "preset": "full"}),
        json.dumps(
            {
                "format": records.FORMAT,
                "chapter": "a",
                "preset": "full",
                "runs": [{"seed": 3}],
            }
        ),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "a.full.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=r"a.full.json is not a record of runs: "):
        Record.read(path)


def test_a_record_under_another_name_is_refused(tmp_path):
    Record("a", "full").write(tmp_path).rename(tmp_path / "b.full.json")
    with pytest.raises(RecordError, match=r"b.full.json holds the record a.full.json"):
        load_record("b", "full", tmp_path)


def test_nothing_recorded_is_an_empty_record(tmp_path):
    assert load_record("a", "quick", tmp_path) == Record("a", "quick")


def test_a_finished_run_is_kept_and_a_later_one_replaces_it():
    failed = {"type": "ValueError", "message": "no"}
    early, late = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"
    finished = run(date=early)
    record = Record("a", "full")
    for new, kept in (
        (run(date=early, error=failed), run(date=early, error=failed)),
        (finished, finished),
        (run(date=late, error=failed), finished),
        (run(date=late), run(date=late)),
        (finished, run(date=late)),
    ):
        record.add(new)
        assert list(record.runs.values()) == [kept]


def test_identity_leaves_out_where_it_runs_and_what_was_not_set():
    given = {"seed": 3, "device": "cuda", "checkpoints": "x", "epochs": None}
    assert identity(given) == identity({"preset": "full", "seed": 3})
    assert identity({"seed": 3}) != identity({"seed": 3, "epochs": 2})
    assert identity({"b": 1, "a": 2}) == identity({"a": 2, "b": 1})


def test_settings_are_plain_and_compared_as_json_holds_them():
    given = {"sizes": (2, 7), "seed": 3, "device": "cpu", "limit": None, "dim": 4}
    assert plain(given) == {"sizes": [2, 7], "dim": 4}
    assert differences({"sizes": [2, 7], "dim": 4}, given) == []
    assert differences({"sizes": [2, 8], "old": 1}, given) == ["dim", "old", "sizes"]


def test_finished_runs_by_parameters_and_settings():
    record = Record("a", "full")
    record.add(run(4, settings={"dim": 8}))
    record.add(run(1, settings={"dim": 8}))
    record.add(run(2, settings={"dim": 9}))
    record.add(run(3, error={"type": "E", "message": ""}))
    record.add(run(0, parameters={"systems": "X"}, settings={"dim": 8}))

    def seeds(*arguments, **parameters):
        found = record.finished(*arguments, **parameters)
        return [each.parameters["seed"] for each in found]

    assert seeds(systems=None) == [1, 2, 4]
    assert seeds({"dim": 8}, systems=None) == [1, 4]
    assert seeds(systems="X") == [0]
    assert seeds(seed=2) == [2]


def test_merging_the_records_of_two_machines(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    ours, theirs = Record("a", "full"), Record("a", "full")
    ours.add(run(0, values={"a_x": 1}))
    ours.add(run(1, error={"type": "E", "message": ""}))
    theirs.add(run(1, values={"a_x": 2}))
    theirs.add(run(2, values={"a_x": 3}))
    ours.write(here)
    other = Record("b", "quick")
    files = [theirs.write(there), other.write(there)]
    written = merge_files(files, here)
    assert [path.name for path in written] == ["a.full.json", "b.quick.json"]
    merged = load_record("a", "full", here)
    assert [each.values for each in merged.finished()] == [
        {"a_x": 1},
        {"a_x": 2},
        {"a_x": 3},
    ]


def test_many_who_write_one_record_lose_no_run(tmp_path):
    """Sweeps of several systems at the same time; one file for all of them."""

    def write(first):
        for seed in range(first, first + 5):
            own = Record("a", "full")
            own.add(run(seed))
            own.update(tmp_path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, 20, 5)))
    found = load_record("a", "full", tmp_path).finished()
    assert [each.parameters["seed"] for each in found] == list(range(20))


def test_a_merge_with_a_damaged_file_writes_nothing(tmp_path):
    here = tmp_path / "here"
    good = Record("a", "full").write(tmp_path)
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    with pytest.raises(RecordError, match=r"bad.json is not a record"):
        merge_files([good, bad], here)
    with pytest.raises(FileNotFoundError):
        merge_files([good, tmp_path / "missing.json"], here)
    assert not here.exists()


def test_a_record_of_another_chapter_is_not_merged():
    with pytest.raises(RecordError, match=r"b.full.json cannot be merged into a.full"):
        Record("a", "full").merge(Record("b", "full"))


def test_results_that_have_no_literal_are_read():
    assert math.isnan(read_value("nan"))
    assert read_value("-inf") == -math.inf
    assert read_value("'nan'") == "nan"
    assert read_value("3") == 3


def test_where_the_records_are(tmp_path, monkeypatch):
    assert results_folder() == ROOT / "results"
    installed = tmp_path / "lib" / "site-packages" / "attention_book" / "chapters"
    monkeypatch.setattr(records, "__file__", str(installed / "records.py"))
    assert results_folder().parts[-3:] == ("share", "attention_book", "results")

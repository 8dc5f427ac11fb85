"""The ledger: published numbers, our runs beside them, and the verdict."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from attention_book.chapters import ledger
from attention_book.chapters.ledger import VERDICTS, Entry, entry, published
from attention_book.chapters.records import Record, Run
from tools import ledger as page

ROOT = Path(__file__).resolve().parents[2]
ROW = published()[0]


def run(value, **more):
    return Run(parameters={"seed": 0}, values={ROW.value: value}, **more)


def test_every_row_belongs_to_a_chapter_and_a_paper():
    keys = re.findall(r"@\w+\{(\w+),", (ROOT / "book/references.bib").read_text())
    slugs = {path.stem for path in (ROOT / "book").glob("*.ipynb")}
    chapters = [row.chapter for row in published()]
    # The rows of a chapter stand together.
    assert len(list(dict.fromkeys(chapters))) == len(
        [k for k, slug in enumerate(chapters) if k == 0 or chapters[k - 1] != slug]
    )
    for row in published():
        assert row.chapter in slugs
        assert row.paper_cite in keys
        assert row.value.startswith(row.chapter + "_")
        assert row.tolerance > 0
        assert row.reason.endswith(".")


@pytest.mark.parametrize(
    ("values", "changes", "verdict"),
    [
        ([], {}, "not measured"),
        ([9.0, 9.1], {}, "reproduced"),
        ([30.0], {}, "reproduced"),
        ([8.9], {}, "close"),
        ([7.0], {}, "close"),
        ([6.9], {}, "not reproduced"),
        ([12.0], {"lower_is_better": True}, "close"),
        ([5.0], {"lower_is_better": True}, "reproduced"),
        ([5.0], {"comparable": False}, "not comparable"),
        ([], {"comparable": False}, "not measured"),
        ([0.1], {"scale": 100.0}, "reproduced"),
    ],
)
def test_verdicts(values, changes, verdict):
    row = replace(ROW, target=10.0, tolerance=1.0, **changes)
    found = Entry(row, [run(value) for value in values])
    assert found.verdict == verdict
    assert verdict in VERDICTS


def test_ours_is_a_mean_with_its_spread():
    row = replace(ROW, target=20.0)
    assert Entry(row, []).ours == ""
    assert Entry(row, [run(20.04)]).ours == "20.0 (1 seed)"
    assert Entry(row, [run(1.0), run(2.0), run(6.0)]).ours == "3.0 ± 2.6 (3 seeds)"
    fine = replace(row, target=0.5)
    assert Entry(fine, [run(0.1234)]).ours == "0.123 (1 seed)"


def test_where_ours_comes_from():
    assert Entry(ROW, []).provenance == ""
    runs = [
        run(1.0, seconds=3600.0, threads=1, device="new", date="2026-02-03T01:00:00"),
        run(1.0, seconds=7200.0, threads=2, device="old", date="2026-01-03T01:00:00"),
    ]
    expected = "new, 1 thread, 1.5 hours a run, 2026-02-03"
    assert Entry(ROW, runs).provenance == expected
    assert "2 threads" in Entry(ROW, runs[1:]).provenance


def test_the_command_can_be_typed():
    row = replace(ROW, chapter="a", parameters={"systems": "two words", "limit": 3})
    assert row.command == (
        'attention-book sweep a --preset full --seeds 0 -p systems="two words" '
        "-p limit=3"
    )


def test_runs_are_those_of_the_row(monkeypatch):
    record = Record(ROW.chapter, ROW.preset)
    error = {"type": "E", "message": ""}
    for parameters, settings, failure in (
        ({"seed": 0, **ROW.parameters}, {"dim": 8}, None),
        ({"seed": 1, **ROW.parameters}, {"dim": 9}, None),
        ({"seed": 2, **ROW.parameters}, {"dim": 8}, error),
        ({"seed": 3, "systems": "other"}, {"dim": 8}, None),
        ({"seed": 4, "limit": 7, **ROW.parameters}, {"dim": 8}, None),
    ):
        new = Run(parameters=parameters, settings=settings, error=failure)
        record.add(new)
    monkeypatch.setattr(ledger, "load_record", lambda chapter, preset: record)
    found = entry(ROW, {"dim": 8})
    assert [each.parameters["seed"] for each in found.runs] == [0]
    assert found.outdated == 1
    assert found.failed.parameters["seed"] == 2
    assert len(entry(ROW).runs) == 2


def test_the_page_has_a_table_for_each_chapter_and_says_why():
    text = "\n".join(page.lines([Entry(row, []) for row in published()]))
    chapters = list(dict.fromkeys(row.chapter for row in published()))
    assert re.findall(r"^Chapter: \{ref\}`(\w+)`", text, re.M) == chapters
    assert f"{len(published())} numbers: {len(published())} not measured." in text
    for row in published():
        assert row.reason in text
        assert f"`{row.command}`" in text
    failed = Run(parameters={}, error={"type": "OSError", "message": ""})
    told = page.details(Entry(ROW, [], outdated=2, failed=failed))
    assert "Outdated runs, of other settings: 2." in told
    assert "The last try failed: OSError." in told
    assert "1.0 hours" in page.details(Entry(ROW, [run(1.0, seconds=3600.0)]))


def test_rows_without_a_record_need_no_settings():
    assert page.present_entry(replace(ROW, preset="none")).runs == []

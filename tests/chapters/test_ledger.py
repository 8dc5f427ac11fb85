"""The ledger: published numbers, our runs beside them, and the verdict."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from attention_book.chapters import ledger
from attention_book.chapters.ledger import (
    VERDICTS,
    Entry,
    chapter_entries,
    entries_table,
    entry,
    published,
)
from attention_book.chapters.records import Record, Run
from attention_book.chapters.settings import choose_settings
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
        ({"seed": 5, "dataset": "other", **ROW.parameters}, {"dim": 8}, None),
        ({"seed": 6, "limit": 7, **ROW.parameters}, {"dim": 8}, error),
        ({"seed": 7, "dataset": "other", **ROW.parameters}, {"dim": 8}, error),
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
        reach = f"Number to reach: {row.target:g}, tolerance {row.tolerance:g}."
        assert not row.comparable or reach in text
    failed = Run(parameters={}, error={"type": "OSError", "message": ""})
    told = page.details(Entry(ROW, [], outdated=2, failed=failed))
    assert "Outdated runs, of other settings: 2." in told
    assert "The last try failed: OSError." in told
    assert "1.0 hours" in page.details(Entry(ROW, [run(1.0, seconds=3600.0)]))


def test_rows_without_a_record_need_no_settings():
    assert page.present_entry(replace(ROW, preset="none")).runs == []


PARTS = replace(
    ROW,
    parameters={"systems": "task {}"},
    value=f"{ROW.chapter}_task_{{}}",
    each=(1, 12),
    scale=100.0,
)


@pytest.fixture
def parts(monkeypatch):
    """A record of two tasks over seeds, the second task without the last seed."""
    record = Record(ROW.chapter, ROW.preset)
    for task, errors in (1, [0.1, 0.2, 0.3]), (12, [0.3, 0.4]):
        for seed, value in enumerate(errors):
            name = f"{ROW.chapter}_task_{task}"
            record.add(
                Run(
                    parameters={"seed": seed, "systems": f"task {task}"},
                    values={name: value, f"{name}_last": value / 2},
                    settings={"dim": 9 if seed == 1 else 8},
                    seconds=1800.0,
                    date=f"2026-01-{task:02}",
                )
            )
    monkeypatch.setattr(ledger, "load_record", lambda chapter, preset: record)


def test_a_number_may_be_the_mean_over_several_runs(parts):
    assert [part.value for part in PARTS.parts()] == [
        f"{ROW.chapter}_task_1",
        f"{ROW.chapter}_task_12",
    ]
    assert ROW.parts() == [ROW]
    found = entry(PARTS)
    assert found.numbers == pytest.approx([20.0, 30.0])
    assert found.numbers_beside("_last") == pytest.approx([10.0, 15.0])
    assert found.numbers_beside("_first") == []
    assert "1.0 hours a run, 2026-01-12" in found.provenance
    now = entry(PARTS, {"dim": 8})
    assert now.numbers == pytest.approx([20.0])
    assert now.outdated == 1
    assert PARTS.command.endswith('--seeds 0 -p systems="task 1|task 12"')


def test_the_numbers_of_a_chapter_on_its_page(parts, monkeypatch):
    rows = (
        PARTS,
        replace(PARTS, each=(), value="no_{}"),
        replace(ROW, chapter="other"),
    )
    monkeypatch.setattr(ledger, "published", lambda: rows)
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    full = {"dim": 8}
    settings = choose_settings(preset="quick", quick={"dim": 1}, full=full, **given)
    entries = chapter_entries(settings, ROW.chapter)
    assert [each.published.chapter for each in entries] == [ROW.chapter] * 2
    table = entries_table(entries, caption="All", beside={"at the end": "_last"})
    assert table.header[2:] == ["others", "this book", "at the end"]
    assert table.rows[0][3:] == ["20.0 (1 seed)", "10.0"]
    assert table.rows[1][3:] == ["-", "-"]
    assert "1 of 2 are not recorded yet" in table.notes[1]
    assert rows[1].command in table.notes[1]
    outdated = entries_table(
        chapter_entries(
            choose_settings(preset="quick", quick=full, full={"dim": 7}, **given),
            ROW.chapter,
        ),
        caption="All",
    )
    assert "other settings" in outdated.notes[-1]


def test_per_cents_have_one_digit_however_small_they_are():
    row = replace(ROW, target=0.0, metric="test error in per cent")
    assert Entry(row, [run(0.123)]).ours == "0.1 (1 seed)"

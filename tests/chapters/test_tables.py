"""Tables: what they show of a record, and as what they can be read."""

import pytest
from bs4 import BeautifulSoup

from attention_book.chapters.records import Record, RecordError, Run
from attention_book.chapters.settings import choose_settings
from attention_book.chapters.tables import Table, bins_table, seeds_table, words_table
from attention_book.evaluation.intervals import BinScore

GIVEN = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
PRESETS = {"quick": {"epochs": 5, "sizes": (8, 2)}, "full": {"epochs": 9, "sizes": ()}}
VALUES = [0.5, 0.25, 1.0]


def choose(preset="quick", **changed):
    return choose_settings(preset=preset, **{**GIVEN, **PRESETS, **changed})


@pytest.fixture
def folder(tmp_path):
    for preset, settings in PRESETS.items():
        record = Record("some", preset)
        for seed, value in enumerate(VALUES):
            values = {"some_a": value, "some_b": 1, "some_name": "x"}
            if seed:
                values["some_c"] = value
            plain = {"epochs": settings["epochs"], "sizes": list(settings["sizes"])}
            facts = {"date": "2026-01-02T03:04:05+00:00", "seconds": 30.0}
            run = Run(parameters={"seed": seed}, settings=plain, values=values, **facts)
            record.add(run)
        record.write(tmp_path)
    return tmp_path


def show(folder, quantities, settings=None, **options):
    options = {"caption": "All & more", "folder": folder, **options}
    return seeds_table(settings or choose(), "some", quantities, **options)


def parse(table):
    return BeautifulSoup(table._repr_html_(), "html.parser")


def test_a_row_for_each_quantity(folder):
    quantities = {
        "first": "some_a",
        "in percent": "some_a:.0%",
        "difference": "some_b-some_a:+.3f",
        "of some runs": "some_c",
        "of none": "some_d",
    }
    table = show(folder, quantities)
    assert table.header == [
        "quantity", "n", "mean", "standard deviation", "smallest", "largest"
    ]  # fmt: skip
    assert table.rows == [
        ["first", "3", "0.58", "0.38", "0.25", "1.00"],
        ["in percent", "3", "58%", "38%", "25%", "100%"],
        ["difference", "3", "+0.417", "+0.382", "+0.000", "+0.750"],
        ["of some runs", "2", "0.62", "0.53", "0.25", "1.00"],
        ["of none", "0", "-", "-", "-", "-"],
    ]
    assert table.notes == ["3 runs (seeds 0 to 2), 2026-01-02, 2 minutes in all."]
    table = show(folder, {"first": "some_a"}, median=True, form=".1f")
    assert table.header[5] == "median"
    assert table.rows == [["first", "3", "0.6", "0.4", "0.2", "0.5", "1.0"]]


def test_one_run_has_no_deviation(folder):
    record = Record("some", "quick")
    settings = {"epochs": 5, "sizes": [8, 2]}
    values = {"some_a": 0.5}
    record.add(Run(parameters={"seed": 4}, settings=settings, values=values))
    record.write(folder)
    assert show(folder, {"first": "some_a"}).rows == [
        ["first", "1", "0.50", "-", "0.50", "0.50"]
    ]


def test_text_is_no_quantity(folder):
    with pytest.raises(ValueError, match="some_name is text"):
        show(folder, {"name": "some_name"})


@pytest.mark.parametrize("preset", ["quick", "full"])
@pytest.mark.parametrize("shown", [None, "quick", "full"])
def test_present_settings_are_those_of_the_records_preset(folder, preset, shown):
    """Also in a run of the other preset, and in one that was shortened by hand."""
    for settings in (choose(preset), choose(preset, epochs=1, limit=3, seed=7)):
        table = show(folder, {"first": "some_a"}, settings, preset=shown)
        assert len(table.notes) == 1


def test_a_record_of_other_settings_says_so(folder):
    changed = {"epochs": 5, "sizes": (8, 3), "more": True}
    settings = choose(quick=changed, full={**changed, "epochs": 6})
    table = show(folder, {"first": "some_a"}, settings)
    assert table.rows[0][:3] == ["first", "3", "0.58"]
    assert table.notes[1] == (
        "Outdated: the chapter now has other settings than these runs had "
        "(more, sizes)."
    )
    table = show(folder, {"first": "some_a"}, settings, preset="full")
    assert "(epochs, more, sizes)" in table.notes[1]


def test_without_a_record_the_command_is_shown(tmp_path):
    for options, command in (
        ({}, "attention-book sweep some --preset quick --seeds 0-19"),
        (
            {"preset": "full", "systems": "BCNN"},
            'attention-book sweep some --preset full --seeds 0-2 -p "systems=BCNN"',
        ),
    ):
        table = show(tmp_path, {"first": "some_a"}, **options)
        page = parse(table)
        assert page.code.get_text() == command
        assert page.p.get_text().startswith("All & more: no run is recorded yet. ")
        assert page.table is None
        assert f"`{command}`" in str(table)


def test_runs_without_any_of_the_quantities_are_no_record(folder):
    table = show(folder, {"of none": "some_d", "difference": "some_a-some_d"})
    assert not table.rows
    assert "no run is recorded yet. To record them: " in table.notes[0]


def test_the_note_is_about_the_runs_of_the_table(folder):
    """And not about those of other systems, on other machines and days."""
    record = Record("some", "quick")
    settings = {"epochs": 5, "sizes": [8, 2]}
    for system, seed in ("a", 0), ("a", 1), ("b", 0), ("b", 7):
        record.add(
            Run(
                parameters={"seed": seed, "systems": system},
                settings=settings,
                values={f"some_{system}": 0.5, "some_size": 3},
                date=f"2026-01-0{1 + (system == 'b')}T00:00:00+00:00",
                device=f"machine {system}",
                seconds=60.0,
            )
        )
    record.write(folder)
    table = show(folder, {"a": "some_a", "none": "some_c"})
    assert table.notes == [
        "2 runs (seeds 0 to 1), 2026-01-01, machine a, 2 minutes in all."
    ]
    table = show(folder, {"size": "some_size"})
    assert [row[1] for row in table.rows] == ["3"]  # of seeds, not of runs


def test_a_record_of_failed_runs_only(tmp_path):
    record = Record("some", "quick")
    record.add(Run(parameters={"seed": 0}, error={"type": "E", "message": "no"}))
    record.write(tmp_path)
    table = show(tmp_path, {"first": "some_a"})
    assert "no run is recorded yet (1 failed)." in table.notes[0]


def test_a_damaged_record_is_an_error(tmp_path):
    (tmp_path / "some.quick.json").write_text("{")
    with pytest.raises(RecordError, match=r"some\.quick\.json is not a record"):
        show(tmp_path, {"first": "some_a"})


def test_a_table_can_be_read_by_everyone():
    table = Table("a & b", ["name", "<year>"], [["x", "1 < 2"], ["y|z", "3"]])
    page = parse(table)
    assert page.caption.get_text() == "a & b"
    region = page.find(role="region")
    assert (region["aria-label"], region["tabindex"]) == ("a & b", "0")
    assert [cell["scope"] for cell in page.thead.find_all("th")] == ["col", "col"]
    rows = [[cell.get_text() for cell in row] for row in page.tbody.find_all("tr")]
    assert rows == [["x", "1 < 2"], ["y|z", "3"]]
    assert [cell["scope"] for cell in page.tbody.find_all("th")] == ["row", "row"]
    assert not page.find(style=True)  # both themes style it by its classes
    assert str(table).splitlines() == [
        "a & b",
        "",
        "| name | <year> |",
        "| --- | --- |",
        "| x | 1 < 2 |",
        r"| y\|z | 3 |",
    ]
    with pytest.raises(ValueError, match=r"must have 2 cells, got \['x'\]"):
        Table("t", ["name", "year"], [["x"]])


def test_scores_by_length_stand_side_by_side():
    low, high = (
        BinScore(1, 3, 40, 0.5, (0.25, 0.75)),
        BinScore(4, 6, 7, 1.0, (0.9, 1.0)),
    )
    other = [BinScore(1, 3, 40, 0.25, (0.125, 0.5)), BinScore(4, 6, 7, 0.0, (0.0, 0.1))]
    table = bins_table({"a": [low, high], "b": other}, caption="Shares")
    assert table.header == ["source words", "sentences", "a", "b"]
    assert table.rows == [
        ["1 to 3", "40", "50.0% (25.0 to 75.0)", "25.0% (12.5 to 50.0)"],
        ["4 to 6", "7", "100.0% (90.0 to 100.0)", "0.0% (0.0 to 10.0)"],
    ]
    assert table.numeric


def test_words_that_differ_are_marked():
    outputs = {"a": ["drei", "und"], "b": ["zwei", "und", "vierzig", "tausend"]}
    table = words_table(["drei", "und", "vierzig"], outputs, caption="Words")
    assert table.header == ["position", "reference", "a", "b"]
    assert table.rows == [
        ["1", "drei", "drei", "≠ zwei"],
        ["2", "und", "und", "und"],
        ["3", "vierzig", "≠ (nothing)", "vierzig"],
        ["4", "(nothing)", "(nothing)", "≠ tausend"],
    ]

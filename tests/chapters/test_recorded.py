"""What is said of recorded runs, against the same sums by hand."""

import numpy as np
import pytest

from attention_book.chapters.recorded import (
    Selection,
    describe,
    having,
    provenance,
    recorded_runs,
    recorded_values,
    select_runs,
    values_of,
)
from attention_book.chapters.records import Record, Run
from attention_book.chapters.settings import choose_settings

SETTINGS = {"epochs": 5, "dim": 8}
VALUES = [0.5, 0.25, 1.0]
OTHERS = [0.375, 0.5, 0.75]


def run(seed, *, settings=SETTINGS, error=None, values=None, **parameters):
    return Run(
        parameters={"seed": seed, **parameters},
        settings=settings,
        values=values or {},
        error=error,
        date=f"2026-01-0{seed % 9 + 1}T00:00:00+00:00",
    )


def record(*runs):
    found = Record("some", "quick")
    for each in runs:
        found.add(each)
    return found


@pytest.fixture
def runs():
    pairs = enumerate(zip(VALUES, OTHERS, strict=True))
    return [run(seed, values={"a": a, "b": b, "text": "x"}) for seed, (a, b) in pairs]


def seeds(selection):
    return [each.parameters["seed"] for each in selection.runs]


def test_runs_come_by_seed_and_failed_ones_are_counted():
    failed = run(2, error={"type": "ValueError", "message": "no"})
    found = select_runs(record(run(11), run(3), failed), SETTINGS)
    assert (seeds(found), found.failed, found.outdated) == ([3, 11], 1, [])


def test_runs_of_other_settings_are_chosen_only_if_there_are_no_others():
    old = {"epochs": 5, "dim": 4}
    found = select_runs(record(run(0, settings=old), run(1)), SETTINGS)
    assert (seeds(found), found.outdated) == ([1], [])
    found = select_runs(record(run(0, settings=old)), {**SETTINGS, "new": 1})
    assert (seeds(found), found.outdated) == ([0], ["dim", "new"])


def test_runs_by_their_parameters():
    """One that is a setting replaces the present one; systems need not match."""
    short = {"epochs": 1, "dim": 8}
    whole = record(
        run(0),
        run(1, settings=short, epochs=1),
        run(2, systems="BCNN"),
        run(3, systems="ABCNN-1"),
    )
    assert seeds(select_runs(whole, SETTINGS)) == [0, 2, 3]
    assert seeds(select_runs(whole, SETTINGS, systems="BCNN")) == [2]
    assert seeds(select_runs(whole, SETTINGS, systems=None)) == [0, 2, 3]
    found = select_runs(whole, SETTINGS, epochs=1)
    assert (seeds(found), found.outdated) == ([1], [])
    assert seeds(select_runs(whole, SETTINGS, epochs=2)) == []


def test_a_parameter_of_none_is_one_that_was_not_set():
    """As in the identity of a run: a sweep over "epochs=None|1" has both."""
    short = {"epochs": 1, "dim": 8}
    both = record(run(0, epochs=None), run(0, settings=short, epochs=1))
    assert seeds(select_runs(both, SETTINGS)) == [0]
    assert seeds(select_runs(both, SETTINGS, epochs=1)) == [0]


def test_runs_of_several_systems_are_one_run_of_a_seed():
    """What belongs to no system is in all of them, and was measured once."""
    facts = {"settings": SETTINGS}
    runs = [
        Run(parameters={"seed": s, "systems": name}, values=values, date=date, **facts)
        for s, name, date, values in (
            (0, "A", "2026-01-02", {"shared": 2.0, "a": 1.0}),
            (0, "B", "2026-01-01", {"shared": 9.0, "b": 3.0}),
            (1, "A", "2026-01-03", {"shared": 4.0, "a": 5.0}),
        )
    ]
    chosen = select_runs(record(*runs), SETTINGS)
    assert len(chosen.runs) == 3
    assert values_of(chosen.runs, "shared") == [2.0, 4.0]
    assert values_of(chosen.runs, "shared-b") == [6.0]
    assert describe(chosen.runs, "shared", "n") == "2"
    kept = having(chosen, [["b"], ["shared", "b"]])
    assert [each.parameters["systems"] for each in kept.runs] == ["B"]
    assert having(chosen, [["c"]]).runs == []


def test_values_and_differences(runs):
    runs.append(run(7, values={"a": 9.0}))
    assert values_of(runs, "a") == [*VALUES, 9.0]
    assert values_of(runs, "a-b") == [0.125, -0.25, 0.25]
    assert values_of(runs, "c") == []
    with pytest.raises(ValueError, match="text is text, not a number"):
        values_of(runs, "text")


@pytest.mark.parametrize(
    ("statistic", "number"),
    [
        ("mean", np.mean(VALUES)),
        ("sd", np.std(VALUES, ddof=1)),
        ("min", 0.25),
        ("max", 1.0),
        ("median", 0.5),
        ("n", 3),
        ("share>=0.5", 2 / 3),
        ("share>0.5", 1 / 3),
        ("share<0.5", 1 / 3),
        ("share<=0.5", 2 / 3),
        ("share>b", 2 / 3),
    ],
)
def test_statistics(runs, statistic, number):
    assert float(describe(runs, "a", statistic)) == pytest.approx(number)
    assert describe(runs, "a", f"{statistic}:.1f") == f"{number:.1f}"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_statistics_of_a_run_that_diverged(runs, value):
    """A record keeps such values; ``statistics.stdev`` dies of them."""
    runs.append(run(3, values={"a": float(value)}))
    assert describe(runs, "a", "sd:.1f") == "nan"
    assert describe(runs, "a", "mean:.1f") == str(value)
    assert describe(runs, "a", "count>0") == f"{3 + (value > 0)} of 4"


def test_counts_are_of_all_runs(runs):
    assert describe(runs, "a", "count>=0.5") == "2 of 3"
    assert describe(runs, "a", "count<b") == "1 of 3"
    assert describe(runs, "a-b", "count>0.2") == "1 of 3"


@pytest.mark.parametrize(
    "statistic", ["middle", "mean>0.5", "count", "share=1", "", "mean .2f"]
)
def test_what_is_no_statistic_is_an_error(runs, statistic):
    with pytest.raises(ValueError, match="a statistic is one of n, mean, sd"):
        describe(runs, "a", statistic)


def test_what_is_not_recorded_is_an_error(runs):
    with pytest.raises(KeyError, match="no recorded run has c"):
        describe(runs, "c", "mean")
    for missing in ("c", "0.5.1"):
        with pytest.raises(KeyError, match=f"not all recorded runs have {missing}"):
            describe(runs, "a", f"count>{missing}")


def test_where_values_come_from():
    facts = {"device": "a CPU", "threads": 1, "versions": {"torch": "2.13.0"}}
    runs = [
        Run(
            parameters={"seed": s},
            seconds=60.0,
            commit=c,
            date=f"2026-01-0{d}T01",
            **facts,
        )
        for s, c, d in (
            (0, "a" * 40, 1),
            (1, "a" * 40, 2),
            (2, "b" * 40, 3),
            (5, None, 3),
        )
    ]
    assert provenance(Selection(runs, failed=1, outdated=[])) == (
        "4 runs (seeds 0 to 2, 5), 1 further run failed, 2026-01-01 to 2026-01-03, "
        "commit aaaaaaa and commit bbbbbbb, a CPU, 1 thread, PyTorch 2.13.0, "
        "4 minutes in all"
    )
    long = Run(parameters={"seed": 3}, seconds=9000.0, threads=2, date="2026-01-01T01")
    assert provenance(Selection([long], failed=2, outdated=[])) == (
        "1 run (seed 3), 2 further runs failed, 2026-01-01, 2 threads, 2 hours in all"
    )


def test_the_runs_of_a_chapter_are_compared_with_its_present_settings(tmp_path):
    record(run(1), run(0), run(2, systems="A")).write(tmp_path)
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    full = {"epochs": 9, "dim": 9}
    for preset in ("quick", "full"):
        settings = choose_settings(preset=preset, quick=SETTINGS, full=full, **given)
        found = recorded_runs(settings, "some", "quick", tmp_path)
        assert [each.parameters["seed"] for each in found.runs] == [0, 1, 2]
        assert found.outdated == []
        found = recorded_runs(settings, "some", "quick", tmp_path, systems="A")
        assert [each.parameters["seed"] for each in found.runs] == [2]
    assert recorded_runs(settings, "some", folder=tmp_path).runs == []
    changed = choose_settings(preset="quick", quick=full, full=full, **given)
    found = recorded_runs(changed, "some", folder=tmp_path)
    assert found.outdated == ["dim", "epochs"]


def test_values_of_single_systems(tmp_path):
    runs = run(0, values={"a": 3}, systems="A"), run(1, values={"a": 1}, systems="A")
    record(*runs, run(0, values={"a": 7}, systems="B")).write(tmp_path)
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    wanted = {
        "one": ("A", "a"),
        "two": ("B", "a"),
        "none": ("C", "a"),
        "no": ("A", "b"),
    }
    for dim, found in (8, {"one": [3.0, 1.0], "two": [7.0]}), (9, {}):  # 9: outdated
        own = SETTINGS | {"dim": dim}
        settings = choose_settings(preset="quick", quick=own, full=own, **given)
        assert recorded_values(settings, "some", wanted, folder=tmp_path) == found

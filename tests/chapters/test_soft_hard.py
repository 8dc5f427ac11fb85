"""Tables of the chapter on soft and hard attention: every number in its cell."""

import math

import pytest

from attention_book.chapters import soft_hard as tables
from attention_book.chapters.recorded import Selection
from attention_book.chapters.records import Run
from attention_book.chapters.settings import choose_settings
from attention_book.recipes.captions import CaptionScores

SCORES = {
    "soft": CaptionScores(0.5, 0.25, 0.125, 1.5),
    "mean": CaptionScores(0.25, math.nan, 0.0625, 2.0),
}


@pytest.fixture
def settings():
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    return choose_settings(preset="quick", quick={"x": 1}, full={"x": 2}, **given)


def test_scores_are_handed_on_and_shown(monkeypatch):
    glued = {}
    monkeypatch.setattr(tables, "glue", lambda **values: glued.update(values))
    tables.report_scores(SCORES)
    assert glued["soft_hard_loss_soft"] == 1.5
    assert "soft_hard_pointing_mean" not in glued, "it is no number"
    table = tables.scores_table(SCORES, caption="Scores")
    assert table.header == ["", "exact match", "pointing", "mass", "loss"]
    assert table.rows[0] == ["soft", "50.0%", "25.0%", "12.5%", "1.500"]
    assert table.rows[1] == ["mean annotation", "25.0%", "-", "6.2%", "2.000"]


@pytest.mark.parametrize("make", [tables.study_table, tables.paired_table])
def test_without_a_record_the_command_is_shown(make, settings, tmp_path):
    table = make(settings, folder=tmp_path)
    assert table.rows == []
    assert "attention-book sweep soft_hard --preset quick --seeds" in table.notes[0]
    assert '-p "systems=study"' in table.notes[0]


def test_records_over_seeds_and_in_pairs(monkeypatch, settings):
    runs = []
    for seed, gain in ((0, 0.5), (1, 0.25)):
        values = {
            f"soft_hard_{measure}_{name}": base + gain * (name == "hard") * sign
            for name in ("hard", "no_reinforce")
            for measure, base, sign in (("exact", 0.25, 1), ("loss", 1.0, -1))
        }
        parameters = {"seed": seed, "systems": "study"}
        runs.append(Run(parameters=parameters, values=values, date="2026-01-02"))
    selection = Selection(runs, 0, ["epochs"])
    monkeypatch.setattr(tables, "recorded_runs", lambda *args, **options: selection)
    table = tables.study_table(settings)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["hard"] == ["62.5% (17.7%)", "-", "-", "0.625 (0.177)"]
    assert rows["hard, no REINFORCE"][0] == "25.0% (0.0%)"
    assert "Outdated" in table.notes[1]
    pairs = {row[0]: row[1:] for row in tables.paired_table(settings).rows}
    own = ["+37.5% (17.7%)", "-", "-", "-0.375 (0.177)", "2 of 2"]
    assert pairs["REINFORCE"] == own

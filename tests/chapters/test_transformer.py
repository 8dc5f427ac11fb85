"""Tables of the chapter on the Transformer: every number in its cell."""

import math
from dataclasses import replace

import pytest
import torch

from attention_book.chapters import transformer as tables
from attention_book.chapters.settings import choose_settings
from attention_book.chapters.tables import Table
from attention_book.recipes.race import EqualTime, RaceRun
from attention_book.recipes.removals import RATES, REMOVALS, STUDIES, ArmScores
from attention_book.recipes.transformer import (
    TRANSFORMER_PRESETS,
    NormLeaks,
    Saturation,
    StartSignal,
)
from attention_book.recipes.translation import numbers_task

STARTS = {(2, "post"): StartSignal(0.25, 1.5, 3e-3, 4e-4, 0.05)}
SCORES = ArmScores(
    {}, {"a": "all", "b": "less"}, {"a": 0.9, "b": 0.5}, {"a": 0.8, "b": 0.1}, 10
)
FAIR = EqualTime({"seq2seq": 5, "Luong": 7}, {"seq2seq": 0.1, "Luong": 0.5}, {}, 1.0)
FAIR = replace(FAIR, steps={"seq2seq": 30, "Luong": 6})
MEANS = {
    name: {
        "right_time": 0.5,
        "right_data": 0.25,
        "error_time": error,
        "error_data": error,
        "decoding": 40.0,
    }
    for name, error in (("seq2seq", math.nan), ("Luong", 0.125))
}
SPEEDS = {"seq2seq": {8: 2000.0, 32: 1500.0}}


def settings(**given):
    presets = {name: vars(values) for name, values in TRANSFORMER_PRESETS.items()}
    defaults = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    return choose_settings(
        preset="quick", known_systems=STUDIES, **defaults, **presets, **given
    )


@pytest.fixture
def glued(monkeypatch):
    found = {}
    monkeypatch.setattr(tables, "glue", found.update)
    return found


def test_what_untrained_models_do():
    (row,) = tables.start_table(STARTS).rows
    assert row == ["post", "2", "0.25", "1.5", "5.0%", "3.0e-03", "4.0e-04"]
    values = tables.start_values(STARTS, {"post": "x"})
    assert values["transformer_cosine_x_2"] == 0.25
    assert values["transformer_first_x_2"] == "3.0e-03"
    assert len(values) == 5


def test_small_tables_have_a_row_for_each_name():
    leaks = tables.leak_table({"batch": NormLeaks(0.5, 0.25)})
    assert leaks.rows == [["batch norm", "0.5", "0.25"]]
    aligned = tables.alignment_table({"head": 0.5}, {"head": 0.25})
    assert aligned.rows == [["head", "50.0%", "25.0%"]]
    stages = tables.stage_table({"+ positions ": 0.5})
    assert stages.rows == [["+ positions", "50.0%"]]
    found = {(True, 4): Saturation(1.0, 0.25, 0.05)}
    assert tables.saturation_table(found).rows == [
        ["divided by the root", "4", "1", "0.25", "0.05"]
    ]
    assert tables.speed_table(SPEEDS).rows == [["seq2seq", "2,000", "1,500"]]
    assert tables.speed_values(SPEEDS)["transformer_seq2seq_speed_32"] == 1500.0


def test_the_ladder_after_equal_time_and_data():
    assert tables.ladder_table(FAIR, MEANS, "right").rows == [
        ["seq2seq", "5", "30", "50.0%", "25.0%", ""],
        ["Luong", "7", "6", "50.0%", "25.0%", "12.5%"],
    ]
    values = tables.ladder_values(FAIR, MEANS, 20)
    assert values["transformer_seq2seq_speed"] == 200.0
    assert values["transformer_luong_aer"] == 0.125
    assert "transformer_seq2seq_aer" not in values


def test_removals_have_intervals():
    rows = tables.removal_table(SCORES, "right").rows
    assert [row[:3] for row in rows] == [
        ["all", "90.0%", "80.0%"],
        ["less", "50.0%", "10.0%"],
    ]
    low, high = SCORES.intervals()[1]
    assert rows[1][3] == f"{low:.1%} to {high:.1%}"


def test_rates_stand_in_rows_and_norms_in_columns():
    free = {name: number / 8 for number, name in enumerate(RATES)}
    rows = tables.rate_table(ArmScores({}, {}, {}, free, 8), "right").rows
    assert [row[:2] for row in rows] == [
        ["as chosen", "yes"],
        ["as chosen", "no"],
        ["twice", "yes"],
        ["twice", "no"],
    ]
    for kind, row in zip(("plain_warm", "plain_cold", "fast_warm"), rows, strict=False):
        shares = [f"{free[f'{kind}_{norm}']:.1%}" for norm in ("post", "pre")]
        assert row[2:] == shares


def test_what_heads_align_is_handed_on():
    rates = {"layer 1, head 1": 0.5, "layer 1, mean": 0.4, "layer 2, head 1": 0.1}
    rates["layer 2, mean"] = 0.05
    values = tables.alignment_values(rates, "layer 2, mean", 2)
    assert values["transformer_aer"] == values["transformer_aer_last"] == 0.05
    assert values["transformer_aer_head"] == "layer 2, head 1"
    assert values["transformer_aer_worst"] == 0.5
    assert values["transformer_candidates"] == 4


@pytest.mark.parametrize("name", STUDIES)
def test_without_a_record_there_is_the_command(name, tmp_path):
    (note,) = tables.study_table(settings(), name, folder=tmp_path).notes
    assert f'-p "systems={name}"' in note


@pytest.mark.parametrize("name", STUDIES)
def test_a_record_has_a_row_for_each_arm(name, monkeypatch):
    given = []

    def table(*args, **options):
        given.append(args)
        return Table("", [], [])

    monkeypatch.setattr(tables, "seeds_table", table)
    tables.study_table(settings(), name)
    quantities = given[0][2]
    number = {"rates": 2 * len(RATES), "parts": 2 * len(REMOVALS), "ladder": 8}
    assert len(quantities) == len(set(quantities.values())) == number[name]


def test_studies_are_run_and_handed_on(monkeypatch, glued):
    given = []

    def study(name, task, preset, **options):
        given.append((name, preset, options["seed"]))
        return [("rates_2_x", 0.5)]

    monkeypatch.setattr(tables, "run_study", study)
    options = {"max_digits": 2, "shared_vocab": True, "device": torch.device("cpu")}
    task = numbers_task("en", "de", train=4, dev=2, test=3, **options)
    preset = TRANSFORMER_PRESETS["quick"]
    tables.record_studies(settings(systems="rates"), task, preset)
    assert given == [("rates", preset, 0)]
    assert glued == {"transformer_rates_2_x": 0.5}


def test_bleu_of_the_model_and_of_the_ladder(capsys, glued):
    options = {"max_digits": 2, "shared_vocab": True, "device": torch.device("cpu")}
    task = numbers_task("en", "de", train=4, dev=2, test=3, **options)
    task = replace(task, lines=[" ".join(words) for words in task.references])
    numbers = dict.fromkeys(("right_time", "right_data", "error_time"), 0.5)
    run = RaceRun(
        right={}, error_data=0.5, decoding=1.0, outputs=task.references, **numbers
    )
    names = "greedy", "beam 5", "beam 5, mean weights"
    outputs = dict.fromkeys(names, task.references)
    tables.report_bleu(task, outputs, task, {"Luong": [run]})
    assert set(glued) == {
        f"transformer_bleu_{short}" for short in ("greedy", "beam", "mean")
    }
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["greedy", "beam", "beam", "ladder,"]


def test_stages_are_handed_on():
    ends = [f"decoder {n}, {x}" for n in (1, 2) for x in ("cross-attention",)]
    ends += ["decoder 1, feed-forward", "decoder 2, feed-forward", "+ positions "]
    values = tables.stage_values({name: float(n) for n, name in enumerate(ends)}, 2)
    assert values == {
        "transformer_stage_start": 4,
        "transformer_stage_first": 2,
        "transformer_stage_cross": 1,
        "transformer_stage_end": 3,
    }

"""Tables of the chapter on self-attention."""

import numpy as np
import pytest

from attention_book.chapters import self_attention as tables
from attention_book.chapters.settings import choose_settings
from attention_book.recipes import cases, mixing
from attention_book.recipes.pronouns import PronounScores

KINDS = list(mixing.IMAGE_KINDS)


@pytest.fixture
def trials():
    """Two trials of each kind with 5 and 7 images; the models do not matter here."""
    made = {}
    for number, kind in enumerate(KINDS):
        for row, count in enumerate((5, 7)):
            for trial in range(2):
                test = 0.9 - 0.1 * number - 0.01 * trial + 0.05 * row
                one = mixing.ImageTrial(None, 1.0, 0.5, test)
                made[kind, count, trial] = one
    return mixing.ImageTrials([5, 7], made)


@pytest.fixture
def settings():
    presets = {name: vars(preset) for name, preset in mixing.MIXING_PRESETS.items()}
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    return choose_settings(
        preset="quick",
        systems="digits",
        known_systems=mixing.STUDIES,
        **given,
        **presets,
    )


def test_image_table_and_values(trials, no_shape_checks):
    table = tables.image_table(trials)
    assert table.header[1:] == [
        f"{count} images: {part}" for count in (5, 7) for part in ("training", "test")
    ]
    assert [row[0] for row in table.rows] == KINDS
    assert table.rows[0][1] == "100%"
    assert table.rows[0][2] == "89.5% (89.0% to 90.0%)"
    values = tables.image_values(trials)
    assert values["self_attention_few"] == 5
    assert values["self_attention_digits_few"] == pytest.approx(0.695)
    assert values["self_attention_digits_many_attention"] == pytest.approx(0.745)
    assert values["self_attention_digits_many_attention_train"] == 1
    assert values["self_attention_gap_many"] == pytest.approx(20)
    assert values["self_attention_shuffling_few_convolution"] == pytest.approx(10)
    assert values["self_attention_shuffling_many_attention"] == pytest.approx(10)


def test_tables_have_a_row_for_each_setting():
    rows = np.array([[0.5, 0.7], [0.9, 1.0]])
    far = tables.adding_table({"GRU": rows, "convolution": rows}, [8, 16])
    assert far.rows == [
        ["8", "0.50 0.70", "0.50 0.70"],
        ["16", "0.90 1.00", "0.90 1.00"],
    ]
    costs = mixing.LayerCosts({"GRU": [1.5, 3.0]}, {"GRU": [0.25, 2.0]})
    assert tables.cost_table(costs, [64, 1280], 7).rows[1] == ["1,280", "3.00 (2.00)"]
    spread = mixing.ScoreSpread([2.0, 3.0], [0.5, 0.25], [0.125, 0.0625])
    table = tables.spread_table([4, 8], {"raw": spread, "divided": spread})
    assert table.rows[1] == ["8", "3.00", "3.00", "0.25", "0.25", "0.062", "0.062"]
    assert table.header[3] == "largest weight, raw"


def test_values_of_costs_and_spreads(no_shape_checks):
    names = "self-attention", "with its weights", "GRU", "convolution"
    times = {name: [1.0 + k, 2.0 + k, 9.0 - k] for k, name in enumerate(names)}
    costs = mixing.LayerCosts(times, times)
    values = tables.cost_values(costs, [64, 128, 1000])
    assert values["self_attention_tokens_long"] == 1000
    assert values["self_attention_ms_short_gru"] == 3
    assert values["self_attention_ms_long_convolution"] == 6
    assert values["self_attention_num_weights"] == 1
    table = tables.crossing_table({64: costs}, [64, 128, 1000])
    assert [row[0] for row in table.rows] == ["GRU, width 64", "convolution, width 64"]
    assert table.rows[0][1].startswith("slower from about")
    assert table.rows[0][2] == "96"
    raw, divided = (mixing.ScoreSpread([k], [2.0, k], [0.5]) for k in (8.0, 1.0))
    found = tables.spread_values({"not divided": raw, "divided": divided})
    assert found["self_attention_largest_raw"] == 8
    assert found["self_attention_gradient_divided"] == 0.5


def test_values_of_far_tokens_are_those_of_its_table(
    settings, monkeypatch, no_shape_checks
):
    distances = settings.presets["quick"]["distances"]
    rows = np.array([[0.95, 0.5]] * 3 + [[0.85, 0.95]])
    values = tables.far_values({"GRU": rows, "self-attention": rows}, distances)
    assert values["self_attention_far_gru"] == pytest.approx(0.9)
    assert values["self_attention_learned_attention_64"] == 0.5
    asked = []
    monkeypatch.setattr(
        tables, "seeds_table", lambda *a, **k: asked.extend(a[2].values())
    )
    tables.far_table(settings)
    assert set(asked) <= values.keys()
    assert len(asked) == 8


def test_tables_of_trials(no_shape_checks):
    stuck = tables.stuck_table([(0.97, (1, 1)), (0.75, (0, 0.5))], below=0.9)
    assert stuck.rows == [["0.75", "0.00", "0.50"]]
    case = mixing.AddingCase(0.5, 0.25, 0.125)
    table = tables.digit_pair_table({(0, 1): case}, score=0.75)
    assert table.rows == [["0, 1", "0.50", "0.25", "0.12"]]
    assert "0.75" in table.caption
    scores = PronounScores(0.5, 0.25, 0.125, 1.0)
    assert tables.pronoun_table({"a": scores}).rows == [
        ["a", "50.0%", "0.25", "0.12", "100%"]
    ]
    values = tables.pronoun_values({"a": scores, "b": scores})
    assert values["self_attention_word_referent_average"] == 0.25
    assert values["self_attention_word_largest"] == 1


def test_cases_are_named_by_author():
    found = cases.earlier_cases()
    names = {case.chapter: case.chapter.upper() for case in found}
    table = tables.case_table(found, names)
    assert len(table.rows) == len(found)
    assert table.rows[0][0] == "BAHDANAU: additive"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ([2.0, 3.0, 9.0], "slower at every length measured"),
        ([0.5, 0.5, 0.5], "faster at every length measured"),
        ([0.5, 2.0, 9.0], "slower from about"),
        ([2.0, 2.0, 0.5], "at times slower"),
    ],
)
def test_where_lines_cross_in_words(own, said):
    text = tables.crossing_text([64, 128, 256], own, [1.0, 1.0, 1.0])
    assert text.startswith(said)


def test_the_study_is_glued_under_the_names_that_its_table_reads(
    settings, monkeypatch, tmp_path, no_shape_checks
):
    study = mixing.mixing_study("quick", seed=0, device=settings.device)
    trial = mixing.ImageTrial(None, 1.0, 0.5, 0.75)
    monkeypatch.setattr(mixing.MixingStudy, "learn_image", lambda *a, **k: trial)
    stored = {}
    monkeypatch.setattr(tables, "glue", lambda **values: stored.update(values))
    tables.record_studies(settings, study)
    asked = []

    def remember(settings, chapter, quantities, **options):
        asked.extend(name for one in quantities.values() for name in one.split("-"))
        assert options["systems"] == "digits"

    monkeypatch.setattr(tables, "seeds_table", remember)
    tables.budget_table(settings)
    assert set(asked) <= stored.keys()

    def read(settings, chapter, quantities, preset, folder):
        return {label: [stored[name]] for label, (_, name) in quantities.items()}

    monkeypatch.setattr(tables, "recorded_values", read)
    curves = tables.budget_curves(settings)
    assert curves == {
        count: {kind: [[0.75]] * 3 for kind in KINDS} for count in (60, 1297)
    }
    monkeypatch.setattr(tables, "recorded_values", lambda *a: {})
    assert tables.budget_curves(settings, folder=tmp_path) == {}

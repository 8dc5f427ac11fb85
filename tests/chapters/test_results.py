"""Curves and translations of recorded runs: what was stored comes back."""

import json

import pytest
import torch
from torch.testing import assert_close

from attention_book.chapters.records import Record, Run
from attention_book.chapters.results import (
    answers_table,
    bins_text,
    graded_table,
    recorded_bins,
    recorded_curve,
    recorded_results,
    recorded_samples,
    samples_table,
)
from attention_book.chapters.settings import choose_settings
from attention_book.evaluation.intervals import BinScore, student_interval

GIVEN = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
BINS = [
    [[1, 7, 5, 30.0, 20.0, 40.0], [8, 9, 4, 98.0, 90.0, 100.0]],
    [[1, 7, 5, 50.0, 40.0, 60.0], [8, 9, 4, 100.0, 95.0, 100.0]],
]
SAMPLE = {
    "source": "ein hund",
    "reference": "A dog.",
    "output": "a dog",
    "tokens": [["ein", "hund"], ["a", "dog"]],
}
WEIGHTS = [[90, 10, 0], [0, 100, 0], [25, 25, 50]]


@pytest.fixture
def settings():
    presets = {"quick": {"dim": 2}, "full": {"dim": 9}}
    return choose_settings(preset="quick", **GIVEN, **presets)


@pytest.fixture
def folder(tmp_path):
    record = Record("some", "full")
    for seed, bins in enumerate(BINS):
        values = {"some_bins": json.dumps(bins)}
        values["some_curve"] = json.dumps([[0, 0.0], [30, seed]])
        values["some_rnnsearch_samples"] = json.dumps([SAMPLE | {"weights": WEIGHTS}])
        parameters = {"seed": seed, "systems": "RNNsearch"}
        record.add(Run(parameters=parameters, settings={"dim": 9}, values=values))
    values = {"some_fixed_samples": json.dumps([SAMPLE | {"output": "a cat"}])}
    parameters = {"seed": 0, "systems": "fixed"}
    record.add(Run(parameters=parameters, settings={"dim": 9}, values=values))
    record.write(tmp_path)
    quick = Record("some", "quick")
    quick.add(Run(parameters={"seed": 0}, settings={"dim": 3}, values={"a": "[1]"}))
    longer = {"dim": 2, "epochs": 8}
    values = {"a": "[2]", "some_bins": json.dumps(BINS[0])}
    parameters = {"seed": 0, "epochs": 8}
    quick.add(Run(parameters=parameters, settings=longer, values=values))
    quick.write(tmp_path)
    return tmp_path


def test_results_come_by_seed(settings, folder):
    found = recorded_results(
        settings, "some", "some_bins", preset="full", folder=folder
    )
    assert found == BINS
    none = recorded_results(settings, "some", "nothing", preset="full", folder=folder)
    assert none == []


def test_outdated_runs_have_no_results(settings, folder):
    assert recorded_results(settings, "some", "a", folder=folder) == []
    found = recorded_results(settings, "some", "a", folder=folder, epochs=8)
    assert found == [[2]]


def test_bins_are_averaged_over_runs(settings, folder):
    found = recorded_bins(settings, "some", "some_bins", preset="full", folder=folder)
    assert [(part.low, part.high) for part in found] == [(1, 7), (8, 9)]
    assert [part.mean for part in found] == [0.4, 0.99]
    low, high = student_interval([98.0, 100.0])
    assert low < 90
    assert high > 100  # a share is not
    assert found[1].interval == (low / 100, 1.0)


def test_the_bins_of_one_run_keep_its_intervals(settings, folder):
    (first, _) = recorded_bins(settings, "some", "some_bins", folder=folder, epochs=8)
    assert first.interval == (0.2, 0.4)
    assert recorded_bins(settings, "other", "some_bins", folder=folder) == []


def test_scores_by_length_are_read_as_they_were_written(settings, folder):
    bins = [BinScore(1, 7, 5, 0.3, (0.2, 0.4)), BinScore(8, 9, 4, 0.98, (0.9, 1.0))]
    assert json.loads(bins_text(bins)) == BINS[0]


def test_learning_curves_are_averaged(settings, folder):
    options = {"preset": "full", "folder": folder}
    found = recorded_curve(settings, "some", "some_curve", **options)
    assert found.tolist() == [[0, 0], [30, 0.5]]
    assert recorded_curve(settings, "some", "nothing", **options) is None


def test_samples_come_back_with_their_weights(settings, folder):
    (sample,) = recorded_samples(settings, "some", "RNNsearch", folder=folder)
    assert str(sample).splitlines()[2] == "output     a dog"
    assert sample.tokens == (["a", "dog", "<eos>"], ["ein", "hund", "<eos>"])
    assert_close(sample.weights, torch.tensor(WEIGHTS) / 100)
    (sample,) = recorded_samples(settings, "some", "fixed", folder=folder)
    assert sample.weights is None
    assert recorded_samples(settings, "some", "none", folder=folder) == []


def test_translations_of_one_sentence_stand_together(settings, folder):
    names = ("RNNsearch", "fixed")
    samples = {n: recorded_samples(settings, "some", n, folder=folder) for n in names}
    table = samples_table(samples, caption="Two", sources=[0, 5, -1])
    assert table.rows[:4] == [
        ["source", "ein hund"],
        ["reference", "A dog."],
        ["RNNsearch", "a dog"],
        ["fixed", "a cat"],
    ]
    assert len(table.rows) == 8
    samples["none"] = []
    table = samples_table(samples, caption="Two", sources=[0])
    assert table.rows == []
    assert table.notes == ["Two: no run of all these systems is recorded yet."]


def test_answers_are_shown_or_the_command_that_records_them(settings, tmp_path):
    table = answers_table(settings, "some", "A with B", folder=tmp_path)
    command = 'attention-book sweep some -p "systems=A with B" --seeds 4'
    assert table.rows == []
    assert table.notes[0].endswith(f"`{command}`")
    right = {"question": "who ?", "first": "ada", "right": "ada", "place": 1}
    wrong = {**right, "first": "bob", "place": 4}
    samples = json.dumps([{**one, "candidates": 7} for one in (right, wrong)])
    own = dict(settings.presets["full"])
    record = Record("some", "full")
    values = {"some_a_with_b_samples": samples}
    record.add(Run(parameters={"seed": 1}, settings=own, values=values))
    record.write(tmp_path)
    table = answers_table(settings, "some", "A with B", folder=tmp_path)
    assert table.rows == [
        ["who ?", "ada", "the same", "1 of 7"],
        ["who ?", "bob", "ada", "4 of 7"],
    ]


def test_grades_are_shown_or_the_command_that_records_them(settings, tmp_path):
    table = graded_table(settings, "some", "A with B", folder=tmp_path)
    command = 'attention-book sweep some -p "systems=A with B" --seeds 0-2'
    assert table.rows == []
    assert table.notes[0].endswith(f"`{command}`")
    sample = {"first": "a man", "second": "a cat", "score": 1.25, "predicted": 2.5}
    record = Record("some", "full")
    values = {"some_a_with_b_samples": json.dumps([sample])}
    own = dict(settings.presets["full"])
    record.add(Run(parameters={"seed": 1}, settings=own, values=values))
    record.write(tmp_path)
    table = graded_table(settings, "some", "A with B", folder=tmp_path)
    assert table.rows == [["a man", "a cat", "1.2", "2.5"]]

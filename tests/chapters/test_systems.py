"""report_system: on the page and in the record, the same numbers."""

import json
from types import SimpleNamespace

import numpy as np

from attention_book.chapters import systems
from attention_book.chapters.records import Record, Run
from attention_book.chapters.settings import choose_settings
from attention_book.chapters.systems import (
    report_pair_system,
    report_scores,
    report_system,
    scores_table,
    systems_table,
)
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.translation.pairs import Pair
from attention_book.data.vectors.word_vectors import WordVectors
from attention_book.evaluation.intervals import student_interval
from attention_book.evaluation.metrics import Bleu
from attention_book.recipes.sentence_pairs.systems import PairSystemRun
from attention_book.recipes.sentence_pairs.tasks import make_task
from attention_book.recipes.systems import (
    LengthBleu,
    Sample,
    SystemRun,
    SystemScores,
)
from attention_book.training.loop import History


def test_numbers_are_printed_and_stored(monkeypatch, capsys, no_shape_checks):
    stored, asked = {}, []
    monkeypatch.setattr(systems, "glue", lambda **results: stored.update(results))
    pair = Pair(("ein", "hund"), ("a", "dog"))
    sample = Sample(source="ein hund", reference="A dog.", output="a dog.", pair=pair)
    run = SystemRun(
        outputs=[["a", "dog"]],
        bleu=Bleu(28.3, "nrefs:1"),
        word_bleu=Bleu(29.5, "tok:none"),
        loss=1.5,
        num_parameters=1234,
        history=History([2.0], [2.0], [1.75], best_epoch=0, num_tokens=7, seconds=0.5),
        chosen_epoch=1,
        samples=[sample],
    )

    def score(*given, **options):
        asked.append((given, options))
        return run

    monkeypatch.setattr(systems, "score_system", score)
    given = object(), object(), run.history
    found = report_system("bahdanau", "RNNsearch, small", *given, beam_size=5)
    assert found is run
    assert asked == [(given, {"beam_size": 5})]
    printed = capsys.readouterr().out
    assert printed.startswith("RNNsearch, small: BLEU 28.30  nrefs:1\n")
    assert f"\n\n{sample}\n" in printed
    assert stored == run.values("bahdanau_rnnsearch_small")
    assert stored["bahdanau_rnnsearch_small_dev_losses"] == "[1.75]"
    assert stored["bahdanau_rnnsearch_small_tokens_per_second"] == 14.0


def test_bleu_by_length_is_printed_and_stored(monkeypatch, capsys, no_shape_checks):
    stored, asked = {}, []
    monkeypatch.setattr(systems, "glue", lambda **results: stored.update(results))
    run = SimpleNamespace(outputs=["x"], samples=[], values=lambda prefix: {})
    monkeypatch.setattr(systems, "score_system", lambda *_, **__: run)

    def by_length(*given):
        asked.append(given)
        return [LengthBleu(1, 7, 5, Bleu(28.304, "nrefs:1", 27.001, 30.0))]

    monkeypatch.setattr(systems, "bleu_by_length", by_length)
    found = report_system("bahdanau", "RNNsearch", "task", "model", "history", [1, 8])
    assert found is run
    assert asked == [("task", ["x"], [1, 8])]
    assert "1 to 7 words, 5 sentences: BLEU 28.3 (27.0 to 30.0)" in (
        capsys.readouterr().out
    )
    rows = json.loads(stored["bahdanau_rnnsearch_bleu_by_length"])
    assert rows == [[1, 7, 5, 28.3, 27.0, 30.0]]


def test_a_system_of_pairs_is_printed_and_stored(monkeypatch, capsys):
    stored = {}
    pair = SentencePair(("a", "cat"), ("a", "dog"), label=1, group=0)
    vectors = WordVectors(("a", "cat"), np.eye(2, dtype=np.float32))
    task = make_task("toy", [[pair]] * 3, vectors, "drawn", kind="ranking")
    monkeypatch.setattr(systems, "glue", lambda **results: stored.update(results))
    run = PairSystemRun(
        name="BCNN with two blocks",
        task=task,
        results={"map": 0.6593},
        details={"chosen_epoch": 3},
    )
    report_pair_system("abcnn", run)
    assert capsys.readouterr().out == f"{run}\n"
    assert stored == run.values("abcnn")
    assert stored["abcnn_bcnn_with_two_blocks_map"] == 0.6593
    assert stored["abcnn_bcnn_with_two_blocks_vectors"] == "drawn"


def test_the_table_has_what_runs_of_single_systems_recorded(tmp_path, monkeypatch):
    record = Record("some", "full")
    for seed, score in enumerate((20.0, 22.0)):
        values = {
            "some_rnnsearch_bleu": score,
            "some_rnnsearch_word_bleu": score + 1,
            "some_rnnsearch_test_perplexity": 5.25,
        }
        facts = {"date": "2026-01-02T03:04:05+00:00", "seconds": 3600.0}
        parameters = {"seed": seed, "systems": "RNNsearch"}
        run = Run(parameters=parameters, settings={"dim": 9}, values=values, **facts)
        record.add(run)
    record.write(tmp_path)
    monkeypatch.setattr(
        "attention_book.chapters.recorded.load_record",
        lambda chapter, preset, folder: Record.read(tmp_path / "some.full.json"),
    )
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    presets = {"quick": {"dim": 2}, "full": {"dim": 9}}
    settings = choose_settings(preset="quick", **given, **presets)
    table = systems_table(settings, "some", ["RNNsearch", "without attention"])
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["RNNsearch: BLEU"][:2] == ["2", "21.0"]
    assert rows["RNNsearch: BLEU of words"][1] == "22.0"
    assert rows["without attention: test perplexity"][:2] == ["0", "-"]
    assert len(rows) == 6
    Record("some", "full").write(tmp_path)
    (note,) = systems_table(settings, "some", ["global", "local"]).notes
    assert note.endswith('`attention-book sweep some -p "systems=global|local"`')


SCORES = {"HN-ATT": [[0.75, 0.875, 1.0], [0.5, 1.0, 0.75]], "HN-AVE": [[0.5, 0.75, 1]]}


def recorded_scores(folder, scores=SCORES):
    record = Record("han", "full")
    for name, runs in scores.items():
        for seed, items in enumerate(runs):
            found = SystemScores(name=name, items=np.array(items))
            facts = {"date": "2026-01-02T03:04:05+00:00", "seconds": 3600.0}
            parameters = {"seed": seed, "systems": name}
            values = found.values("han")
            run = Run(
                parameters=parameters, settings={"dim": 9}, values=values, **facts
            )
            record.add(run)
    record.write(folder)


def make_settings(dim=9):
    given = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    return choose_settings(preset="quick", **given, quick={"dim": 2}, full={"dim": dim})


def test_scores_are_printed_and_stored(monkeypatch, capsys):
    stored = {}
    monkeypatch.setattr(systems, "glue", lambda **results: stored.update(results))
    scores = SystemScores(name="HN-ATT", items=np.array([1.0, 0.5]))
    report_scores("han", scores)
    assert capsys.readouterr().out == "HN-ATT: 75.0% right, 2 items\n"
    assert stored == scores.values("han")


def test_systems_are_paired_item_by_item_and_seed_by_seed(tmp_path):
    recorded_scores(tmp_path)
    names = ["HN-ATT", "HN-AVE", "HN-MAX"]
    table = scores_table(make_settings(), "han", names, items="folds", folder=tmp_path)
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["HN-ATT", "HN-AVE", "HN-ATT minus HN-AVE"]
    means = 100 * np.mean(SCORES["HN-ATT"], axis=0)
    low, high = student_interval(means)
    assert rows["HN-ATT"] == ["2", f"{means.mean():.1f}", f"{low:.1f}", f"{high:.1f}"]
    gains = 100 * (np.array(SCORES["HN-ATT"][0]) - SCORES["HN-AVE"][0])
    low, high = student_interval(gains)
    wanted = [f"{x:+.1f}" for x in (gains.mean(), low, high)]
    assert rows["HN-ATT minus HN-AVE"] == ["1", *wanted]
    assert "over folds" in table.caption
    (note,) = table.notes
    assert note.startswith("3 runs (seeds 0 to 1)")
    old = scores_table(make_settings(8), "han", names, items="folds", folder=tmp_path)
    assert old.rows == table.rows
    assert old.notes[1].endswith("(dim).")


def test_neighbours_count_as_one(tmp_path):
    recorded_scores(tmp_path, {"AoA": [[1.0, 1.0, 0.0, 0.0, 1.0]]})
    given = {"items": "blocks", "folder": tmp_path}
    (row,) = scores_table(make_settings(), "han", ["AoA"], block=2, **given).rows
    low, high = student_interval([100 * 2 * 3 / 5, 0, 100 * 3 / 5])
    assert row == ["AoA", "1", "60.0", f"{low:.1f}", f"{high:.1f}"]


def test_without_a_record_the_command_is_shown(tmp_path):
    table = scores_table(
        make_settings(), "han", ["HN-ATT", "HN-AVE"], items="folds", folder=tmp_path
    )
    assert not table.rows
    command = '`attention-book sweep han --seeds 0-2 -p "systems=HN-ATT|HN-AVE"`'
    assert table.notes[0].endswith(command)

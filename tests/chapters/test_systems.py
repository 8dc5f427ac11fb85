"""report_system: on the page and in the record, the same numbers."""

import numpy as np

from attention_book.chapters import systems
from attention_book.chapters.systems import report_pair_system, report_system
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.data.translation.pairs import Pair
from attention_book.data.vectors.word_vectors import WordVectors
from attention_book.evaluation.metrics import Bleu
from attention_book.recipes.sentence_pairs.systems import PairSystemRun
from attention_book.recipes.sentence_pairs.tasks import make_task
from attention_book.recipes.systems import Sample, SystemRun
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

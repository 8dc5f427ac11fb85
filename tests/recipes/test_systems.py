"""What a record keeps of a system: every number against its own definition."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation.moses import Moses
from attention_book.evaluation.metrics import Bleu
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.models.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_book.recipes.systems import (
    SystemScores,
    bleu_by_length,
    result_prefix,
    score_system,
)
from attention_book.recipes.translation import (
    TrainingPlan,
    decoder_weights,
    numbers_task,
)
from attention_book.training.loop import History

SIZES = {"embed_dim": 5, "hidden_dim": 6, "attention_dim": 7, "maxout_dim": 3}
PLAN = TrainingPlan(batch={"batch_size": 8}, learning_rate=1e-2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def task():
    sizes = {"train": 30, "dev": 7, "test": 11, "max_digits": 4}
    numbers = numbers_task("en", "de", **sizes, device=CPU)
    return replace(
        numbers,
        lines=[" ".join(pair.target).title() + "." for pair in numbers.test],
        detokenize=Moses("de").text,
        bleu_options={"lowercase": True},
    )


@pytest.fixture(scope="module")
def model(task):
    return task.build(RNNSearch, RNNSearchConfig, 3, **SIZES)


@pytest.fixture(scope="module")
def history(task, model):
    return task.fit(model, PLAN, epochs=3, seed=0, choose=True)


@pytest.fixture(scope="module")
def run(task, model, history):
    return score_system(task, model, history, weigh=decoder_weights, bootstrap=50)


def test_numbers_are_those_of_the_task(task, model, history, run):
    assert run.outputs == task.translate(model)
    assert run.bleu == task.bleu(run.outputs, bootstrap=50)
    assert run.word_bleu == task.word_bleu(run.outputs)
    with torch.no_grad():
        assert run.loss == pytest.approx(model.loss(task.batch(task.test)).item())
    assert run.num_parameters == sum(p.numel() for p in model.parameters())
    assert run.chosen_epoch == history.best_epoch + 1


def test_samples_are_the_first_translations_with_their_weights(task, model, run):
    written = [
        (pair, output)
        for pair, output in zip(task.test, run.outputs, strict=True)
        if output
    ]
    assert len(run.samples) == 3
    for sample, (pair, output) in zip(run.samples, written[:3], strict=True):
        assert sample.source == " ".join(pair.source)
        assert sample.reference == task.detokenize(pair.target)
        assert sample.output == task.detokenize(output)
        own = replace(pair, target=tuple(output))
        assert sample.pair == own
        assert_close(sample.weights, decoder_weights(model, task.batch([own]))[0])
        assert tuple(map(len, sample.tokens)) == sample.weights.shape
    assert (
        str(run.samples[0]).splitlines()[1] == f"reference  {run.samples[0].reference}"
    )


def test_the_longest_sources_may_be_samples_too(task, model, history, run):
    options = {"num_samples": 2, "num_longest": 3, "bootstrap": 0}
    samples = score_system(task, model, history, **options).samples
    assert [one.source for one in samples[:2]] == [s.source for s in run.samples[:2]]
    written = [
        len(pair.source)
        for pair, output in zip(task.test, run.outputs, strict=True)
        if output
    ]
    assert [len(one.pair.source) for one in samples[2:]] == sorted(
        written[2:], reverse=True
    )[:3]


def test_bleu_by_length_has_each_sentence_once(task, run):
    edges = [1, 3, 5, 20, 30]
    parts = bleu_by_length(task, run.outputs, edges, bootstrap=20)
    sizes = task.source_lengths
    for part in parts:
        rows = [k for k, size in enumerate(sizes) if part.low <= size <= part.high]
        assert part.count == len(rows) > 0
        assert part.bleu == task.bleu(run.outputs, rows, bootstrap=20)
        assert part.mean == part.bleu.score / 100
        assert part.interval == (part.bleu.low / 100, part.bleu.high / 100)
    assert sum(part.count for part in parts) == len(sizes)
    plain = bleu_by_length(task, run.outputs, [1, 30], bootstrap=0)
    assert plain[0].interval == (plain[0].mean, plain[0].mean)


def test_values_have_plain_types_and_one_prefix(run):
    values = run.values("bahdanau_x")
    assert all(name.startswith("bahdanau_x_") for name in values)
    own = {name.removeprefix("bahdanau_x_"): value for name, value in values.items()}
    assert {type(value) for value in own.values()} == {float, int, str}
    assert own["bleu_low"] < own["bleu"] < own["bleu_high"]
    assert own["test_perplexity"] == math.exp(own["test_loss"])
    assert own["epochs"] == len(json.loads(own["dev_losses"])) == 3
    assert own["steps"] == 3 * 4
    for stored, sample in zip(json.loads(own["samples"]), run.samples, strict=True):
        assert stored["output"] == sample.output
        assert stored["tokens"] == [list(sample.pair.source), list(sample.pair.target)]
        shape = len(stored["weights"]), len(stored["weights"][0])
        assert shape == (len(sample.pair.target) + 1, len(sample.pair.source) + 1)
        assert all(98 <= sum(row) <= 102 for row in stored["weights"])


def test_a_run_as_text(run):
    text = str(run)
    assert text.startswith(f"BLEU {run.bleu.score:.2f} (")
    assert f"epoch {run.chosen_epoch} kept" in text
    assert len(text.splitlines()) == 5


def test_a_system_without_attention_or_a_chosen_epoch(task):
    sizes = {"embed_dim": 5, "hidden_dim": 6}
    model = task.build(Seq2Seq, Seq2SeqConfig, 0, **sizes)
    history = task.fit(model, PLAN, epochs=1, seed=0)
    run = score_system(task, model, history, chosen=False, bootstrap=0, beam_size=2)
    assert run.outputs == task.translate(model, beam_size=2)
    values = run.values("s")
    assert not {"s_chosen_epoch", "s_bleu_low"} & values.keys()
    assert "weights" not in json.loads(values["s_samples"])[0]
    assert "kept" not in str(run)


def test_no_samples_of_empty_outputs(task, model, monkeypatch):
    empty = [[] for _ in task.test]
    monkeypatch.setattr(type(task), "translate", lambda *_, **__: empty)
    run = score_system(task, model, History([1.0], [1.0]), bootstrap=0)
    assert run.samples == []
    assert run.bleu == Bleu(0.0, run.bleu.signature)


def test_prefixes_are_names():
    assert (
        result_prefix("global_local", "local-m, D = 10") == "global_local_local_m_d_10"
    )


def test_scores_item_by_item():
    items = np.array([1.0, 0.0, 0.83754])
    scores = SystemScores(name="HN-ATT", items=items, details={"epochs": 3})
    assert scores.values("han") == {
        "han_hn_att_accuracy": items.mean(),
        "han_hn_att_items": "[1,0,0.8375]",
        "han_hn_att_epochs": 3,
    }
    assert str(scores) == "HN-ATT: 61.3% right, 3 items, epochs 3"

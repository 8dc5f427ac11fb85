"""Cloze readers: tasks, training, scores, baselines, and where the weights fall."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.cloze.docstrings import ClozeSplits
from attention_book.data.cloze.facts import FILLERS, cloze_facts
from attention_book.data.cloze.questions import BLANK, ClozeQuestion, cloze_words
from attention_book.data.docstrings.corpus import Corpus
from attention_book.data.vocab import Vocab
from attention_book.models.attention_over_attention import READERS, ClozeReader
from attention_book.recipes import cloze
from attention_book.recipes.cloze import (
    ClozeTask,
    ClozeTraining,
    cloze_baselines,
    column_weights,
    compare_readers,
    docstring_cloze_task,
    fact_weights,
    facts_task,
    fairy_task,
    largest_mention,
    last_mention,
    most_frequent,
    read_one,
    read_questions,
    run_cloze_system,
    shared_context,
    train_cloze_reader,
    without_word,
)

SIZES = {"embed_dim": 8, "hidden_dim": 6, "embed_range": 1.0}
TRAINING = ClozeTraining(epochs=1, batch_size=8, learning_rate=0.01, device="cpu")
ONE = ClozeQuestion(
    tuple(
        ["x", "is", "red", "and", "here", "so", "far", "away", "is", "y", "red", "y"]
    ),
    (BLANK, "is", "red"),
    ("x", "y", "z"),
    "x",
)


@pytest.fixture(scope="module")
def task():
    return facts_task(train=20, test=30, seed=0)


@pytest.fixture(scope="module")
def models(task):
    return {
        reader: [
            train_cloze_reader(task, reader, TRAINING, seed=seed, **SIZES)[0]
            for seed in (0, 1)
        ]
        for reader in READERS
    }


def test_facts_task(task):
    assert [len(part) for part in task.parts.values()] == [20, 30]
    drawn = cloze_facts(50, seed=0)
    assert [*task.parts["train"], *task.parts["test"]] == drawn
    assert task.groups("test") is None
    limited = facts_task(train=20, test=30, seed=0, limit=5)
    assert limited.parts["test"] == drawn[20:25]
    assert task.describe("test").startswith("30 questions, on average 3")


def test_docstring_task(monkeypatch):
    known = replace(ONE, source="lib.f")
    rare = replace(ONE, question=(BLANK, "is", "rare"), source="lib.g")
    splits = ClozeSplits([known] * 3, [known], [rare, known, rare])
    given = {}

    def make(documents, **options):
        given.update(options)
        return splits

    monkeypatch.setattr(cloze, "docstring_cloze", make)
    corpus = Corpus([], {}, {}, [], {})
    task = docstring_cloze_task(corpus, max_words=30, max_candidates=4, limit=2)
    assert given == {"max_words": 30, "max_candidates": 4, "seed": 0}
    assert [len(part) for part in task.parts.values()] == [2, 1, 2]
    assert task.num_names == 4
    assert {"@0", "@3", "red"} <= {
        w for w in ("@0", "@3", "@4", "red", "rare") if w in task.vocab
    }
    assert "rare" not in task.vocab
    assert task.groups("test").tolist() == [1, 0]


def test_fairy_task(monkeypatch):
    given = []

    def windows(part, **options):
        given.append((part, options))
        return [replace(ONE, question=(BLANK, part))]

    monkeypatch.setattr(cloze, "fairy_cloze", windows)
    task = fairy_task(kind="name", step=5)
    assert given == [
        ("train", {"kind": "name", "step": 5}),
        ("dev", {"kind": "name", "step": 1}),
        ("test", {"kind": "name", "step": 1}),
    ]
    assert "test" in task.vocab  # with a vector that is not trained
    assert task.name == "fairy books, names"


@pytest.mark.parametrize("reader", READERS)
def test_training_is_measured_and_repeatable(task, models, reader):
    model, history = train_cloze_reader(task, reader, TRAINING, seed=1, **SIZES)
    assert not model.training
    assert len(history.step_loss) == 3
    again = models[reader][1].state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again[name])


def test_a_run_goes_on_from_its_checkpoint(task, tmp_path):
    training = replace(TRAINING, epochs=2)
    whole, _ = train_cloze_reader(task, "average", training, seed=0, **SIZES)

    def files(name):
        return tmp_path / f"{name}.pt"

    kept = replace(TRAINING, checkpoints=files)
    train_cloze_reader(task, "average", kept, seed=0, **SIZES)
    assert [path.name for path in tmp_path.iterdir()] == ["facts, average, seed 0.pt"]
    kept = replace(training, checkpoints=files)
    resumed, history = train_cloze_reader(task, "average", kept, seed=0, **SIZES)
    assert len(history.epoch_loss) == 2
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_penalty_reaches_the_word_vectors_alone(task):
    sizes = []
    for l2 in (0.0, 10.0):
        training = replace(TRAINING, l2=l2)
        model, _ = train_cloze_reader(task, "average", training, seed=0, **SIZES)
        sizes.append(model.embedding.weight.abs().mean())
    before, after = sizes
    assert after < before


def test_words_that_no_batch_has_keep_the_vectors_they_start_with(task):
    words = cloze_words([*task.parts["train"], *task.parts["test"]])
    vocab = Vocab([*words, "unseen"])
    wider = replace(task, vocab=vocab)
    training = replace(TRAINING, l2=0.1)
    model, _ = train_cloze_reader(wider, "average", training, seed=0, **SIZES)
    torch.manual_seed(0)
    start = ClozeReader(model.config).embedding.weight
    (unseen,) = vocab.encode(["unseen"])
    now = model.embedding.weight
    assert_close(now[unseen], start[unseen], rtol=0, atol=0)
    (name,) = vocab.encode([task.parts["train"][0].answer])
    assert not torch.equal(now[name], start[name])


def test_scores_of_a_system_are_its_right_answers(task, models):
    scores = run_cloze_system(task, "average", TRAINING, seed=1, **SIZES)
    model = models["average"][1]
    right = read_questions(model, task.parts["test"], task.vocab)
    assert scores.name == "average"
    assert scores.items.tolist() == right.tolist()
    frequent = cloze_baselines(task.parts["test"])["most frequent"].mean()
    assert scores.details["most_frequent"] == frequent
    assert scores.details["chosen_epoch"] == 0
    assert scores.details["dev_losses"] == "[]"
    with_dev = replace(task, parts={**task.parts, "dev": task.parts["test"][:5]})
    scores = run_cloze_system(with_dev, "average", TRAINING, seed=1, **SIZES)
    assert scores.details["chosen_epoch"] == 1


def test_a_tie_and_a_missing_answer_are_wrong(task, models):
    questions = [ONE, replace(ONE, answer="z")]
    task = ClozeTask("one", {"test": questions}, task.vocab)
    model = models["average"][0]

    def flat(model, batch):
        return torch.ones(len(batch.answer), 3)

    def first(model, batch):
        return torch.tensor([[0.5, 0.1, 0.0]]).expand(len(batch.answer), 3)

    assert not read_questions(model, questions, task.vocab, score=flat).any()
    found = read_questions(model, questions, task.vocab, score=first)
    assert found.tolist() == [True, False]
    third = [replace(ONE, answer="z")]
    assert not read_questions(
        model, third, task.vocab, score=lambda *_: torch.zeros(1, 3)
    ).any()


def test_paired_differences(task, models):
    gain = compare_readers(task, models, "average", "attention-sum")
    shares = [
        np.mean(
            [read_questions(m, task.parts["test"], task.vocab) for m in models[name]]
        )
        for name in ("average", "attention-sum")
    ]
    assert gain.mean == pytest.approx(shares[0] - shares[1])
    assert gain.over_groups[0] <= gain.mean <= gain.over_groups[1]


def test_baselines_by_hand():
    assert most_frequent(ONE) == {"x": 1, "y": 2, "z": 0}
    assert last_mention(ONE) == {"x": 0, "y": 11, "z": -1}
    assert shared_context(ONE) == {"x": 2, "y": 2, "z": 0}
    scores = {name: values[0] for name, values in cloze_baselines([ONE]).items()}
    assert scores == {
        "blind": pytest.approx(1 / 3),
        "most frequent": 0,
        "last mention": 0,
        "shared context": 0.5,
    }


def test_the_largest_mention(task, models):
    model, questions = models["average"][0], task.parts["test"][:3]
    weights = read_one(model, questions, task.vocab).weights[:, 0]
    batch = next(iter(cloze.cloze_loader(questions, task.vocab, batch_size=3)))
    found = largest_mention(model, batch)
    for row, question in enumerate(questions):
        for column, candidate in enumerate(question.candidates):
            at = [i for i, w in enumerate(question.document) if w == candidate]
            assert found[row, column] == weights[row, at].max()


def test_fact_weights(task, models):
    questions = task.parts["test"]
    even = fact_weights(models["average"][0], questions, task.vocab)
    n = len(questions[0].question)
    assert (even.blank, even.verb, even.telling) == pytest.approx((1 / n,) * 3)
    assert even.fillers == pytest.approx((n - 3) / n)
    model = models["attention-over-attention"][0]
    found = fact_weights(model, questions, task.vocab)
    weights = read_one(model, questions, task.vocab).query_weights
    wanted = [float(row[q.telling]) for row, q in zip(weights, questions, strict=True)]
    assert found.telling == pytest.approx(np.mean(wanted))
    for wrong in (("attention-sum", questions), ("average", [ONE])):
        with pytest.raises(ValueError, match="fact_weights needs questions whose"):
            fact_weights(models[wrong[0]][0], wrong[1], task.vocab)


def test_columns_are_the_second_attention(task, models):
    model, question = models["attention-over-attention"][0], task.parts["test"][0]
    columns = column_weights(model, question, task.vocab)
    assert columns.shape == (len(question.question), len(question.document))
    found = read_one(model, [question], task.vocab)
    torch.testing.assert_close(columns.mean(dim=1), found.query_weights[0])
    assert not model.attention._forward_pre_hooks


def test_training_questions_are_drawn(monkeypatch):
    questions = [replace(ONE, source=str(i)) for i in range(9)]
    splits = ClozeSplits(questions, [ONE], [ONE])
    monkeypatch.setattr(cloze, "docstring_cloze", lambda documents, **_: splits)
    corpus = Corpus([], {}, {}, [], {})
    some = docstring_cloze_task(corpus, max_words=30, train=4).parts["train"]
    assert len(some) == len(set(some)) == 4
    again = docstring_cloze_task(corpus, max_words=30, train=4).parts["train"]
    other = docstring_cloze_task(corpus, max_words=30, train=4, seed=1).parts["train"]
    assert some == again != other
    every = docstring_cloze_task(corpus, max_words=30, train=40).parts["train"]
    assert every == questions


def test_without_a_word(task):
    question = task.parts["test"][0]
    for back in (0, 1):
        (changed,) = without_word([question], back)
        assert changed.question[question.telling - back] == FILLERS[0]
        same = [
            a == b for a, b in zip(changed.question, question.question, strict=True)
        ]
        assert same.count(False) == 1
    with pytest.raises(ValueError, match="must have a known telling word"):
        without_word([ONE], 0)

"""Tasks of questions: sizes, training in two phases, and scores of hops."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.questions.questions import Question
from attention_book.recipes.questions import (
    PARTS,
    ReaderTraining,
    Restart,
    answers_right,
    babi_task,
    best_restart,
    error,
    errors_by_task,
    hop_weights,
    make_question_task,
    run_restarts,
    story_task,
    support_scores,
    train_reader,
)


@pytest.fixture(scope="module")
def task():
    sizes = {"train": 70, "test": 30, "memory_size": 8, "facts": (2, 4)}
    return story_task(["one fact", "time"], **sizes, seed=0)


def training(**changes):
    fields = {"epochs": 3, "linear_epochs": 2, "device": "cpu", "learning_rate": 0.01}
    return ReaderTraining(**(fields | changes))


def test_kinds_are_put_together(task):
    assert [len(task.questions[part]) for part in PARTS] == [140, 0, 60]
    assert set(task.batches) == {"train", "test"}
    assert task.max_words == 5 + 1  # where was ada before the mill
    batch = task.encode(task.questions["test"][:3])
    assert_close(batch.answer, task.batches["test"].answer[:3])


def test_limit_cuts_all_parts():
    question = Question((("ada", "sings"),), ("who", "sings"), "ada", (0,))
    parts = {part: [question] * 50 for part in PARTS}
    task = make_question_task(parts, memory_size=3, limit=20)
    assert [len(task.questions[part]) for part in PARTS] == [20, 2, 2]


def test_babi_tasks_alone_and_jointly(mirror):
    alone = babi_task([4])
    assert [len(alone.questions[part]) for part in PARTS] == [900, 100, 1000]
    joint = babi_task([4, 16])
    assert [len(joint.questions[part]) for part in PARTS] == [1800, 200, 2000]
    assert joint.questions["train"][:900] == alone.questions["train"]
    few = babi_task([4, 16], limit=30)
    assert [len(few.questions[part]) for part in PARTS] == [60, 6, 6]
    assert few.questions["test"][3:] == joint.questions["test"][1000:1003]


def test_errors_of_tasks_that_were_put_together(task):
    model = task.build(seed=0, num_hops=1)
    right = answers_right(model, task.batches["test"]).float()
    wanted = [1 - right[:30].mean().item(), 1 - right[30:].mean().item()]
    assert errors_by_task(model, task, 2) == pytest.approx(wanted)


def test_models_start_from_their_seed(task):
    first, same, other = (task.build(seed=seed, num_hops=1) for seed in (3, 3, 4))
    assert_close(first.tables[0], same.tables[0], rtol=0, atol=0)
    assert (first.tables[0] != other.tables[0]).any()
    assert first.config.memory_size == 8
    assert task.build(seed=0, sentence="released").config.max_words == 6


def test_a_linear_start_comes_first_and_ends(task, monkeypatch):
    model, phases = task.build(seed=0, num_hops=2), []
    loss = model.loss

    def watched(batch):
        phases.append((model.linear, len(batch.answer)))
        return loss(batch)

    monkeypatch.setattr(model, "loss", watched)
    losses = train_reader(model, task, training(), seed=0)
    # 140 questions are 4 whole batches of 32; the rest is left out.
    assert phases == [(True, 32)] * 4 * 2 + [(False, 32)] * 4 * 3
    assert len(losses) == 5
    assert not model.linear
    phases.clear()
    train_reader(model, task, training(keep_softmax=True), seed=0)
    assert phases == [(False, 32)] * 4 * 5


def test_the_rate_is_for_the_summed_loss_and_halved_after_the_linear_start(task):
    plan = training(halve_every=2, max_norm=1e9)
    factors = [plan.schedule(4)(step) for step in range(20)]
    assert factors == [1.0] * 8 + [0.5] * 8 + [0.25] * 4
    one = make_question_task(
        {"train": task.questions["train"][:5], "dev": [], "test": []}, memory_size=8
    )
    model, twin = one.build(seed=0), one.build(seed=0)
    train_reader(model, one, training(epochs=1, linear_epochs=0, max_norm=1e9), seed=0)
    batch = one.batches["train"]
    (5 * twin.loss(batch)).backward()
    wanted = twin.tables[2] - 0.01 * twin.tables[2].grad
    assert_close(model.tables[2][1:], wanted[1:])


def test_each_gradient_is_clipped_for_itself(task):
    model, twin = task.build(seed=0, num_hops=1), task.build(seed=0, num_hops=1)
    plan = training(epochs=1, linear_epochs=0, max_norm=0.1, batch_size=140)
    train_reader(model, task, plan, seed=0)
    for new, old in zip(model.tables, twin.tables, strict=True):
        moved = (new - old).detach()
        assert_close(moved[1:].norm(), torch.tensor(0.01 * 0.1), rtol=0.1, atol=0)


def test_a_run_goes_on_from_its_checkpoints(task, tmp_path):
    whole = run_restarts(task, training(), [1], num_hops=1)[0]
    options = {"num_hops": 1, "checkpoints": lambda name: tmp_path / f"{name}.pt"}
    run_restarts(task, training(epochs=1), [1], name="try", **options)
    assert {file.name for file in tmp_path.iterdir()} == {
        "try, seed 1.pt",
        "try, seed 1, linear start.pt",
    }
    resumed = run_restarts(task, training(), [1], name="try", **options)[0]
    assert resumed.losses == whole.losses


def test_restarts_differ_in_their_seed_and_the_lowest_training_error_wins(task):
    runs = run_restarts(task, training(), [5, 6], num_hops=1)
    assert [run.seed for run in runs] == [5, 6]
    assert runs[0].losses != runs[1].losses
    for run in runs:
        assert run.train == error(run.model, task, "train")
        assert run.test == error(run.model, task)
        assert math.isnan(run.dev)
    made = [
        Restart(seed, [loss], train, 0.0, test, runs[0].model)
        for seed, loss, train, test in (
            (0, 0.1, 0.2, 0.0),
            (1, 0.2, 0.1, 0.9),
            (2, 0.1, 0.1, 0.5),
        )
    ]
    assert best_restart(made).seed == 2


def test_answers_are_compared_one_by_one(task):
    model, batch = task.build(seed=0), task.batches["test"]
    right = answers_right(model, batch)
    for row in range(5):
        one = batch.rows([row])
        logits = model(one.facts, one.question)[0]
        assert right[row] == (logits.argmax() == one.answer[0])
    many = batch.rows(list(range(60)) * 20)  # more than are taken at a time
    assert answers_right(model, many).tolist() == right.tolist() * 20


@pytest.mark.parametrize("attend_empty", [False, True])
def test_weights_of_hops_cover_the_facts(task, attend_empty):
    model = task.build(seed=0, num_hops=2, attend_empty=attend_empty)
    batch = task.batches["test"]
    weights = hop_weights(model, batch)
    assert weights.shape == (60, 2, batch.facts.shape[1])
    real = (batch.facts != 0).any(-1)[:, None].expand_as(weights)
    assert (weights[~real] == 0).all() != attend_empty
    sums = (weights * real).sum(-1)
    assert (sums < 1 - 1e-4).any() == attend_empty


def test_hops_are_scored_against_the_facts_that_are_left_in_memory():
    facts = tuple((name, "sings") for name in ("ada", "ben", "cleo"))
    asked = [
        Question(facts, ("who",), "ada", (2, 0)),
        Question(facts[:2], ("who",), "ada", (0, 1)),
    ]
    # Of a memory of two, the first story has lost its first fact.
    weights = torch.tensor([[[0.3, 0.7], [0.9, 0.1]], [[0.6, 0.4], [0.2, 0.8]]])
    scores = support_scores(weights, asked, memory_size=2)
    assert_close(scores.mass, torch.tensor([[0.65, 0.2], [0.15, 0.4]]))
    assert_close(scores.pointing, torch.tensor([[1.0, 0.0], [0.0, 0.5]]))

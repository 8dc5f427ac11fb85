"""Fine-tuning: tasks with few labels, the same batches from every start, real files."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from attention_book.data.docstrings.classes import BLANK, DocumentSplits
from attention_book.data.docstrings.pairs import DocstringPair, PairSplits
from attention_book.data.documents.labelled import LabelledDocument
from attention_book.data.pretraining import SubwordIds
from attention_book.data.sequences.word_kinds import kinds_texts, labelled_kinds
from attention_book.data.wordpiece import SPECIAL_PIECES
from attention_book.models.bert import Bert, BertConfig, to_published
from attention_book.recipes.fine_tuning import (
    FewLabels,
    LabelledTask,
    TuningPlan,
    accuracy_and_f1,
    docstring_paraphrases,
    fine_tune,
    kinds_task,
    library_and_paraphrase_tasks,
    library_task,
    mrpc_task,
    plain_texts,
    published_start,
    swapped_words,
    tune_with_few_labels,
)

SIZES = {"embed_dim": 8, "num_heads": 2, "hidden_dim": 12, "num_layers": 1}
SIZES |= {"dropout": 0.0, "attention_dropout": 0.0, "max_positions": 16}
PLAN = TuningPlan(steps=12, batch_size=2, learning_rate=3e-2, dropout=0.0)
CPU = torch.device("cpu")


def document(text, label):
    return LabelledDocument(tuple(tuple(s.split()) for s in text.split(".")), label)


SPLITS = DocumentSplits(
    [document(f"plot {BLANK} .draw a line", 0), document("add the sum .of two", 1)] * 2,
    [document("draw", 0)],
    [document("a line", 0), document("the sum", 1), document("two", 1)],
    ("drawing", "sums"),
)


@pytest.fixture(scope="module")
def encoder():
    lines = [line for text in plain_texts(SPLITS, "train") for line in text]
    return SubwordIds([*lines, "fast slow"], max_pieces=60)


@pytest.fixture
def task(encoder):
    return library_task(SPLITS, encoder, max_tokens=8, seed=0, device=CPU)


@pytest.fixture
def sizes(encoder):
    return BertConfig(vocab_size=len(encoder), initial_std=0.2, **SIZES)


def test_libraries_as_one_segment(task, encoder):
    assert plain_texts(SPLITS, "train")[0] == ["plot name", "draw a line"]
    pair, label = task.train[0]
    assert pair.first == tuple(encoder.encode("plot name draw a line")[:6])
    assert (pair.second, label) == ((), 0)
    assert [label for _, label in task.test] == [0, 1, 1]
    assert task.most_frequent == pytest.approx(2 / 3)
    few = library_task(SPLITS, encoder, max_tokens=8, num_test=2, seed=0, device=CPU)
    assert len(few.test) == 2
    assert set(few.test) <= set(task.test)


def test_few_texts_are_the_same_for_everyone(task):
    assert task.few(3, seed=1) == task.few(3, seed=1)
    assert len(task.few(3, seed=1)) == 3
    assert len(task.few(99, seed=1)) == len(task.train)


def test_pairs_are_cut_at_the_longer_one(encoder):
    long = ("draw", "a", "line") * 4
    pairs = [DocstringPair(("add", "two"), long, 1, ("a.add", "b.add"))]
    splits = PairSplits(pairs, [], pairs * 3, {})
    task = docstring_paraphrases(splits, encoder, max_tokens=10, seed=0, device=CPU)
    pair, label = task.train[0]
    assert label == 1
    assert pair.first == tuple(encoder.encode("add two"))
    assert len(pair.first) + len(pair.second) == 7
    assert len(task.test) == 3


def test_a_pretrained_start_is_copied_and_everything_is_tuned(task, sizes):
    start = Bert(sizes)
    before = {name: weight.clone() for name, weight in start.state_dict().items()}
    still = TuningPlan(steps=2, batch_size=4, learning_rate=1e-9)
    model = fine_tune(task, start, still, texts=task.train, seed=0)
    for name, weight in model.bert.state_dict().items():
        assert_close(weight, before[name], rtol=0, atol=1e-6)
    model = fine_tune(task, start, PLAN, texts=task.train, seed=0)
    changed = [
        name
        for name, weight in model.bert.state_dict().items()
        if not weight.equal(before[name])
    ]
    assert len(changed) == len(before)
    for name, weight in start.state_dict().items():  # the start itself stays
        assert weight.equal(before[name])


def test_few_texts_are_read_until_there_are_enough_steps(task, sizes, monkeypatch):
    epochs = []
    from attention_book.recipes import fine_tuning

    fit = fine_tuning.fit
    monkeypatch.setattr(
        fine_tuning,
        "fit",
        lambda *args, **options: (
            epochs.append(options["epochs"]) or fit(*args, **options)
        ),
    )
    fine_tune(task, sizes, PLAN, texts=task.train[:2], seed=0)  # a step an epoch
    fine_tune(task, sizes, PLAN, texts=task.train, seed=0)
    assert epochs == [12, 6]


def test_texts_are_learned_by_heart(task, sizes):
    plan = TuningPlan(steps=60, batch_size=2, learning_rate=3e-2, dropout=0.0)
    model = fine_tune(task, sizes, plan, texts=task.train, seed=0)
    options = {"classes": task.classes, "encoder": task.encoder, "device": CPU}
    same = LabelledTask(train=task.train, test=task.train, **options)
    assert same.right(model).tolist() == [1.0] * 4
    assert accuracy_and_f1(same, model) == (1.0, 1.0)


def test_starts_are_compared_text_by_text(task, sizes):
    starts = {"pre-trained": Bert(sizes), "from scratch": sizes}
    found = tune_with_few_labels(
        task, starts, PLAN, counts=(1, 3), seeds=(0, 1), name="libraries"
    )
    assert [one.num_labels for one in found] == [1, 3]
    for one in found:
        assert one.right.keys() == starts.keys()
        assert all(len(runs) == 2 for runs in one.right.values())
        assert all(len(row) == 3 for runs in one.right.values() for row in runs)
    rows = {"a": [np.array([1.0, 1.0])], "b": [np.array([0.0, 1.0])]}
    assert FewLabels(5, rows).mean("a") == 1
    both = FewLabels(5, rows)
    assert both.gain("a", "b").mean == 0.5
    assert both.gain("a", "b", np.array([0, 1])).mean == 0.5
    first = both.only(slice(0, 1))
    assert first.num_labels == 5
    assert (first.mean("a"), first.mean("b")) == (1.0, 0.0)


def test_kinds_of_known_and_of_new_nouns():
    encoder = SubwordIds([s for text in kinds_texts(50) for s in text], max_pieces=2000)
    parts = labelled_kinds(16, 20, seed=2)
    task = kinds_task(parts, encoder, device=CPU)
    assert task.classes == ("animal", "tool", "food", "garment")
    assert (len(task.train), len(task.test)) == (16, 40)
    for (pair, label), one in zip(task.test, parts.known + parts.new, strict=True):
        assert encoder.decode(pair.first) == list(one.words)
        assert (pair.second, label) == ((), one.label)


def test_words_are_exchanged_among_groups(sizes):
    model, groups = Bert(sizes), [[5, 7, 8, 11], [6, 9, 10, 12]]
    before = model.embeddings.words.weight.clone()
    copy = swapped_words(model, groups, seed=1)
    assert model.embeddings.words.weight.equal(before)
    after = copy.embeddings.words.weight
    took = {
        i: next(j for j in range(len(before)) if after[i].equal(before[j]))
        for i in range(len(before))
    }
    assert sorted(took.values()) == sorted(took)
    assert {i for i, j in took.items() if i != j} == {*groups[0], *groups[1]}
    for group in groups:
        assert sum(took[i] in group for i in group) == 2
    again = swapped_words(model, groups, seed=1)
    assert again.embeddings.words.weight.equal(after)
    within = swapped_words(model, groups[:1], seed=2).embeddings.words.weight
    assert within[groups[1]].equal(before[groups[1]])
    assert (within[groups[0]] != before[groups[0]]).any(dim=1).all()
    for name, weight in model.state_dict().items():
        if "words" not in name:
            assert copy.state_dict()[name].equal(weight)


def test_groups_of_exchanged_words_have_one_size(sizes):
    with pytest.raises(ValueError, match=r"groups must be of one size, got \[1, 2\]"):
        swapped_words(Bert(sizes), [[5], [6, 7]], seed=0)


def test_tasks_of_docstrings(encoder, monkeypatch):
    from attention_book.recipes import fine_tuning

    pairs = [DocstringPair(("add", "two"), ("sum",), 1, ("a.add", "b.add"))]
    monkeypatch.setattr(
        fine_tuning, "load_docstrings", lambda: SimpleNamespace(documents=[])
    )
    monkeypatch.setattr(fine_tuning, "docstring_classes", lambda _: SPLITS)
    monkeypatch.setattr(
        fine_tuning, "docstring_pairs", lambda _: PairSplits(pairs, [], pairs * 3, {})
    )
    tasks = library_and_paraphrase_tasks(
        encoder, max_tokens=9, num_test=2, seed=0, device=CPU
    )
    assert {name: len(task.test) for name, task in tasks.items()} == {
        "libraries": 2,
        "paraphrases": 2,
    }
    assert tasks["libraries"].classes == SPLITS.classes


def test_mrpc(mirror, encoder):
    task = mrpc_task(encoder, max_tokens=32, part="dev", device=CPU)
    assert len(task.train) == 3576
    assert sum(label for _, label in task.train) == 2407
    assert len(task.test) == 500
    longest = max(len(pair.first) + len(pair.second) for pair, _ in task.train)
    assert longest == 32 - 3
    assert len(mrpc_task(encoder, max_tokens=32, limit=2, device=CPU).test) == 2


@pytest.fixture
def folder(tmp_path):
    """A checkpoint as public repositories have it, with random weights."""
    pieces = [*SPECIAL_PIECES, "low", "##est"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n")
    config = BertConfig(vocab_size=7, **SIZES)
    model = Bert(config)
    described = {
        "vocab_size": 7,
        "hidden_size": config.embed_dim,
        "num_attention_heads": config.num_heads,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.num_layers,
        "max_position_embeddings": config.max_positions,
        "type_vocab_size": 2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    (tmp_path / "config.json").write_text(json.dumps(described))
    save_file(to_published(model), tmp_path / "model.safetensors")
    return tmp_path, model


def test_a_published_checkpoint(folder):
    path, model = folder
    encoder, start = published_start(path)
    assert encoder.decode(encoder.encode("lowest")) == ["low", "##est"]
    for name, weight in model.state_dict().items():
        assert start.state_dict()[name].equal(weight)


def test_a_vocabulary_of_another_checkpoint(folder):
    path, _ = folder
    (path / "vocab.txt").write_text("\n".join(SPECIAL_PIECES))
    with pytest.raises(ValueError, match=r"vocab\.txt has 5 pieces, config\.json 7"):
        published_start(path)

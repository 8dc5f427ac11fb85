"""Document tasks: sizes, training, weights of each document, the baseline."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.documents.labelled import LabelledDocument, document_words
from attention_book.data.documents.planted import planted_documents
from attention_book.data.vocab import Vocab
from attention_book.observe import record_weights
from attention_book.recipes import documents
from attention_book.recipes.documents import (
    MOVIE_SYSTEMS,
    DocumentTask,
    DocumentWeights,
    docstring_task,
    movie_review_task,
    planted_task,
    right_in_company,
    run_movie_system,
    telling_scores,
    tfidf_right,
    word_weights,
)
from attention_book.recipes.race import count_parameters
from attention_book.recipes.translation import TrainingPlan

SIZES = {"embed_dim": 5, "attention_dim": 7}
PLAN = TrainingPlan(batch={"batch_size": 16}, learning_rate=1e-2)


@pytest.fixture(scope="module")
def task():
    sizes = {"train": 60, "dev": 10, "test": 110}
    return planted_task(**sizes, sentences=(2, 4), seed=1, device=torch.device("cpu"))


def test_planted_parts(task):
    assert [len(part) for part in (task.train, task.dev, task.test)] == [60, 10, 110]
    assert not {*task.train} & {*task.test}
    assert {len(x.sentences) for x in task.train} == {2, 3, 4}
    assert task.labels(task.dev).sum() == 5
    fewer = planted_task(
        train=60,
        dev=1,
        test=1,
        sentences=(2, 4),
        seed=1,
        device=torch.device("cpu"),
        limit=7,
    )
    assert fewer.train == task.train[:7]
    assert len(fewer.vocab) == len(task.vocab)


def test_a_seed_builds_the_same_model(task):
    one, same, other = (task.build(seed, hidden_dim=3, **SIZES) for seed in (1, 1, 2))
    assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0)
    assert not torch.equal(one.class_proj.weight, other.class_proj.weight)
    assert one.config.num_classes == 2
    assert one.config.vocab_size == len(task.vocab)


@pytest.mark.parametrize("fields", [{"pooling": "max"}, {"hierarchical": False}])
def test_a_rival_is_about_as_large(task, fields):
    model = task.build(0, hidden_dim=16, **SIZES)
    rival = task.build_as_large(model, 0, **SIZES, **fields)
    assert count_parameters(rival) == pytest.approx(count_parameters(model), rel=0.05)
    assert rival.config.hidden_dim > 16


def test_training_and_its_curve(task):
    model = task.build(0, hidden_dim=3, **SIZES)
    history, curve = task.train_model(model, PLAN, epochs=3, seed=0, watch=task.dev)
    assert len(history.epoch_loss) == 3
    assert len(curve) == 4
    assert curve[-1] == task.right(model, task.dev).mean()
    again = task.build(0, hidden_dim=3, **SIZES)
    other, none = task.train_model(again, PLAN, epochs=3, seed=0)
    assert other.step_loss == history.step_loss
    assert none == []


def test_a_finished_run_is_read_from_its_checkpoint(task, tmp_path):
    runs = []
    for _ in range(2):
        model = task.build(0, hidden_dim=3, **SIZES)
        options = {"watch": task.dev, "checkpoint": tmp_path / "run.pt"}
        history, curve = task.train_model(model, PLAN, epochs=2, seed=0, **options)
        runs.append((history.step_loss, curve, task.right(model, task.test).tolist()))
    assert runs[0] == runs[1]


def test_imposed_weights_reach_the_loss(task):
    lengths = [len(document.sentences) for document in task.train]
    uniform = [torch.full((length,), 1 / length) for length in lengths]
    first = [torch.eye(length)[0] for length in lengths]
    losses = []
    for weights in uniform, first, None:
        model = task.build(0, hidden_dim=3, **SIZES)
        history, _ = task.train_model(
            model, PLAN, epochs=1, seed=0, sentence_weights=weights
        )
        losses.append(history.epoch_loss[0])
    assert len(set(losses)) == 3
    right = task.right(model, task.train, first)
    assert right.shape == (60,)


def test_probabilities_in_the_documents_order(task):
    model = task.build(0, hidden_dim=3, **SIZES)
    found = task.probabilities(model, task.test)  # two batches
    assert_close(found.sum(1), torch.ones(110))
    alone = task.probabilities(model, task.test[107:108])
    assert_close(found[107:108], alone)
    want = (found.argmax(1) == torch.tensor(task.labels(task.test))).double()
    assert task.right(model, task.test).tolist() == want.tolist()


@pytest.mark.parametrize("flat", [False, True])
def test_weights_belong_to_their_document(task, flat):
    model = task.build(0, hidden_dim=3, hierarchical=not flat, **SIZES)
    found = task.weights(model, task.test)
    assert len(found) == 110
    for number in (0, 105):
        document = task.test[number]
        batch = task.batch([document])
        with torch.no_grad(), record_weights(model) as recorded:
            model(batch.words, batch.word_mask)
        words = recorded["word_level.attention"][0].view(batch.words.shape)[0]
        for i, sentence in enumerate(document.sentences):
            assert_close(found[number].words[i], words[i, : len(sentence)])
        if flat:
            sums = [row.sum() for row in found[number].words]
            assert_close(found[number].sentences, torch.stack(sums))
        else:
            sentences = recorded["sentence_level.attention"][0][0, 0]
            assert_close(found[number].sentences, sentences)
        assert_close(found[number].sentences.sum(), torch.tensor(1.0))


def test_weights_as_plain_data():
    weights = DocumentWeights(torch.tensor([1.0]), (torch.tensor([0.5, 0.5]),))
    assert weights.as_data() == {"sentences": [1.0], "words": [[0.5, 0.5]]}


def test_an_average_has_no_weights(task):
    model = task.build(0, hidden_dim=3, pooling="average", **SIZES)
    with pytest.raises(ValueError, match="no attention layer in HAN"):
        task.weights(model, task.test)


def test_scores_against_the_truth():
    document = LabelledDocument((("a", "b"), ("c",)), label=0, telling=(0, 1))
    flat = DocumentWeights(
        torch.tensor([0.5, 0.5]), (torch.tensor([0.4, 0.1]), torch.tensor([0.5]))
    )
    scores = telling_scores([flat], [document])
    assert scores == pytest.approx((1.0, 0.5, 0.0, 0.2))
    unknown = LabelledDocument(document.sentences, label=0)
    with pytest.raises(ValueError, match="must have telling, got one with None"):
        telling_scores([flat], [unknown])


def test_weights_of_a_word_where_it_tells_and_where_it_does_not(task):
    model = task.build(0, hidden_dim=3, **SIZES)
    weights = task.weights(model, task.test)
    found = word_weights("good", weights, task.test)
    words = [w for x in task.test for s in x.sentences for w in s]
    assert sum(map(len, found.values())) == words.count("good")
    telling = [
        (w.words[i][t], w.words[i][t] * w.sentences[i])
        for w, x in zip(weights, task.test, strict=True)
        for i, t in [x.telling]
        if x.sentences[i][t] == "good"
    ]
    np.testing.assert_allclose(found[True], np.array(telling), rtol=1e-6)
    assert word_weights("gold", weights, task.test)[True].shape == (0, 2)


def test_company_matters_without_a_mask_only(task):
    model = task.build(0, hidden_dim=3, **SIZES)
    right = task.right(model, task.test).mean()
    for length in (5, 30):
        same = right_in_company(task, model, task.test, length, lambda mask: mask)
        assert same == pytest.approx(right)
    masks = []
    right_in_company(task, model, task.test, 30, lambda m: masks.append(m) or m)
    assert masks[0].shape[:2] == (111, 30)
    assert masks[0][-1].all()


def test_tfidf_learns_words_but_not_which_clause_they_are_in():
    easy = [
        LabelledDocument(((word,),), int(word == "good")) for word in ("good", "bad")
    ]
    assert tfidf_right(easy, easy).mean() == 1
    assert tfidf_right(easy[:1], easy).tolist() == [1, 0]  # one class is known
    hard = planted_documents(600, sentences=(6, 6), seed=0)
    assert tfidf_right(hard[:400], hard[400:]).mean() < 0.65


def test_docstrings():
    task = docstring_task(
        train=120,
        dev=20,
        test=30,
        max_sentences=3,
        max_words=9,
        vector_dim=6,
        seed=2,
        device=torch.device("cpu"),
        limit=100,
    )
    assert [len(part) for part in (task.train, task.dev, task.test)] == [100, 20, 30]
    documents = [*task.train, *task.dev, *task.test]
    assert max(len(x.sentences) for x in documents) == 3
    assert max(len(s) for x in documents for s in x.sentences) == 9
    counts = Counter(w for x in task.train for s in x.sentences for w in s)
    assert {w in task.vocab for w, count in counts.items() if count == 1} == {False}
    assert {w in task.vocab for w, count in counts.items() if count > 1} == {True}
    assert len(task.classes) == 6
    model = task.build(0, hidden_dim=3, embed_dim=6, attention_dim=7)
    assert_close(model.embedding.weight.detach(), task.vectors)
    assert task.vectors[task.vocab.encode(["the"])[0]].norm() > 0
    with pytest.raises(ValueError, match="vectors must have shape"):
        task.build(0, hidden_dim=3, embed_dim=5, attention_dim=7)


def test_vectors_of_a_few_documents_end_in_zeros():
    task = docstring_task(
        train=9,
        dev=0,
        test=1,
        max_sentences=2,
        max_words=9,
        vector_dim=50,
        seed=2,
        device=torch.device("cpu"),
        limit=4,
    )
    assert task.vectors.shape == (len(task.vocab), 50)
    assert (task.vectors[:, -1] == 0).all()
    assert (task.vectors != 0).any()


def test_movie_reviews(mirror):
    task = movie_review_task(
        3, max_sentences=4, max_words=6, device=torch.device("cpu"), limit=50
    )
    assert len(task.train) == 50
    assert 0.3 < np.mean(task.labels(task.train)) < 0.7
    assert len(task.test) == 20  # with a limit, every tenth
    assert task.labels(task.test).tolist().count(0) == 10
    assert max(len(x.sentences) for x in task.test) == 4


def test_a_system_is_scored_fold_by_fold(monkeypatch):
    parts = planted_documents(60, sentences=(2, 4), seed=1)
    asked, kept = [], []

    def make(fold, **options):
        asked.append((fold, options))
        return DocumentTask(
            train=parts[:40],
            dev=(),
            test=parts[40 + 10 * (fold % 2) : 50 + 10 * (fold % 2)],
            classes=("dreadful", "good"),
            vocab=Vocab(document_words(parts)),
            device=options["device"],
        )

    monkeypatch.setattr(documents, "movie_review_task", make)
    given = {
        "folds": (2, 3),
        "epochs": 2,
        "seed": 0,
        "text": {"max_sentences": 4, "vector_dim": 5},
        "sizes": {**SIZES, "hidden_dim": 3},
        "device": torch.device("cpu"),
        "checkpoints": kept.append,
    }
    scores = {name: run_movie_system(name, PLAN, **given) for name in MOVIE_SYSTEMS}
    assert [fold for fold, _ in asked] == [2, 3] * 4
    assert [x["vector_dim"] for _, x in asked] == [5] * 6 + [None] * 2
    assert len(set(kept)) == 6  # counting words needs no checkpoint
    for name, found in scores.items():
        assert found.name == name
        assert found.items.shape == (2,)
    task = make(3, device=torch.device("cpu"))
    model = task.build(0, **given["sizes"], pooling="max")
    task.train_model(model, PLAN, epochs=2, seed=0)
    assert scores["HN-MAX"].items[1] == task.right(model, task.test).mean()
    assert scores["HN-MAX"].details["parameters"] == count_parameters(model)
    right = tfidf_right(task.train, task.test).mean()
    assert scores["TF-IDF"].items[1] == right

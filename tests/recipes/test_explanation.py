"""Interventions on weights and on text: small models whose answers are known."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.documents.labelled import LabelledDocument
from attention_book.recipes.documents import planted_task
from attention_book.recipes.explanation import (
    compare_decisions,
    delete_highest,
    deletion_test,
    in_random_order,
    permute_weights,
    random_scores,
    sentence_gradients,
    shuffled_sentences,
    state_likeness,
    without_highest,
)

SIZES = {"embed_dim": 5, "hidden_dim": 3, "attention_dim": 7}


@pytest.fixture(scope="module")
def task():
    sizes = {"train": 40, "dev": 1, "test": 12}
    return planted_task(**sizes, sentences=(2, 4), seed=1, device=torch.device("cpu"))


@pytest.fixture
def model(task):
    model = task.build(0, **SIZES)
    model.class_proj.weight.data.mul_(20)  # decisions that differ
    return model


def test_total_variation_distance():
    before = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]])
    after = torch.tensor([[0.4, 0.1, 0.5], [0.6, 0.2, 0.2]])
    found = compare_decisions(before, after)
    np.testing.assert_allclose(found.distance, [0.4, 0.0], atol=1e-6)
    assert found.flipped.tolist() == [1.0, 0.0]


def test_gradients_are_slopes(task, model):
    """Against differences of the probability, one weight at a time."""
    model.double()
    documents = task.test[:4]
    found = sentence_gradients(task, model, documents)
    weights = task.weights(model, documents)
    for document, gradient, entry in zip(documents, found, weights, strict=True):
        batch = task.batch([document])
        p = task.probabilities(model, [document])
        chosen = int(p.argmax())
        for i in range(len(document.sentences)):
            slopes = []
            for step in (1e-5, -1e-5):
                moved = entry.sentences[None].clone()
                moved[0, i] += step
                with torch.no_grad():
                    logits = model(batch.words, batch.word_mask, sentence_weights=moved)
                slopes.append(logits.softmax(1)[0, chosen])
            want = (slopes[0] - slopes[1]) / 2e-5
            assert_close(gradient[i], want, rtol=1e-4, atol=1e-6)


def test_the_highest_sentences_go():
    document = LabelledDocument((("a",), ("b",), ("c",), ("d",)), 1, telling=(0, 0))
    scores = [torch.tensor([0.1, -3.0, 0.7, 0.2])]
    (shorter,) = without_highest([document], scores, 2)
    assert shorter == LabelledDocument((("a",), ("b",)), 1)
    with pytest.raises(ValueError, match="more than 4 sentences, got one with 4"):
        without_highest([document], scores, 4)


def test_deletion_reads_the_shorter_text(task, model):
    scores = random_scores(task.test[:5], seed=0)
    found = delete_highest(task, model, task.test[:5], scores, 1)
    shorter = without_highest(task.test[:5], scores, 1)
    before, after = (task.probabilities(model, x) for x in (task.test[:5], shorter))
    np.testing.assert_allclose(found.distance, (before - after).abs().sum(1) / 2)


def test_three_rankings_delete_one_sentence_each(task, model):
    found = deletion_test(task, model, task.test, seed=3, most=4)
    documents = [x for x in task.test if len(x.sentences) > 2][:4]
    assert len(documents) == 4
    rankings = {
        "attention": [x.sentences for x in task.weights(model, documents)],
        "gradient": sentence_gradients(task, model, documents),
        "random": random_scores(documents, 3),
    }
    assert list(found) == list(rankings)
    for name, ranking in rankings.items():
        wanted = delete_highest(task, model, documents, ranking, 1)
        np.testing.assert_array_equal(found[name].distance, wanted.distance)


def test_random_scores_depend_on_the_seed(task):
    one, same, other = (random_scores(task.test, seed) for seed in (1, 1, 2))
    assert [len(row) for row in one] == [len(x.sentences) for x in task.test]
    assert torch.equal(torch.cat(one), torch.cat(same))
    assert not torch.equal(torch.cat(one), torch.cat(other))


@pytest.mark.parametrize("level", ["words", "sentences"])
def test_permuting_equal_weights_changes_nothing(task, model, level):
    upper = model.sentence_level if level == "sentences" else model.word_level
    torch.nn.init.zeros_(upper.attention.query)
    found = permute_weights(task, model, task.test, level=level, times=2, seed=0)
    np.testing.assert_allclose(found.distance, 0, atol=1e-5)
    assert not found.flipped.any()


@pytest.mark.parametrize("level", ["words", "sentences"])
def test_permuting_uneven_weights_changes_decisions(task, model, level):
    upper = model.sentence_level if level == "sentences" else model.word_level
    upper.attention.query.data.mul_(50)
    found = permute_weights(task, model, task.test, level=level, times=5, seed=0)
    assert found.distance.shape == (12,)
    assert found.distance.max() > 0.01
    assert set((found.flipped * 5).round(6)) <= set(range(6))


def test_shuffled_weights_stay_in_their_document(task, model):
    weights = task.weights(model, task.test)
    shuffled = shuffled_sentences(weights, seed=0)
    moved = 0
    for entry, row in zip(weights, shuffled, strict=True):
        assert_close(row.sort().values, entry.sentences.sort().values)
        moved += not torch.equal(row, entry.sentences)
    assert moved > 3


def test_likeness_is_the_mean_cosine_of_pairs(task, model):
    cosines = []
    for document in task.test[:3]:
        batch = task.batch([document])
        with torch.no_grad():
            vectors = model.read_words(batch.words, batch.word_mask)
            states = model.read_sentences(vectors, batch.word_mask.any(2))[0]
        pairs = [
            float(a @ b / (a.norm() * b.norm()))
            for i, a in enumerate(states)
            for j, b in enumerate(states)
            if i != j
        ]
        cosines.append(np.mean(pairs))
    found = state_likeness(task, model, task.test[:3])
    assert found == pytest.approx(np.mean(cosines), abs=1e-5)


def test_sentences_in_random_order(task):
    one, same, other = (in_random_order(task.test, seed) for seed in (1, 1, 2))
    assert one == same != other
    for before, after in zip(task.test, one, strict=True):
        assert sorted(before.sentences) == sorted(after.sentences)
        assert before.label == after.label
        assert after.telling is None

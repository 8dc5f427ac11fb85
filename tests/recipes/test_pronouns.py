"""Readers of pronouns: trained alike, scored where the right noun is known."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.pronouns import (
    pronoun_ids,
    pronoun_sentence,
    pronoun_words,
)
from attention_book.models.self_attention import PronounConfig, PronounModel
from attention_book.recipes import pronouns

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study():
    return pronouns.pronoun_study(sentences=50, steps=4, seed=2, device=CPU)


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = PronounConfig(vocab=len(pronoun_words()), num_layers=2)
    return PronounModel(config)


def test_arms_start_alike_and_differ_in_the_weights(study):
    untrained = []

    def keep(layer):
        untrained.append(layer.key_proj.weight.detach().clone())

    study.fit("one", prepare=keep)
    average = study.fit("two", prepare=pronouns.hold_uniform)
    study.fit("three", prepare=keep)
    assert_close(*untrained)
    assert (average.layers[0].query_proj.weight == 0).all()
    weights = pronouns.pronoun_weights(average, study.test[:3])
    assert_close(weights, torch.full((3, 12, 12), 1 / 12))


def test_the_same_seed_gives_the_same_model_and_checkpoints_have_names(study):
    names = []

    def file(name):
        names.append(name)

    one, other = (
        pronouns.pronoun_study(
            sentences=50, steps=4, seed=2, device=CPU, checkpoints=file
        ).fit(name, num_layers=2, read_at=8)
        for name in ("a", "b")
    )
    assert_close(one.state_dict(), other.state_dict())
    assert names == ["a", "b"]
    assert one.config.read_at == 8


def test_scores_one_sentence_at_a_time(study, model):
    scores = study.score(model)
    weights = pronouns.pronoun_weights(model, study.test)[:, -1]
    right, referent, other, largest = [], [], [], []
    german = {"er": 0, "sie": 1, "es": 2}
    for sentence, row in zip(study.test, weights, strict=True):
        ids, label = pronoun_ids([sentence])
        nouns = sentence.words[sentence.referent], sentence.words[sentence.other]
        genders = [
            pronouns.LIVING.get(noun, pronouns.PLACES.get(noun)) for noun in nouns
        ]
        if genders[0] != genders[1]:
            right.append((model(ids).argmax(-1) == label).item())
        referent.append(row[sentence.referent].item())
        other.append(row[sentence.other].item())
        largest.append(row.argmax().item() == sentence.referent)
        assert label.item() in german.values()

    def mean(numbers):
        return pytest.approx(sum(numbers) / len(numbers), rel=1e-4)

    assert scores.right == mean(right)
    assert scores.referent == mean(referent)
    assert scores.other == mean(other)
    assert scores.largest == mean(largest)


def test_genders_that_differ():
    sentences = [
        pronoun_sentence("dog", "river", "ill"),  # der Hund, der Fluss
        pronoun_sentence("dog", "street", "ill"),  # die Straße
    ]
    assert pronouns.different_genders(sentences).tolist() == [False, True]


def test_weights_of_each_layer(study, model):
    ids, _ = pronoun_ids(study.test[:2])
    x = model.embedding(ids)
    context, first = model.layers[0](x, x, x, need_weights=True)
    x = x + context
    _, second = model.layers[1](x, x, x, need_weights=True)
    for number, wanted in enumerate((first, second)):
        found = pronouns.pronoun_weights(model, study.test[:2], layer=number)
        assert_close(found, wanted.detach())


def test_a_limit_shortens_the_study():
    short = pronouns.pronoun_study(sentences=50, steps=40, seed=0, device=CPU, limit=3)
    assert (len(short.train), short.steps) == (3, 3)

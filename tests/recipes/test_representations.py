"""Tasks and models of the fourth axis, and how they are trained."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.recipes.representations import (
    FeatureWeights,
    LargestFeatures,
    MeanOfWords,
    TwoViews,
    ViewWeights,
    WordWeights,
    unexplained_variance,
)


def test_the_largest_value_of_each_feature():
    (words,), target = LargestFeatures(num_words=5, dim=3).draw(2)
    assert words.shape == (2, 5, 3)
    for b in range(2):
        for k in range(3):
            assert target[b, k] == max(words[b, i, k] for i in range(5))


def test_one_of_two_views_knows_each_word():
    task = TwoViews(dim=4, view_dims=(5, 7), seed=0)
    views, truth = task.draw(400)
    assert [view.shape for view in views] == [(400, 1, 5), (400, 1, 7)]
    assert truth.shape == (400, 1, 4)
    unknown = task.unknown(views)
    assert not unknown.all(dim=-1).any()
    for e, view in enumerate(views):
        silent = view[unknown[..., e]]
        assert 0.1 < len(silent) / 400 < 0.4
        assert (silent == silent[0]).all()
        known = ~unknown[..., e]
        solution = torch.linalg.lstsq(truth[known], view[known]).solution
        assert_close(truth[known] @ solution, view[known], atol=1e-4, rtol=1e-4)
    same, _ = TwoViews(dim=4, view_dims=(5, 7), seed=0).draw(50)
    silent = task.unknown(same)
    assert silent.any()


@pytest.mark.parametrize(
    "model", [FeatureWeights(3), WordWeights(3, 11, num_rows=2), MeanOfWords(3)]
)
def test_sentences_become_one_vector_each(model):
    words = torch.randn(2, 5, 3)
    assert model(words).shape == (2, 3)
    assert_close(model(words.flip(1)), model(words))  # no order


def test_words_weights_one_word_at_a_time():
    model = WordWeights(3, 11, num_rows=2)
    words = torch.randn(1, 5, 3)
    scores = torch.stack([model.score(word) for word in words[0]])
    means = []
    for row in range(2):
        weights = scores[:, row].exp() / scores[:, row].exp().sum()
        means.append(sum(w * word for w, word in zip(weights, words[0], strict=True)))
    assert_close(model(words)[0], model.out_proj(torch.cat(means)))


def test_views_weigh_the_same_if_they_are_fixed():
    task = TwoViews(dim=4, view_dims=(5, 7), seed=0)
    views, _ = task.draw(6)
    model = ViewWeights(task, (0, 1), fixed=True)
    sides = [p(v) for p, v in zip(model.layer.view_projs, views, strict=True)]
    assert_close(model(*views), (sides[0] + sides[1]) / 2)
    alone = ViewWeights(task, (1,))
    assert_close(alone(*views), alone.layer.view_projs[0](views[1]))


def test_training_explains_more_and_a_seed_gives_the_same_model():
    task = LargestFeatures(num_words=5, dim=3)
    make = partial(MeanOfWords, 3)
    few, many = (
        unexplained_variance(make, task, seed=1, epochs=epochs, num_examples=200)
        for epochs in (1, 8)
    )
    assert many[1] < few[1]
    again = unexplained_variance(make, task, seed=1, epochs=8, num_examples=200)
    assert again[1] == many[1]
    assert_close(again[0].out_proj.weight, many[0].out_proj.weight)


def test_seeds_of_numpy(no_shape_checks):
    ours, plain = (TwoViews(4, (5, 7), seed=seed) for seed in (np.int64(2), 2))
    for one, other in zip(ours._maps, plain._maps, strict=True):
        assert torch.equal(one, other)
    task, make = LargestFeatures(num_words=5, dim=3), partial(MeanOfWords, 3)
    options = {"epochs": 1, "num_examples": 64}
    found = unexplained_variance(make, task, seed=np.int64(1), **options)
    assert found[1] == unexplained_variance(make, task, seed=1, **options)[1]


def test_fewer_examples_than_a_batch_are_one():
    task = LargestFeatures(num_words=5, dim=3)
    options = {"seed": 1, "epochs": 1, "num_examples": 7}
    model, left = unexplained_variance(partial(MeanOfWords, 3), task, **options)
    assert left > 0
    assert model.out_proj.weight.shape == (3, 3)

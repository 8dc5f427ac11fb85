"""Training runs of sentence pairs: seeds, what is kept, what is measured on the way."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.models.abcnn.config import VARIANTS
from attention_book.models.mpcnn.config import LIGHT
from attention_book.recipes.sentence_pairs.comparison import main_measure, measure
from attention_book.recipes.sentence_pairs.training import (
    EvaluatedRun,
    PairTraining,
    build_abcnn,
    fit_mpcnn,
    pair_features,
    pair_scores,
    train_abcnn,
    train_mpcnn,
)
from attention_book.training import loop

TRAINING = PairTraining(
    epochs=2, batch_size=8, learning_rate=0.01, device="cpu", evaluations=2
)
SMALL = {"num_filters": 3, "hidden_dim": 4, **LIGHT}


@pytest.fixture(params=["classes", "graded"])
def task(request):
    return request.getfixturevalue(request.param)


def test_mpcnn_fits_the_task_and_a_seed_gives_the_same_model(task):
    models = [train_mpcnn(task, TRAINING, seed=seed, **SMALL) for seed in (1, 1, 2)]
    one, same, other = (pair_scores(model, task) for model in models)
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
    assert models[0].config.grades == task.grades
    assert len(one) == 9


def test_a_model_is_prepared_before_it_is_trained(classes):
    seen = []

    def prepare(model):
        seen.append([p.clone() for p in model.parameters() if p.requires_grad])

    model = train_mpcnn(classes, TRAINING, seed=0, prepare=prepare, **SMALL)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert len(seen) == 1
    for before, after in zip(seen[0], trained, strict=True):
        assert (before != after).any()


def test_the_best_epoch_or_the_last_one_is_kept(task, monkeypatch):
    """The loss on dev is made to rise, so that the first epoch is the best."""
    rising = iter(range(1, 100))
    monkeypatch.setattr(loop, "evaluate", lambda *_, **__: float(next(rising)))
    best, history = fit_mpcnn(task, TRAINING, seed=1, **SMALL)
    assert (history.best_epoch, history.dev_score) == (0, [])
    once = replace(TRAINING, epochs=1)
    last, followed = fit_mpcnn(task, replace(TRAINING, keep="last"), seed=1, **SMALL)
    wanted = pair_scores(train_mpcnn(task, once, seed=1, **SMALL), task)
    np.testing.assert_array_equal(pair_scores(best, task), wanted)
    assert (pair_scores(last, task) != wanted).any()
    assert len(followed.dev_score) == 2
    scores = pair_scores(last, task, "dev")
    assert followed.dev_score[-1] == pytest.approx(main_measure(task, scores, "dev"))


def test_the_last_layer_starts_as_it_is_told(ranking):
    options = {"seed": 0, "batch_size": 8, "num_filters": 3, "max_tokens": 4}
    model = build_abcnn(ranking, "ABCNN-3", **options)
    assert model.output_proj.weight.tolist() == [[5.0, 5.0]]
    batches = ranking.batches("train", batch_size=8).batches
    share = ranking.labels("train").mean()
    logit = model.score(batches[len(batches) // 2]).mean()
    assert logit.item() == pytest.approx(math.log(share / (1 - share)), abs=1e-5)
    small = build_abcnn(ranking, "ABCNN-3", start=None, set_bias=False, **options)
    assert small.output_proj.weight.abs().max() < 1
    assert_close(small.blocks[0].conv.weight, model.blocks[0].conv.weight)


@pytest.mark.parametrize("variant", VARIANTS)
def test_abcnn_is_measured_and_goes_back_to_its_best(ranking, variant, no_shape_checks):
    model = build_abcnn(
        ranking, variant, seed=0, batch_size=8, num_filters=3, max_tokens=4
    )
    run = train_abcnn(ranking, model, TRAINING, seed=3)
    assert run.curve.shape == (4, 2, 2)  # twice in each of two epochs; dev and test
    for i, part in enumerate(("dev", "test")):
        for at, scores in zip(run.curve, run.scores, strict=True):
            assert at[i].tolist() == list(measure(ranking, scores[part], part).values())
        assert run.main_curves[part].tolist() == run.curve[:, i, 0].tolist()
    for part in "dev", "test":
        np.testing.assert_allclose(
            pair_scores(model, ranking, part), run.scores_at_best(part), rtol=1e-6
        )
    again = build_abcnn(
        ranking, variant, seed=0, batch_size=8, num_filters=3, max_tokens=4
    )
    np.testing.assert_array_equal(
        train_abcnn(ranking, again, TRAINING, seed=np.int64(3)).curve, run.curve
    )


def test_an_abcnn_that_was_stopped_goes_on(ranking, tmp_path):
    def build():
        options = {"seed": 0, "batch_size": 8, "num_filters": 3, "max_tokens": 4}
        return build_abcnn(ranking, "ABCNN-3", **options)

    def train(model, at=None):
        losses = []

        def loss(batch):
            losses.append(None)
            if len(losses) == at:
                raise KeyboardInterrupt
            return plain(batch)

        plain, model.loss = model.loss, loss
        return train_abcnn(ranking, model, training, seed=3, name="one"), model

    training = replace(TRAINING, checkpoints=lambda name: tmp_path / name)
    steps = len(ranking.batches("train", batch_size=8).batches)
    with pytest.raises(KeyboardInterrupt):
        train(build(), 2 * steps)  # the last step of the second epoch
    assert [path.name for path in tmp_path.iterdir()] == ["one, seed 3"]
    run, model = train(build())
    wanted = build()
    whole = train_abcnn(ranking, wanted, TRAINING, seed=3)
    np.testing.assert_array_equal(run.curve, whole.curve)
    for at, wanted_at in zip(run.scores, whole.scores, strict=True):
        for part, scores in wanted_at.items():
            np.testing.assert_array_equal(at[part], scores)
    for own, other in zip(model.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(own, other)


def test_an_mpcnn_is_kept_under_its_name_and_seed(classes, tmp_path):
    training = replace(TRAINING, checkpoints=lambda name: tmp_path / name)
    train_mpcnn(classes, training, seed=5, name="light", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["light, seed 5"]


def test_the_best_time_depends_on_the_part_that_chooses():
    curve = np.array([[[0.5, 0.1], [0.7, 0.2]], [[0.6, 0.3], [0.4, 0.4]]])
    scores = [{"dev": np.zeros(2), "test": np.ones(3)} for _ in range(2)]
    run = EvaluatedRun(curve, scores)
    assert (run.best("dev"), run.best("test")) == (1, 0)
    assert run.measures("test") == [0.4, 0.4]
    assert run.measures("test", chosen_by="test") == [0.7, 0.2]
    assert run.measures("dev", chosen_by="test") == [0.5, 0.1]
    assert run.scores_at_best("test", chosen_by="test") is scores[0]["test"]


def test_scores_and_features_stand_in_the_order_of_the_data(ranking):
    model = build_abcnn(
        ranking, "BCNN", seed=0, batch_size=8, num_filters=3, max_tokens=4
    )
    scores = pair_scores(model, ranking, "train")
    features = pair_features(model, ranking, "train")
    assert not model.training
    alone = torch.cat(
        [model.score(batch) for batch in ranking.loader("train", batch_size=1)]
    )
    np.testing.assert_allclose(scores, alone.detach(), rtol=1e-5, atol=1e-5)
    weight, bias = model.output_proj.weight[0], model.output_proj.bias
    assert_close(torch.from_numpy(features) @ weight + bias, alone)


def test_batches_may_be_changed_before_they_are_scored(ranking):
    model = build_abcnn(
        ranking, "BCNN", seed=0, batch_size=8, num_filters=3, max_tokens=4
    )
    seen = []

    def change(batch):
        seen.append(len(batch))
        return batch

    plain = pair_scores(model, ranking)
    np.testing.assert_array_equal(pair_scores(model, ranking, change=change), plain)
    assert sum(seen) == 9

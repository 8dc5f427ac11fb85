"""Single systems: what a record keeps of them is what was measured."""

import json
from dataclasses import replace

import pytest
import torch

from attention_book.models.mpcnn.config import LIGHT, MPCNNConfig
from attention_book.recipes.sentence_pairs.comparison import (
    graded_samples,
    measure,
    ranked_samples,
)
from attention_book.recipes.sentence_pairs.study import study_variants
from attention_book.recipes.sentence_pairs.systems import (
    ABCNN_SYSTEMS,
    MPCNN_SYSTEMS,
    run_abcnn_system,
    run_mpcnn_system,
    uniform_weights,
)
from attention_book.recipes.sentence_pairs.training import (
    PairTraining,
    fit_mpcnn,
    pair_scores,
    train_mpcnn,
)

TRAINING = PairTraining(
    epochs=2, batch_size=8, learning_rate=0.01, device="cpu", evaluations=2
)
SMALL = {"num_filters": 3, "hidden_dim": 4, **LIGHT}
SIZES = {"num_filters": 3, "max_tokens": 4, "width": 2}


def test_names_of_the_systems():
    assert ABCNN_SYSTEMS["ABCNN-2"] == {"variant": "ABCNN-2", "num_blocks": 1}
    two = {"variant": "ABCNN-2", "num_blocks": 2}
    assert ABCNN_SYSTEMS["ABCNN-2 with two blocks"] == two
    assert ABCNN_SYSTEMS["ABCNN-1 with words"]["map_values"] == "words"
    assert (len(ABCNN_SYSTEMS), len(MPCNN_SYSTEMS)) == (11, 12)


def test_an_abcnn_is_that_of_the_study(ranking):
    names = []
    training = replace(TRAINING, checkpoints=names.append)
    run = run_abcnn_system(ranking, "ABCNN-1", training, seed=3, **SIZES)
    assert names == [f"{ranking.name}, ABCNN-1, seed 3"]
    study = study_variants(ranking, ["ABCNN-1"], TRAINING, seeds=[3], **SIZES)
    (wanted,) = study.runs["ABCNN-1"]
    values = run.values("abcnn")
    for part, start in ("test", ""), ("dev", "dev_"):
        found = [values[f"abcnn_abcnn_1_{start}{name}"] for name in ("map", "mrr")]
        assert found == wanted.measures(part)
    best = [values[f"abcnn_abcnn_1_{name}_chosen_on_test"] for name in ("map", "mrr")]
    assert best == wanted.measures("test", chosen_by="test")
    refit = study.refits("ABCNN-1")["refit_counts"]["test"]
    assert values["abcnn_abcnn_1_map_refit_counts"] == refit
    curve = json.loads(values["abcnn_abcnn_1_curve"])
    assert curve["dev"] == pytest.approx(wanted.curve[:, 0, 0], abs=1e-4)
    assert curve["test"] == pytest.approx(wanted.curve[:, 1, 0], abs=1e-4)
    assert values["abcnn_abcnn_1_chosen_epoch"] == (wanted.best("dev") + 1) / 2
    assert values["abcnn_abcnn_1_data"] == ranking.name
    qualities = json.loads(values["abcnn_abcnn_1_qualities"])
    for part, start in ("test", ""), ("dev", "dev_"):
        assert sum(qualities[part]) / len(qualities[part]) == pytest.approx(
            values[f"abcnn_abcnn_1_{start}map"], abs=1e-4
        )
    samples = json.loads(values["abcnn_abcnn_1_samples"])
    assert samples == ranked_samples(ranking, wanted.scores_at_best("test"))
    assert "samples" not in str(run)
    assert "ABCNN-1 on " in str(run)
    assert f"map {values['abcnn_abcnn_1_map']:.4f}" in str(run)


@pytest.mark.parametrize("name", list(ABCNN_SYSTEMS))
def test_each_system_has_checkpoints_of_its_own(ranking, name):
    names = []
    training = replace(TRAINING, epochs=1, checkpoints=names.append)
    run = run_abcnn_system(ranking, name, training, seed=0, **SIZES)
    assert names == [f"{ranking.name}, {name}, seed 0"]
    more = len([k for k in run.values("abcnn") if k.endswith("_map")])
    assert more == 2  # test and dev


def test_words_as_values_have_no_parameters(ranking):
    counts = [
        run_abcnn_system(ranking, name, TRAINING, seed=0, **SIZES).details["parameters"]
        for name in ("ABCNN-1", "ABCNN-1 with a softmax", "ABCNN-1 with words")
    ]
    dim = ranking.matrix.shape[1]
    assert counts[0] == counts[1] == counts[2] + 2 * SIZES["max_tokens"] * dim


def test_two_blocks_have_more_parameters(ranking):
    one, two = (
        run_abcnn_system(ranking, name, TRAINING, seed=0, **SIZES)
        for name in ("BCNN", "BCNN with two blocks")
    )
    # A second convolution of 3 filters over 2 columns of 3, and one more cosine.
    more = two.details["parameters"] - one.details["parameters"]
    assert more == 3 * (2 * 3 + 1) + 1


@pytest.mark.parametrize("kind", ["classes", "graded"])
def test_an_mpcnn_is_measured_on_dev_and_test(kind, request):
    task, names = request.getfixturevalue(kind), []
    training = replace(TRAINING, checkpoints=names.append)
    run = run_mpcnn_system(task, "attention", training, seed=1, **SMALL)
    assert names == [f"{task.name}, attention, seed 1"]
    options = SMALL | {"attention": True}
    model, history = fit_mpcnn(task, TRAINING, seed=1, **options)
    for part, start in ("test", ""), ("dev", "dev_"):
        for name, value in measure(task, pair_scores(model, task, part), part).items():
            assert run.results[f"{start}{name.lower()}"] == value
    values = run.values("mpcnn")
    assert values["mpcnn_attention_chosen_epoch"] == history.best_epoch + 1
    losses = json.loads(values["mpcnn_attention_dev_losses"])
    assert losses == pytest.approx(history.dev_loss, abs=1e-4)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert values["mpcnn_attention_parameters"] == trained
    samples = json.loads(values["mpcnn_attention_samples"])
    assert samples == graded_samples(task, pair_scores(model, task))
    assert bool(samples) == (kind == "graded")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("one vector", {"comparison": "one vector"}),
        ("compared once", {"comparison": "once"}),
        ("equal widths", {"comparison": "equal widths"}),
        ("light", {}),
        ("light with single words", {"widths": (1,)}),
        ("light with minima and means", {"poolings": ("max", "min", "mean")}),
        ("light with attention", {"attention": True}),
    ],
)
def test_systems_of_the_light_mpcnn(classes, name, changes):
    config = MPCNNConfig(embed_dim=5, **MPCNN_SYSTEMS[name])
    assert config == MPCNNConfig(embed_dim=5, **(LIGHT | changes))
    run = run_mpcnn_system(classes, name, TRAINING, seed=1, **SMALL)
    values = run.values("mpcnn")
    assert 0 <= values[f"mpcnn_{name.replace(' ', '_')}_accuracy"] <= 1


def test_block_b_is_added_to_the_light_mpcnn():
    options = MPCNN_SYSTEMS["light with block B"]
    config = MPCNNConfig(embed_dim=5, num_dim_filters=2, **options)
    light = MPCNNConfig(embed_dim=5, **LIGHT)
    more = len(light.widths) * 2 * (2 + 5)  # a unit for each width and filter number
    assert config.num_features == light.num_features + more


def test_uniform_weights_are_uniform(classes):
    model = train_mpcnn(
        classes, TRAINING, seed=0, attention=True, prepare=uniform_weights, **SMALL
    )
    key = torch.randn(1, 5, 7)
    _, weights = model.attention(torch.randn(1, 3, 7), key)
    assert torch.equal(weights, torch.full((1, 1, 5), 1 / 5))


def test_only_attention_has_weights(classes):
    model = train_mpcnn(classes, TRAINING, seed=0, **SMALL)
    with pytest.raises(ValueError, match="must have attention, its config has att"):
        uniform_weights(model)

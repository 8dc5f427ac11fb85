"""Arms of an MPCNN: equal seeds, what each run reached, differences pair by pair."""

from dataclasses import replace

import numpy as np
import pytest
from torch.testing import assert_close

from attention_book.models.mpcnn.config import LIGHT
from attention_book.recipes.sentence_pairs.arms import study_arms
from attention_book.recipes.sentence_pairs.baselines import baseline_scores
from attention_book.recipes.sentence_pairs.comparison import (
    item_quality,
    main_measure,
    paired_gain,
)
from attention_book.recipes.sentence_pairs.training import (
    PairTraining,
    fit_mpcnn,
    pair_scores,
)

TRAINING = PairTraining(epochs=2, batch_size=8, learning_rate=0.01, device="cpu")
SMALL = {"num_filters": 3, "hidden_dim": 4, **LIGHT}
ARMS = {"one": {"comparison": "one vector"}, "all": {}}


@pytest.fixture(params=["classes", "graded"])
def task(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def study(task):
    return study_arms(task, ARMS, TRAINING, seeds=[3, 4], **SMALL)


def test_each_arm_is_trained_with_each_seed(task, study):
    for name, changes in ARMS.items():
        for number, seed in enumerate((3, 4)):
            model, history = fit_mpcnn(task, TRAINING, seed=seed, **SMALL, **changes)
            for part in "dev", "test":
                scores = pair_scores(model, task, part)
                found = study.scores[name][number][part]
                np.testing.assert_array_equal(found, scores)
                wanted = main_measure(task, scores, part)
                assert study.reached(name, part)[number] == wanted
            assert study.histories[name][number].dev_loss == history.dev_loss
            if not number:
                kept = study.models[name].state_dict()
                for key, value in model.state_dict().items():
                    assert_close(kept[key], value)
                count = sum(p.numel() for p in model.parameters() if p.requires_grad)
                assert study.num_parameters(name) == count
    losses = [history.dev_loss for history in study.histories["one"]]
    assert study.curve("one").tolist() == pytest.approx(np.mean(losses, axis=0))


def test_the_curve_of_a_run_to_the_end_is_its_measure_on_dev(task):
    training = replace(TRAINING, keep="last")
    study = study_arms(task, {"all": {}}, training, seeds=[3, 4], **SMALL)
    assert study.curve("all")[-1] == pytest.approx(np.mean(study.reached("all", "dev")))


def test_baselines_have_one_run_and_no_parameters(task, study):
    (run,) = study.scores["TF-IDF"]
    for part, scores in run.items():
        wanted = baseline_scores(task, ["TF-IDF"], part=part)["TF-IDF"]
        np.testing.assert_array_equal(scores, wanted)
    assert study.num_parameters("TF-IDF") == 0


@pytest.mark.parametrize("part", ["dev", "test"])
def test_gains_are_paired(task, study, part):
    first, second = (
        [item_quality(task, run[part], part) for run in study.scores[name]]
        for name in ("all", "TF-IDF")
    )
    wanted = paired_gain(first, second, task.groups(part))
    assert study.gain("all", "TF-IDF", part) == wanted


def test_both_parts_together_and_no_group_is_in_both(task, study):
    found = study.gain("all", "one", "both")
    dev, test = (study.gain("all", "one", part) for part in ("dev", "test"))
    sizes = len(task.pairs["dev"]), len(task.pairs["test"])
    mean = (dev.mean * sizes[0] + test.mean * sizes[1]) / sum(sizes)
    assert found.mean == pytest.approx(mean)
    # Each pair is a group of its own, and stays one.
    both = [
        [
            np.concatenate([item_quality(task, run[p], p) for p in ("dev", "test")])
            for run in study.scores[name]
        ]
        for name in ("all", "one")
    ]
    assert found.over_groups == pytest.approx(paired_gain(*both).over_groups)


def test_rows_of_tables(task, study):
    header, *rows = study.rows(["TF-IDF", "one", "all"])
    measures = 3 if task.kind == "grades" else 2
    assert header[:3] == ["TF-IDF", "", ""]
    assert header[-1] if task.kind == "classes" else not header[-1]  # no MSE
    assert all(len(row) == 3 + measures for row in (header, *rows))
    config = study.models["one"].config
    assert rows[0][1] == f"{config.num_features:,}"
    mean, spread = (float(part) for part in rows[0][3].split(" ± "))
    assert mean == pytest.approx(np.mean(study.reached("one")), abs=1e-3)
    assert spread == pytest.approx(np.std(study.reached("one"), ddof=1), abs=1e-3)
    ((label, gain, seeds, groups),) = study.gain_rows([("all", "one")])
    wanted = study.gain("all", "one")
    assert label == "all minus one"
    assert float(gain) == pytest.approx(wanted.mean, abs=1e-3)
    for text, ends in (seeds, wanted.over_seeds), (groups, wanted.over_groups):
        assert [float(end) for end in text.split(" to ")] == pytest.approx(
            ends, abs=1e-3
        )

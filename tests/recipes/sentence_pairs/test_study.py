"""A study of variants: which part chooses, which part reports."""

import numpy as np
import pytest

from attention_book.recipes.sentence_pairs.baselines import baseline_scores
from attention_book.recipes.sentence_pairs.comparison import (
    item_quality,
    main_measure,
    measure,
    refit_scores,
)
from attention_book.recipes.sentence_pairs.study import rows_of_studies, study_variants
from attention_book.recipes.sentence_pairs.training import (
    PairTraining,
    build_abcnn,
    train_abcnn,
)

TRAINING = PairTraining(
    epochs=1, batch_size=8, learning_rate=0.05, device="cpu", evaluations=2
)
SIZES = {"num_filters": 3, "max_tokens": 4}


@pytest.fixture
def study(ranking):
    variants = ["BCNN", "ABCNN-2"]
    return study_variants(ranking, variants, TRAINING, seeds=[3, 4, 5], **SIZES)


def test_each_seed_is_a_run_of_its_own(study, ranking):
    model = build_abcnn(ranking, "ABCNN-2", seed=4, batch_size=8, **SIZES)
    run = train_abcnn(ranking, model, TRAINING, seed=4)
    np.testing.assert_array_equal(study.runs["ABCNN-2"][1].curve, run.curve)
    weights = model.output_proj.weight[0].tolist()
    assert study.last_weights["ABCNN-2"][1] == weights
    assert study.features["ABCNN-2"][1]["train"].shape == (33, 2)
    assert study.models.keys() == {"BCNN", "ABCNN-2"}


def test_results_of_all_systems_on_test(study, ranking):
    results = study.results(num_blind=50)
    expected = ["word overlap", "averaged vectors", "TF-IDF", "counts", "blind"]
    assert list(results) == [*expected, "BCNN", "ABCNN-2"]
    for variant in "BCNN", "ABCNN-2":
        assert results[variant] == [run.measures("test") for run in study.runs[variant]]
    scores = baseline_scores(ranking, ["TF-IDF"], unseen_words=True)["TF-IDF"]
    assert results["TF-IDF"] == [list(measure(ranking, scores).values())]
    assert 0.4 < results["blind"][0][0] < 0.8  # one of three is right


def test_classes_have_no_blind_result(classes):
    study = study_variants(classes, ["BCNN"], TRAINING, seeds=[0], **SIZES)
    assert "blind" not in study.results()


def test_each_part_is_chosen_by_the_other(study, ranking):
    for part, other in (("dev", "test"), ("test", "dev")):
        wanted = [
            item_quality(ranking, run.scores_at_best(part, chosen_by=other), part)
            for run in study.runs["BCNN"]
        ]
        np.testing.assert_array_equal(study.quality("BCNN", part), wanted)
        own = study.refits("BCNN")["own"][part]
        assert own == pytest.approx(np.mean(wanted))


def test_gains_are_paired_by_question_and_seed(study):
    gains = study.gains("ABCNN-2", "BCNN")
    assert list(gains) == ["test", "dev", "both"]
    for part, items in (("test", 3), ("dev", 4), ("both", 7)):
        sides = [np.stack(study.quality(name, part)) for name in ("ABCNN-2", "BCNN")]
        assert sides[0].shape == (3, items)
        assert gains[part].mean == pytest.approx((sides[0] - sides[1]).mean())
    over = study.gains("BCNN", "TF-IDF")["dev"]
    wanted = np.mean(study.quality("BCNN", "dev")) - np.mean(
        study.quality("TF-IDF", "dev")
    )
    assert over.mean == pytest.approx(wanted)


def test_refits_read_cosines_with_counts_or_without(study, ranking):
    found = study.refits("BCNN")
    for label, with_counts in (("refit", False), ("refit_counts", True)):
        values = []
        for features in study.features["BCNN"]:
            inputs = features
            if with_counts:
                inputs = {
                    part: np.hstack([rows, ranking.counts(part)])
                    for part, rows in features.items()
                }
            scores = refit_scores(ranking, inputs)["dev"]
            values.append(main_measure(ranking, scores, "dev"))
        assert found[label]["dev"] == pytest.approx(np.mean(values))


def test_one_feature_alone(study, ranking):
    values = [
        main_measure(ranking, features["train"][:, 1], "train")
        for features in study.features["BCNN"]
    ]
    assert study.alone("BCNN", 1, "train") == pytest.approx(np.mean(values))


def test_choosing_on_test_takes_nothing_off(study):
    flattery = study.flattery("BCNN")
    for gain, run in zip(flattery, study.runs["BCNN"], strict=True):
        best = run.curve[:, 1, 0].max()
        assert gain == pytest.approx(best - run.measures("test")[0])
        assert gain >= 0


def test_rows_start_with_the_data_set_where_there_are_several(study):
    def rows(one):
        return [["BCNN", f"{one.runs['BCNN'][0].measures('test')[0]:.3f}"]]

    (alone,) = rows_of_studies({"toy": study}, rows)
    assert alone == rows(study)[0]
    both = rows_of_studies({"toy": study, "other": study}, rows)
    assert [row[0] for row in both] == ["toy, BCNN", "other, BCNN"]
    assert [row[1] for row in both] == [alone[1]] * 2
